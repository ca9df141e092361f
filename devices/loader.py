"""Reads the files that this package ships, and those that device types name. The only module of `devices` that touches files."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, cast

import yaml

from devices.parameters import Catalogue
from devices.problems import ConfigError, ConfigProblem, did_you_mean
from devices.qc.settings import ParameterQuality, parse_defaults

_PACKAGE = resources.files("devices")
_SCRIPT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,96}\.js")
_LONGEST_SCRIPT = 1_000_000
"""Bytes."""


def _read(text: str) -> Any:
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders


@cache
def catalogue() -> Catalogue:
    """The shipped parameter catalogue."""
    return Catalogue.parse(_read(_PACKAGE.joinpath("parameters.yaml").read_text("utf-8")))


@cache
def quality_defaults() -> Mapping[str, ParameterQuality]:
    """The shipped defaults of quality control, by parameter."""
    return parse_defaults(_read(_PACKAGE.joinpath("qc", "defaults.yaml").read_text("utf-8")), catalogue())


def shipped_types() -> dict[str, dict[str, Any]]:
    """The shipped device types by id, as parsed data (what `devices.device_type.TypeModel` validates). A fresh copy each time."""
    found = {}
    for file in sorted(_PACKAGE.joinpath("types").iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".yaml"):
            data = cast(dict[str, Any], _read(file.read_text("utf-8")))
            found[str(data["id"])] = with_codec(data, _PACKAGE.joinpath("types"))
    return found


def with_codec(data: dict[str, Any], folder: Traversable) -> dict[str, Any]:
    """The type with the layout or the JavaScript file that its `codec` names, read into it: from here on the type is complete.

    JavaScript files stand in `folder`, beside the type. Raises ConfigError.
    """
    codec = data.get("codec")
    if not isinstance(codec, dict):
        return data
    layout, script = codec.get("layout"), codec.get("javascript")
    if isinstance(layout, str):
        layouts = _layouts()
        if layout not in layouts:
            known = f"{did_you_mean(layout, layouts)} (known: {', '.join(layouts)})"
            raise ConfigError([ConfigProblem(("codec", "layout"), f"there is no layout {layout[:80]!r}{known}")])
        return {**data, "codec": {**{key: value for key, value in codec.items() if key != "layout"}, **copy.deepcopy(layouts[layout])}}
    if isinstance(script, str):
        return {**data, "codec": {**codec, "javascript": {"file": script, "source": _script(script, folder)}}}
    return data


@cache
def _layouts() -> dict[str, dict[str, Any]]:
    files = sorted(_PACKAGE.joinpath("codecs", "layouts").iterdir(), key=lambda entry: entry.name)
    return {file.name.removesuffix(".yaml"): _read(file.read_text("utf-8")) for file in files if file.name.endswith(".yaml")}


def _script(name: str, folder: Traversable) -> str:
    """The text of a codec. Its name is a plain one: no way leads out of the folder."""
    place = ("codec", "javascript")
    if not _SCRIPT.fullmatch(name):
        raise ConfigError([ConfigProblem(place, f"{name[:80]!r} is not the name of a .js file that stands beside this one")])
    try:
        if not folder.joinpath(name).is_file():
            raise ConfigError([ConfigProblem(place, f"there is no file {name} beside the type's own")])
        with folder.joinpath(name).open("rb") as file:
            text = file.read(_LONGEST_SCRIPT + 1)
    except OSError as error:
        raise ConfigError([ConfigProblem(place, f"{name} cannot be read: {error.strerror}")]) from None
    if len(text) > _LONGEST_SCRIPT:
        raise ConfigError([ConfigProblem(place, f"{name} has more than {_LONGEST_SCRIPT} bytes")])
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([ConfigProblem(place, f"{name}: byte {error.start} is not UTF-8")]) from None
