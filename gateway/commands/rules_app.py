"""`envgw rules …`: the commands; their work is in the modules beside this one and in `gateway.trial`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cliparts import ConfigOption, JsonOption, core_of, instant, load, print_json, problems, settings_of, usage

rules_app = typer.Typer(no_args_is_help=True, help="Alert rules: check, test and try them, and see why one fires or does not.")

_Files = Annotated[list[Path] | None, typer.Argument(help="Files or folders of rules; without: those of the configuration.")]


@rules_app.command("list")
def rules_list(
    library: Annotated[bool, typer.Option("--library", help="The rules that ship with envgw, for `use:`.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rules of the configuration with the stations they watch, or those of the library."""
    from gateway.commands.rules import lasting, rows, shipped

    found = shipped() if library else rows(core_of(config))
    if as_json:
        print_json(found)
        return
    for row in found:
        levels = "; ".join(
            f"{name}: {level['when']}" + (f" for {lasting(level['for'])}" if level.get("for", "0ms") != "0ms" else "")
            for name, level in row["levels"].items()
        )
        about = row["name"]["en"] if library else f"{row['mode']:<8} {len(row['stations'])} stations"
        print(f"{row['id']:<24} {about}  {levels}")


@rules_app.command("check")
def rules_check(files: _Files = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check rules: all errors at once, `file:line:column: what is wrong, and what to write`; exit 1 if there is one; and hints."""
    from gateway.commands.rules import check
    from gateway.config import DEFAULT

    loaded = load(config) if config is not None or DEFAULT.exists() or not files else None
    count, found, hints = check(loaded, files or ())
    if as_json:
        wrong = [problem._asdict() for problem in found]
        print_json({"ok": not found, "rules": count, "problems": wrong, "hints": [hint._asdict() for hint in hints]})
    elif found:
        for problem in found:
            place = f":{problem.line}:{problem.column}" if problem.line else ""
            print(f"{problem.file}{place}: {problem.message}", file=sys.stderr)
    else:
        for hint in hints:
            print(f"{hint.file}:{hint.line}: hint: {hint.message}", file=sys.stderr)
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


@rules_app.command("backtest")
def rules_backtest(
    rules: Annotated[
        list[Path] | None, typer.Option(help="Files or folders of rules, or `library:ID`; several times. Default: the configuration's.")
    ] = None,
    against: Annotated[list[Path] | None, typer.Option(help="An older version to compare with.")] = None,
    since: Annotated[str | None, typer.Option(help="Over the history, from here: ISO 8601 with zone, or `-30d`.")] = None,
    until: Annotated[str, typer.Option(help="… to here.")] = "now",
    station: Annotated[list[str] | None, typer.Option(help="Only these stations.")] = None,
    from_: Annotated[Path | None, typer.Option("--from", help="Over a file of series instead of the history.", dir_okay=False)] = None,
    map_: Annotated[str | None, typer.Option("--map", help="How the file is to be read: a shipped map, or a .yaml file.")] = None,
    begin: Annotated[
        str | None, typer.Option("--as-if", help="Move the file's readings, by whole weeks, to begin then: limits have dates.")
    ] = None,
    label_bad: Annotated[
        str | None, typer.Option(help="Labels of bad data, with commas, or `any`: counts alerts that fired on such readings.")
    ] = None,
    label_event: Annotated[
        str | None, typer.Option(help="Labels of what should be found, with commas, or `any`: counts right, false and missed.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw it: .png, .svg or .pdf.", dir_okay=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="List every alert.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run rules over what was measured, with the production engine: what would have fired when, for how long, and what differs."""
    from gateway import coreconfig
    from gateway.commands.backtest import over_file, over_history, zone_of
    from gateway.config import DEFAULT, ConfigError
    from gateway.trial import report
    from gateway.trial.backtest import Labels

    if (from_ is None) == (since is None):
        usage("give either --since (and --until), for the history, or --from FILE --map MAP")
    if from_ is not None and map_ is None:
        usage("--from needs --map: see `envgw simulate --help` for the shipped maps")
    if from_ is None and (label_bad or label_event):
        usage("labels come with a file: give --from and --map")
    configured = config is not None or DEFAULT.exists()
    try:
        loaded = load(config) if configured or not rules or from_ is None else None
        core = coreconfig.build(loaded) if loaded is not None else None
        if from_ is not None:
            labels = Labels(_labels(label_bad), _labels(label_event))
            found, recording = over_file(
                from_, str(map_), core, rules or (), against, station or (), labels, None if begin is None else instant(begin, "")
            )
        else:
            assert loaded is not None
            assert core is not None
            found, recording = over_history(loaded.settings, core, str(since), until, rules or (), against, station or ())
    except ConfigError as error:
        problems(error)
    if picture is not None:
        from gateway.trial.picture import draw

        draw(found, recording, picture, zone_of(recording))
    if as_json:
        print_json(report.document(found))
    else:
        print("\n".join(report.lines(found, zone_of(recording), every=every)))


def _labels(text: str | None) -> frozenset[str] | None:
    """`any` → the empty set, which stands for all of them."""
    return None if text is None else frozenset() if text == "any" else frozenset(part.strip() for part in text.split(","))
