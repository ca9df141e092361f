"""Which of all known types a message is of: what `--type auto` goes by, and suggestions for unknown devices.

    a type that the registry gives the device          decides, if it can read the message
    what types say of their messages (`recognise:`)     the more holds, the stronger
    an encoded LoRaWAN payload                          names, EUI, then port, bytes and readings (`devices.product`)
    all else                                            more readings, fewer refused fields, a time that could be read

Two types that fit equally are a refusal that names them. So is a payload that fits only as any bytes would (`LEAST_BITS`), and
a type that the message names but that reads out of it what cannot be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from devices.decoder import Decoded, Levels, Result
from devices.device_type import DeviceType
from devices.formats.record import Control
from devices.product import UNNAMED, Evidence, Named
from devices.quality import FAIL
from devices.recognise import Openings, Sign
from devices.rejection import Reason, Rejection
from devices.stations import Registry

LEAST_BITS = {0: 10, 1: 6}
"""Evidence that an encoded payload needs to be taken for one of a type, by how surely it is named (`Named.sure`)."""
EQUAL_BITS = 4
"""Types whose evidence differs by no more fit equally, as far as bytes can tell."""
BY_NAME_BITS = 8
"""Of a reading that stands under its name in a decoded object."""

_MOST_NAMED = 12
"""Types that a refusal names."""

_NO_SIGN = Sign(0, "")


class Fit(NamedTuple):
    """A type that can read the message, and what speaks for it."""

    type: str
    records: list[Decoded]
    sign: Sign = _NO_SIGN
    named: Named = UNNAMED
    evidence: Evidence | None = None
    """None: nothing is encoded."""
    lacking: int = 0
    """Fields of the type of which the message has none."""

    @property
    def readings(self) -> int:
        """How many values it reads."""
        return sum(len(record.values) + len(record.extra) for record in self.records)

    @property
    def order(self) -> tuple[int, int, int]:
        """What counts before the evidence is weighed."""
        return self.sign.strength, self.named.sure, self.named.letters

    @property
    def bits(self) -> float:
        """The weight of the evidence; where nothing is encoded, of the names that were found."""
        return BY_NAME_BITS * self.readings if self.evidence is None else self.evidence.bits

    @property
    def reading(self) -> tuple[int, int, int, bool]:
        """More readings, then fewer fields without one, then fewer refused fields, then a time that could be read."""
        refused = sum(len(record.refused) for record in self.records)
        lacking = self.lacking if self.evidence is not None else 0
        return self.readings, -lacking, -refused, self.records[0].time_ms is not None

    @property
    def impossible(self) -> int:
        """Readings that cannot be (flag 4)."""
        return sum(value.flag == FAIL for record in self.records for value in record.values)


def fit_of(type_id: str, read: Result, sign: Sign = _NO_SIGN) -> Fit | Control | Rejection:
    """What a type reads in a message."""
    if isinstance(read, Control | Rejection):
        return read
    return Fit(type_id, read if isinstance(read, list) else [read], sign)


def choose(
    types: Mapping[str, DeviceType], payload: bytes, levels: Levels, received_ms: int, registry: Registry | None
) -> tuple[Fit | Control | Rejection, str]:
    """The type that fits best and why, or what there is instead. Raises for no payload."""
    openings = Openings(payload, levels, received_ms)
    fits: list[Fit] = []
    rejections: dict[str, Rejection] = {}
    named: dict[str, Named] = {}
    controls: dict[str, Control] = {}
    for name, kind in types.items():
        sign: Sign | None = _NO_SIGN
        if kind.recognise is not None:
            sign = kind.recognise(payload, levels, openings)
        if sign is None:
            continue
        found = fit_of(name, kind.decode(payload, levels, received_ms, {}), sign)
        uplink = openings.uplink(kind.formats)
        if uplink is not None:
            named[name] = kind.product.named(openings.hints, uplink.device or "")
        if isinstance(found, Control):
            controls[name] = found
        elif isinstance(found, Rejection):
            rejections[name] = found
        else:
            fits.append(_weighed(found, kind, openings, named.get(name, UNNAMED)))
    for fit in fits:
        known = registry.devices.get(fit.records[0].device) if registry is not None else None
        if known is not None and known.type == fit.type:
            return fit, f"{fit.type}: the registry says that device {known.id} is one"
    refused = _misnamed(fits, rejections, named, openings)
    if refused is not None:
        return refused, refused.detail
    by_name = max(controls, key=lambda name: named.get(name, UNNAMED)[:2], default=None)
    if by_name is not None and (not fits or named.get(by_name, UNNAMED)[:2] > max((2, 0), *(fit.named[:2] for fit in fits))):
        return controls[by_name], f"{by_name} reads it as a control message"
    if not fits:
        return none_fits(rejections), "no known type can read it"
    return _best(fits, openings)


def _weighed(fit: Fit, kind: DeviceType, openings: Openings, named: Named) -> Fit:
    uplink = openings.uplink(kind.formats)
    if uplink is None or uplink.raw is None or kind.decode_raw is None:
        return fit._replace(named=named)
    read = fit.records[0].values
    values = [*read, *(value for value in fit.records[0].extra if value.parameter not in ("rssi", "snr"))]
    evidence = kind.product.evidence(uplink, values)
    # A message that says nothing but a battery's state, or that is cut off, is not held against those that say more.
    return fit._replace(named=named, evidence=evidence, lacking=len(kind.fields) - len(values) if read and not evidence.left else 0)


def _misnamed(fits: Sequence[Fit], rejections: Mapping[str, Rejection], named: Mapping[str, Named], openings: Openings) -> Rejection | None:
    """The message names its product surely, but no type is that product, or the type cannot read it."""
    surest = max(named.values(), default=UNNAMED)
    if surest.sure == 3:
        those = [name for name, found in named.items() if found == surest]
        if not any(fit.type in those for fit in fits) and all(name in rejections for name in those):
            rejection = rejections[those[0]]
            return Rejection(rejection.reason, f"{surest.why}, but {' and '.join(those)} cannot read it: {rejection.detail}")
        return None
    model = next((hint for hint in openings.hints if hint.place in ("model_id", "mId")), None)
    if model is None or not named or any(fit.sign.strength for fit in fits):
        return None
    what = f"{model.place} is {model.text!r}, and no known type is that product: add one (its maker's codec can be dropped in)"
    return Rejection(Reason.NO_READING, what)


def _best(fits: list[Fit], openings: Openings) -> tuple[Fit | Rejection, str]:
    top = max((fit.order, fit.bits) for fit in fits)
    near = [fit for fit in fits if fit.order == top[0] and fit.bits >= top[1] - EQUAL_BITS]
    if (doubt := _doubt(max(near, key=lambda fit: fit.bits), fits, openings)) is not None:
        return Rejection(Reason.WRONG_SHAPE, doubt), doubt
    best = max(fit.reading for fit in near)
    equal = [fit for fit in near if fit.reading == best]
    if len(equal) > 1:
        names = [fit.type for fit in equal]
        listed = " and ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else "")
        what = f"the types {listed} fit equally: say which with --type {names[0]} or --type {names[1]}"
        return Rejection(Reason.WRONG_SHAPE, what), what
    fit = equal[0]
    others = [f"{other.type} {other.readings}" for other in sorted(fits, key=lambda other: other.order, reverse=True) if other is not fit]
    more = f" and {len(others) - 8} more" if len(others) > 8 else ""
    compared = f" (others: {', '.join(others[:8])}{more})" if others else "; no other type can read it"
    said = [fit.sign.why, fit.named.why, fit.evidence.why if fit.evidence is not None else ""]
    known_by = "".join(f"{why}; " for why in said if why)
    return fit, f"{fit.type}: {known_by}it reads {fit.readings} value{'s' if fit.readings != 1 else ''}{compared}"


def _doubt(fit: Fit, fits: Sequence[Fit], openings: Openings) -> str | None:
    """Why the best is not good enough; None: it is."""
    if fit.evidence is None or fit.sign.strength:
        return None
    if fit.named.sure >= 2:
        rivals = [other for other in fits if other.evidence is not None and not other.impossible]
        better = max(rivals, key=lambda other: other.bits, default=None)
        if not fit.impossible or better is None or better.bits <= fit.bits:
            return None
        return (
            f"{fit.named.why}, but {fit.type} reads in it what cannot be, and {better.type} does not: "
            f"say which with --type {fit.type} or --type {better.type}"
        )
    if fit.bits >= LEAST_BITS[fit.named.sure]:
        return None
    could = [other.type for other in sorted(fits, key=lambda other: (other.order, other.bits), reverse=True)[:4]]
    said = next((f"{hint.place} is {hint.text[:60]!r}, which no known type is" for hint in openings.hints if hint.exact), None)
    return (
        f"{said or 'nothing in the message names its sensor'}, and its bytes fit no type better than chance: "
        f"say which with --type (it could be read as {', '.join(could)})"
    )


_FAR = (Reason.NO_READING, Reason.WRONG_TYPE, Reason.OUT_OF_BOUNDS)


def none_fits(rejections: Mapping[str, Rejection]) -> Rejection:
    """What a message is refused with that no type can read."""
    if not rejections:
        return Rejection(Reason.NO_READING, "no device type knows such a message")
    # A type that got as far as fields says more about the message than those whose format it is not.
    far = [rejection.reason for rejection in rejections.values() if rejection.reason in _FAR]
    reason, count = Counter(far or [rejection.reason for rejection in rejections.values()]).most_common(1)[0]
    if count == len(rejections):
        return next(iter(rejections.values()))
    said = "; ".join(f"{name}: {rejection.reason}" for name, rejection in list(rejections.items())[:10])
    more = f"; and {len(rejections) - 10} more" if len(rejections) > 10 else ""
    return Rejection(reason, f"no known type can read it ({said}{more})")
