"""The calendar: a square a day in the colour of its category."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from devices.indices.air import daily_air
from devices.indices.result import Index
from gateway.cli import app
from gateway.commands import index_picture
from gateway.errors import EnvgwError
from gateway.series.hourly import Found

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[2] / "data" / "series"
HANOI = timezone(timedelta(hours=7))


def index_of(value: float | None) -> Index:
    return daily_air({"pm25": [value] * 24}, {}, date(2026, 3, 14)).us_aqi


@pytest.mark.parametrize(("language", "none", "monday"), [("vi", "không có", "T2"), ("en", "none", "Mo")])
def test_a_square_a_day(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, language: Any, none: str, monday: str) -> None:
    figures: list[Any] = []
    monkeypatch.setattr(index_picture, "save", lambda figure, *_: figures.append(figure))
    good, bad = index_of(5.0), index_of(300.0)
    rows = [
        Found("a", date(2025, 12, 31), good), Found("a", date(2026, 1, 1), bad), Found("a", date(2026, 1, 5), index_of(None)),
        Found("b", date(2026, 12, 31), good),
    ]  # fmt: skip
    index_picture.draw(rows, "us_aqi", tmp_path / "a.png", language)
    (figure,) = figures
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["a 2025", "a 2026", "b 2026"]
    first, second = figure.axes[1].patches
    assert (first.get_xy(), second.get_xy()) == ((0, 3), (1, 0)), "1 January 2026 is a Thursday, the 5th the Monday after"
    from matplotlib.colors import to_hex

    assert to_hex(first.get_facecolor()).lower() == str(bad.colour).lower()
    assert to_hex(second.get_facecolor()) == "#e5e5e5"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [good.category.name[language], bad.category.name[language], none]  # type: ignore[union-attr]
    assert figure.axes[0].get_yticklabels()[0].get_text() == monday


def test_of_a_days_hours_the_lowest_counts() -> None:
    def at(hour: int, day: int = 14) -> datetime:
        return datetime(2026, 3, day, hour, tzinfo=HANOI)

    low, high, none = index_of(5.0), index_of(300.0), index_of(None)
    rows = [Found("a", at(1), none), Found("a", at(2), high), Found("a", at(3), low), Found("a", at(4), none), Found("a", at(0, 15), high)]
    assert index_picture.by_day(rows) == {("a", date(2026, 3, 14)): low}, "the hour labelled 00:00 is the day before's"


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    with pytest.raises(EnvgwError, match="no day to draw"):
        index_picture.draw([], "us_aqi", tmp_path / "a.png", "en")


def test_the_command_draws_days(tmp_path: Path) -> None:
    arguments = ["index", str(DATA / "hanoi-2019-whole.csv"), "--map", "airnow", "--index", "us_aqi", "--json", "--picture"]
    assert CliRunner().invoke(app, [*arguments, str(tmp_path / "a.png")]).exit_code == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_text_is_legible_on_every_colour() -> None:
    assert [index_picture._ink(colour) for colour in ("#00E400", "#FFFF00", "#FF7E00", "#FF0000", "#8F3F97", "#7E0023", None)] == [
        "#000000", "#000000", "#000000", "#ffffff", "#ffffff", "#ffffff", "#000000",
    ]  # fmt: skip
