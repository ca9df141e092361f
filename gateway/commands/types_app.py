"""`envgw types …`: the commands; their work is in `gateway.commands.types` and `devices.draft`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cliparts import ConfigOption, JsonOption, core_of, instant, print_json, problems, usage

types_app = typer.Typer(no_args_is_help=True, help="Device types: shipped ones and your own.")


@types_app.command("list")
def types_list(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """All known device types: what they are, their formats and what they measure."""
    from gateway.commands.types import rows

    found = rows(core_of(config))
    if as_json:
        print_json(found)
        return
    for row in found:
        print(f"{row['id']:<32} {', '.join(row['formats'])[:40]:<40} {row['title'].get('en', '')}  [{', '.join(row['parameters'])}]")


@types_app.command("show")
def types_show(
    type_: Annotated[str, typer.Argument(metavar="ID", help="Device type.")], config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """One device type: its fields with parameter and unit, and the file as it is."""
    from gateway.commands.types import show, text

    core = core_of(config)
    found = show(core, type_)
    if found is None:
        from devices.problems import did_you_mean

        usage(f"there is no device type {type_!r}{did_you_mean(type_, core.interpreter.types)}")
    if as_json:
        print_json(found)
    else:
        print(text(found), end="")


@types_app.command("test")
def types_test(
    files: Annotated[list[Path] | None, typer.Argument(help="Type files; default all known types.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run every example of device types: message in, readings out. Exit 1 if one is read otherwise than it says."""
    from gateway.commands.types import run_files, run_known
    from gateway.config import ConfigError

    try:
        found = run_files(files) if files else run_known(core_of(config))
    except ConfigError as error:
        problems(error)
    if as_json:
        print_json(found)
    else:
        for row in found["types"]:
            mark = "red" if row["red"] else "green" if row["green"] else "none"
            print(f"{mark:<6} {row['id']:<34} {row['green']:>3} green {row['red']:>3} red  {row['format']}")
            for failure in row["failures"]:
                print(f"       example {failure['example']}:")
                for line in failure["differences"]:
                    print(f"         {line}")
        told = f"{found['green_types']} types green, {found['red_types']} red, {found['without']} without examples"
        print(f"{told}; {found['examples']} examples")
    if found["red_types"]:
        raise typer.Exit(1)


@types_app.command("new")
def types_new(
    from_: Annotated[Path, typer.Option("--from", help="File with one captured message; `-`: standard input.")],
    id_: Annotated[str, typer.Option("--id", help="The new type's id, e.g. my-node.")],
    topic: Annotated[str, typer.Option(help="Topic on which the message came.")] = "",
    format_: Annotated[str, typer.Option("--format", help="Wire format, or `auto`.")] = "auto",
    received_at: Annotated[str | None, typer.Option("--received-at", help="When it came (ISO 8601 with zone); default now.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; it must not exist. Default: print it.")] = None,
) -> None:
    """Begin a device type from a captured message: a file with comments that loads, and whose example is green."""
    from devices import loader
    from devices.draft import CannotDraft, draft
    from devices.problems import ConfigError
    from gateway.errors import EnvgwError

    try:
        payload = sys.stdin.buffer.read() if str(from_) == "-" else from_.read_bytes()
    except OSError as error:
        usage(f"cannot read {from_}: {error.strerror}")
    if output is not None and output.exists():
        usage(f"{output} is there already: choose another name")
    try:
        text = draft(
            payload, type_id=id_, topic=topic, received_ms=instant(received_at, "now"), format_=format_, catalogue=loader.catalogue()
        )
    except CannotDraft as error:
        raise EnvgwError(f"{from_}: {error}") from None
    except ConfigError as error:
        raise EnvgwError("; ".join(str(problem) for problem in error.problems)) from None
    if output is None:
        print(text, end="")
        return
    output.write_text(text, "utf-8")
    print(f"{output}: check the units in it, then `envgw types test {output}`, then name it under `types:` in envgw.yaml", file=sys.stderr)
