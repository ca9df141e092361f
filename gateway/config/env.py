"""Environment variables over the configuration file: `ENVGW_SECTION__KEY=value`.

    ENVGW_API__PORT=9000                         a setting
    ENVGW_GATEWAY__LANGUAGES='["vi"]'            a list, or a whole section, as JSON
    ENVGW_BROKERS__CITY_MOSQUITTO__URL=…         in the list item whose `name` is city-mosquitto (`-` is written `_`)
    ENVGW_BROKERS__0__URL=…                      or by its number, from 0

A variable that begins with `ENVGW_` and is no setting is an error, because a misspelt override would otherwise be
silently without effect; those that the file itself names in `!env` are not overrides.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel

from gateway.config.messages import shape, suggestion
from gateway.config.yamlfile import PathTuple

PREFIX = "ENVGW_"


class Overridden(dict[PathTuple, str]):
    """Which variable gave the value at a path."""

    def variable(self, path: PathTuple) -> str | None:
        """The variable that gave the value at `path`, or the section or list around it."""
        return next((self[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self), None)


def override(
    data: dict[str, Any], model: type[BaseModel], environ: Mapping[str, str], *, ignore: Collection[str] = ()
) -> tuple[Overridden, list[tuple[str, str]]]:
    """Put the variables' values into `data` (changed in place). Returns what came from where, and (variable, what is wrong)."""
    given = Overridden()
    wrong: list[tuple[str, str]] = []
    for variable in sorted(environ):  # sorted: a whole list (`ENVGW_BROKERS`) comes before one value in it
        if not variable.startswith(PREFIX) or variable in ignore:
            continue
        try:
            path = _put(data, model, variable, environ[variable])
        except ValueError as error:
            wrong.append((variable, str(error)))
        else:
            given[path] = variable
    return given, wrong


def _put(data: dict[str, Any], model: type[BaseModel], variable: str, text: str) -> PathTuple:
    """Walk model and data along the variable's name and put the value at its end. Returns the path; ValueError says what is wrong."""
    here: Any = data
    section: type[BaseModel] | None = model
    item: Any = None
    path: list[str | int] = []
    words = variable[len(PREFIX) :].lower().split("__")
    for n, word in enumerate(words):
        last = n == len(words) - 1
        step: str | int
        if section is not None:
            if word not in section.model_fields:
                before = "".join(f"{part}__" for part in words[:n])
                known = {before + name for name in section.model_fields}
                raise ValueError(f"no setting is called so{suggestion(before + word, known, write=lambda name: PREFIX + name.upper())}")
            step = word
            kind = shape(section.model_fields[word].annotation)
        elif item is not None:
            step = _item(here, word, item)
            kind = shape(item)
        else:
            raise ValueError(f"`{'.'.join(words[:n])}` is one value and has nothing inside: leave out `__{word.upper()}`")
        section, item = kind.section, kind.item
        whole = section is not None or item is not None
        path.append(step)
        if last:
            here[step] = _json(text, list if item is not None else dict) if whole else text
        else:
            empty: Any = [] if item is not None else {}
            if isinstance(here, list):
                here = here[step]  # type: ignore[index]  # _item gave a number that is there
            elif here.get(step) is None:
                here[step] = here = empty
            else:
                here = here[step]
            if whole and not isinstance(here, type(empty)):
                raise ValueError(
                    f"`{'.'.join(map(str, path))}` in the file is not a {'list' if item is not None else 'section'}: mend it there first"
                )
    return tuple(path)


def _item(items: list[Any], word: str, kind: Any) -> int:
    """The number of the list's item that `word` means: its number, or its name. One behind the end makes a new one."""
    if word.isascii() and word.isdigit() and len(word) < 6:
        number = int(word)
        if number == len(items):
            items.append({} if shape(kind).section is not None else None)
        if number < len(items):
            return number
        raise ValueError(f"there are {len(items)} items, so the number can be 0 to {len(items)}")
    names = [str(item.get("name")) for item in items if isinstance(item, dict)]
    for number, item in enumerate(items):
        if isinstance(item, dict) and str(item.get("name")).replace("-", "_") == word:
            return number
    raise ValueError(f"no item has the name `{word}`{suggestion(word, names)}")


def _json(text: str, kind: type[list[Any]] | type[dict[str, Any]]) -> Any:
    example = '["a", "b"]' if kind is list else '{"key": "value"}'
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise ValueError(f"write {'a list' if kind is list else 'a section'} as JSON, for example {example}")
    return value
