"""Every published LoRaWAN message, value by value, against what its source says. Each test is named after the source's file.

A source's number counts as reached when ours, rounded to as many decimals as the source gives, is the same. What the source
says and the bytes do not is listed, in words, beside the model (`not_in_bytes`); where the source is wrong, `wrong` says why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from devices.codecs import Codec, CodecModel, compile_codec
from devices.formats.paths import flatten
from devices.formats.record import Control
from devices.loader import shipped_types
from devices.rejection import Rejection
from tests.devices.codecs.models import BUILTIN, DROP_IN, JSON_BODIES

DATA = Path(__file__).parents[2] / "data"
FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((DATA / "lorawan-codec").glob("*.json"))}
CHARGE = "a charge that the source's decoder estimates from the voltage"
FAHRENHEIT = "the same in Fahrenheit"


@dataclass(frozen=True)
class Case:
    """Which type (or .js file of ours) reads a model's messages."""

    reads: str
    names: Mapping[str, str] = field(default_factory=dict)
    """Source's name → our path; other names are the same."""
    codes: Mapping[str, Mapping[Any, Any]] = field(default_factory=dict)
    """Source's name → the source's value → ours."""
    factors: Mapping[str, float] = field(default_factory=dict)
    """Source's name → source's unit in ours."""
    not_in_bytes: Mapping[str, str] = field(default_factory=dict)
    """Source's name → why it is not in the message."""
    wrong: Mapping[str, str] = field(default_factory=dict)
    """Source's name, or a message's hex, → why the source is wrong."""
    controls: Mapping[str, str] = field(default_factory=dict)
    """First bytes of a message:port → what control message we take it for; its values are no readings."""


MS_100 = {"batteryLevel": "battery", "pir": "activity", "light": "illumination", "visibleInfrared": "infrared_and_visible"}
MS_300 = {"light": "light_level"}
CUT = "the message ends within the pressure: the source's decoder takes missing bytes for 0"
LEAK = {"waterLeak": {False: "normal", True: "leak"}}
TS30X = {
    "batteryLevel": "battery",
    "temperatureChannel1": "temperature_chn1",
    "temperatureChannel2": "temperature_chn2",
    "magnetChannel2": "magnet_chn2",
    "alarmChannel1": "temperature_chn1_alarm",
}
TS30X_CODES = {"magnetChannel2": {False: "open", True: "close"}, "alarmChannel1": {"THRESHOLD_RELEASE": "threshold release"}}
ELSYS = {"batteryVoltage": "vdd", "externalTemperature1": "externalTemperature"}
ELSYS_CASE = {"names": ELSYS, "factors": {"batteryVoltage": 1000.0}, "not_in_bytes": {"batteryLevel": CHARGE}}
LHT = {"humidity": "Hum_SHT", "temperature": "TempC_SHT", "tempDS": "TempC_DS", "batteryVoltage": "BatV", "batteryStatus": "Bat_status"}
LHT_CASE = {"names": LHT, "codes": {"batteryStatus": {"GOOD": "good"}}, "not_in_bytes": {"batteryLevel": CHARGE}}
FEBRIS = {
    "baseId": "base_id",
    "internalTemperature": "internal_temperature",
    "majorVersion": "major_version",
    "minorVersion": "minor_version",
    "productVersion": "product_version",
    "upCnt": "up_cnt",
    "co2": "co2_ppm",
    "batteryVoltage": "battery_voltage",
}
FEBRIS_CASE = {
    "names": FEBRIS,
    "codes": {"alarm": {"YELLOW": "yellow"}},
    "not_in_bytes": {"batteryLevel": CHARGE, "dewPoint": "worked out of temperature and humidity"},
}
VEGA = {
    "names": {"distanceM": "distance_m", "temperature": "temperature_c", "batteryLevel": "battery", "inclinationDegree": "inclination"},
    "codes": {},
    "not_in_bytes": {
        **dict.fromkeys(("distanceMm", "distanceCm", "distanceInch", "distanceFt"), "the same distance in another unit"),
        "namurState": "stands for packet 8",
        "sensorMeasurementUnit": "code 45 of the unit, in words",
    },
}
ASTRA = {
    "actPwr": "active_power",
    "sensorAmbientLight": "ambient_light",
    "lightState": "light_state",
    "iaqStateInt": "iaq_state",
}

