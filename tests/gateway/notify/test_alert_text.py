"""What people read, in both languages."""

from __future__ import annotations

import pytest

from gateway.notify.describe import Describer, ParameterText, clean
from gateway.notify.filter import wanted
from gateway.notify.text import number, render
from gateway.settings import ReceiverSection
from tests.tools.alerts import DESCRIBER, intent, transition


def test_firing_in_vietnamese() -> None:
    text = render(transition("firing"), DESCRIBER, "vi")
    assert text.title == "[KHẨN CẤP] Bụi mịn rất cao – Trạm Hải Châu"
    assert text.body.split("\n") == [
        "Bụi mịn PM2.5: 178,25 µg/m³ (ngưỡng 75 µg/m³).",
        "Trạm: Trạm Hải Châu, khu vực phường Hải Châu. Thiết bị: hc-1.",
        "Lúc 14:10 23/11/2026 (UTC+07:00), bắt đầu từ 14:00 23/11/2026 (UTC+07:00).",
        "Khuyến cáo: Đeo khẩu trang, hạn chế ra ngoài",
    ]


def test_data_stopped_in_english_is_no_all_clear() -> None:
    text = render(transition("unknown"), DESCRIBER, "en")
    assert text.title == "[CRITICAL, DATA STOPPED] Very high fine dust – Hai Chau station"
    assert text.body.split("\n") == [
        "Data stopped, last known firing. This is not an all-clear.",
        "Last value, Fine dust PM2.5: 178.25 µg/m³ (limit 75 µg/m³).",
        "Station: Hai Chau station, area Hai Chau ward. Device: hc-1.",
        "At 14:30 23/11/2026 (UTC+07:00), since 14:00 23/11/2026 (UTC+07:00).",
        "Advice: Wear a mask, stay indoors",
    ]


def test_readings_that_cannot_be_believed_are_no_all_clear_either() -> None:
    text = render(transition("unknown", reason="data-doubted"), DESCRIBER, "en")
    assert text.title == "[CRITICAL, DATA DOUBTED] Very high fine dust – Hai Chau station"
    assert text.body.startswith("Readings come, but none can be believed; last known firing. This is not an all-clear.\nLast value")
    text = render(transition("unknown", reason="data-doubted"), DESCRIBER, "vi")
    assert text.title.startswith("[KHẨN CẤP, SỐ LIỆU KHÔNG ĐÁNG TIN]")
    assert "không thể tin được" in text.body


def test_resolved_says_why_and_gives_no_advice() -> None:
    text = render(transition("resolved"), DESCRIBER, "en")
    assert text.title == "[RESOLVED] Very high fine dust – Hai Chau station"
    assert text.body.startswith("The alert is over: the value is back beyond the clear level.\nFine dust PM2.5: 31.5 µg/m³")
    assert "Advice" not in text.body


def test_both_languages_vietnamese_first() -> None:
    text = render(transition("firing", mode="exercise"), DESCRIBER, "both")
    assert text.title == (
        "[DIỄN TẬP / EXERCISE] [KHẨN CẤP] Bụi mịn rất cao – Trạm Hải Châu / [CRITICAL] Very high fine dust – Hai Chau station"
    )
    vietnamese, english = text.body.split("\n\n")
    assert vietnamese.startswith("DIỄN TẬP / EXERCISE: đây là tin diễn tập")
    assert english.startswith("DIỄN TẬP / EXERCISE: this is a drill")


@pytest.mark.parametrize("kind", ["device-silent", "never-spoke", "clock-fault"])
@pytest.mark.parametrize("language", ["vi", "en", "both"])
def test_built_in_alerts_without_names_value_or_limit(kind: str, language: str) -> None:
    bare = transition(
        kind=kind, rule=kind, names={}, advice={}, parameter="", value=None, flag=None, unit="", limit=None, area="", device=""
    )
    text = render(bare, Describer(), language)
    assert kind not in text.title, "a name for people, not an id"
    assert "hai-chau" in text.title
    assert "None" not in text.body


def test_a_value_that_is_missing_says_so() -> None:
    assert "không có giá trị (ngưỡng 75 µg/m³)" in render(transition(value=None), DESCRIBER, "vi").body


def test_units_without_a_name() -> None:
    ph = Describer(parameters={"ph": ParameterText({"en": "Acidity"})})
    assert "Acidity: 4.2 (limit 5.5)." in render(transition(parameter="ph", unit="[pH]", value=4.2, limit=5.5), ph, "en").body
    assert "temp: 41 °C (limit 40 °C)." in render(transition(parameter="temp", unit="Cel", value=41.0, limit=40.0), ph, "en").body


@pytest.mark.parametrize(
    ("value", "vi", "en"),
    [
        (178.25, "178,25", "178.25"),
        (75.0, "75", "75"),
        (-0.0, "0", "0"),
        (0.00123456, "0,00123", "0.00123"),
        (123456.789, "123456,79", "123456.79"),
        (-3.5, "-3,5", "-3.5"),
        (100.0, "100", "100"),
    ],
)
def test_numbers(value: float, vi: str, en: str) -> None:
    assert (number(value, "vi"), number(value, "en")) == (vi, en)


def test_a_missing_translation_falls_back_to_the_other_language() -> None:
    assert "Chỉ tiếng Việt" in render(transition(names={"vi": "Chỉ tiếng Việt"}), DESCRIBER, "en").title


def test_names_are_one_bounded_line() -> None:
    assert clean("a\r\nb\x1b[31m\u202e") == "a  b [31m "
    assert len(clean("x" * 1000)) == 200


@pytest.mark.parametrize(
    ("least", "severity", "told"), [("info", "info", True), ("warning", "info", False), ("critical", "critical", True)]
)
def test_filter_by_severity(least: str, severity: str, told: bool) -> None:
    section = ReceiverSection.model_validate({"name": "duty", "kind": "log", "min_severity": least})
    assert wanted(section, intent("firing", severity=severity)) is told


def test_filter_of_resolved_and_late() -> None:
    quiet = ReceiverSection(name="duty", kind="log", send_resolved=False)
    assert wanted(quiet, intent("firing"))
    assert wanted(quiet, intent("unknown")), "data stopped is not an end"
    assert not wanted(quiet, intent("resolved"))
    retained = ReceiverSection(name="duty", kind="mqtt", broker="city", send_resolved=False)
    assert wanted(retained, intent("resolved")), "the retained message must be withdrawn"
    assert not wanted(ReceiverSection(name="duty", kind="log"), intent("firing", late=True)), "invariant 8"


def test_a_groups_alert_names_its_area_and_members_instead_of_a_station() -> None:
    told = transition("firing", station="", device="", area="hai-chau", members=("hai-chau", "st-2"))
    text = render(told, DESCRIBER, "en")
    assert text.title.endswith("– Hai Chau ward")
    assert "Area Hai Chau ward. Members: Hai Chau station, st-2." in text.body
    everywhere = render(transition("firing", station="", device="", area=""), DESCRIBER, "vi")
    assert "–" not in everywhere.title
    many = render(transition("firing", station="", device="", area="", members=tuple(f"st-{n:03}" for n in range(50))), DESCRIBER, "vi")
    assert "… (50)" in many.body


def test_a_flapping_alert_says_that_it_will_be_told_when_it_has_calmed() -> None:
    assert "calmed down" in render(transition("firing", reason="flapping"), DESCRIBER, "en").body
    assert "ổn định" in render(transition("resolved", reason="calmed"), DESCRIBER, "vi").body
