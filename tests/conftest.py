"""What all tests share: Hypothesis profiles, and the fixtures that start real servers.

`HYPOTHESIS_PROFILE` names the profile; without it `ci` is used where CI=true and `dev` elsewhere.

    check  10 examples: `make check`
    dev    50 examples a property, new ones each time
    ci     100 examples, always the same ones: a red run can be repeated
    soak   10,000 examples: `make soak`
"""

from __future__ import annotations

import os
import pickle
from functools import cache
from pathlib import Path

import pytest
import typer.testing
from hypothesis import HealthCheck, settings

from devices import loader

_SLOW_MACHINE = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("check", max_examples=10, deadline=None, suppress_health_check=_SLOW_MACHINE)
settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=_SLOW_MACHINE)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, suppress_health_check=_SLOW_MACHINE)
settings.register_profile("soak", max_examples=10_000, deadline=None, suppress_health_check=_SLOW_MACHINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") == "true" else "dev"))

_HERE = Path(__file__).parent
# Each file of server fixtures is loaded from here, so that a test only names the fixture it wants.
pytest_plugins = [f"tests.{path.stem}" for path in sorted(_HERE.glob("servers*.py"))]


@cache
def _parsed(text: str) -> bytes:
    return pickle.dumps(_read(text))


# What every gateway and every command line of the tests would do anew is done once: the YAML of shipped types is parsed (each gets
# its copy), and the tree of commands is built.
_read = loader._read
loader._read = lambda text: pickle.loads(_parsed(text))
typer.testing._get_command = cache(typer.testing._get_command)

_SLOW_FOLDERS = {"faults", "e2e", "bench"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks that follow from where a test is and what it uses: nobody can forget them, and `make check` stays fast."""
    for item in items:
        if _SLOW_FOLDERS & set(item.path.relative_to(_HERE).parts):
            item.add_marker("slow")
        fixtures = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
        if any(definition.func.__module__.startswith("tests.servers") for definitions in fixtures.values() for definition in definitions):
            item.add_marker("server")


@pytest.fixture(autouse=True)
def _no_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own `ENVGW_…` variables must not decide what a test finds."""
    for name in [name for name in os.environ if name.startswith("ENVGW_")]:
        monkeypatch.delenv(name)