CASES: dict[str, Case] = {
    "adnexo_ax-dist_ak": Case(
        "adnexo-ax-dist",
        names={"batteryVoltage": "battery_voltage", "measurementVariance": "variance"},
        not_in_bytes={
            "batteryLevel": CHARGE,
            "fillLevel": "worked out of a container's height",
            "measurementType": "stands for port 100",
        },
        controls={"045802000005060600a30200:4": "settings", "045802000005060600a30200:5": "settings error"},
    ),
    "astraled_airQualityLuminary_V0_02_ak": Case("astraled-air-quality-luminary", names=ASTRA),
    "astraled_airQualityLuminary_V0_03_ak": Case("astraled-air-quality-luminary", names=ASTRA),
    "browan_merryiot-cd10_cs": Case("browan-merryiot-cd10"),
    "browan_merryiot-dw10_cs": Case("browan-merryiot-dw10"),
    "browan_tabs-tbhh100_cs": Case(
        "browan-tbhh100",
        not_in_bytes={"fPort": "the port, not the payload"},
        wrong=dict.fromkeys(("CO2", "VOC"), "FFFF says that there is no such sensor; the source makes 0 of it, which is a reading"),
    ),
    "browan_tabs-tbms100_cs": Case("browan-tbms100.js"),
    "comtac_CM-1_ak": Case(
        "comtac-lpn-cm-1",
        names={
            "minTempThreshold": "min_temperature_threshold",
            "maxTempThreshold": "max_temperature_threshold",
            "minHumThreshold": "min_humidity_threshold",
            "maxHumThreshold": "max_humidity_threshold",
            "sendInterval": "send_interval",
            "batteryVoltage": "battery_voltage",
        },
        not_in_bytes={
            "batteryLevel": CHARGE,
            **dict.fromkeys(
                ("booster", "minHumOn", "maxHumOn", "txOnEvent", "minTempOn", "maxTempOn", "buttonPressed"),
                "a bit of `status`, whose order one message does not settle",
            ),
        },
    ),
    "comtac_CM-4_ak": Case(
        "comtac-lpn-cm-4",
        names={
            "batteryLevel": "battery",
            "history": "history_flag",
            **{f"tempHistory{n}": f"history[{n - 1}].temperature" for n in range(1, 8)},
            **{f"humHistory{n}": f"history[{n - 1}].humidity" for n in range(1, 8)},
        },
        not_in_bytes=dict.fromkeys(
            ("batLow", "lastTempValid", "extMEM", "acc", "tempI2C", "tempPt100", "infoReq", "configRX", "button", "async"),
            "a bit of `status`, whose order two messages do not settle",
        ),
    ),
    "decentlab_CTD10_ak": Case(
        "decentlab-dl-ctd10",
        names={
            "electricalConductivity": "electrical_conductivity.value",
            "freezingFlag": "freezing_flag.value",
            "temperature": "temperature.value",
            "waterDepth": "water_depth.value",
            "batteryVoltage": "battery_voltage.value",
            "deviceId": "device_id",
            "protocolVersion": "protocol_version",
        },
    ),
    "decentlab_IAM_ak": Case(
        "decentlab-dl-iam",
        names={
            "temperature": "air_temperature.value",
            "humidity": "air_humidity.value",
            "pressure": "barometric_pressure.value",
            "co2": "co2_concentration.value",
            "voc": "total_voc.value",
            "light": "illuminance.value",
            "pir": "activity_counter.value",
            "batteryVoltage": "battery_voltage.value",
            "protocolVersion": "protocol_version",
            "deviceID": "device_id",
            "co2SensorStatus": "co2_sensor_status.value",
        },
        factors={"pressure": 100.0},
        not_in_bytes={
            "batteryLevel": CHARGE,
            **dict.fromkeys(
                ("occupiedMinutes", "minutesSinceLastOccupied", "occupancy", "occupancyStatus", "occupied", "occupiedOrWarm", "warm"),
                "worked out of several messages",
            ),
        },
    ),
    "decentlab_MBX_ak": Case(
        "decentlab-dl-mbx",
        names={
            "distance": "distance.value",
            "batteryVoltage": "battery_voltage.value",
            "protocolVersion": "protocol_version",
            "deviceId": "device_id",
            "numberOfValidSamples": "number_of_valid_samples.value",
        },
        not_in_bytes={"distanceCm": "the same distance in cm", "fillLevel": "worked out of a container's height"},
    ),
    "decentlab_PR36CTD_ak": Case(
        "decentlab-dl-pr36ctd",
        names={
            "electricalConductivity": "electrical_conductivity.value",
            "pressure": "pressure.value",
            "temperatureElectronics": "temperature_electronics.value",
            "temperaturePT1000": "temperature_pt1000.value",
            "batteryVoltage": "battery_voltage.value",
            "deviceId": "device_id",
            "protocolVersion": "protocol_version",
        },
    ),
    **{
        f"decentlab_{name}_cs": Case(f"decentlab-{name}")
        for name in (
            "dl-atm22",
            "dl-ctd10",
            "dl-ctd10b",
            "dl-iam",
            "dl-mbx",
            "dl-mes5",
            "dl-pm",
            "dl-pr36ctd",
            "dl-rad",
            "dl-tbrg",
            "dl-trs12",
        )
    },
    "decentlab_dl-dws_cs": Case(
        "decentlab-dl-dws.js",
        not_in_bytes={"weight.value": "worked out with two numbers of the one device", "weight.unit": "", "weight.displayName": ""},
    ),
    "dragino_ldds75_cs": Case("dragino-ldds75", codes={"TempC_DS18B20": {"0.00": 0.0}}),
    "dragino_lht65n-ne117_ak": Case("dragino-lht65n-ne117", **LHT_CASE),
    "dragino_lht65n_ak": Case("dragino-lht65n", **LHT_CASE),
    "dragino_lsn50v2-d23_ak": Case(
        "dragino-lsn50v2-d23",
        names={
            "c0adc": "ADC_CH0V",
            "digitalStatus": "Digital_IStatus",
            "extTrigger": "EXTI_Trigger",
            "open": "Door_status",
            "temperature": "TempC1",
            "c2temperature": "TempC2",
            "c3temperature": "TempC3",
            "batteryVoltage": "BatV",
        },
        codes={"digitalStatus": {"LOW": "low"}, "open": {False: "close"}},
        not_in_bytes={"batteryLevel": CHARGE},
    ),
    "dragino_lwl02_cs": Case("dragino-lwl02.js"),
    **{
        f"elsys_{name}_ak": Case(f"elsys-{name}", **ELSYS_CASE)
        for name in (
            "eiaqd10",
            "elt-2-radar",
            "elt-2-ultrasonic-10m",
            "elt-2-ultrasonic-snow",
            "elt-2-ultrasonic",
            "ers-co2",
            "ers-co2-lite",
        )
    },
    "elsys_elt-2_ak": Case("elsys-elt-2", **ELSYS_CASE, controls={"3e56:6": "settings"}),
    "elsys_elt-2i_ak": Case("elsys-elt-2i", **ELSYS_CASE, controls={"3e57:6": "settings"}),
    "mclimate_vicki_cs": Case("mclimate-vicki.js"),
    "milesight_AM104_ak": Case("milesight-am104", names=MS_100),
    "milesight_AM107_ak": Case("milesight-am107", names=MS_100),
    "milesight_AM307_ak": Case("milesight-am307", names=MS_300, codes={"pir": {"TRIGGER": "trigger"}}, wrong={"pressure": CUT}),
    "milesight_AM308_ak": Case("milesight-am308", names=MS_300, codes={"pir": {"TRIGGER": "trigger"}}, wrong={"pressure": CUT}),
    "milesight_AM319_ak": Case("milesight-am319", names=MS_300, codes={"pir": {"TRIGGER": "trigger"}}),
    **{
        f"milesight_EM300-{name}_ak": Case(
            f"milesight-em300-{name.lower()}", names={"batteryLevel": "battery", "waterLeak": "leakage_status"}, codes=LEAK
        )
        for name in ("SLD", "ZLD")
    },
    "milesight_em300-sld-zld_cs": Case("milesight-em300-sld"),
    **{
        f"milesight_EM400-{name}_ak": Case(
            f"milesight-em400-{name.lower()}", names={"batteryLevel": "battery", "tilt": "position"}, codes={"tilt": {True: "tilt"}}
        )
        for name in ("MUD", "TLD", "ULD")
    },
    "milesight_EM500-PP_ak": Case("milesight-em500-pp", names={"batteryLevel": "battery"}),
    "milesight_EM500-SMTC_ak": Case("milesight-em500-smtc", names={"batteryLevel": "battery", "soilConductivity": "ec"}),
    "milesight_TS201_ak": Case(
        "milesight-ts201",
        names={"temperatureMutation": "temperature_mutation", "temperatureAlarm": "temperature_alarm"},
        codes={"temperatureAlarm": {"MUTATION": "mutation"}},
        not_in_bytes={
            "eventType": "half of the record's `event` (2), in words",
            "readStatus": "half of the record's `event` (0), in words",
        },
        wrong={"20cec79afa6402bdff": "the source gives a stored record's temperature as if it were now's; ours is history[0].temperature"},
    ),
    "milesight_TS301_ak": Case(
        "milesight-ts301", names=TS30X, codes=TS30X_CODES, wrong={"20cec79afa6444bdfff600": "a stored record is not now's"}
    ),
    "milesight_TS302_ak": Case(
        "milesight-ts302", names=TS30X, codes=TS30X_CODES, wrong={"20cec79afa6444bdfff600": "a stored record is not now's"}
    ),
    "pepperlFuchs_wilsenSonicLevel_ak": Case(
        "pepperl-fuchs-wilsen-sonic-level",
        names={
            "fillinglvlPercent": "filling_level",
            "batteryVoltage": "battery_voltage",
            "loraCount": "lora_count",
            "gpsCount": "gps_count",
            "usSensorCount": "sensor_count",
            "serialNumber": "serial_number",
        },
        wrong={"serialNumber": "fourteen characters (48000000628783), which the source's decoder reads as one huge number"},
    ),
    "seeed_senseCAPS2101_ak": Case("sensecap-s2101", names={"temperature": "air_temperature", "humidity": "air_humidity"}),
    "seeed_senseCAPS2103_ak": Case("sensecap-s2103", names={"temperature": "air_temperature", "humidity": "air_humidity"}),
    "seeed_senseCAPS2105_ak": Case(
        "sensecap-s2105",
        names={"soilConductivity": "soil_conductivity", "soilHumidity": "soil_moisture", "soilTemperature": "soil_temperature"},
        not_in_bytes=dict.fromkeys(("errorCode", "fieldName"), "the error in words; ours is null"),
    ),
    "sentinum_febrisCO2_ak": Case("sentinum-febris-co2", **FEBRIS_CASE),
    "sentinum_febrisCO2Mioty_ak": Case("sentinum-febris-co2-mioty", **FEBRIS_CASE),
    "synetica_enlinkIAQ_ak": Case(
        "synetica-enlink-iaq",
        names={
            "temperature": "temperature_c",
            "pressure": "pressure_mbar",
            "humidity": "humidity_rh",
            "co2": "co2_ppm",
            "co2e": "co2e_ppm",
            "bVoc": "bvoc_ppm",
            "tvoc": "tvoc_ppb",
            "pm1": "mc_pm1_0",
            "pm2_5": "mc_pm2_5",
            "pm4": "mc_pm4_0",
            "pm10": "mc_pm10",
            "ncPm0_5": "nc_pm0_5",
            "ncPm1": "nc_pm1_0",
            "ncPm2_5": "nc_pm2_5",
            "ncPm4": "nc_pm4_0",
            "ncPm10": "nc_pm10",
            "pmTps": "pm_tps",
            "batteryVoltage": "battery_mv",
        },
        factors={"batteryVoltage": 1000.0},
    ),
    "synetica_enlinkStatusT_ak": Case(
        "synetica-enlink-status-t",
        names={"temperature": "temperature_c", "humidity": "humidity_rh", "tempProbe1": "temp_probe_1", "batteryVoltage": "battery_mv"},
        factors={"batteryVoltage": 1000.0},
    ),
    "tinovi_PM-IO-5-SM_ak": Case(
        "tinovi-pm-io-5-sm",
        names={"batteryLevel": "battery", "soilConductivity": "ec", "waterContent": "vwc"},
        not_in_bytes=dict.fromkeys(("valve", "leakDetected"), "a bit of `status`; one message does not settle which"),
    ),
    "vegapulse_vegapulseAir_ak": Case("vegapulse-air-23", **VEGA),
    "vegapulse_vegapulseAir41_ak": Case("vegapulse-air-41", **VEGA),
    "vegapulse_vegapulseAir42_ak": Case("vegapulse-air-42", **VEGA),
}


