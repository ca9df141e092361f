"""Nothing that users can type, set or watch is undocumented; and no page points to something that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.metrics import METRICS
from gateway.reference import pages as reference
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in PAGES}


def commands() -> list[str]:
    from gateway.cli import app

    return reference.commands(app)


@pytest.mark.parametrize("name", commands())
def test_every_command_is_documented(name: str) -> None:
    section = re.search(rf"^## envgw {re.escape(name)}\n(.*?)(?=^## |\Z)", TEXTS["docs/reference/cli.md"], re.M | re.S)
    assert section is not None, f"envgw {name}: make schemas"
    usage, about = section[1].split("Usage:")[1].split("\n\n")[:2]
    assert f"envgw {name}" in usage
    assert len(about.strip()) > 15, f"envgw {name} needs a docstring"


def test_there_are_commands() -> None:
    assert {"run", "demo", "check", "decode", "simulate", "status", "query", "replay", "alerts list"} <= set(commands())


@pytest.mark.parametrize(("title", "name"), [(title, name) for title, model in reference.sections(Settings) for name in model.model_fields])
def test_every_setting_is_documented(title: str, name: str) -> None:
    section = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXTS["docs/reference/configuration.md"], re.M | re.S)
    assert section is not None
    row = re.search(rf"^\| `{name}` \|[^|]+\|[^|]+\| (.+) \|$", section[1], re.M)
    assert row is not None, f"{title} {name}: make schemas"
    assert len(row[1]) >= 8


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_documented(metric: object) -> None:
    name = getattr(metric, "name")  # noqa: B009
    assert re.search(rf"^\| `{name}` \|.{{20,}}\|$", TEXTS["docs/reference/metrics.md"], re.M), f"{name}: make schemas"


def links() -> list[tuple[str, str]]:
    """(page, target) of every link to a file of this repository. Code blocks are no prose."""
    found = []
    for page, text in TEXTS.items():
        prose = re.sub(r"```.*?```", "", text, flags=re.S)
        found += [(page, target) for target in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in target and not target.startswith("#")]
    return found


@pytest.mark.parametrize(("page", "target"), links())
def test_every_link_leads_somewhere(page: str, target: str) -> None:
    assert (ROOT / page).parent.joinpath(target.partition("#")[0]).exists(), f"{page} links to {target}"


def test_every_page_can_be_reached() -> None:
    reached = {(ROOT / page).parent.joinpath(target.partition("#")[0]).resolve() for page, target in links()}
    lost = [page for page in PAGES if page.resolve() not in reached and page.name not in ("README.md", "NOTICE.md")]
    assert [page.relative_to(ROOT).as_posix() for page in lost] == []


@pytest.mark.parametrize("page", [page for page in TEXTS if page != "docs/reference/cli.md"])
def test_commands_in_the_documentation_exist(page: str) -> None:
    known = commands()
    groups = {name.split()[0] for name in known}
    blocks = re.findall(r"```(?:console)?\n(.*?)```", TEXTS[page], re.S)
    typed = [line for block in blocks for line in re.findall(r"^\$ envgw (.+)$", block, re.M)]
    for line in [*typed, *re.findall(r"`envgw ([a-z][^`]*)`", TEXTS[page])]:
        words = re.findall(r"[a-z]+", line.split(" --")[0])
        first = words[0]
        assert first in groups, f"envgw {line}"
        if first not in known and len(words) > 1:
            assert f"{first} {words[1]}" in known, f"envgw {line}"


def test_the_readme_fits_a_screen_or_two() -> None:
    assert len(TEXTS["README.md"].splitlines()) < 90


def test_records_are_numbered_without_gaps_and_listed() -> None:
    records = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("0*.md"))
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    for name in records:
        text = TEXTS[f"docs/decisions/{name}"]
        assert f"({name})" in TEXTS["docs/decisions/README.md"]
        assert text.startswith(f"# {name[:4]} ")
        assert "Status: " in text
        assert "## Is\n" in text
        assert "## Is not\n" in text


def test_nothing_names_a_machine_of_ours() -> None:
    for page, text in TEXTS.items():
        assert not re.search(r"(/work/|/home/\w+|\.\./shared|/root/)", text), page
