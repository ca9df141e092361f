"""From one YAML file of a device type to one function, bytes → readings: checked against the catalogue, compiled once.

What the file may say is in `devices.type_model`; how a message is read in `devices.decoder`. The rows of `examples` are run
by a test (`devices.examples`): a type is not believed because somebody wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from devices.accumulation import Accumulation
from devices.calibration import compile_calibrations
from devices.codecs import Codec, compile_codec
from devices.collect import flat_collector, tree_collector
from devices.decoder import Clock, Decode, Reading, Speaker, compile_plain, compile_records, compile_uplinks
from devices.fields import CompiledField
from devices.formats import FORMATS, GROUPS, Format, Record
from devices.formats.base import StateKey
from devices.formats.paths import MISSING, Find, compile_path
from devices.formats.topic_template import compile_template
from devices.formats.topic_template import names as captures_of
from devices.formats.unwrap import unwrapper
from devices.parameters import Catalogue, Parameter
from devices.problems import ConfigError, ConfigProblem, did_you_mean, from_pydantic
from devices.product import Product, compile_product
from devices.qc.model import QualityModel
from devices.qc.settings import problems as quality_problems
from devices.quality import Spans
from devices.recognise import Recognise, compile_recognise
from devices.stations import Corrections
from devices.times import parse_zone, time_reader
from devices.type_fields import PER_MS, compile_fields, rate_unit, whole_path
from devices.type_model import ExampleModel, TypeModel

__all__ = ["Decode", "DeviceType", "ExampleModel", "TypeModel", "parse", "parse_all"]

HEALTH = {"rssi": "rssi", "snr": "snr", "battery": "battery", "battery_voltage": "battery_voltage"}
"""What envelopes say of the device, and the parameter that it is."""


@dataclass(frozen=True, slots=True)
class DeviceType:
    """A compiled type. `decode(payload, topic levels)` is pure and raises for no input."""

    id: str
    title: Mapping[str, str]
    interval_ms: int
    delay_ms: int
    medium: str
    """The medium of most of its fields; values of other media travel in `Decoded.extra`."""
    media: Mapping[str, str]
    """Parameter → medium, for all that it can give."""
    fields: Mapping[str, CompiledField]
    device_level: int | None
    """Index (from 0) of the topic level with the device's id, None when the message holds it."""
    decode: Decode
    examples: Sequence[ExampleModel]
    formats: tuple[Format, ...]
    by_format: Mapping[str, Decode]
    """The same reading for one format alone, where the type has several."""
    decode_raw: Decode | None
    """Reads a bare application payload: (bytes, port) as (payload, (device, port as text)). None without a codec."""
    spans: Mapping[str, Spans]
    """Parameter → spans, for all that its fields give."""
    corrections: Mapping[str, Corrections] | None
    """Calibrations that every device of this type has unless the registry says otherwise; None: none."""
    accumulates: Mapping[str, Accumulation] | None
    """Parameters that are given as running totals or rates; None: none."""
    state_key: StateKey | None
    """Where the format keeps state from message to message; None: nowhere."""
    quality: QualityModel
    """Quality tests that differ for such devices."""
    recognise: Recognise | None
    """What the type says about how to know its messages; None: nothing."""
    product: Product
    """What it is, and what speaks for it where the message does not say."""


_ADAPTER = TypeAdapter(TypeModel)


def _quality(model: TypeModel, catalogue: Catalogue) -> QualityModel:
    """Raises ConfigError for parameters that the catalogue lacks."""
    unknown = list(quality_problems(model.quality, catalogue, ("quality",)))
    if unknown:
        raise ConfigError(unknown)
    return model.quality


