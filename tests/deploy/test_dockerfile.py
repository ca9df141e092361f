"""The Dockerfile: pinned, two stages, not root, and everything that it copies is let through by .dockerignore."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "Dockerfile").read_text().splitlines()


def instructions(name: str) -> list[str]:
    return [line.removeprefix(name).strip() for line in LINES if line.startswith(name + " ")]


def test_base_images_are_pinned_and_the_same() -> None:
    images = [line.split()[0] for line in instructions("FROM")]
    assert len(images) == 2
    assert len(set(images)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", images[0])


def test_everything_copied_exists_and_is_let_through() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in instructions("COPY") if not line.startswith("--from") for name in line.split()[:-1]}
    assert copied == allowed
    for name in copied:
        assert (ROOT / name).exists(), name


def test_only_locked_packages_get_in() -> None:
    for line in instructions("RUN"):
        if "pip install" in line:
            assert "--require-hashes" in line or ("--no-deps" in line and "--no-build-isolation" in line)


def test_it_runs_as_nobody_special() -> None:
    assert instructions("USER") == ["10001:10001"]


def test_it_answers_whether_it_is_alive_not_whether_it_is_ready() -> None:
    text = "\n".join(LINES)
    assert "/healthz" in text
    assert "/readyz'" not in text
