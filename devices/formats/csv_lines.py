"""`csv`: lines of cells, one record a line.

    time;device;pm25;note                        {time: "2026-03-14 09:00:00", device: "st01", pm25: 12.5, note: "a;b"}
    2026-03-14 09:00:00;st01;12,5;"a;b"          with delimiter ";", header, decimal ","

The cells' names are the first line (`header: true`), or `columns` in the type; without either their numbers: `1`, `2`, … A
column named `-` is passed over. With `pair: "="` each cell names itself (`pm25=12.5;rh=71`). Cells in quotation marks may hold
the delimiter and doubled quotation marks, but no line ends. The format has only texts: what looks like a plain number is one
(`text_values`), an empty cell is None. Empty lines and comments are passed over.

A line that cannot be read is refused alone (path `line 3`): cells too few (a cut line ends in a cut number) or too many,
broken quotation, bytes that are not UTF-8.
"""

from __future__ import annotations

import csv
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from devices.formats.base import Format
from devices.formats.limits import MAX_RECORDS, MAX_VALUES
from devices.formats.record import Context, Pairs, Record, RecordReader
from devices.formats.refusals import settle
from devices.formats.text_values import value_of
from devices.rejection import Reason, Rejection

MAX_COLUMNS = 500


class Options(BaseModel):
    """How the lines of one device type are written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delimiter: str = Field(",", min_length=1, max_length=1)
    """One character; "\\t" for a tabulator, " " for blanks (several count as one)."""
    columns: tuple[str, ...] = Field((), max_length=MAX_COLUMNS)
    """Names of the cells, in their order; `-` passes one over."""
    header: bool = False
    """The first line names the cells."""
    pair: str | None = Field(None, min_length=1, max_length=1)
    """Each cell is `name=value`, with this character between."""
    quote: str | None = Field('"', min_length=1, max_length=1)
    comment: str | None = Field("#", min_length=1, max_length=4)
    """Lines that begin so are passed over."""
    decimal: Literal[".", ","] = "."
    skip: int = Field(0, ge=0, le=100)
    """Lines to pass over at the start (a logger's own head)."""

    @model_validator(mode="after")
    def _agree(self) -> Options:
        if sum((bool(self.columns), self.header, self.pair is not None)) > 1:
            raise ValueError("cells are named by `columns`, by `header: true` or by `pair`: write one of them")
        if self.decimal == self.delimiter:
            raise ValueError("delimiter and decimal are the same character: it cannot be known where a cell ends")
        if self.delimiter in "\r\n" or self.quote == self.delimiter or self.pair == self.delimiter:
            raise ValueError("delimiter, quote and pair must differ, and none is a line end")
        return self

    @field_validator("columns")
    @classmethod
    def _named_once(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        named = [name for name in columns if name != "-"]
        if len(set(named)) != len(named):
            raise ValueError("two columns have the same name")
        return columns


class _BadLine(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        self.rejection = Rejection(reason, detail)


def reader(options: Options) -> RecordReader:
    """The reader of one device type. Rejections: empty, no-reading, duplicate-key (the header), or those of the only line."""

    def read_lines(payload: bytes, context: Context) -> list[Record] | Rejection:
        if not payload.strip():
            return Rejection(Reason.EMPTY, "the payload is blank" if payload else "the payload is empty")
        names: list[str] | None = list(options.columns) or None
        records: list[Record] = []
        refused: dict[str, Rejection] = {}
        values = 0
        for number, line in enumerate(payload.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
            if number <= options.skip or not line.strip():
                continue
            if len(records) + len(refused) >= MAX_RECORDS or values >= MAX_VALUES:
                what = f"more than {MAX_RECORDS} lines or {MAX_VALUES} cells in one message"
                refused[f"line {number}"] = Rejection(Reason.WRONG_SHAPE, what)
                break
            try:
                cells = _cells(line, options)
                if cells is None:
                    continue
                if options.header and names is None:
                    names = _header(cells)
                    continue
                pairs = _named(cells, names, options)
            except _BadLine as bad:
                if options.header and names is None:
                    return bad.rejection
                refused[f"line {number}"] = bad.rejection
                continue
            values += len(pairs)
            records.append(Record(pairs))
        if not records and not refused:
            return Rejection(Reason.NO_READING, "there is no line with values")
        return settle(records, refused)

    return read_lines


def _cells(line: bytes, options: Options) -> list[str] | None:
    """The cells of a line; None: it is a comment."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _BadLine(Reason.INVALID_UTF8, f"byte {error.start} of the line is not UTF-8") from None
    if options.comment is not None and text.lstrip().startswith(options.comment):
        return None
    delimiter = options.delimiter
    if delimiter == " ":
        text = text.strip()
    if options.quote is None or options.quote not in text:
        cells = text.split() if delimiter == " " else text.split(delimiter)
    else:
        try:
            blanks = delimiter == " "
            (cells,) = csv.reader([text], delimiter=delimiter, quotechar=options.quote, strict=True, skipinitialspace=True)
            cells = [cell for cell in cells if cell] if blanks else cells
        except (csv.Error, ValueError) as error:
            raise _BadLine(Reason.WRONG_SHAPE, f"broken quotation: {error}") from None
    if len(cells) > MAX_COLUMNS:
        raise _BadLine(Reason.WRONG_SHAPE, f"{len(cells)} cells, at most {MAX_COLUMNS} are taken from a line")
    return cells


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip() or "-" for cell in cells]
    named = [name for name in names if name != "-"]
    if len(set(named)) != len(named):
        raise _BadLine(Reason.DUPLICATE_KEY, "two columns of the header have the same name")
    return names


def _named(cells: list[str], names: list[str] | None, options: Options) -> Pairs:
    comma = options.decimal == ","
    if options.pair is not None:
        return _self_named(cells, options.pair, comma)
    if names is None:
        return {str(index): value_of(cell, decimal_comma=comma) for index, cell in enumerate(cells, 1)}
    if len(cells) == len(names) + 1 and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) != len(names):
        raise _BadLine(Reason.WRONG_SHAPE, f"{len(cells)} cells, there are {len(names)} columns")
    return {name: value_of(cell, decimal_comma=comma) for name, cell in zip(names, cells, strict=True) if name != "-"}


def _self_named(cells: list[str], separator: str, comma: bool) -> Pairs:
    pairs: Pairs = {}
    for cell in cells:
        name, found, text = cell.partition(separator)
        name = name.strip()
        if not found and not name:
            continue
        if not found or not name:
            raise _BadLine(Reason.WRONG_SHAPE, f"the cell {cell[:40]!r} is no name{separator}value")
        if name in pairs:
            raise _BadLine(Reason.DUPLICATE_KEY, f"{name[:40]!r} occurs twice")
        pairs[name] = value_of(text, decimal_comma=comma)
    return pairs


read = reader(Options())
"""With commas, cells named by their numbers."""
FORMAT = Format("csv", reader=reader, options=Options)
