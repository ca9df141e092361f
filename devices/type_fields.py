"""The fields of a device type: checked against the catalogue, compiled into readers of one value each."""

from __future__ import annotations

from sys import float_info

from devices.fields import CompiledField, Special
from devices.formats.paths import MISSING, Find, compile_path
from devices.parameters import Catalogue
from devices.problems import ConfigError, ConfigProblem, did_you_mean
from devices.quality import Spans
from devices.type_model import FieldModel, TypeModel
from devices.units import UnitError, conversion, stated_conversions

PER_MS = {"": 3_600_000, "h": 3_600_000, "hr": 3_600_000, "min": 60_000, "s": 1_000, "d": 86_400_000}
"""What a rate is per → milliseconds."""


def rate_unit(entry: FieldModel) -> tuple[str, str]:
    """A rate's unit apart: (`mm`, `h`) of `mm/h`."""
    if entry.accumulation != "rate":
        return entry.unit, ""
    amount, _, per = entry.unit.rpartition("/")
    return (amount, per) if amount and per in PER_MS else (entry.unit, "?")


def whole_path(path: str) -> Find:
    """The look-up of a path among whole paths."""
    return lambda pairs: pairs.get(path, MISSING)


def compile_fields(
    model: TypeModel, catalogue: Catalogue, *, tree: bool, stated: bool
) -> tuple[dict[str, CompiledField], list[ConfigProblem]]:
    """All fields by their paths, and what is wrong with them. `tree`: paths are looked up in a tree; `stated`: the format names units."""
    fields: dict[str, CompiledField] = {}
    problems: list[ConfigProblem] = []
    read_as: dict[str, tuple[str, int | None]] = {}
    for key, entry in model.fields.items():
        try:
            if tree:
                compile_path(key)
            fields[key] = _compiled(key, entry, catalogue, stated)
        except ConfigError as error:
            problems.extend(problem.under("fields", key) for problem in error.problems)
            continue
        except ValueError as error:
            problems.append(ConfigProblem(("fields", key), str(error)))
            continue
        other = read_as.setdefault(entry.parameter, (key, entry.rank))
        if other[0] != key and (other[1] is None or entry.rank is None):
            what = f"{entry.parameter} is already read from {other[0]!r}: give both a `rank`, the least of those with a value counts"
            problems.append(ConfigProblem(("fields", key, "parameter"), what))
    return fields, problems


def _compiled(key: str, entry: FieldModel, catalogue: Catalogue, stated: bool) -> CompiledField:
    parameter = catalogue.get(entry.parameter)
    if parameter is None:
        message = f"unknown parameter {entry.parameter!r}{did_you_mean(entry.parameter, catalogue)}"
        raise ConfigError([ConfigProblem(("parameter",), message)])
    problems = []
    for name, span in (("plausible", entry.plausible), ("suspect", entry.suspect)):
        if span is not None and not span[0] < span[1]:
            problems.append(ConfigProblem((name,), "the span's first number must be the smaller one"))
    converted = {}
    plain_unit, per = rate_unit(entry)
    if per == "?":
        problems.append(ConfigProblem(("unit",), f"a rate is an amount per time: write for example mm/h, not {entry.unit!r}"))
    for text, unit, place in ((None, plain_unit, ("unit",)), *((text, unit, ("units", text)) for text, unit in entry.units.items())):
        try:
            converted[text] = conversion(unit, parameter, basis=entry.basis, at_celsius=entry.at_celsius)
        except UnitError as error:
            problems.append(ConfigProblem(place, str(error)))
    if problems:
        raise ConfigError(problems)
    factor, offset = converted.pop(None)
    spans = Spans(entry.plausible or parameter.plausible, entry.suspect)
    if entry.accumulation in ("counter", "rate"):
        spans = Spans((-float_info.max, float_info.max))  # a total is as large as it is; the amount is judged (devices.accumulation)
    special = None
    stated = stated and entry.unit_at is None and entry.accumulation != "rate"
    if stated or entry.unit_at is not None or entry.only_if or entry.suffix or entry.rank is not None or entry.factor_at or entry.offset_at:
        special = Special(
            unit_at=whole_path(f"{key}@unit") if stated else None if entry.unit_at is None else compile_path(entry.unit_at),
            units=stated_conversions(parameter, entry.basis)
            if stated
            else {text: found for text, found in converted.items() if text is not None},
            stated=stated,
            only_if=tuple((compile_path(path), due) for path, due in entry.only_if.items()),
            suffix=entry.suffix,
            factor_at=None if entry.factor_at is None else compile_path(entry.factor_at),
            offset_at=None if entry.offset_at is None else compile_path(entry.offset_at),
            rank=entry.rank,
        )
    return CompiledField(
        key=key,
        parameter=parameter.id,
        medium=parameter.medium,
        factor=factor,
        offset=offset,
        spans=spans,
        missing=frozenset(entry.missing),
        text=entry.text,
        special=special,
    )
