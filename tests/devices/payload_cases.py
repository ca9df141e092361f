"""What each published message must be read as; `test_payloads` reads them. `WRONG` says where a source is wrong, in words."""

from __future__ import annotations

from typing import Any

from devices.device_type import parse
from devices.loader import catalogue


def inline(form: str, fields: dict[str, tuple[str, str]]) -> Any:
    """A type for a message of a device that nobody would install in a city, but whose values are in the catalogue."""
    data = {
        "id": "test",
        "title": {"vi": "Thử", "en": "Test"},
        "format": form,
        "interval": "10m",
        "fields": {path: {"parameter": parameter, "unit": unit} for path, (parameter, unit) in fields.items()},
    }
    return parse(data, catalogue())


PM = {
    "pm1": 3.7,
    "pm25": 3.9,
    "pm4": 3.9,
    "pm10": 3.9,
    "air_temp": 24.35660461425781,
    "rh": 41.63221740722656,
    "pressure": 968,
    "battery_voltage": 3.109,
}
CTD = {"level": 4.232, "water_temp": 12.9, "ec": 100, "battery_voltage": 3.168}
ERS2 = {"air_temp": 22.6, "rh": 41, "illuminance": 39, "co2": 776, "battery_voltage": 3.426}
AM319 = {"air_temp": 23.8, "rh": 62, "co2": 936, "pressure": 1008.6, "pm25": 32, "pm10": 48, "hcho": 40, "battery": 85}
EM500 = {"air_temp": 28.1, "rh": 57.5, "co2": 1127, "pressure": 1008.8, "battery": 100}
GAS = {
    "co": 500,
    "no": 45,
    "nox": 139,
    "so2": 11,
    "pm4": 37,
    "tsp": 73.3,
    "air_temp": 12.2,
    "rh": 54,
    "wind_speed": 0.64,
    "wind_dir": 176,
    "pressure": 1.1,
}
ROOM = {"air_temp": 12.2, "rh": 54, "illuminance": 1000}
SEVILLA = {
    "water_temp": 24.4,
    "ec": 50,
    "ph": 7.4,
    "no3_n": 0.01 / 4.427,
    "no2_n": 0.09 / 3.285,
    "tn": 6,
    "tp": 0.6,
    "po4_p": 0.5,
    "flow": 127.53 / 3600,
}
PRESSURE_11 = "the atmospheric pressure of 1.1 hPa is a made-up number: flagged as failed"
CASES: dict[str, dict[str, Any]] = {
    "ag_indoor": {
        "type": "airgradient-one",
        "device": "84fce612f5b8",
        "readings": {"pm1": 22, "pm25": 34, "pm10": 41, "co2": 778, "air_temp": 22.17, "rh": 47, "rssi": -52},
    },
    "ag_one_localapi": {
        "type": "airgradient-one",
        "device": "ecda3b1eaaaf",
        "readings": {"pm1": 3, "pm25": 7, "pm10": 8, "co2": 447, "air_temp": 24.47, "rh": 49, "rssi": -46},
    },
    "airrohr_nam_all_sensors": {
        "type": "airrohr",
        "topic": "airrohr/nam-1",
        "device": "nam-1",
        "readings": {
            "pm1": 6,
            "pm10": 18.65,
            "pm25": 11.03,
            "pm4": 24.72,
            "co2": 865,
            "air_temp": 7.56,
            "rh": 45.69,
            "pressure": 1011.0117,
            "rssi": -72,
            "uptime": 456987,
        },
    },
    "airrohr_pms7003_bme280": {
        "type": "airrohr",
        "topic": "airrohr/nam-1",
        "device": "nam-1",
        "readings": {"pm1": 22, "pm10": 38.4, "pm25": 31.6, "air_temp": 20.01, "rh": 51.85, "pressure": 1008.9376, "rssi": -48},
    },
    "dc_decentlab_dl-ctd10_chirpstack": {
        "type": "decentlab-dl-ctd10",
        "device": "70b3d57ba0003bb8",
        "time": "2024-11-10T12:51:50Z",
        "readings": {**CTD, "rssi": -106, "snr": 3},
    },
    "dc_decentlab_dl-pm_chirpstack": {
        "type": "decentlab-dl-pm",
        "device": "70b3d57ba0003bb8",
        "time": "2024-11-10T12:51:50Z",
        "readings": {**PM, "rssi": -106, "snr": 3},
    },
    "dc_elsys_ers2_co2_chirpstack": {
        "type": "elsys-ers2-co2",
        "device": "1000000000000001",
        "time": "2023-05-22T07:47:05.405Z",
        "readings": {**ERS2, "rssi": -35, "snr": 11.5},
    },
    "dc_milesight_am319_chirpstack": {
        "type": "milesight-am319",
        "device": "1000000000000001",
        "time": "2023-05-22T07:47:05.405Z",
        "readings": {**AM319, "rssi": -35, "snr": 11.5},
    },
    "dc_milesight_em500-co2_chirpstack": {
        "type": "milesight-em500-co2",
        "device": "1000000000000001",
        "time": "2023-05-22T07:47:05.405Z",
        "readings": {**EM500, "rssi": -35, "snr": 11.5},
    },
    "iob_661_21857cd2_up": {
        "type": inline(
            "chirpstack-v4",
            {
                "Soilmoisture": ("soil_moisture", "%"),
                "Soiltemperature": ("soil_temp", "°C"),
                "Soilconductivity": ("soil_ec", "µS/cm"),
                "Volt": ("battery_voltage", "V"),
            },
        ),
        "device": "a84041f621857cd2",
        "time": "2025-02-18T14:49:19.476Z",
        "readings": {"soil_moisture": 41.8, "soil_temp": -0.4, "soil_ec": 61, "battery_voltage": 3.318, "rssi": -108, "snr": 2},
        "flags": {"soil_temp": 4},
    },
    "iob_712_d301b3cc_up": {
        "type": inline(
            "chirpstack-v4",
            {"SensorTemperature": ("air_temp", "°C"), "RelativeHumidity": ("rh", "%"), "BatteryVoltage": ("battery_voltage", "V")},
        ),
        "device": "70b3d52dd301b3cc",
        "time": "2025-05-15T13:22:08.892Z",
        "readings": {"air_temp": 23.06, "rh": 30.47, "battery_voltage": 3.5, "rssi": -81, "snr": 7.5},
    },
    "iob_873_d300ed31_up": {
        "type": inline("chirpstack-v4", {"SensorTemperature": ("air_temp", "°C")}),
        "control": True,
        "device": "70b3d52dd300ed31",
    },
    "dc_decentlab_dl-pm_loriot": {
        "type": "decentlab-dl-pm",
        "device": "0004A30B001ADCB5",
        "time": "2017-07-26T10:14:08.945Z",
        "readings": {**PM, "rssi": -119, "snr": -15.8},
    },
    "dc_decentlab_dl-ctd10_thingpark": {
        "type": "decentlab-dl-ctd10",
        "device": "70B3D57BA000156B",
        "time": "2024-11-28T21:08:22.138Z",
        "readings": {**CTD, "rssi": -114, "snr": 4.75},
    },
    "dc_decentlab_dl-ctd10_thingsstackcommunity": {
        "type": "decentlab-dl-ctd10",
        "device": "70B3D57BA0000BCE",
        "time": "2020-02-06T09:46:05.234Z",
        "readings": {**CTD, "rssi": -16, "snr": 8.5},
    },
    "dc_decentlab_dl-pm_thingsstackcommunity": {
        "type": "decentlab-dl-pm",
        "device": "70B3D57BA0000BCE",
        "time": "2020-02-06T09:46:05.234Z",
        "readings": {**PM, "rssi": -16, "snr": 8.5},
    },
    "dc_elsys_ers2_co2_thingsstackcommunity": {
        "type": "elsys-ers2-co2",
        "device": "1000000000000001",
        "time": "2023-05-19T05:33:35.642Z",
        "readings": {**ERS2, "rssi": -35, "snr": 13.2},
    },
    "dc_milesight_am319_thingsstackcommunity": {
        "type": "milesight-am319",
        "device": "1000000000000001",
        "time": "2023-05-19T05:33:35.642Z",
        "readings": {**AM319, "rssi": -35, "snr": 13.2},
    },
    "dc_milesight_em500-co2_thingsstackcommunity": {
        "type": "milesight-em500-co2",
        "device": "1000000000000001",
        "time": "2023-05-19T05:33:35.642Z",
        "readings": {**EM500, "rssi": -35, "snr": 13.2},
    },
    "iob_563_o_modbus_up": {
        "type": inline("ttn-v3", {"airtemperature": ("air_temp", "°C"), "airhumidity": ("rh", "%"), "volt": ("battery_voltage", "V")}),
        "device": "70B3D5E050013950",
        "time": "2024-01-22T07:06:25.054Z",
        "readings": {"air_temp": 19.9, "rh": 50.9, "battery_voltage": 3.649, "rssi": -37, "snr": 8.5},
    },
    "iob_565_00044df5_up": {
        "type": inline("ttn-v3", {"Illuminance": ("illuminance", "lx"), "BatV": ("battery_voltage", "V")}),
        "device": "00137A1000044DF5",
        "time": "2024-11-26T12:39:20.785Z",
        "readings": {"illuminance": 258, "battery_voltage": 3.6, "rssi": -29, "snr": 14},
    },
    "tts_ttnclient_default_valid": {
        "type": inline("ttn-v3", {"temperature_41": ("air_temp", "°C"), "illuminance_44": ("illuminance", "lx")}),
        "device": "22D11357891CB769",
        "time": "2024-07-06T09:19:21.175Z",
        "readings": {"air_temp": 24.6, "illuminance": 2008, "rssi": -54, "snr": 9},
    },
    "tts_ttnclient_default_no_decoded_payload": {
        "type": inline("ttn-v3", {"temperature_41": ("air_temp", "°C")}),
        "rejected": "codec-failed",
        "device": "22D11357891CB769",
    },
    "fiware_airqualityobserved_keyvalues": {
        "type": "fiware-air-quality",
        "device": "Madrid-AmbientObserved-28079004-2016-03-15T11:00:00",
        "time": "2016-03-15T11:00:00Z",
        "readings": {**GAS, "co2": 69, "rain": 0},
        "flags": {"co2": 4, "pressure": 4},
    },
    "fiware_airqualityobserved_ngsiv2": {
        "type": "fiware-air-quality",
        "device": "Madrid-AmbientObserved-28079004-2016-03-15T11:00:00",
        "time": "2016-03-15T11:00:00Z",
        "readings": {**GAS, "co": 500_000, "no2": 69},
        "flags": {"co": 4, "pressure": 4},
        "refused": {"precipitation": "wrong-type"},
    },
    "fiware_indoorenvironmentobserved_keyvalues": {
        "type": "fiware-indoor",
        "device": "urn:ngsi:MuseoDemo_Room_1",
        "time": "2020-06-08T17:54:00Z",
        "readings": {**ROOM, "pressure": 1013.52},
    },
    "fiware_indoorenvironmentobserved_ldkeyvalues": {
        "type": "fiware-indoor",
        "device": "urn:ngsi-ld:IndoorEnvironmentObserved:urn:ngsi:MuseoDemo_Room_1",
        "time": "2016-03-15T12:00:00Z",
        "readings": ROOM,
    },
    "fiware_indoorenvironmentobserved_ngsild": {
        "type": "fiware-indoor",
        "device": "urn:ngsi-ld:IndoorEnvironmentObserved:urn:ngsi:MuseoDemo_Room_1",
        "time": "2016-03-15T12:00:00Z",
        "readings": ROOM,
    },
    "fiware_indoorenvironmentobserved_ngsiv2": {
        "type": "fiware-indoor",
        "device": "urn:ngsi:MuseoDemo_Room_1",
        "time": "2020-06-08T17:54:00Z",
        "readings": ROOM,
    },
    "fiware_waterqualityobserved_keyvalues": {
        "type": "fiware-water-quality",
        "device": "waterqualityobserved:Sevilla:D1",
        "time": "2017-01-31T06:45:00Z",
        "readings": SEVILLA,
    },
    "fiware_waterqualityobserved_ngsiv2": {
        "type": "fiware-water-quality",
        "device": "waterqualityobserved:Sevilla:D1",
        "time": "2017-01-31T06:45:00Z",
        "readings": SEVILLA,
    },
    "shelly_gas_gen1_status": {
        "type": "shelly-gas",
        "device": "AABBCCDDEEFF",
        "time": "2024-02-07T17:28:49Z",
        "readings": {"uptime": 1468391, "rssi": -62},
    },
    "shelly_walldisplay_status": {
        "type": "shelly-climate",
        "device": "ShellyWallDisplay-AABBCCDDEEFF",
        "time": "2024-02-21T09:32:34Z",
        "readings": {"air_temp": 21.3, "rh": 43.8, "illuminance": 30, "uptime": 3119412, "rssi": -59},
    },
    "tas_am2301_dotted": {
        "type": "tasmota-air",
        "device": "tasmota",
        "readings": {"air_temp": 15.5, "rh": 50.6},
        "refused": {"time": "bad-time"},
    },
    "tas_bme280": {
        "type": "tasmota-air",
        "device": "tasmota",
        "readings": {"air_temp": 21.7, "rh": 66.6, "pressure": 988.6},
        "refused": {"time": "bad-time"},
    },
    "tas_ha_ds18b20": {"type": "tasmota-air", "device": "tasmota_49A3BC", "readings": {"air_temp": 12.3}},
    "tas_ha_status10": {"type": "tasmota-air", "device": "tasmota_49A3BC", "readings": {"air_temp": 23.4}},
    "tas_ha_tx23_nested": {
        "type": "tasmota-air",
        "device": "tasmota_49A3BC",
        "time": "2020-03-03T00:00:00Z",
        "readings": {"wind_speed": 8.5 / 3.6, "wind_gust": 14.8 / 3.6, "wind_dir": 247.5},
    },
    "tas_mhz19b_836": {"type": "tasmota-air", "device": "sonoff-71C254", "readings": {"co2": 836}, "refused": {"time": "bad-time"}},
    "tas_pms5003": {
        "type": "tasmota-air",
        "device": "tasmota",
        "readings": {"pm1": 1, "pm25": 2, "pm10": 2, "air_temp": 24.7, "rh": 32.1},
        "refused": {"time": "bad-time"},
    },
    "tas_scd40": {
        "type": "tasmota-air",
        "device": "tasmota",
        "readings": {"co2": 1204, "air_temp": 28.8, "rh": 47.5},
        "refused": {"time": "bad-time"},
    },
    "tas_sds011_2018": {"type": "tasmota-air", "device": "sonoff", "readings": {"pm25": 2.1, "pm10": 4.7}, "refused": {"time": "bad-time"}},
    "tas_sr04_level": {"type": "tasmota-air", "device": "tasmota", "readings": {"distance": 0.426}, "refused": {"time": "bad-time"}},
    "z2m_ts0601_airq_2021": {
        "type": "zigbee2mqtt-air",
        "device": "0x0c4314fffe84e0a4",
        "readings": {"co2": 359, "tvoc": 14, "air_temp": 21.1, "rh": 62.3},
    },
    "hadisc_tasmota_sds_pm10": {"format": "home-assistant", "control": True},
    "hadisc_z2m_aqara_voltage": {"format": "home-assistant", "control": True},
}
"""By the file's name: the type that reads it, and what it must be read as."""

WRONG = {
    "airrohr_nam_all_sensors": "its SPS30 says less PM10 than PM1, which cannot be: it is the third of three sensors, and not counted",
    "fiware_airqualityobserved_keyvalues": f"{PRESSURE_11}; so is 69 ppm of carbon dioxide, a sixth of what all air has",
    "fiware_airqualityobserved_ngsiv2": (
        f"{PRESSURE_11}; CO has the unit code GP, mg/m³, and would be deadly at 500: the value is µg/m³, the code is taken at its "
        "word and the reading flagged as failed; precipitation is `false`, no amount"
    ),
    "fiware_indoorenvironmentobserved_ngsiv2": "relativeHumidity is 0.54 with the unit code P1, per cent: the model says a ratio",
    "fiware_waterqualityobserved_ngsiv2": "many of its concentrations are `false` or `true` (Boolean): none of those is in the catalogue",
    "dc_decentlab_dl-ctd10_thingsstackcommunity": "its converter stamps with the outer received_at, 0.2 s later than the network's",
    "dc_decentlab_dl-pm_thingsstackcommunity": "its converter stamps with the outer received_at, 0.2 s later than the network's",
}
"""What a source says wrongly, and what is made of it."""
