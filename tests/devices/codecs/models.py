"""Published LoRaWAN models that no type of ours reads from bytes, by the name of their file in tests/data/lorawan-codec."""

from __future__ import annotations

JSON_BODIES = frozenset(
    {
        "airthings_cloudConnector_ak",
        "disruptiveTechnologies_co2_ak",
        "disruptiveTechnologies_temperature_ak",
        "haltian_thingseeAir_ak",
        "sensry.io_Kallisto-SY021_ak",
    }
)
"""Their messages are JSON, not bytes."""

BUILTIN = frozenset({"myDevices_cayenne_ak"})
"""Read by the format and codec `cayenne-lpp`: tests/devices/formats/test_cayenne_lpp.py."""

DROP_IN = frozenset(
    {
        "adnexo_ax-opto_ak",
        "aiut_alevelV1_ak",
        "aiut_alevelV2_ak",
        "dragino_lt-22222-l_cs",
        "enless_600-021_ak",
        "inbiot_plus_ak",
        "miromico_insightMioty_ak",
        "miromico_insight_ak",
        "nexelec_origin_ak",
        "pressac_iaq_ak",
        "smartEnds_brighterBins_ak",
        "swisscom_multisense_ak",
        "wika_pew_ak",
        "yosensi_YO-Agribox_ak",
    }
)
"""Drop in the maker's codec (docs/reference/device-types.md): what is published does not settle their layout."""
