"""Messages of kinds that ship but that no example shows, written by the makers' firmware and documentation: `--type auto` reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devices.decode import decode
from devices.device_type import parse_all
from devices.loader import catalogue, shipped_types

TYPES = parse_all(list(shipped_types().values()), catalogue())
ECOWITT = "PASSKEY=34271334ED1FADA6D8B988B14267E55D&stationtype=GW2000A_V3.1&dateutc=2026-03-14+02:00:00&"
LOCAL = "2026-03-14T09:00:00"
AQ = "AirQualityObserved"
NOTIFIED = {"type": "Property", "value": 12.5, "unitCode": "GQ", "observedAt": "2026-03-14T02:00:00Z"}
AG = {"serialno": "ecda3b1eaaaf", "pm01": 5, "pm02": 8, "pm10": 9, "rco2": 420, "atmp": 28.1, "rhum": 60, "wifi": -50}


@pytest.mark.parametrize(
    ("topic", "message", "type_id", "readings"),
    [
        ("tele/x1/SENSOR",
         {"Time": LOCAL, "BME280": {"Temperature": 77, "Humidity": 60, "Pressure": 29.9}, "SDS0X1": {"PM2.5": 11.8, "PM10": 15.8},
          "TempUnit": "F", "PressureUnit": "inHg"},
         "tasmota-air", {"air_temp": 25, "rh": 60, "pressure": 1012.530311, "pm25": 11.8, "pm10": 15.8}),
        ("tele/x1/SENSOR", {"Time": LOCAL, "DS18B20-1": {"Temperature": 27.1}, "DS18B20-2": {"Temperature": 22.1}, "TempUnit": "C"},
         "tasmota-air", {"air_temp": 27.1}),
        ("tele/x1/SENSOR", {"Time": LOCAL, "SHT3X-0x44": {"Temperature": 22.1, "Humidity": 57.5, "DewPoint": 13.3}, "TempUnit": "C"},
         "tasmota-air", {"air_temp": 22.1, "rh": 57.5}),
        ("tele/x1/SENSOR", {"Time": LOCAL, "SPS30": {"PM1_0": 4, "PM2_5": 5, "PM4_0": 6, "PM10": 7, "NCPM0_5": 1, "TYPSIZ": 0.5}},
         "tasmota-air", {"pm1": 4, "pm25": 5, "pm4": 6, "pm10": 7}),
        ("tele/x1/STATE", {"Time": LOCAL, "UptimeSec": 766860, "Wifi": {"RSSI": 80, "Signal": -60}},
         "tasmota-air", {"uptime": 766860, "rssi": -60}),
        ("stat/x1/STATUS8", {"StatusSNS": {"Time": LOCAL, "SDS0X1": {"PM2.5": 11.8, "PM10": 15.8}}},
         "tasmota-air", {"pm25": 11.8, "pm10": 15.8}),
        ("zigbee2mqtt/hall", {"linkquality": 100, "temperature": 25.1, "pm25": 9, "voc_index": 100, "update": {"state": "idle"}},
         "zigbee2mqtt-air", {"air_temp": 25.1, "pm25": 9}),
        ("shellies/shellyht-1/sensor/temperature", "27.5", "shelly-climate", {"air_temp": 27.5}),
        ("shellyhtg3-1/status/humidity:0", {"id": 0, "rh": 61.2}, "shelly-climate", {"rh": 61.2}),
        ("shellyplusht/events/rpc",
         {"src": "shellyplusht-1", "method": "NotifyFullStatus", "params": {"ts": 1773453600.0, "temperature:0": {"tC": 27.5},
          "humidity:0": {"rh": 61.2}, "devicepower:0": {"battery": {"V": 5.9, "percent": 90}}, "wifi": {"rssi": -60}}},
         "shelly-climate", {"air_temp": 27.5, "rh": 61.2, "battery": 90, "battery_voltage": 5.9, "rssi": -60}),
        ("", {**AG, "locationId": 1, "timestamp": "2026-03-14T02:00:00.000Z", "firmwareVersion": "3.1", "model": "I-9PSL"},
         "airgradient-one", {"pm1": 5, "pm25": 8, "pm10": 9, "co2": 420, "air_temp": 28.1, "rh": 60, "rssi": -50}),
        ("", ECOWITT + "tf_co2=77.0&humi_co2=60&pm25_co2=12.1&pm25_24h_co2=10&pm10_co2=20.2&co2=510&co2_24h=480&model=GW2000A",
         "ecowitt-station", {"air_temp": 25, "rh": 60, "pm25": 12.1, "pm10": 20.2, "co2": 510}),
        ("", ECOWITT + "tempf=86.0&humidity=80&tf_co2=70&lightning_num=3&soilmoisture1=35&soilmoisture2=40&tf_ch1=77.0&drain_piezo=0.5",
         "ecowitt-station", {"air_temp": 30, "rh": 80, "soil_moisture": 35, "soil_temp": 25, "rain": 12.7}),
        ("", {"id": "urn:n:1", "type": "Notification", "data": [{"id": "urn:ngsi-ld:A:1", "type": AQ, "pm25": NOTIFIED}]},
         "fiware-air-quality", {"pm25": 12.5}),
        ("", {"id": "urn:ngsi-ld:A:1", "type": AQ, "pm25": {"value": 12.5, "unitCode": "GQ"}, "temperature": {"value": 27}},
         "fiware-air-quality", {"pm25": 12.5, "air_temp": 27}),
        ("", {"id": "urn:ngsi-ld:A:1", "type": AQ, "pm25": 12.5, "dateObserved": "2026-03-14T02:00:00Z"},
         "fiware-air-quality", {"pm25": 12.5}),
        ("", {"id": "1", "id_wasp": "N1", "sensor": "PRES", "value": "92867.91", "datetime": "2019-05-29T16:11:20+00:00"},
         "libelium-meshlium", {"pressure": 928.6791}),
        ("", "<=>\x00\x03#387235164#N01#153#TC:25.6#PM2_5:8.65#BAT:69#".replace("\x00", "\ufffd"),
         "libelium-waspmote", {"air_temp": 25.6, "pm25": 8.65, "battery": 69}),
    ],
)  # fmt: skip
def test_auto_reads_it(topic: str, message: Any, type_id: str, readings: dict[str, float]) -> None:
    payload = (message if isinstance(message, str) else json.dumps(message)).encode()
    answer = decode(TYPES, catalogue(), type_id="auto", payload=payload, received_ms=1_773_453_600_000, topic=topic)
    assert answer.type == type_id, answer.rows
    assert {row["parameter"]: row["value"] for row in answer.rows if "value" in row} == {
        name: pytest.approx(value) for name, value in readings.items()
    }


def test_a_bare_number_on_somebody_elses_topic_is_no_level_gauge() -> None:
    answer = decode(TYPES, catalogue(), type_id="auto", payload=b"27.5", received_ms=0, topic="home/kitchen/fridge/temperature")
    assert answer.type is None
