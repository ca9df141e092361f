"""`envgw rules …`: the commands; their work is in the modules beside this one and in `gateway.trial`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cliparts import ConfigOption, JsonOption, core_of, load, print_json, problems, settings_of, usage

rules_app = typer.Typer(no_args_is_help=True, help="Alert rules: check, test and try them, and see why one fires or does not.")

_Files = Annotated[list[Path] | None, typer.Argument(help="Files or folders of rules; without: those of the configuration.")]


@rules_app.command("list")
def rules_list(
    library: Annotated[bool, typer.Option("--library", help="The rules that ship with envgw, for `use:`.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rules of the configuration with the stations they watch, or those of the library."""
    from gateway.commands.rules import rows, shipped

    found = shipped() if library else rows(core_of(config))
    if as_json:
        print_json(found)
        return
    for row in found:
        levels = "; ".join(f"{name}: {level['when']} for {level.get('for', '0s')}" for name, level in row["levels"].items())
        about = row["name"]["en"] if library else f"{row['mode']:<8} {len(row['stations'])} stations"
        print(f"{row['id']:<24} {about}  {levels}")


@rules_app.command("check")
def rules_check(files: _Files = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check rules: all errors at once, `file:line:column: what is wrong, and what to write`; exit 1 if there is one."""
    from gateway.commands.rules import check
    from gateway.config import DEFAULT

    loaded = load(config) if config is not None or DEFAULT.exists() or not files else None
    count, found = check(loaded, files or ())
    if as_json:
        print_json({"ok": not found, "rules": count, "problems": [problem._asdict() for problem in found]})
    elif found:
        for problem in found:
            place = f":{problem.line}:{problem.column}" if problem.line else ""
            print(f"{problem.file}{place}: {problem.message}", file=sys.stderr)
    else:
        print(f"all right: {count} rules")
    raise typer.Exit(1 if found else 0)


@rules_app.command("explain")
def rules_explain(
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
    station: Annotated[str, typer.Option(help="Station id.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a rule sees at a station now, part by part, its timers, and why it is not firing. Asks the gateway, else the ledger."""
    from gateway.commands.rules import explain, explanation

    found = explain(settings_of(config), rule, station)
    if as_json:
        print_json(found)
    else:
        print("\n".join(explanation(found)))


@rules_app.command("diff")
def rules_diff(
    new: Annotated[
        list[Path] | None,
        typer.Argument(help="Files or folders of rules that would replace those in force; without: the configuration's files."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """What edited rules would do if they were loaded now: rules added, removed and changed, alerts that would end, windows to fill."""
    from gateway import coreconfig
    from gateway.commands.rules import diff, difference
    from gateway.config import ConfigError
    from gateway.rulefiles import with_rules

    loaded = load(config)
    try:
        edited = coreconfig.build(with_rules(loaded, new) if new else loaded)
    except ConfigError as error:
        problems(error)
    found = diff(loaded.settings, edited, core_of(config) if new else edited)
    if as_json:
        print_json(found)
    else:
        print("\n".join(difference(found)))


@rules_app.command("test")
def rules_test(
    files: Annotated[list[Path], typer.Argument(help="Files of tests (docs/how-to/test-rules.md), or folders.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run timelines of readings through the production engine in virtual time, and compare what happens with what is expected."""
    from gateway import coreconfig
    from gateway.config import ConfigError
    from gateway.trial.ruletest import run_file

    chosen = [found for path in files for found in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    if not chosen:
        usage("there is no .yaml file in " + ", ".join(map(str, files)))
    results = []
    try:
        for path in chosen:
            if not path.is_file():
                usage(f"no file {path}")
            results += run_file(path, lambda: coreconfig.build(load(config)))
    except ConfigError as error:
        problems(error)
    failed = [result for result in results if not result.ok]
    if as_json:
        print_json(
            {"ok": not failed, "tests": [{"file": r.file, "line": r.line, "name": r.name, "ok": r.ok, "diff": r.diff} for r in results]}
        )
    else:
        for result in failed:
            print(f"{result.file}:{result.line}: {result.name}: not as expected (- expected, + happened)")
            print("\n".join(f"  {line}" for line in result.diff))
        print(f"{len(results) - len(failed)} of {len(results)} tests passed")
    raise typer.Exit(1 if failed else 0)
