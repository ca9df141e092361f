"""Bad input through the whole gateway: every row of docs/reference/rejections.md is published, and gets what the page says."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from tests.devices.test_rejections_page import BAD_INPUT, SPECIAL
from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import publish_all
from tests.tools.site import Site, air_stations, running

TOPIC = "sensors/air/an-01"


def stations() -> list[dict[str, Any]]:
    """The page's `an-01` on its topic, and an `an-02` on its own."""
    found = air_stations(2)
    for number, station in enumerate(found, 1):
        station["devices"][0] |= {"id": f"an-0{number}", "topics": [f"sensors/air/an-0{number}"]}
    return found


def payload_of(name: str) -> bytes:
    return SPECIAL[name] if name in SPECIAL else BAD_INPUT[name][0].strip("`").encode()


def test_every_row_of_the_page(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url, stations=stations(), rules=[], broker={"max_packet_size": "2MB"})
    expected = {name: match[1] for name, (_, gets) in BAD_INPUT.items() if (match := re.fullmatch(r"rejected `([a-z0-9-]+)`", gets))}
    with running(site):
        site.until_connected()
        publish_all(mosquitto.port, [(TOPIC, payload_of(name)) for name in BAD_INPUT])
        status = site.until_delivered(len(BAD_INPUT))
        assert status["rejected"] == dict(Counter(expected.values()))
        assert status["stored"] == len(BAD_INPUT) - len(expected)

        # Every rejected message is kept with its raw bytes (a too large one with its first).
        kept = [json.loads(line) for line in site.cli("rejections", "--json").splitlines()]
        assert len(kept) == len(expected)
        for name, reason in expected.items():
            held = [base64.b64decode(row["payload"]) for row in kept if row["reason"] == reason]
            if reason == "too-large":
                assert held
                assert payload_of(name).startswith(held[0])
                assert len(held[0]) > 1000
            else:
                assert payload_of(name) in held, name
        assert all(row["topic"] == TOPIC and row["source"] == "city" for row in kept)

        # What is stored has its flag, and no time that a device made up.
        rows = site.rows(station="st-0001")
        neighbours = sum('"pm10":20' in BAD_INPUT[name][0] for name in BAD_INPUT if name not in expected)
        assert sum(row["parameter"] == "pm10" and row["value"] == 20 and row["flag"] == 1 for row in rows) == neighbours
        flags = Counter((row["value"], row["flag"]) for row in rows if row["parameter"] == "pm25")
        assert flags[1e300, 4] == flags[-1.0, 4] == flags[None, 9] == 1
        assert all(row["time"].startswith("20") and row["time"] < "2090" for row in rows)


def test_a_payload_larger_than_a_packet_may_be_is_refused_and_the_rest_goes_on(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """MQTT 5: the broker does not send what is above max_packet_size (1 MB by default). 3.1.1: cut while it comes in, rejected."""
    huge = (TOPIC, b"x" * 1_500_000)
    good = (TOPIC, b'{"device":"an-01","pm25":7}')
    for protocol, rejected in (("5", {}), ("3.1.1", {"too-large": 1})):
        site = Site(tmp_path / f"site-{protocol}", mosquitto.url, stations=stations(), rules=[], protocol=protocol)
        site.settings["gateway"]["id"] = f"test-{protocol[0]}"
        site.write()
        with running(site):
            site.until_connected()
            publish_all(mosquitto.port, [huge, good])
            status = site.until(lambda s: s["stored"] == 1 and not any(s["pending"].values()))
            assert status["rejected"] == rejected


def test_B2_retained_messages(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Retained without time: rejected. Retained with time: a reading. Cleared (empty): nobody is told of a clearing by the broker."""
    publish_all(mosquitto.port, [(TOPIC, b'{"device":"an-01","pm25":1}')], retain=True)
    publish_all(mosquitto.port, [("sensors/air/an-02", b'{"device":"an-02","time":"2026-01-01T00:00:00Z","pm25":2}')], retain=True)
    site = Site(tmp_path / "site", mosquitto.url, stations=stations(), rules=[])
    with running(site):
        site.until_connected()
        status = site.until_delivered(2)
        assert (status["rejected"], status["stored"]) == ({"retained": 1}, 1)
        # A sensor that publishes with RETAIN=1 while we listen speaks now: that is an ordinary message.
        publish_all(mosquitto.port, [(TOPIC, b'{"device":"an-01","pm25":3}')], retain=True)
        publish_all(mosquitto.port, [(TOPIC, b"")], retain=True)
        status = site.until_delivered(4)
        assert (status["rejected"], status["stored"]) == ({"retained": 1, "empty": 1}, 2)
        assert [row["value"] for row in site.rows(station="st-0001")] == [3.0]
