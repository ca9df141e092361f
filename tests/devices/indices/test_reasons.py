"""Every reason and note is a sentence in both languages."""

from __future__ import annotations

import pytest

from devices.indices.reasons import Note, Why


@pytest.mark.parametrize("reason", [*Why, *Note])
def test_both_languages(reason: Why | Note) -> None:
    assert set(reason.text) == {"vi", "en"}
    assert all(text.endswith(".") and len(text) > 20 for text in reason.text.values())
    assert reason.text["vi"] != reason.text["en"]
