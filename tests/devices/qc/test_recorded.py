"""The calls that the tests of `ioos_qc` make of the tests we have, with the flags they expect; and golden series of our own."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import pytest

from devices.qc.attenuated import Attenuated
from devices.qc.climatology import Climatology, Member
from devices.qc.density import DensityInversion
from devices.qc.flat_line import FlatLine
from devices.qc.gross_range import GrossRange
from devices.qc.location import Place
from devices.qc.rate import Rate
from devices.qc.spike import Spike
from devices.quality import Spans
from tests.devices.qc.series import flags, rows

DATA = Path(__file__).parents[2] / "data/qartod"
CALLS = [json.loads(line.rstrip(",")) for line in (DATA / "ioos_qc_calls.json").read_text().splitlines()[1:-1]]
GOLDEN = json.loads((DATA / "golden.json").read_text())
Args = dict[str, Any]


def _ms(time: str | float) -> int:
    """As `ioos_qc` reads times: ISO text, or seconds."""
    return int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp() * 1000) if isinstance(time, str) else int(time * 1000)


def _interval_ms(args: Args) -> int:
    return _ms(args["tinp"][1]) - _ms(args["tinp"][0])


def _timed(args: Args) -> list[tuple[int, float | None]]:
    return [(_ms(time), value) for time, value in zip(args["tinp"], args["inp"], strict=True)]


def _gross_range(args: Args) -> list[int]:
    return flags(GrossRange(Spans(tuple(args["fail_span"]), tuple(args["suspect_span"]))), rows(args["inp"]))


def _spike(args: Args) -> list[int]:
    test = Spike(args.get("suspect_threshold"), args.get("fail_threshold"), args.get("method", "average"))
    return flags(test, rows(args["inp"]))


def _rate(args: Args) -> list[int]:
    return flags(Rate(args["threshold"], args.get("fail_threshold")), _timed(args))


def _flat_line(args: Args) -> list[int]:
    if len(args["inp"]) < 2:
        return flags(FlatLine(1000, args["suspect_threshold"] * 1000, args["fail_threshold"] * 1000, args["tolerance"]), rows(args["inp"]))
    test = FlatLine(_interval_ms(args), args["suspect_threshold"] * 1000, args["fail_threshold"] * 1000, args["tolerance"])
    return flags(test, _timed(args))


def _attenuated(args: Args) -> list[int]:
    """`min_period` as a number of intervals; without a period all readings get the verdict on the whole series, which is our last."""
    least = args["min_period"] * 1000 // _interval_ms(args) if args["min_period"] is not None else args["min_obs"] or 1
    period = 1 << 50 if args["test_period"] is None else args["test_period"] * 1000
    found = flags(Attenuated(period, args["suspect_threshold"], args["fail_threshold"], least, args["check_type"]), _timed(args))
    return found if args["test_period"] is not None else [found[-1] if value is not None else 9 for value in args["inp"]]


def _density(args: Args) -> list[int]:
    test = DensityInversion(args["suspect_threshold"], args["fail_threshold"])
    return flags(test, [(number, *row) for number, row in enumerate(zip(args["inp"], args["zinp"], strict=True))])


def _climatology(args: Args) -> list[int]:
    members = []
    for member in args["config"]["members"]:
        spans = {name: span and (span["minv"], span["maxv"]) for name, span in member.items() if name != "period"}
        times = spans["tspan"] if member["period"] else tuple(map(_ms, spans["tspan"]))
        members.append(Member(times, spans["vspan"], spans["fspan"], member["period"], spans["zspan"]))
    test = Climatology(tuple(members))
    return [test.flag(_ms(time), value, depth) for time, value, depth in zip(args["tinp"], args["inp"], args["zinp"], strict=True)]


def _location(args: Args) -> list[int]:
    return [Place(0.0, 0.0, inf).flag(*place) for place in zip(args["lat"], args["lon"], strict=True)]


OURS: dict[str, Callable[[Args], list[int]]] = {
    "gross_range_test": _gross_range,
    "spike_test": _spike,
    "rate_of_change_test": _rate,
    "flat_line_test": _flat_line,
    "attenuated_signal_test": _attenuated,
    "density_inversion_test": _density,
    "climatology_test": _climatology,
    "location_test": _location,
}


def _of(function: str) -> str:
    return function.rsplit(".", 1)[-1]


SAME = [call for call in CALLS if "range_max" not in call["args"]]


@pytest.mark.parametrize("call", SAME, ids=[f"{_of(call['function'])}-{number}" for number, call in enumerate(SAME)])
def test_flags_as_recorded(call: dict[str, Any]) -> None:
    args = call["args"] if "tinp" not in call["args"] else {**call["args"], "tinp": call["args"]["tinp"][: len(call["args"]["inp"])]}
    assert OURS[_of(call["function"])](args) == call["flags"]


def test_all_our_tests_are_among_them() -> None:
    assert {_of(call["function"]) for call in SAME} == set(OURS)


@pytest.mark.parametrize("call", [call for call in CALLS if "range_max" in call["args"]], ids=lambda call: call["args"]["range_max"])
def test_difference_distance_is_that_from_the_registered_place(call: dict[str, Any]) -> None:
    """`range_max` is the distance to the message before. The first place is taken as registered: what `ioos_qc` finds is found, too."""
    places = list(zip(call["args"]["lat"], call["args"]["lon"], strict=True))
    home = Place(*places[0], call["args"]["range_max"])
    ours = [home.flag(*place) for place in places]
    assert all(own >= theirs for own, theirs in zip(ours, call["flags"], strict=True))
    assert home.flag(*places[0]) == 1


@pytest.mark.parametrize("series", GOLDEN, ids=[series["id"] for series in GOLDEN])
def test_golden(series: dict[str, Any]) -> None:
    args = {"min_period": None, **series["kwargs"], "inp": series["inp"]}
    args["tinp"] = [1_750_000_000 + number * series["step_s"] for number in range(len(series["inp"]))]
    assert OURS[series["test"]](args) == series["flags"]
