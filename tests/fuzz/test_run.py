"""The fuzzer itself: it touches every target, and finds what is there to be found."""

from __future__ import annotations

import importlib.util
import random
import shlex
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.formats import FORMATS
from devices.loader import shipped_types
from tests.fuzz.limits import LONGEST
from tests.fuzz.run import Finding, by_coverage, finding, fuzz, lengthened, main, report
from tests.fuzz.targets import Target, targets


def test_every_format_and_every_type_is_a_target() -> None:
    names = set(targets())
    assert {f"format {name}" for name in FORMATS} | {f"type {name}" for name in shipped_types()} <= names


@pytest.mark.slow
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

    assert "ms of CPU" in (finding(Target(slow, []), b"") or "")


def test_memory_is_found() -> None:
    assert "MB of memory" in (finding(Target(lambda payload: [bytes(11_000_000)].clear(), []), b"", memory=True) or "")


@given(st.binary(max_size=300), st.randoms(use_true_random=False))
def test_a_lengthened_message_is_as_long_as_it_may_be(message: bytes, chance: random.Random) -> None:
    assert LONGEST - 64 < len(lengthened(message, chance)) <= LONGEST


@pytest.mark.parametrize("payload", [b"\x01\xff", bytes(5000)])
def test_what_was_found_can_be_tried_again(payload: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said = report([Finding("formula", payload, "boom")])
    assert "FOUND by formula" in said
    arguments = shlex.split(said.splitlines()[-1])
    monkeypatch.setattr("sys.argv", arguments[2:])
    assert main() == 0
    assert "nothing found" in capsys.readouterr().out


if importlib.util.find_spec("atheris") is not None:

    @pytest.mark.slow
    def test_coverage_leads_to_what_chance_does_not_find(tmp_path: Path) -> None:
        """A fault behind five bytes in a row, planted into a reader; from its own process, as every target."""
        planted = """
            import sys
            from pathlib import Path

            from tests.fuzz.guided import Target, atheris, feed_all

            @atheris.instrument_func
            def fragile(payload):
                if payload[:1] == b"F":
                    if payload[1:2] == b"U":
                        if payload[2:3] == b"Z":
                            if payload[3:4] == b"Z":
                                raise RuntimeError("boom")

            feed_all({"fragile": Target(fragile, [b"x"]), "sound": Target(len, [b"x"])}, Path(sys.argv[1]), 20)
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(planted), tmp_path], check=True, capture_output=True)
        (found,) = (tmp_path / "0" / "found").iterdir()
        assert found.read_bytes()[:4] == b"FUZZ"
        assert list((tmp_path / "1" / "found").iterdir()) == []

    @pytest.mark.slow
    def test_a_guided_run_counts_its_inputs_and_brings_its_corpus(tmp_path: Path) -> None:
        chosen = {name: targets()[name] for name in ("formula", "format senml")}
        fed, richer, found = by_coverage(chosen, 6, tmp_path)
        assert found == []
        for name, target in chosen.items():
            assert fed[name] > 1000
            assert set(richer[name].seeds) >= set(target.seeds)
            assert len(richer[name].seeds) > len(target.seeds) + 10


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