SHIPPED = shipped_types()


def codec_of(reads: str) -> Codec:
    if reads.endswith(".js"):
        source = (DATA / "codecs" / reads).read_text("utf-8")
        return compile_codec(CodecModel.model_validate({"javascript": {"file": reads, "source": source}}))
    return compile_codec(CodecModel.model_validate(SHIPPED[reads]["codec"]))


CODECS = {reads: codec_of(reads) for reads in {case.reads for case in CASES.values()}}
MESSAGES = [(stem, number) for stem in CASES for number, example in enumerate(FILES[stem]["examples"]) if example.get("bytes_hex")]


@pytest.mark.parametrize(("stem", "number"), MESSAGES, ids=[f"{stem}-{number}" for stem, number in MESSAGES])
def test_source(stem: str, number: int) -> None:
    case, example = CASES[stem], FILES[stem]["examples"][number]
    said = {**case.names}
    found = CODECS[case.reads](bytes.fromhex(example["bytes_hex"]), example["fPort"])
    control = next(
        (what for start, what in case.controls.items() if f"{example['bytes_hex'][: start.find(':')]}:{example['fPort']}" == start), None
    )
    if control is not None:
        assert found == Control(control)
        return
    assert not isinstance(found, Rejection | Control), found
    if example["bytes_hex"] in case.wrong:
        for name, value in due_values(example).items():
            path = f"history[0].{said.get(name, name)}"
            assert path in found or name in case.not_in_bytes
            assert path not in found or same(value, found[path]), (name, value)
        return
    for name, value in due_values(example).items():
        path = said.get(name, name)
        if name in case.not_in_bytes or (value is None and path not in found):
            assert path not in found, f"{name} is in the bytes"
            continue
        assert path in found, f"{name} is not read; there are {sorted(found)}"
        if name in case.wrong and not same(value, found[path]):
            continue
        due = case.codes.get(name, {}).get(value, value)
        if name in case.factors:
            assert same(due, found[path] / case.factors[name]), f"{name}: {found[path]}, the source says {value}"  # type: ignore[operator]
        else:
            assert same(due, found[path]), f"{name}: {found[path]}, the source says {value}"