def parse(data: Mapping[str, Any], catalogue: Catalogue) -> DeviceType:
    """Check and compile one type from parsed data. Raises ConfigError with every problem and its path in `data`."""
    try:
        model = _ADAPTER.validate_python(data)
    except ValidationError as error:
        raise ConfigError(from_pydantic(error)) from None
    formats, problems = _formats(model)
    options, found = _options(model, formats)
    problems += found
    fields, found = compile_fields(model, catalogue, tree=bool(formats) and _is_tree(model), stated=any(known.units for known in formats))
    problems += found
    codec, found = _codec(model)
    problems += found
    if formats and not problems:
        problems += _place_problems(model, formats)
    if problems:
        raise ConfigError(problems)
    accumulates = _accumulating(model, fields, catalogue)
    spans = {entry.parameter: fields[key].spans for key, entry in model.fields.items()}
    spans |= {parameter: how.spans for parameter, how in accumulates.items()}
    corrections, problems = compile_calibrations(model.calibration, spans, catalogue, UTC, ("calibration",))
    if problems:
        raise ConfigError(problems)
    medium = _main_medium(fields)
    reading = _reading(model, fields, medium, catalogue)
    by_format = {known.name: _decode(model, reading, [known], options, codec) for known in formats} if len(formats) > 1 else {}
    keys = [known.state_key for known in formats if known.state_key is not None]
    return DeviceType(
        id=model.id,
        title=model.title,
        interval_ms=model.interval,
        delay_ms=model.time.delay or 0 if model.time else 0,
        medium=medium,
        media={**{field.parameter: field.medium for field in reading.health.values()}, **{f.parameter: f.medium for f in fields.values()}},
        fields=fields,
        device_level=reading.speaker.level,
        decode=_decode(model, reading, formats, options, codec),
        examples=model.examples,
        formats=tuple(formats),
        by_format=by_format,
        decode_raw=_raw(reading, codec) if codec is not None else None,
        spans=spans,
        corrections=corrections or None,
        accumulates=accumulates or None,
        state_key=keys[0] if keys else None,
        quality=_quality(model, catalogue),
        recognise=compile_recognise(model.recognise, tuple(formats)) if model.recognise else None,
        product=compile_product(model),
    )


def parse_all(types: Sequence[Mapping[str, Any]], catalogue: Catalogue) -> dict[str, DeviceType]:
    """All types by id. Raises ConfigError; paths start with `("types", index)`."""
    problems: list[ConfigProblem] = []
    known: dict[str, DeviceType] = {}
    for index, data in enumerate(types):
        try:
            found = _compiled_once(data, catalogue)
        except ConfigError as error:
            problems.extend(problem.under("types", index) for problem in error.problems)
            continue
        if found.id in known:
            problems.append(ConfigProblem(("types", index, "id"), f"type {found.id!r} is there twice"))
        known[found.id] = found
    if problems:
        raise ConfigError(problems)
    return known


_COMPILED: dict[bytes, tuple[Catalogue, DeviceType]] = {}
_MOST_COMPILED = 512
"""What is remembered of compiled types is bounded; beyond it they are compiled again. It changes nothing but speed: a compiled
type holds no state, and a configuration that is loaded again (a reload, a replay in a scratch core) has nearly the same types."""


