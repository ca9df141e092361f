"""Every module has its test file, named after it: `gateway/config.py` → `tests/gateway/test_config.py`.

A module that is tested under another name stands below with the file that does it, and why it has no file of its own. A
`test_<name>_<aspect>.py` counts too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("devices", "rules", "gateway", "dashboards")

EXCEPTIONS: dict[str, tuple[str, str]] = {
    # module: (test file, why)
    "gateway/configmessages.py": ("gateway/test_config.py", "its sentences are what the corpus of bad configurations expects"),
    "gateway/configenv.py": ("gateway/test_config.py", "overrides have no meaning without the file under them"),
    "gateway/configchecks.py": ("gateway/test_config.py", "its findings are what the corpus of bad configurations expects"),
    "gateway/reference.py": ("docs/test_generated.py", "it writes documentation, so its test is that the documentation is right"),
    "gateway/settings.py": (
        "docs/test_documented.py",
        "declarations only: the loader's corpus tries them, the documentation test lists them",
    ),
    "dashboards/influxql.py": ("dashboards/test_city_now.py", "a query is right if the database answers it"),
    "dashboards/panels.py": ("dashboards/test_json.py", "what every panel must keep to is checked on the JSON"),
    "dashboards/words.py": ("dashboards/test_json.py", "texts only"),
}

NOT_TESTED_ALONE = {"__init__.py", "__main__.py"}


def modules() -> list[str]:
    found = [path.relative_to(ROOT).as_posix() for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [name for name in found if Path(name).name not in NOT_TESTED_ALONE]


def tests_of(module: str) -> list[Path]:
    """The test files whose name says that they are this module's: in the mirrored folder or above it."""
    path = Path(module)
    folders = [ROOT / "tests" / parent for parent in path.parents if parent != Path()]
    names = [f"test_{path.stem}", f"test_{path.parent.name}_{path.stem}"]
    return [
        test
        for folder in folders
        if folder.is_dir()
        for test in folder.glob("test_*.py")
        if any(test.stem == name or test.stem.startswith(f"{name}_") for name in names)
    ]


@pytest.mark.parametrize("module", modules())
def test_module_has_a_test(module: str) -> None:
    if module in EXCEPTIONS:
        assert (ROOT / "tests" / EXCEPTIONS[module][0]).is_file(), f"{EXCEPTIONS[module][0]} is gone"
        assert not tests_of(module), f"{module} has a test of its own now: remove the exception"
    else:
        assert tests_of(module), (
            f"{module}: write tests/{Path(module).parent}/test_{Path(module).stem}.py, or say in EXCEPTIONS where it is tested"
        )


def test_no_exception_for_a_module_that_is_gone() -> None:
    assert set(EXCEPTIONS) <= set(modules())
