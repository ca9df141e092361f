"""Columns in snapshots."""

from __future__ import annotations

from array import array

import pytest

from rules.columns import decode_column, encode_column


def test_only_columns_have_a_place() -> None:
    assert decode_column(array, encode_column(array("d", (1.5,)))) == array("d", (1.5,))
    with pytest.raises(NotImplementedError, match="no place in the state"):
        encode_column(object())
    with pytest.raises(NotImplementedError, match="no place in the state"):
        decode_column(int, 5)
