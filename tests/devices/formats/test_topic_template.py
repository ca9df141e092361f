"""Topic templates: what stands at which level."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.formats.topic_template import compile_template, names, subscription


@pytest.mark.parametrize(
    ("template", "topic", "expected"),
    [
        ("sensors/{medium}/{device}/{parameter}", "sensors/air/st01/pm25", {"medium": "air", "device": "st01", "parameter": "pm25"}),
        ("sensors/{medium}/{device}/{parameter}", "sensors/air/st01", None),
        ("sensors/{medium}/{device}/{parameter}", "sensors/air/st01/pm25/x", None),
        ("sensors/{medium}/{device}/{parameter}", "sensor/air/st01/pm25", None),
        ("sensors/{device}", "sensors/", None),
        ("dev-{device}.json", "dev-1.json", {"device": "1"}),
        ("dev-{device}.json", "dev-.json", None),
        ("aa{device}aa", "aaa", None),
        ("+/{device}/up", "x/7/up", {"device": "7"}),
        ("a/{device}/#", "a/7/x/y", {"device": "7"}),
        ("a/{device}/#", "a/7", {"device": "7"}),
        ("a/{device}/#", "a", None),
        ("{device}/{parameter}/{device}", "a/b/a", {"device": "a", "parameter": "b"}),
        ("{device}/{parameter}/{device}", "a/b/c", None),
        ("/{device}", "/a", {"device": "a"}),
        ("a/b", "a/b", {}),
        ("{device}", "{device}", {"device": "{device}"}),
    ],
)
def test_a_topic_is_taken_apart(template: str, topic: str, expected: dict[str, str] | None) -> None:
    assert compile_template(template)(topic.split("/")) == expected


@pytest.mark.parametrize("template", ["", "a/#/b", "a/{}", "a/{Device}", "a/{d}{e}", "a+", "#a", "a/{d", "a/d}", "x/" * 64 + "x"])
def test_what_is_no_template_is_a_configuration_error(template: str) -> None:
    with pytest.raises(ValueError, match="topic template"):
        compile_template(template)


def test_its_names_and_its_subscription() -> None:
    template = "city/{medium}/dev-{device}/+/#"
    assert names(template) == ["medium", "device"]
    assert subscription(template) == "city/+/+/+/#"


@given(st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=5))
def test_a_template_of_captures_gives_the_levels_back(levels: list[str]) -> None:
    template = "/".join(f"{{n{index}}}" for index in range(len(levels)))
    assert compile_template(template)(levels) == {f"n{index}": level for index, level in enumerate(levels)}
