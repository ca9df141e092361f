"""The fuzzer itself: it touches every target, and finds what is there to be found."""

from __future__ import annotations

import time

import pytest

from devices.formats import FORMATS
from devices.loader import shipped_types
from tests.fuzz.run import finding, fuzz
from tests.fuzz.targets import Target, targets


def test_every_format_and_every_type_is_a_target() -> None:
    names = set(targets())
    assert {f"format {name}" for name in FORMATS} | {f"type {name}" for name in shipped_types()} <= names


@pytest.mark.parametrize("name", sorted(targets()))
def test_seeds_and_a_short_run(name: str) -> None:
    target = targets()[name]
    for seed in target.seeds:
        target.feed(seed)
    fed, found = fuzz({name: target}, 0.001, 1)
    assert found is None, found
    assert fed[name] >= 50


def test_an_exception_is_found() -> None:
    def fragile(payload: bytes) -> None:
        if payload[:1] == b"{" and b"\xff" in payload:
            raise RuntimeError("boom")

    _, found = fuzz({"fragile": Target(fragile, [b'{"a": 1}'])}, 60, 7)
    assert found is not None
    name, payload, what = found
    assert name == "fragile"
    assert payload.startswith(b"{")
    assert "boom" in what


def test_slowness_is_found() -> None:
    def slow(payload: bytes) -> None:
        end = time.process_time() + 0.06
        while time.process_time() < end:
            pass

    assert "ms of CPU" in (finding(slow, b"") or "")


def test_a_run_can_be_repeated() -> None:
    def taken(seed: int) -> list[bytes]:
        got: list[bytes] = []

        def stop(payload: bytes) -> None:
            got.append(payload)
            assert len(got) < 200

        fuzz({"x": Target(stop, [b"abc", b"defg"])}, 60, seed)
        return got

    assert taken(3) == taken(3)
    assert taken(3) != taken(4)
