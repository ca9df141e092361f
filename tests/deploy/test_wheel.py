"""The wheel holds everything that the program reads, and the program runs from it alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("devices", "rules", "gateway", "dashboards")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built without a network from a copy (building writes beside the sources), unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source / name)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(source)], check=True, timeout=200)
    (wheel,) = folder.glob("envgw-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_no_file_of_the_packages_is_left_out(unpacked: Path) -> None:
    """Types, tables, rules, their tests, maps, the demo, dashboards: whatever lies beside the modules."""

    def files(root: Path) -> set[str]:
        found = (path for package in PACKAGES for path in (root / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {str(path.relative_to(root)) for path in found}

    assert files(unpacked) == files(ROOT)
    assert {"LICENSE", "NOTICE"} <= {path.name for path in unpacked.glob("*.dist-info/**/*")}
    (entry,) = unpacked.glob("*.dist-info/entry_points.txt")
    assert "envgw = gateway.cli:main" in entry.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["check"],
        ["types", "list"],
        ["rules", "list", "--library"],
        ["demo", "--seconds", "3", "--port", "0", "--mqtt-port", "0"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_it_runs_from_the_wheel_alone(unpacked: Path, tmp_path: Path, arguments: list[str]) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    program = [
        sys.executable,
        "-P",
        "-c",
        "import gateway, sys; print(gateway.__file__, file=sys.stderr); from gateway.cli import main; main()",
    ]
    environment["PYTHONPATH"] = str(unpacked)
    run = subprocess.run([*program, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr.startswith(str(unpacked))
