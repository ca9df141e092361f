"""Codecs: what turns an application payload (LoRaWAN `frm_payload`, or any binary message) into (path, value) pairs.

model.py       what the YAML of a device type may say under `codec`, and `compile_codec`
binary.py      binary layouts declared in YAML, compiled into closures
formula.py     the arithmetic of such layouts
javascript.py  makers' JavaScript codecs as they are, in a sandbox
"""

from __future__ import annotations

from devices.codecs.binary import compile_account as account_of_layout
from devices.codecs.binary import compile_binary
from devices.codecs.javascript import Stopped, compile_javascript, patiently
from devices.codecs.model import Account, Accounted, Codec, CodecModel, JavaScriptModel
from devices.formats import cayenne_lpp
from devices.problems import ConfigError, ConfigProblem, DataPath

__all__ = ["Account", "Accounted", "Codec", "CodecModel", "Stopped", "compile_account", "compile_codec", "patiently"]


def compile_codec(model: CodecModel, path: DataPath = ("codec",)) -> Codec:
    """The one function of a codec. Raises ConfigError with paths under `path`."""
    if model.builtin is not None:
        return cayenne_lpp.decode
    if model.binary is not None:
        return compile_binary(model.binary, (*path, "binary"))
    if isinstance(model.javascript, JavaScriptModel):
        return compile_javascript(model.javascript, (*path, "javascript"))
    kind, name = ("layout", model.layout) if model.layout is not None else ("javascript", model.javascript)
    raise ConfigError([ConfigProblem((*path, kind), f"{name!r} was not read (devices.loader.with_codec does)")])


def compile_account(model: CodecModel) -> Account | None:
    """How much of a message the codec accounts for; None where that cannot be known (JavaScript)."""
    if model.builtin is not None:
        return lambda raw, port: Accounted(*cayenne_lpp.account(raw))
    return None if model.binary is None else account_of_layout(model.binary)