def due_values(example: dict[str, Any]) -> dict[str, Any]:
    """What the source says, path by path; its topics (measurement, lifecycle …) are no part of the path."""
    if "expected" in example:
        due = flatten(example["expected"]["data"])
        assert isinstance(due, dict)
        return {path: value for path, value in due.items() if not path.endswith((".displayName", ".unit"))}
    return {name: value for topic in example["expected_emitted"].values() for name, value in topic.items()}


def same(due: Any, found: object) -> bool:
    """Equal, the source's number being rounded to its decimals."""
    if isinstance(due, bool):
        return found in (0, 1) and due == found
    if not isinstance(due, int | float):
        return found == due
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    decimals = len(repr(due).partition(".")[2]) if "e" not in repr(due) else 12
    return abs(due - found) <= 0.5000001 * 10.0**-decimals


def test_every_published_model_is_read_or_listed() -> None:
    """Types and codecs of ours, messages that are JSON (read by formats), and models that wait for their maker's codec: all."""
    assert set(FILES) == set(CASES) | JSON_BODIES | BUILTIN | DROP_IN
    assert not set(CASES) & (JSON_BODIES | BUILTIN | DROP_IN)
    assert len({case.reads for case in CASES.values() if not case.reads.endswith(".js")}) >= 40


def test_the_reference_page_names_every_type_and_every_model_that_waits_for_its_codec() -> None:
    page = (DATA.parents[1] / "docs" / "reference" / "device-types.md").read_text("utf-8")
    for name, data in SHIPPED.items():
        if data["format"] == "lorawan":
            assert f"| `{name}` | {data['maker']} {data['product']} |" in page, name
    for stem in DROP_IN:
        maker, model = FILES[stem]["vendor"], FILES[stem]["model"]
        assert f"| {maker} | {model} |" in page, stem


def test_a_wrong_value_is_found() -> None:
    """The comparison itself."""
    for due, found in ((23.1, 23.1), (3.21, 3.2099), (25.7, 25.69), (False, 0), ("ok", "ok"), (None, None)):
        assert same(due, found), (due, found)
    for due, found in ((23.1, 23.2), (25.7, 25.64), (1, True), (True, 0), ("ok", "OK"), (None, 0), (0, None), (5, "5"), (3, b"")):
        assert not same(due, found), (due, found)
