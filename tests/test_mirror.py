"""Every module is somebody's: a test file is named after it, or imports it, or the table below says who tests it and why so.

`gateway/api/page.py` → `tests/gateway/api/test_page.py`, also `test_page_<aspect>.py`. Tests are often named after a behaviour
(`test_commit.py`, `test_crash.py`) and import what they try; a module that no test even imports would be nobody's.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("devices", "rules", "gateway", "dashboards")
NOT_TESTED_ALONE = {"__init__.py", "__main__.py"}

_WHOLE_WAY = "e2e/test_whole_way.py"
_COMMANDS = ("alerts", "alerts_app", "history", "ledger", "rejections", "stations", "status")

EXCEPTIONS: dict[str, tuple[str, str]] = {
    # module: (what tests it, why not by itself)
    "gateway/config/messages.py": ("gateway/config/test_reading.py", "its sentences are what the corpus of bad configurations expects"),
    "gateway/config/env.py": ("gateway/config/test_reading.py", "overrides have no meaning without the file under them"),
    "gateway/config/checks.py": ("gateway/config/test_reading.py", "its findings are what the corpus of bad configurations expects"),
    "devices/accumulation.py": ("gateway/core/test_core_records.py", "running totals mean something in a sequence of messages"),
    "devices/codecs/checksums.py": ("devices/codecs/test_binary.py", "a check at the end of a layout"),
    "devices/codecs/values.py": ("devices/codecs/test_binary.py", "how a layout reads one value"),
    "devices/codecs/shims.py": ("devices/codecs/test_javascript.py", "what makers' codecs take for granted in the sandbox"),
    "devices/codecs/sandbox.py": ("devices/codecs/test_javascript.py", "where a maker's codec runs"),
    "devices/fields.py": ("devices/test_decode.py", "one field of a compiled type"),
    "devices/type_fields.py": ("devices/test_device_types.py", "the fields of a type, which mean nothing without it"),
    "devices/yaml_text.py": ("devices/test_draft.py", "what a begun type's file looks like"),
    "devices/recognise.py": ("devices/test_decode.py", "how auto chooses a type"),
    "devices/formats/binary.py": (
        "devices/formats/test_contract.py",
        "a maker's own form, message by message",
    ),
    "gateway/commands/rules_app.py": ("docs/test_your_first_rule.py", "what a command prints"),
    "gateway/commands/data_app.py": ("gateway/commands/test_export.py", "what a command refuses and prints"),
    "gateway/mqtt/reconnecting.py": ("gateway/mqtt/test_both_sources.py", "what the sources of both protocols have in common"),
    "gateway/commands/replay.py": ("e2e/test_registry_way.py", "what a command does"),
    "gateway/commands/stations_app.py": ("e2e/test_registry_way.py", "what a command does"),
    "gateway/commands/series_app.py": ("gateway/commands/test_quality_command.py", "what a command refuses and prints"),
    "gateway/commands/keeping_app.py": ("e2e/test_commands.py", "what two commands print"),
    "gateway/commands/upkeep_app.py": ("gateway/commands/test_doctor.py", "what two commands print"),
    "gateway/history/influx_places.py": ("gateway/history/test_influx_upkeep.py", "a place means something on its server only"),
    "gateway/commands/types_app.py": ("gateway/commands/test_types.py", "what a command prints"),
    "gateway/commands/unknown.py": ("e2e/test_registry_way.py", "what a command does"),
    "devices/formats/chirpstack_v4.py": ("devices/formats/test_network_servers.py", "one uplink, whatever network server it came through"),
    "devices/formats/envelope.py": ("devices/formats/test_network_servers.py", "one uplink, whatever network server it came through"),
    "devices/formats/loriot.py": ("devices/formats/test_network_servers.py", "one uplink, whatever network server it came through"),
    "devices/formats/milesight_gateway.py": (
        "devices/formats/test_network_servers.py",
        "one uplink, whatever network server it came through",
    ),
    "devices/formats/thingpark.py": ("devices/formats/test_network_servers.py", "one uplink, whatever network server it came through"),
    "devices/formats/ttn_v3.py": ("devices/formats/test_network_servers.py", "one uplink, whatever network server it came through"),
    "devices/formats/home_assistant.py": (
        "devices/formats/test_contract.py",
        "a maker's own form, message by message",
    ),
    "devices/formats/ngsi.py": (
        "devices/formats/test_contract.py",
        "a maker's own form, message by message",
    ),
    "devices/formats/shelly.py": (
        "devices/formats/test_contract.py",
        "a maker's own form, message by message",
    ),
    "devices/formats/tasmota.py": (
        "devices/formats/test_contract.py",
        "a maker's own form, message by message",
    ),
    "devices/formats/zigbee2mqtt.py": (
        "devices/formats/test_contract.py",
        "a maker's own form, message by message",
    ),
    "rules/language/names.py": ("rules/language/test_check.py", "part of the check: its sentences are what a wrong name is answered with"),
    "gateway/core/silence.py": ("gateway/core/test_core.py", "a part of the core: it means something in a sequence of inputs"),
    "gateway/core/snapshots.py": ("gateway/core/test_core.py", "a part of the core: right if a restored core goes on as the other"),
    "gateway/core/groups.py": ("gateway/core/test_core_rules.py", "a part of the core: it means something in a sequence of inputs"),
    "gateway/core/latecomers.py": ("gateway/core/test_core_rules.py", "a part of the core: it means something in a sequence of inputs"),
    "gateway/core/plans.py": ("gateway/core/test_core_rules.py", "a part of the core: what a reading touches shows in what happens"),
    "gateway/core/rulebook.py": ("gateway/core/test_core_rules.py", "a part of the core: it means something in a sequence of inputs"),
    "gateway/core/sights.py": ("gateway/core/test_core_rules.py", "a part of the core: what conditions see shows in what happens"),
    "gateway/core/telling.py": ("gateway/core/test_core_rules.py", "a part of the core: it means something in a sequence of inputs"),
    "gateway/core/timers.py": ("gateway/core/test_core_rules.py", "a part of the core: it means something in a sequence of inputs"),
    "gateway/core/watching.py": ("gateway/core/test_core.py", "a part of the core: it means something in a sequence of inputs"),
    "gateway/committed.py": (_WHOLE_WAY, "what others see of the running core"),
    "gateway/httpx_later.py": ("gateway/notify/test_webhook_receiver.py", "an import, made by whoever sends something"),
    "gateway/gauges.py": (_WHOLE_WAY, "reads the running gateway's parts"),
    "gateway/pipeline.py": (_WHOLE_WAY, "one loop over real parts"),
    "gateway/supervise.py": (_WHOLE_WAY, "start and stop of the whole process"),
    "gateway/version.py": (_WHOLE_WAY, "one line"),
    "gateway/view.py": (_WHOLE_WAY, "what the API shows of the running gateway"),
    **{f"gateway/commands/{name}.py": (_WHOLE_WAY, "what a command does") for name in _COMMANDS},
    "gateway/demo/run.py": ("docs/test_tutorial.py", "the demo as the tutorial tells it"),
    "gateway/api/problem.py": ("gateway/api/test_api_endpoints.py", "how an answer says what is wrong"),
    "gateway/api/start.py": ("gateway/api/test_api_server.py", "starts the server that the test talks to"),
    "gateway/api/streams.py": ("gateway/api/test_api_endpoints.py", "answers that are written as they come"),
    "gateway/ledger/access.py": ("gateway/ledger/test_commit.py", "how the ledger reaches SQLite"),
    "gateway/ledger/batch.py": ("gateway/ledger/test_commit.py", "one transaction of the ledger"),
    "gateway/ledger/outbox.py": ("gateway/ledger/test_lanes.py", "the receivers' lanes"),
    "gateway/ledger/queries.py": ("gateway/ledger/test_commit.py", "what is asked of the ledger after a commit"),
    "gateway/mqtt/connection.py": ("gateway/mqtt/test_both_sources.py", "one connection to a real broker"),
    "gateway/mqtt/keepalive.py": ("gateway/mqtt/test_both_sources.py", "one connection to a real broker"),
    "gateway/mqtt/paho_connection.py": ("gateway/mqtt/test_both_sources.py", "one connection to a real broker"),
    "gateway/notify/apprise_receiver.py": ("contracts/receivers/test_receiver_contract.py", "held to the contract of all receivers"),
    "gateway/notify/log.py": ("contracts/receivers/test_receiver_contract.py", "held to the contract of all receivers"),
    "gateway/notify/publisher.py": ("contracts/receivers/test_receiver_contract.py", "held to the contract of all receivers"),
    "gateway/simulate/noise.py": ("gateway/simulate/test_city.py", "the noise in what the city says"),
    "gateway/simulate/replay.py": ("gateway/simulate/test_publish.py", "publishes through a real broker"),
    "dashboards/influxql.py": ("dashboards/test_queries.py", "a query is right if the database answers it"),
    "dashboards/promql.py": ("dashboards/test_gateway_prometheus.py", "a query is right if the metrics are there"),
}


def modules() -> list[str]:
    found = [path.relative_to(ROOT).as_posix() for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [name for name in found if Path(name).name not in NOT_TESTED_ALONE]


@cache
def imported() -> frozenset[str]:
    """Every module that some file below `tests/` imports, as a dotted name; `from a import b` gives `a` and `a.b`.

    A name that a package hands on (`from gateway.ledger import Ledger`) counts for the module that it is from.
    """
    names: set[str] = set()
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names | {origin for name, origin in handed_on().items() if name in names})


def handed_on() -> dict[str, str]:
    """`gateway.ledger.Ledger` → `gateway.ledger.ledger`, for every name that a package's `__init__` imports."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("__init__.py"):
            here = path.parent.relative_to(ROOT).as_posix().replace("/", ".")
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module:
                    found |= {f"{here}.{alias.name}": node.module for alias in node.names}
    return found