def _compiled_once(data: Mapping[str, Any], catalogue: Catalogue) -> DeviceType:
    try:
        key = orjson.dumps(data, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return parse(data, catalogue)
    known = _COMPILED.get(key)
    if known is None or known[0] is not catalogue:
        if len(_COMPILED) >= _MOST_COMPILED:
            _COMPILED.clear()
        known = _COMPILED[key] = (catalogue, parse(data, catalogue))
    return known[1]


def _main_medium(fields: Mapping[str, CompiledField]) -> str:
    """By majority, not by position: the journal holds the type as JSON with sorted keys, and must rebuild the same."""
    media = [field.medium for field in fields.values()]
    return max(("air", "water", "device"), key=media.count)


# --- compiling


def _reading(model: TypeModel, fields: Mapping[str, CompiledField], medium: str, catalogue: Catalogue) -> Reading:
    zone = parse_zone(model.time.zone) if model.time and model.time.zone else None
    said = model.time.field if model.time else None
    paths = (said,) if isinstance(said, str) else said or ()
    read_time = time_reader(model.time.format if model.time else "auto", zone)
    health = {name: _about_device(catalogue[parameter]) for name, parameter in HEALTH.items()}
    return Reading(
        speaker=_speaker(model),
        clock=Clock(
            paths[0] if paths else "time",
            _first_of([_find(model, path) for path in paths]) if paths else None,
            read_time,
            len(paths) == 1 and _is_top(model, paths[0]),
        ),
        collect=(tree_collector if _is_tree(model) else flat_collector)(fields.values(), medium),
        collect_flat=flat_collector(fields.values(), medium),
        parameters=frozenset(field.parameter for field in fields.values()),
        health=health,
        health_is_main=medium == "device",
        ranked=any(field.special is not None and field.special.rank is not None for field in fields.values()),
        position=(_find(model, model.position.lat), _find(model, model.position.lon)) if model.position else None,
    )


def _is_tree(model: TypeModel) -> bool:
    return any(FORMATS[name].nested for name in _names(model))


def _find(model: TypeModel, path: str) -> Find:
    """The reader of one path: in a tree, or among whole paths; a codec gives whole paths whatever the format."""
    flat = whole_path(path)
    if not _is_tree(model):
        return flat
    nested = compile_path(path)
    if model.codec is None or "[" not in path:
        return nested

    def either(tree: Any) -> Any:
        found = flat(tree)
        return nested(tree) if found is MISSING else found

    return either


def _first_of(finds: Sequence[Find]) -> Find:
    """The first that finds something."""
    if len(finds) == 1:
        return finds[0]
    return lambda tree: next((found for find in finds if (found := find(tree)) is not MISSING and found is not None), MISSING)


def _is_top(model: TypeModel, path: str) -> bool:
    return not _is_tree(model) or path.isidentifier()


def _about_device(parameter: Parameter) -> CompiledField:
    return CompiledField(parameter.id, parameter.id, parameter.medium, 1.0, 0.0, Spans(parameter.plausible), frozenset(), False)


def _speaker(model: TypeModel) -> Speaker:
    device = model.device
    if device is None:
        return Speaker(capture="device" if model.topic is not None and "device" in captures_of(model.topic) else None)
    if device.field is not None:
        find, top = _find(model, device.field), _is_top(model, device.field)
        return Speaker(name=device.field, find=find, top=top, or_level=_index(device.or_level))
    return Speaker(level=_index(device.level), capture=device.capture)


def _index(level: int | None) -> int | None:
    """People count a topic's levels from 1."""
    return None if level is None else level - 1


def _decode(model: TypeModel, reading: Reading, formats: Sequence[Format], options: Any, codec: Codec | None) -> Decode:
    known = formats[0]
    key_level = model.key - 1 if model.key else None
    simple = len(formats) == 1 and not model.unwrap and codec is None and model.topic is None and not model.options
    if simple and known.read is not None and not known.device:
        others = known.records() if known.reader is not None else None
        return compile_plain(reading, known.read, others, key_level, known.nested)
    template = None if model.topic is None else compile_template(model.topic)
    general = compile_records(
        reading,
        [(each.records(options if each.options is not None else None), each.likely) for each in formats],
        unwrap=unwrapper(model.unwrap) if model.unwrap else None,
        codec=codec,
        topic=template,
        key_level=key_level,
        key_capture="parameter",
    )
    if simple and known.quick is not None and model.device is None and model.position is None and key_level is None:
        return compile_uplinks(reading, known.quick, general)
    return general


def _raw(reading: Reading, codec: Codec) -> Decode:
    """Reads a bare application payload; the topic levels are the device's id and the port."""

    def read(payload: bytes, context: Any) -> list[Record]:
        device, port = context.topic
        return [Record({}, device=device, raw=payload, port=int(port))]

    spoken = Reading(
        speaker=Speaker(),
        clock=reading.clock._replace(find=None),
        collect=reading.collect,
        collect_flat=reading.collect_flat,
        parameters=reading.parameters,
        health={},
        health_is_main=reading.health_is_main,
        ranked=reading.ranked,
    )
    return compile_records(spoken, [(read, None)], codec=codec)


def _accumulating(model: TypeModel, fields: Mapping[str, CompiledField], catalogue: Catalogue) -> dict[str, Accumulation]:
    found = {}
    for key, entry in model.fields.items():
        if entry.accumulation in ("counter", "rate"):
            field = fields[key]
            rollover = None if entry.rollover is None else entry.rollover * field.factor
            spans = Spans(entry.plausible or catalogue[field.parameter].plausible, entry.suspect)
            found[field.parameter] = Accumulation(entry.accumulation, spans, rollover, PER_MS[rate_unit(entry)[1]])
    return found


# --- checking


def _names(model: TypeModel) -> list[str]:
    said = (model.format,) if isinstance(model.format, str) else model.format
    return [name for entry in said for name in GROUPS.get(entry, (entry,))]


def _formats(model: TypeModel) -> tuple[list[Format], list[ConfigProblem]]:
    names = _names(model)
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        name = unknown[0] if unknown else ""
        what = f"unknown format {name!r}{did_you_mean(name, [*FORMATS, *GROUPS])} (known: {', '.join([*FORMATS, *GROUPS])})"
        return [], [ConfigProblem(("format",), what)]
    formats = [FORMATS[name] for name in dict.fromkeys(names)]
    if len({known.nested for known in formats}) > 1 or len({known.keyed for known in formats}) > 1:
        what = "formats that name values by path and formats that give whole objects cannot be mixed: make two types"
        return formats, [ConfigProblem(("format",), what)]
    return formats, []


def _options(model: TypeModel, formats: Sequence[Format]) -> tuple[Any, list[ConfigProblem]]:
    """The options, checked by the formats' own model."""
    takers: list[type[BaseModel]] = [known.options for known in formats if known.options is not None]
    if not takers:
        unwanted = [ConfigProblem(("options",), f"format {formats[0].name} has none")] if model.options and formats else []
        return None, unwanted
    if len(set(takers)) > 1:
        return None, [ConfigProblem(("options",), "formats with different options cannot be mixed")] if model.options else []
    try:
        return takers[0].model_validate(dict(model.options)), []
    except ValidationError as error:
        return None, from_pydantic(error, ("options",))


def _codec(model: TypeModel) -> tuple[Codec | None, list[ConfigProblem]]:
    if model.codec is None:
        return None, []
    try:
        return compile_codec(model.codec), []
    except ConfigError as error:
        return None, list(error.problems)


def _place_problems(model: TypeModel, formats: Sequence[Format]) -> list[ConfigProblem]:
    """Device, time and key where the format has no place for them, or needs them."""
    known = formats[0]
    problems = []
    if model.codec is None and known.name == "binary":
        problems.append(ConfigProblem(("codec",), "is missing: a binary payload needs one"))
    if model.codec is not None and not any(each.raw for each in formats):
        problems.append(ConfigProblem(("codec",), f"format {known.name} holds no encoded payload: use `binary` or a network server's"))
    captured = captures_of(model.topic) if model.topic is not None else []
    if known.keyed and not known.nested and model.key is not None:
        problems.append(ConfigProblem(("key",), f"a {known.name} message names its fields itself: leave `key` out"))
    if not known.keyed:
        if model.key is None and "parameter" not in captured:
            problems.append(ConfigProblem(("key",), "is missing: the topic level, counted from 1, that names the field"))
        if model.device is not None and model.device.field is not None and not known.nested:
            problems.append(ConfigProblem(("device", "field"), "a plain value has no fields: write `device: {level: …}`"))
        if model.time is not None and not known.nested:
            problems.append(ConfigProblem(("time",), "a plain value holds no time: leave `time` out"))
    if model.device is None and "device" not in captured and not all(each.device for each in formats):
        problems.append(ConfigProblem(("device",), "is missing: write `{field: …}` or `{level: …}` (of the topic)"))
    if model.device is not None and model.device.capture is not None and model.device.capture not in captured:
        what = f"the topic template names no {{{model.device.capture}}} (it names: {', '.join(captured) or 'nothing'})"
        problems.append(ConfigProblem(("device", "capture"), what))
    return problems
