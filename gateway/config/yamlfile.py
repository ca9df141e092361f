"""One YAML file read into plain data, with the line of everything in it.

The dialect is YAML 1.2's core schema, made stricter, because 1.1's guesses turn a country code into a boolean and a
serial number into an octal one. Unquoted, only these are not text:

    true false          truth values (`yes`, `no`, `on`, `off` are text; a setting that wants a truth value takes them)
    null ~ and nothing  no value
    12  -3  +7          whole numbers of at most 18 digits (`007`, `0x1F` and `12:30` are text)
    1.5  -.5  2.0e+6    numbers with a decimal point (`1e5` and `.nan` are text)

Keys are always text. A key given twice is an error, as are a second document, unknown tags and non-text keys.
`!env NAME` and `!file PATH` are replaced where the caller allows them.

The C parser's events are built into data here, not by PyYAML's constructor: it keeps no positions unless nodes are
composed first, which costs five times as much (a registry of 5,000 devices: 0.5 s).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import yaml
from yaml._yaml import CParser  # the C parser without PyYAML's resolver, which is written in Python

MAX_DEPTH = 64
MAX_NODES = 2_000_000
"""Values of one file, aliases counted as often as they are used: a "billion laughs" file is an error, not a full memory."""
MAX_SECRET_BYTES = 65_536

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?\Z")
_NOT_TEXT_BEGINS = frozenset("0123456789+-.~ntfNTF")
_WORDS = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    "null": None,
    "Null": None,
    "NULL": None,
    "~": None,
}
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")

PathTuple: TypeAlias = tuple[str | int, ...]
Position: TypeAlias = "int | tuple[int, dict[str, Position] | list[Position]]"
"""`line * 65536 + column` (from 0) of a scalar, or that and the positions of the children."""


class Problem(NamedTuple):
    """One thing that is wrong, where an operator can go and mend it. `line` and `column` count from 1; 0 is "the whole"."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        """`file:line: what is wrong, and what to write instead`."""
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


class Sourced(str):
    """A text that came from outside the file. It may be a secret: messages show `origin` (`!env NAME`) in its place."""

    __slots__ = ("origin",)
    origin: str

    def __new__(cls, text: str, origin: str) -> Sourced:
        value = super().__new__(cls, text)
        value.origin = origin
        return value

    def __deepcopy__(self, memo: object) -> Sourced:
        """Itself: it never changes."""
        return self


class Document(NamedTuple):
    """A file as data (dict, list, str, int, float, bool, None), the position of each value, and what was wrong with it."""

    file: str
    data: Any
    position: Position
    problems: list[Problem]
    variables: frozenset[str] = frozenset()
    """Names used in `!env`."""

    def where(self, path: Sequence[str | int]) -> tuple[int, int]:
        """(line, column), from 1, of the value at `path`, or of the nearest part of the path that exists.

        A value in a mapping is placed at its key.
        """
        node = self.position
        found = node if isinstance(node, int) else node[0]
        for step in path:
            if isinstance(node, int):
                break
            children = node[1]
            if isinstance(children, dict):
                if step not in children:
                    break
                node = children[step]
            elif isinstance(step, int) and 0 <= step < len(children):
                node = children[step]
            else:
                break
            found = node if isinstance(node, int) else node[0]
        return (found >> 16) + 1, (found & 0xFFFF) + 1

    def at(self, path: Sequence[str | int]) -> Position:
        """The positions of the value at `path` and of all in it; of the document's first character if there is none."""
        node = self.position
        for step in path:
            children = {} if isinstance(node, int) else node[1]
            try:
                node = children[step]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                return 0
        return node

    def problem(self, path: Sequence[str | int], message: str) -> Problem:
        """The problem at `path`, with its line."""
        return Problem(self.file, *self.where(path), message)


class _Stop(Exception):
    """The file cannot be read any further."""


