"""The picture of the flags: what is in it, and that it is a picture."""

from __future__ import annotations

import re
from math import isnan, nan
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.commands import picture, quality_picture
from gateway.commands.source import of_file
from gateway.errors import EnvgwError

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[2] / "data" / "series"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Figures in place of files."""
    figures: list[Any] = []
    monkeypatch.setattr(quality_picture, "save", lambda figure, *_: figures.append(figure))
    return figures


@pytest.mark.parametrize(("language", "suspect", "name"), [("vi", "3 nghi ngờ", "Nhiệt độ nước"), ("en", "3 suspect", "Water temperature")])
def test_a_panel_a_series_with_its_flags_shaded(drawn: list[Any], tmp_path: Path, language: str, suspect: str, name: str) -> None:
    sources = of_file(DATA / "lro-franklin-2014-summer.csv", "lro")
    quality_picture.draw(sources, tmp_path / "a.png", language)  # type: ignore[arg-type]
    (figure,) = drawn
    assert len(figure.axes) == 6
    assert figure.axes[0].get_title(loc="left") == f"logan-river: {name}"
    assert figure.legends[0].get_texts()[0].get_text() == suspect
    shaded = [len(axis.patches) for axis in figure.axes]
    assert shaded[0] == 2, "the first reading, out of the water, and three without a value"
    assert shaded[4] > 1, "turbidity spikes"
    assert shaded[3] == 0, "oxygen is fine"


def test_png_and_html(tmp_path: Path) -> None:
    arguments = ["quality", str(DATA / "airnow-hanoi-2016.csv"), "--map", "airnow", "--language", "en", "--picture"]
    for name in ("a.png", "a.html"):
        assert CliRunner().invoke(app, [*arguments, str(tmp_path / name)]).exit_code == 0
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    page = (tmp_path / "a.html").read_text("utf-8")
    assert '<html lang="en">' in page
    assert "<title>Quality of readings</title>" in page
    assert not re.search(r"""(src|href)=["']?(?!["']?data:)""", page), "one file with nothing outside of it"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EnvgwError, match="cannot be written"):
        picture.save(picture.new_figure(1, 1), tmp_path / "none" / "a.png", "t", "en")


def test_a_long_series_keeps_its_extremes_and_its_gaps() -> None:
    days = [n / 1440 for n in range(1000)] + [2.0 + n / 1440 for n in range(1000)]
    values = [float(n % 7) for n in range(2000)]
    values[500], values[1500] = 99.0, -99.0
    values[100:200] = [nan] * 100
    across, up = quality_picture._thinned(days, values, 0.01, 0.1)
    assert len(across) == len(up) < 600
    shown = [value for value in up if not isnan(value)]
    assert (min(shown), max(shown)) == (-99.0, 99.0)
    assert any(isnan(value) for value in up), "the line is broken where nothing usable is"


def test_doubted_stretches_less_than_a_pixel_apart_are_one() -> None:
    days = [float(n) for n in range(10)]
    flags = bytearray([1, 3, 3, 1, 3, 1, 1, 1, 1, 3])
    assert quality_picture._runs(days, flags, 3, 0.5) == [(1.0, 2.0), (4.0, 4.5), (9.0, 9.5)]
    assert quality_picture._runs(days, flags, 3, 3.0) == [(1.0, 12.0)]
    assert quality_picture._runs(days, flags, 4, 1.0) == []
