"""The lock files hold everything that pyproject.toml asks for, in a version that it allows, and no address."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
BUILD = [line for line in (ROOT / "requirements-build.in").read_text().splitlines() if line and not line.startswith("#")]
RUN = [*PROJECT["project"]["dependencies"], *BUILD]
EVERYTHING = [*RUN, *(wanted for extra in EXTRAS.values() for wanted in extra if not wanted.startswith("envgw["))]
LOCKS = {"requirements.lock": RUN, "requirements-dev.lock": EVERYTHING}


def locked(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text()
    return {canonicalize_name(package): version for package, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.M)}


@pytest.mark.parametrize("name", LOCKS)
def test_everything_asked_for_is_locked(name: str) -> None:
    found = locked(name)
    for text in LOCKS[name]:
        wanted = Requirement(text)
        version = found.get(canonicalize_name(wanted.name))
        assert version is not None, f"{name} lacks {wanted.name}: make lock"
        assert wanted.specifier.contains(version, prereleases=True), (
            f"{name} has {wanted.name} {version}, wanted {wanted.specifier}: make lock"
        )


def test_both_locks_agree() -> None:
    assert locked("requirements.lock").items() <= locked("requirements-dev.lock").items()


@pytest.mark.parametrize("name", LOCKS)
def test_no_address_and_a_hash_for_each(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text
    assert len(re.findall(r"==[^\n]+\\\n    --hash=sha256:", text)) == len(locked(name))
