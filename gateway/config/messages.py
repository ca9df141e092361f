"""Says what pydantic found wrong in the words of the person who wrote the file: what is wrong, and what to write instead.

`explain` takes the settings' model and the data that it refused, and gives (path, sentence) pairs, one a place. No
sentence shows a value that came from `!env`, `!file` or belongs to a secret field.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from gateway.config.yamlfile import PathTuple, Sourced

_SHOWN = 60


class Shape(typing.NamedTuple):
    """What a field holds, without `Annotated` and `| None`: a section, a list of `item`, a mapping to `value`, or one value."""

    section: type[BaseModel] | None = None
    item: Any = None
    value: Any = None
    literals: tuple[Any, ...] = ()
    secret: bool = False
    text: bool = False


def shape(annotation: Any) -> Shape:
    """The shape of a field's annotation."""
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        return shape(get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        kept = [part for part in get_args(annotation) if part is not type(None)]
        return shape(kept[0]) if len(kept) == 1 else Shape()
    if origin is list:
        return Shape(item=get_args(annotation)[0])
    if origin is dict:
        return Shape(value=get_args(annotation)[1])
    if origin is Literal:
        return Shape(literals=get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Shape(section=annotation)
    return Shape(secret=annotation is SecretStr, text=annotation is str)


def suggestion(word: str, known: Iterable[str], write: Callable[[str], str] = str) -> str:
    """`: did you mean …?`, or the list of what is known if nothing is near; `write` gives a name as the reader writes it."""
    names = sorted(known)
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if near:
        return f": did you mean `{write(near[0])}`?"
    return f": the known ones are {', '.join(map(write, names))}" if names else ""


def explain(error: ValidationError, model: type[BaseModel], data: Any) -> list[tuple[PathTuple, str]]:
    """Each place that is wrong once, in the order in which pydantic met it. Several complaints about one place are joined."""
    found: dict[PathTuple, list[str]] = {}
    for item in error.errors(include_url=False):
        path = _within(data, item["loc"])
        if path[-1:] == ("[key]",):  # the key itself is not one of those that may stand there
            path = path[:-1]
            found.setdefault(path, []).append(_of_key(str(path[-1]), item))
            continue
        field = _field(model, path)
        value = _value(data, path)
        if field is not None and shape(field.annotation).secret and isinstance(value, (str, int, float)):
            value = Sourced(str(value), getattr(value, "origin", "(hidden)"))
        sentence = _sentence(item, model, path, value, field)
        sentences = found.setdefault(path, [])
        if sentence not in sentences:
            sentences.append(sentence)
    return [(path, "; or ".join(sentences)) for path, sentences in found.items()]


def _within(data: Any, loc: tuple[int | str, ...]) -> PathTuple:
    """The part of pydantic's location that is in the data; names of union members are cut off."""
    path: list[str | int] = []
    for step in loc:
        if not isinstance(data, (dict, list)):
            break
        path.append(step)
        try:
            data = data[step]  # type: ignore[index]  # a wrong kind of index is what the except is for
        except (LookupError, TypeError):
            break
    return tuple(path)


def _value(data: Any, path: PathTuple) -> Any:
    for step in path:
        try:
            data = data[step]
        except (LookupError, TypeError):
            return None
    return data


def _field(model: type[BaseModel] | None, path: PathTuple) -> FieldInfo | None:
    """The field that `path` leads to; None for list items, entries of mappings and unknown keys."""
    return _walk(model, path)[1]


def section_at(model: type[BaseModel], path: PathTuple) -> type[BaseModel] | None:
    """The section that `path` leads to (through lists and mappings too)."""
    return _walk(model, path)[0]


def names_of(section: type[BaseModel]) -> list[str]:
    """The keys of a section as people write them."""
    return [field.alias or name for name, field in section.model_fields.items()]


def _walk(model: type[BaseModel] | None, path: PathTuple) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """(section, field) at the end of `path`."""
    field: FieldInfo | None = None
    entries: type[BaseModel] | None = None
    """Set where the next step is a key of a mapping, whose values are these sections."""
    for step in path:
        if isinstance(step, int):
            continue
        if entries is not None:
            model, entries, field = entries, None, None
            continue
        found = None if model is None else next((f for name, f in model.model_fields.items() if step in (name, f.alias)), None)
        if found is None:
            return None, None
        field, kind = found, shape(found.annotation)
        model = kind.section or (shape(kind.item).section if kind.item is not None else None)
        entries = shape(kind.value).section if kind.value is not None else None
    return model, field


def _sentence(item: Mapping[str, Any], model: type[BaseModel], path: PathTuple, value: Any, field: FieldInfo | None) -> str:
    kind, context = item["type"], item.get("ctx", {})
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    shown = _shown(value)
    if kind == "extra_forbidden":
        section = section_at(model, path[:-1])
        return f"unknown key `{name}`{suggestion(str(name), names_of(section) if section else ())}"
    if kind == "missing":
        about = f" ({field.description.rstrip('.')})" if field is not None and field.description else ""
        return f"`{name}` is missing: add `{name}: …`{about}"
    if kind == "literal_error":
        wanted = [str(word) for word in shape(field.annotation).literals] if field is not None else []
        near = difflib.get_close_matches(str(value), wanted, n=1) if wanted else []
        hint = f", did you mean `{near[0]}`?" if near else ""
        return f"`{name}` cannot be {shown}: write {context.get('expected', 'one of the listed values')}{hint}"
    if kind == "value_error":
        prefix = f"`{name}`: " if path and not isinstance(path[-1], int) else ""
        text = str(context.get("error", item["msg"]))
        # A converter's own message quotes what it got: a value from outside may be a secret, put in the wrong place.
        return prefix + (text.replace(repr(str(value)), value.origin) if isinstance(value, Sourced) else text)
    wanted_text = _wanted(kind, context, value, field)
    return f"`{name}` {_is(value)}: {wanted_text}" if wanted_text else f"`{name}`: {item['msg']}"


def _of_key(name: str, item: Mapping[str, Any]) -> str:
    if item["type"] != "literal_error":
        return f"key `{name}`: {item['msg']}"
    expected = str(item["ctx"]["expected"])
    near = difflib.get_close_matches(name, re.findall(r"'([^']+)'", expected), n=1)
    return f"unknown key `{name}`: write {expected}" + (f", did you mean `{near[0]}`?" if near else "")


def _wanted(kind: str, context: Mapping[str, Any], value: Any, field: FieldInfo | None) -> str:
    """What to write instead, for the kinds of error that our settings can give."""
    if kind == "string_type":
        if isinstance(value, Sourced):
            return "write it as text, in quotes"
        return f'put it in quotes: "{value}"' if isinstance(value, (int, float)) else "write text"
    if kind.startswith("int_"):
        return "write a whole number"
    if kind.startswith("bool_"):
        return "write true or false"
    if kind.startswith("path_"):
        return "write the path of a file or folder"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "write a section: lines `key: value`, indented under it"
    if kind == "list_type":
        return "write a list: one item a line, each beginning with `- `"
    if kind == "too_short":
        about = f" ({field.description.rstrip('.')})" if field is not None and field.description else ""
        return f"write at least {context.get('min_length', 1)} item{about}"
    if kind == "greater_than_equal":
        return f"write {context['ge']} or more"
    if kind == "less_than_equal":
        return f"write {context['le']} or less"
    if kind == "string_pattern_mismatch":
        return "write lower-case letters, digits and `-` (at most 63, the first a letter or digit)"
    return ""


def _shown(value: Any) -> str:
    if isinstance(value, Sourced):
        return value.origin
    if value is None or value == []:
        return "empty"
    if isinstance(value, (dict, list)):
        return "a list" if isinstance(value, list) else "a section"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _is(value: Any) -> str:
    """What stands there now: `is 'abc'`, `is a list`, `is empty`."""
    return f"is {_shown(value)}"