def named_after(module: str) -> list[Path]:
    """The test files whose name says that they are this module's: in the mirrored folder or above it."""
    path = Path(module)
    names = [f"test_{path.stem}", f"test_{path.parent.name}_{path.stem}"]
    folders = [ROOT / "tests" / parent for parent in path.parents if parent != Path()]
    files = [test for folder in folders if folder.is_dir() for test in folder.glob("test_*.py")]
    return [test for test in files if any(test.stem == name or test.stem.startswith(f"{name}_") for name in names)]


def is_tested(module: str) -> bool:
    return bool(named_after(module)) or module.removesuffix(".py").replace("/", ".") in imported()


@pytest.mark.parametrize("module", modules())
def test_module_is_tested(module: str) -> None:
    if module in EXCEPTIONS:
        assert (ROOT / "tests" / EXCEPTIONS[module][0]).is_file(), f"{EXCEPTIONS[module][0]} is gone"
        assert not is_tested(module), f"{module} has a test of its own now: remove the exception"
    else:
        wanted = f"tests/{Path(module).parent}/test_{Path(module).stem}.py"
        assert is_tested(module), f"{module} is imported by no test: write {wanted}, or say in EXCEPTIONS who tests it and why"


def test_no_exception_for_a_module_that_is_gone() -> None:
    assert set(EXCEPTIONS) <= set(modules())
