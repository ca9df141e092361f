"""Colours and limits are those of the tables: nothing is typed twice, and the newest edition is drawn."""

from __future__ import annotations

from dashboards import scales
from devices import loader
from devices.indices.limits import limit


def test_an_index_has_its_categories_colours() -> None:
    steps = scales.index_steps("vn_aqi")
    assert steps[:4] == [(None, "gray"), (0.0, "#00E400"), (51.0, "#FFFF00"), (101.0, "#FF7E00")]
    assert len(steps) == 7
    assert scales.index_steps("vn_wqi")[1] == (0.0, "#7E0023"), "in water the lowest values are the worst"


def test_names_of_categories_are_in_the_language() -> None:
    assert scales.category_names("vn_aqi", "vi")[0]["options"]["poor"]["text"] == "Kém"
    assert scales.reasons("en")[0]["options"]["too-few-nutrients"]["text"]
    assert scales.flag_names("en")[0]["options"]["4"] == {"text": "fail", "color": "red", "index": 3}
    assert scales.parameter_names("vi")[0]["options"]["pm25"]["text"] == "Bụi PM2,5"


def test_the_newest_limit_is_drawn() -> None:
    """QCVN 05: PM2.5 over 24 hours was 50 to the end of 2025 and is 45 since."""
    (found,) = scales.limits("pm25", "qcvn-05-2023", ["1h", "24h"])
    assert found == limit("pm25", "24h", found.effective_from)
    assert scales.limit_steps([found]) == [(None, "transparent"), (45, "red")]
    assert scales.limit_text([found], "µg/m³", "vi") == "QCVN 05:2023/BTNMT: 24 h ≤ 45 µg/m³"


def test_water_has_lines_of_classes_with_both_bounds() -> None:
    found = scales.limits("ph", "qcvn-08-2023", ["sample"], ["A", "B"])
    assert scales.limit_steps(found) == [(None, "transparent"), (6.0, "orange"), (6.5, "green"), (8.5, "green")]
    assert scales.limit_text(found, "", "en").startswith("QCVN 08:2023/BTNMT: class A ≥ 6.5 ≤ 8.5; class B ≥ 6 ≤ 8.5")


def test_what_has_no_limit_has_no_line() -> None:
    assert scales.limits("rh", "qcvn-05-2023", ["1h"]) == []
    assert scales.limit_text([], "%", "en") == ""


def test_doubtful_limits_say_so() -> None:
    doubtful = [one for one in loader.limits() if one.status == "to-verify" and one.averaging in ("1h", "24h", "sample")]
    assert doubtful
    for one in doubtful:
        assert "(to be verified)" in scales.limit_text([one], "", "en")
