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


def locked(name: str) -> dict[str, set[str]]:
    """The versions of each package: several, where not every Python can have the same."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", (ROOT / name).read_text(), re.M):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_everything_asked_for_is_locked(name: str) -> None:
    found = locked(name)
    for text in LOCKS[name]:
        wanted = Requirement(text)
        versions = found.get(canonicalize_name(wanted.name), set())
        assert versions, f"{name} lacks {wanted.name}: make lock"
        assert all(wanted.specifier.contains(version, prereleases=True) for version in versions), (
            f"{name} has {wanted.name} {', '.join(sorted(versions))}, wanted {wanted.specifier}: make lock"
        )


def test_both_locks_agree() -> None:
    assert locked("requirements.lock").items() <= locked("requirements-dev.lock").items()


@pytest.mark.parametrize("name", LOCKS)
def test_no_address_and_a_hash_for_each(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text
    assert len(re.findall(r"==[^\n]+\\\n    --hash=sha256:", text)) == sum(map(len, locked(name).values()))
