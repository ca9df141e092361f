"""Shipped dashboards are read without any library; what is none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards import stored


def test_the_shipped_ones() -> None:
    both, vi = stored.read(), stored.read(languages=("vi",))
    assert {name.split(".")[1] for name in vi} == {"vi"}
    assert len(both) == 2 * len(vi) >= 2


@pytest.mark.parametrize(("text", "said"), [("{", "is not JSON"), ("[]", "is no dashboard"), ('{"uid": "x"}', "is no dashboard")])
def test_what_is_none_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.en.json").write_text(text)
    with pytest.raises(stored.NoDashboards, match=f"mine.en.json {said}"):
        stored.read(tmp_path)


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(stored.NoDashboards, match="envgw dashboards build --to"):
        stored.read(tmp_path)
