"""*Gateway*: accounting that adds up, lanes apart, every reason of a rejection."""

from __future__ import annotations

import pytest

from dashboards.gateway_board import HEALTH, NAME, TOTALS
from devices.rejection import Reason
from tests.dashboards.asking import filled, query_of, stated
from tests.tools.history_servers import Influxd

BOARD = f"{NAME}.en.json"


def test_every_reason_is_a_column() -> None:
    assert stated(query_of(BOARD, "Rejections by reason")) == ["all", *(reason.value for reason in Reason)]


def test_rejections_are_counted_by_interval(database: tuple[Influxd, str]) -> None:
    server, name = database
    (one,) = server.query(filled(BOARD, query_of(BOARD, "Rejections by reason")), db=name)
    at = one["columns"].index("not-json")
    assert {row[at] for row in one["values"]} == {1}, "one in ten minutes"


def test_messages_a_second(database: tuple[Influxd, str]) -> None:
    server, name = database
    (one,) = server.query(filled(BOARD, query_of(BOARD, "Messages a second")), db=name)
    assert one["columns"][1:] == [text.en for text, _ in TOTALS.values()]
    assert one["values"][-1][1] == pytest.approx(7 / 60)


def test_what_is_received_is_accounted_for(database: tuple[Influxd, str]) -> None:
    server, name = database
    (one,) = server.query(filled(BOARD, query_of(BOARD, "Unaccounted")), db=name)
    assert {row[1] for row in one["values"]} - {None} == {0}


def test_each_lane_is_a_line_of_its_own(database: tuple[Influxd, str]) -> None:
    server, name = database
    found = server.query(filled(BOARD, query_of(BOARD, "Backlog of the lanes")), db=name)
    assert {one["tags"]["device"] for one in found} == {"local", "influxdb"}


def test_another_gateway_has_nothing(database: tuple[Influxd, str]) -> None:
    server, name = database
    assert server.query(filled(BOARD, query_of(BOARD, "Health"), gateway="other"), db=name) == []


def test_health_is_a_colour() -> None:
    assert [colour for _, colour in HEALTH.values()] == ["green", "yellow", "red"]
