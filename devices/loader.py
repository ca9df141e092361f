"""Reads the YAML that this package ships. The only module of `devices` that touches files."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, cast

import yaml

from devices.parameters import Catalogue

_PACKAGE = resources.files("devices")


def _read(text: str) -> Any:
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders


@cache
def catalogue() -> Catalogue:
    """The shipped parameter catalogue."""
    return Catalogue.parse(_read(_PACKAGE.joinpath("parameters.yaml").read_text("utf-8")))


def shipped_types() -> dict[str, dict[str, Any]]:
    """The shipped device types by id, as parsed data (what `devices.device_type.TypeModel` validates). A fresh copy each time."""
    found = {}
    for file in sorted(_PACKAGE.joinpath("types").iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".yaml"):
            data = cast(dict[str, Any], _read(file.read_text("utf-8")))
            found[str(data["id"])] = data
    return found
