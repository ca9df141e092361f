"""Who is told about what."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.notify.filter import wanted
from gateway.settings import ReceiverSection
from tests.tools.alerts import intent


def receiver(kind: str = "log", **more: Any) -> ReceiverSection:
    extra = {"webhook": {"url": "http://127.0.0.1:1"}, "mqtt": {"broker": "city"}, "apprise": {"url": "json://127.0.0.1"}}.get(kind, {})
    return ReceiverSection.model_validate({"name": "r", "kind": kind, **extra, **more})


def test_invariant_8_a_late_episode_is_told_to_nobody() -> None:
    for kind in ("log", "mqtt", "webhook", "apprise"):
        assert not wanted(receiver(kind), intent("resolved", late=True))


@pytest.mark.parametrize(
    ("least", "severity", "told"), [("critical", "warning", False), ("warning", "critical", True), ("info", "info", True)]
)
def test_severities_below_the_least_are_left_out(least: str, severity: str, told: bool) -> None:
    assert wanted(receiver(min_severity=least), intent(severity=severity)) is told


def test_whoever_was_told_of_the_worst_is_told_of_the_end() -> None:
    over = msgspec.structs.replace(intent("resolved", severity="warning"), peak="critical")
    assert wanted(receiver(min_severity="critical"), over)


def test_send_resolved_false_but_a_topic_is_always_cleared() -> None:
    assert not wanted(receiver(send_resolved=False), intent("resolved"))
    assert wanted(receiver("mqtt", send_resolved=False), intent("resolved"))


@pytest.mark.parametrize(("kind", "told"), [("log", False), ("apprise", False), ("mqtt", True), ("webhook", True)])
def test_E3_people_are_not_told_again_when_data_return(kind: str, told: bool) -> None:
    back = msgspec.structs.replace(intent(reason="data-returned"), quiet=True)
    assert wanted(receiver(kind), back) is told
