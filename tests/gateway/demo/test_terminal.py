"""The demo's page: everything it promises is on it, at the sizes it promises, and its account is honest."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from gateway.demo.terminal import AlertView, DeliveryView, DemoView, StationView, ValueView, lines, render, summary

NOW = 1_795_392_000_000
AIR = {"pm25": ValueView(285.94, 1), "no2": ValueView(88.1, 3), "o3": ValueView(None, 9), "co": ValueView(1200.0, 4)}
ALERT = AlertView(
    episode="pm25-smoke/hai-chau-01/1",
    name_vi="Khói bụi PM2,5",
    name_en="PM2.5 smoke",
    station_vi="Hải Châu – Bạch Đằng",
    severity="critical",
    state="firing",
    since_ms=NOW - 600_000,
    value=285.94,
    unit="µg/m³",
)
VIEW = DemoView(
    now_ms=NOW,
    speed=240,
    real_seconds=90,
    stations=[
        *(
            StationView(id=f"s{n}", name_vi=f"Trạm số {n}", name_en=f"Station {n}", medium="air", values=AIR, time_ms=NOW - 39_000)
            for n in range(10)
        ),
        StationView(
            id="w1", name_vi="Sông Hàn – cầu Rồng", name_en="Han River", medium="water", values={"level": ValueView(1.46, 1)}, time_ms=NOW
        ),
        StationView(id="w2", name_vi="Sông Cu Đê", name_en="Cu De River", medium="water"),
        StationView(id="w3", name_vi="Sông Thu Bồn", name_en="Thu Bon River", medium="water", time_ms=NOW - 8 * 3_600_000),
    ],
    alerts=[ALERT],
    deliveries=[DeliveryView(time_ms=NOW - 1000, receiver="terminal", text="CRITICAL Khói bụi PM2,5")],
    received=20345,
    stored=20210,
    rejected=112,
    duplicate=23,
    rejected_by_reason={"not-json": 100, "empty": 12},
    places={"API": "http://127.0.0.1:8080/api/v1", "history": "demo-data/history.duckdb"},
    raised=1,
    delivered=1,
)


def page(view: DemoView, width: int, height: int) -> str:
    console = Console(width=width, height=height, file=io.StringIO(), record=True, force_terminal=True, color_system="truecolor")
    console.print(render(view))
    return console.export_text()


@pytest.mark.parametrize(("width", "height"), [(100, 30), (120, 32), (140, 40), (220, 60)])
def test_the_page_fits_and_shows_all(width: int, height: int) -> None:
    text = page(VIEW, width, height)
    rows = text.rstrip("\n").split("\n")
    assert len(rows) <= height
    assert max(cell_len(row) for row in rows) <= width
    for station in VIEW.stations:
        assert station.name_vi in text
    values = ("285.9", "88.1 3", "– 9", "1200 4", "1.46", "39 s", "8 h", "chưa có")
    for part in (*values, "Khói bụi PM2,5", "06:50", "not-json 100", "8080", "terminal", "×240"):
        assert part in text, part
    assert "received 20,345 = stored 20,210 + rejected 112 + duplicate 23 + shed 0" in text
    if width >= 128:
        assert "Thu Bon River" in text


def test_an_account_that_does_not_balance_is_not_shown_as_balanced() -> None:
    assert "received 20,346 ≠ stored" in page(replace(VIEW, received=20346), 120, 40)


def test_many_alerts_do_not_push_the_account_off_the_page() -> None:
    text = page(replace(VIEW, alerts=[replace(ALERT, episode=str(n)) for n in range(40)]), 100, 30)
    assert len(text.rstrip("\n").split("\n")) <= 30
    assert "(40)" in text
    assert "… +" in text
    assert "received 20,345" in text


def test_an_empty_demo_has_a_page_too() -> None:
    text = page(DemoView(now_ms=NOW, speed=1, real_seconds=0), 100, 30)
    assert "không có · none" in text
    assert "received 0 = stored 0" in text


def test_health_and_its_reason_are_on_the_page() -> None:
    assert "history local: disk full" in page(replace(VIEW, health="red", reasons=["history local: disk full"]), 100, 30)


def test_names_with_markup_are_shown_as_they_are() -> None:
    station = StationView(id="x", name_vi="[red]Trạm[/red]", name_en="x", medium="air", time_ms=NOW)
    assert "[red]Trạm[/red]" in page(replace(VIEW, stations=[station]), 140, 30)


def test_plain_lines_tell_news_once() -> None:
    first = lines(VIEW, None)
    assert any("critical: Hải Châu – Bạch Đằng" in line and "PM2.5 smoke" in line for line in first)
    assert any("terminal took: CRITICAL" in line for line in first)
    assert len(lines(VIEW, VIEW)) == 1
    after = lines(replace(VIEW, alerts=[], health="yellow", reasons=["clock"]), VIEW)
    assert any("over: Hải Châu" in line for line in after)
    assert any("health yellow: clock" in line for line in after)


def test_the_summary_accounts_for_everything() -> None:
    text = summary(VIEW)
    assert "12 of 13 spoke" in text
    assert "received 20345 = stored 20210 + rejected 112 + duplicate 23 + shed 0" in text
    assert "not-json 100, empty 12" in text
    assert "1 raised, 0 over, 1 open; 1 messages delivered" in text