def parse(text: str, file: str, *, tags: bool = False, folder: Path | None = None, environ: Mapping[str, str] | None = None) -> Document:
    """Read `text`. Never raises: what is wrong is in `problems`, and `data` is None if nothing could be made of it.

    With `tags`, `!env` reads `environ` (default: the process's) and `!file` paths are relative to `folder`.
    """
    builder = _Builder(text, file, tags, folder or Path(), os.environ if environ is None else environ)
    try:
        data, position = builder.document()
    except _Stop:
        data, position = None, 0
    return Document(file, data, position, builder.problems, frozenset(builder.variables))


def read(path: Path, file: str | None = None, *, tags: bool = False, environ: Mapping[str, str] | None = None) -> Document:
    """Read the file at `path`, named `file` in problems (default: the path as given). Never raises, as `parse`."""
    name = str(path) if file is None else file
    try:
        raw = path.read_bytes()
    except OSError as error:
        return Document(name, None, 0, [Problem(name, 0, 0, f"cannot be read ({error.strerror or error}): write the path of a YAML file")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8: save the file in the encoding UTF-8"
        return Document(name, None, 0, [Problem(name, line, column, message)])
    return parse(text, name, tags=tags, folder=path.parent, environ=environ)


class _Builder:
    """Makes data and positions from the parser's events. Methods named `_…` consume exactly the events of one value."""

    def __init__(self, text: str, file: str, tags: bool, folder: Path, environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self.variables: set[str] = set()
        self._file = file
        self._tags = tags
        self._folder = folder
        self._environ = environ
        self._anchors: dict[str, tuple[Any, Position, int]] = {}
        self._nodes = 0
        try:
            self._parser = CParser(text)
        except UnicodeEncodeError:
            self._parser = CParser("")
            self._wrong(0, 0, "a lone surrogate is not a character: save the file in the encoding UTF-8")

    def document(self) -> tuple[Any, Position]:
        """The file's only document, or (None, 0) if it is empty."""
        data: Any = None
        position: Position = 0
        documents = 0
        while True:
            event = self._next()
            kind = type(event)
            if kind is yaml.StreamEndEvent:
                return data, position
            if kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    mark = event.start_mark
                    self._wrong(
                        mark.line, mark.column, "a second document begins here: write one YAML document a file, without `---` inside"
                    )
                    raise _Stop
                first = self._next()
                data, position = self._value(first, first.start_mark, 0)

    def _next(self) -> Any:
        try:
            return self._parser.get_event()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            context = f" ({error.context})" if error.context else ""
            line, column = (mark.line, mark.column) if mark else (0, 0)
            self._wrong(line, column, f"not YAML: {error.problem}{context}; check indentation, colons, quotes and brackets here")
        except yaml.reader.ReaderError as error:
            self._wrong(0, 0, f"not YAML: {error.reason} at position {error.position}; remove control characters")
        except yaml.YAMLError as error:
            self._wrong(0, 0, f"not YAML: {error}")
        raise _Stop

    def _wrong(self, line: int, column: int, message: str) -> None:
        self.problems.append(Problem(self._file, line + 1, column + 1, message))

    def _value(self, event: Any, mark: Any, depth: int) -> tuple[Any, Position]:
        """The value that begins with `event`; `mark` is where it is said to be (its key, for a value in a mapping)."""
        line, column = mark.line, mark.column
        at = (line << 16) | (column if column < 65536 else 65535)
        before = self._nodes
        self._count(line, column, 1)
        kind = type(event)
        if kind is yaml.ScalarEvent:
            data = self._scalar(event)
            position: Position = at
        elif kind is yaml.AliasEvent:
            if event.anchor not in self._anchors:
                self._wrong(line, column, f"`*{event.anchor}` refers to nothing: define `&{event.anchor}` above it")
                return None, at
            data, position, size = self._anchors[event.anchor]
            self._count(line, column, size)
            return data, at if isinstance(position, int) else (at, position[1])
        else:
            if depth >= MAX_DEPTH:
                self._wrong(line, column, f"nested deeper than {MAX_DEPTH} levels")
                raise _Stop
            if event.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
                self._wrong(line, column, f"the tag `{event.tag}` means nothing here: remove it")
            data, position = (self._mapping if kind is yaml.MappingStartEvent else self._sequence)(at, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (data, position, self._nodes - before)
        return data, position

    def _count(self, line: int, column: int, values: int) -> None:
        self._nodes += values
        if self._nodes > MAX_NODES:
            self._wrong(line, column, f"more than {MAX_NODES} values, aliases (`*name`) counted each time: split the file")
            raise _Stop

    def _mapping(self, at: int, depth: int) -> tuple[dict[str, Any], Position]:
        data: dict[str, Any] = {}
        positions: dict[str, Position] = {}
        while True:
            event = self._next()
            kind = type(event)
            if kind is yaml.MappingEndEvent:
                return data, (at, positions)
            mark = event.start_mark
            if kind is not yaml.ScalarEvent:
                self._wrong(mark.line, mark.column, "a key must be a word, not a list, section or alias: write `key: value`")
                self._value(event, mark, depth + 1)
                self._value(self._next(), mark, depth + 1)
                continue
            key: str = event.value
            value, position = self._value(self._next(), mark, depth + 1)
            if key == "<<" and not event.style:
                self._wrong(mark.line, mark.column, "`<<` does not merge here: write the keys out, or use an alias for a whole value")
            elif key in data:
                first = positions[key]
                line = ((first if isinstance(first, int) else first[0]) >> 16) + 1
                self._wrong(mark.line, mark.column, f"`{key}` is given twice, first in line {line}: keep one of them")
            else:
                data[key] = value
                positions[key] = position if not isinstance(position, int) else (mark.line << 16) | min(mark.column, 65535)

    def _sequence(self, at: int, depth: int) -> tuple[list[Any], Position]:
        data: list[Any] = []
        positions: list[Position] = []
        while True:
            event = self._next()
            if type(event) is yaml.SequenceEndEvent:
                return data, (at, positions)
            value, position = self._value(event, event.start_mark, depth + 1)
            data.append(value)
            positions.append(position)

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        tag = event.tag
        if tag is None:
            return text if event.style else plain(text)
        if tag in _TEXT_TAGS:
            return text
        mark = event.start_mark
        if tag in ("!env", "!file"):
            if self._tags:
                return self._from_environment(text, mark) if tag == "!env" else self._from_file(text, mark)
            self._wrong(mark.line, mark.column, f"`{tag}` is only for the main configuration file: write the value here")
            return text
        self._wrong(mark.line, mark.column, f"the tag `{tag}` means nothing here: use !env NAME, !file PATH, or quote the text")
        return text

    def _from_environment(self, name: str, mark: Any) -> Any:
        self.variables.add(name)
        text = self._environ.get(name, "")
        if not text:
            what = "is empty" if name in self._environ else "is not set"
            self._wrong(mark.line, mark.column, f"the environment variable {name or '(no name given)'} {what}: set it, or use !file PATH")
            return Sourced("", f"!env {name}")
        return Sourced(text, f"!env {name}")

    def _from_file(self, name: str, mark: Any) -> Any:
        origin = f"!file {name}"
        try:
            with (self._folder / name).open("rb") as stream:
                raw = stream.read(MAX_SECRET_BYTES + 1)
            text = raw.decode().rstrip("\r\n")
        except (OSError, ValueError) as error:
            why = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
            self._wrong(mark.line, mark.column, f"the file {name or '(no name given)'} of !file cannot be read: {why}")
            return Sourced("", origin)
        if not text or len(raw) > MAX_SECRET_BYTES:
            what = "is empty" if not text else f"is longer than {MAX_SECRET_BYTES} bytes"
            self._wrong(mark.line, mark.column, f"the file {name} of !file {what}: write the value, and nothing else, into it")
            return Sourced("", origin)
        return Sourced(text, origin)


def plain(text: str) -> Any:
    """The value of an unquoted scalar (see the table at the top)."""
    if not text:
        return None
    if text[0] not in _NOT_TEXT_BEGINS:
        return text
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return _WORDS.get(text, text)
