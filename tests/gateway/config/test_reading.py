"""The loader on a corpus of good and bad configurations, and on anything else.

Each `tests/data/config/bad/NAME.yaml` has its complaints beside it in `NAME.expected`, exactly as an operator reads them.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.config import ConfigError, LoadedConfig, load, problems_in
from gateway.config.yamlfile import Problem
from gateway.settings import Settings

DATA = Path(__file__).parents[2] / "data" / "config"
ENVIRON = {
    "SET_BY_THE_TEST": "s3cret-in-the-environment",
    "HISTORY_TOKEN": "t0ken-in-the-environment",
    "DUTY_URL": "https://duty.example.org/h00k",
}
BAD = sorted((DATA / "bad").glob("*.yaml"))
GOOD = sorted((DATA / "good").glob("*.yaml"))


def complaints(path: Path, environ: dict[str, str] | None = None) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ=ENVIRON if environ is None else environ)
    return caught.value.problems


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_configuration_says_what_and_where(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    lines = [str(problem) for problem in complaints(Path(path.name))]
    assert "\n".join(lines) + "\n" == path.with_suffix(".expected").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_no_complaint_shows_a_secret(path: Path) -> None:
    text = "\n".join(map(str, complaints(path)))
    assert "s3cret" not in text
    assert "123456" not in text


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_configuration_is_accepted(path: Path) -> None:
    assert isinstance(load(path, environ=ENVIRON), LoadedConfig)


def test_values_secrets_and_paths() -> None:
    loaded = load(DATA / "good" / "full.yaml", environ=ENVIRON)
    settings = loaded.settings
    broker, (local, influx), (duty, _) = settings.brokers[0], settings.history, settings.receivers
    good = DATA / "good"
    assert broker.password is not None
    assert broker.password.get_secret_value() == "s3cret-of-the-broker"  # without the line's end
    assert influx.token is not None
    assert influx.token.get_secret_value() == "t0ken-in-the-environment"
    assert duty.url is not None
    assert duty.url.get_secret_value() == "https://duty.example.org/h00k"
    assert "s3cret" not in repr(loaded)
    assert "t0ken" not in repr(loaded)
    assert "h00k" not in repr(loaded)
    assert settings.gateway.data_dir == good / "state"
    assert settings.ledger.file == good / "state" / "ledger.db"
    assert local.path == good / "state" / "readings.duckdb"
    assert broker.ca_file == good / "secrets" / "ca.pem"
    assert settings.stations == [good / "more" / "stations.yaml"]
    assert (influx.quota, settings.ledger.journal_retention, settings.time.accept_past) == (3 * 1024**3 // 2, 14 * 86_400_000, "unlimited")
    assert [Path(document.file).name for document in loaded.rules] == ["b-rules.yml", "stations.yaml"]


def test_yaml_1_1_traps_are_text() -> None:
    settings = load(DATA / "good" / "traps.yaml", environ={}).settings
    broker = settings.brokers[0]
    assert (settings.gateway.id, settings.gateway.city, broker.name) == ("no", "on", "off")
    assert (broker.protocol, broker.username, broker.keep_alive) == ("5", "0123", 30_000)
    assert broker.subscriptions[0].topic == "12:30"
    assert (settings.api.enabled, settings.api.port) == (False, 9000)


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load(environ={})
    assert loaded.path is None
    assert loaded.settings.gateway.data_dir == tmp_path / "data"
    assert loaded.settings.model_dump(exclude={"gateway", "ledger", "history"}) == Settings().model_dump(
        exclude={"gateway", "ledger", "history"}
    )


def test_envgw_yaml_of_the_current_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "envgw.yaml").write_text("gateway: {id: found}\n")
    assert load(environ={}).settings.gateway.id == "found"


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    (problem,) = complaints(tmp_path / "nope.yaml")
    assert "cannot be read (No such file or directory)" in str(problem)


def test_problems_of_other_packages_are_placed(tmp_path: Path) -> None:
    (tmp_path / "stations.yaml").write_text("stations:\n  - id: a\n  - id: b\n    devices:\n      - {id: x}\n")
    (tmp_path / "envgw.yaml").write_text("stations: [stations.yaml]\n")
    (document,) = load(tmp_path / "envgw.yaml", environ={}).stations
    found = [(("stations", 1, "devices", 0, "type"), "is missing"), (("stations", 0, "id"), "bad"), ((), "all")]
    assert [(problem.line, problem.column) for problem in problems_in(document, found)] == [(5, 9), (2, 5), (1, 1)]


def test_problems_of_the_main_file_are_placed(tmp_path: Path) -> None:
    (tmp_path / "envgw.yaml").write_text("gateway:\n  city: Huế\n")
    loaded = load(tmp_path / "envgw.yaml", environ={"ENVGW_API__PORT": "1"})
    assert loaded.place(("gateway", "city"), "bad") == Problem(str(tmp_path / "envgw.yaml"), 2, 3, "bad")
    assert str(loaded.place(("api", "port"), "bad")) == "ENVGW_API__PORT: bad"


class TestEnvironment:
    """`ENVGW_SECTION__KEY` over the file."""

    FILE = "brokers:\n  - {name: city-east, url: 'mqtt://a', subscriptions: [{topic: t, type: x}]}\napi: {port: 1}\n"

    def load(self, tmp_path: Path, **environ: str) -> Settings:
        (tmp_path / "envgw.yaml").write_text(self.FILE)
        return load(tmp_path / "envgw.yaml", environ=environ).settings

    def complaint(self, tmp_path: Path, **environ: str) -> str:
        (tmp_path / "envgw.yaml").write_text(self.FILE)
        (problem,) = complaints(tmp_path / "envgw.yaml", environ)
        return str(problem)

    def test_a_value(self, tmp_path: Path) -> None:
        assert self.load(tmp_path, ENVGW_API__PORT="9000").api.port == 9000

    def test_a_section_that_the_file_lacks(self, tmp_path: Path) -> None:
        assert self.load(tmp_path, ENVGW_LEDGER__RESERVE="1MB").ledger.reserve == 1024**2

    def test_a_list_as_json(self, tmp_path: Path) -> None:
        assert self.load(tmp_path, ENVGW_GATEWAY__LANGUAGES='["en"]').gateway.languages == ["en"]

    def test_an_item_by_name_and_by_number(self, tmp_path: Path) -> None:
        settings = self.load(
            tmp_path,
            ENVGW_BROKERS__CITY_EAST__URL="mqtt://b",
            ENVGW_BROKERS__0__USERNAME="u",
            ENVGW_BROKERS__0__SUBSCRIPTIONS__0__TOPIC="z/#",
        )
        broker = settings.brokers[0]
        assert (broker.url, broker.username, broker.subscriptions[0].topic) == ("mqtt://b", "u", "z/#")

    def test_a_new_item(self, tmp_path: Path) -> None:
        settings = self.load(tmp_path, ENVGW_RECEIVERS__0__NAME="l", ENVGW_RECEIVERS__0__KIND="log")
        assert [receiver.name for receiver in settings.receivers] == ["l"]

    def test_a_whole_section(self, tmp_path: Path) -> None:
        assert self.load(tmp_path, ENVGW_API='{"port": 7}').api.port == 7

    def test_variables_that_the_file_names_are_not_overrides(self, tmp_path: Path) -> None:
        (tmp_path / "envgw.yaml").write_text("gateway: {city: !env ENVGW_CITY}\n")
        assert load(tmp_path / "envgw.yaml", environ={"ENVGW_CITY": "Huế"}).settings.gateway.city == "Huế"

    @pytest.mark.parametrize(
        ("variable", "value", "expected"),
        [
            ("ENVGW_API__PROT", "1", "ENVGW_API__PROT: no setting is called so: did you mean `ENVGW_API__PORT`?"),
            ("ENVGW_APY__PORT", "1", "ENVGW_APY__PORT: no setting is called so: did you mean `ENVGW_API`?"),
            ("ENVGW_API__PORT", "x", "ENVGW_API__PORT: `port` is 'x': write a whole number"),
            ("ENVGW_API__PORT__X", "1", "ENVGW_API__PORT__X: `api.port` is one value and has nothing inside: leave out `__X`"),
            ("ENVGW_API", "9000", 'ENVGW_API: write a section as JSON, for example {"key": "value"}'),
            ("ENVGW_RULES", "rules.yaml", 'ENVGW_RULES: write a list as JSON, for example ["a", "b"]'),
            ("ENVGW_RULES", '["nope.yaml"]', "there is no such file or folder; paths are relative to the configuration file"),
            ("ENVGW_BROKERS__WEST__URL", "x", "ENVGW_BROKERS__WEST__URL: no item has the name `west`: the known ones are city-east"),
            ("ENVGW_BROKERS__7__URL", "x", "ENVGW_BROKERS__7__URL: there are 1 items, so the number can be 0 to 1"),
        ],
    )
    def test_a_wrong_variable_is_named(self, tmp_path: Path, variable: str, value: str, expected: str) -> None:
        assert expected in self.complaint(tmp_path, **{variable: value})


def test_a_registry_of_5000_devices_costs_little(tmp_path: Path) -> None:
    """Measured 0.15 s on two cores; the bound is CPU time and seven times that, so that a slow machine is no failure."""
    lines = ["devices:"]
    for n in range(5000):
        lines += [
            f"  - id: pm-{n:05d}",
            "    type: air-node",
            f"    station: dn-{n % 1000}",
            "    interval: 60s",
            f"    topic: city/air/pm-{n}/up",
        ]
    (tmp_path / "stations.yaml").write_text("\n".join(lines))
    (tmp_path / "envgw.yaml").write_text("stations: [stations.yaml]")
    begun = time.process_time()
    (document,) = load(tmp_path / "envgw.yaml", environ={}).stations
    assert time.process_time() - begun < 1.0
    assert document.data["devices"][4999]["id"] == "pm-04999"
    assert document.where(("devices", 4999, "topic")) == (25001, 5)


_SYNTAX = [
    "- ",
    ": ",
    "\n",
    "  ",
    "[",
    "]",
    "{",
    "}",
    "&a",
    "*a",
    "<<",
    "'",
    '"',
    "5",
    "0x1",
    "~",
    "null",
    "#",
    "%",
    "@",
    ">",
    "---",
    "\t",
    "é",
    "\ufeff",
    "\x00",
    "!env X",
    "!file y",
    "mqtt://h",
    "$share/a",
    "7d",
]
_WORDS = st.sampled_from([*Settings.model_fields, "name", "url", "kind", "topic", "type", "password", *_SYNTAX])
_TEXTS = st.one_of(st.text(max_size=200), st.lists(_WORDS, max_size=40).map("".join))


def assert_loads_or_complains(path: Path, environ: dict[str, str]) -> None:
    """Anything but a configuration or a ConfigError with something in it fails."""
    problems: list[Problem] | None = None
    try:
        load(path, environ=environ)
    except ConfigError as error:
        problems = error.problems
    assert problems is None or all(problem.message and problem.file for problem in problems)
    assert problems != []


@given(text=_TEXTS)
@example(text="brokers: [{name: a, url: 'mqtt://[', subscriptions: [{topic: \"\\ud800\", type: x}]}]")
@example(text="gateway: {timezone: '../../etc/passwd', data_dir: \"\\0\"}")
@example(text="gateway: {timezone: ''}\nrules: [\"\\0\", '', ~, 5]")
@example(text="a: &a [*a]")
@example(text="api: {port: 123456789012345678901234567890, event_buffer: 1e400}")
def test_any_text_is_a_configuration_or_a_config_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "envgw.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert_loads_or_complains(path, {})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=15,
)


@given(
    data=st.dictionaries(st.sampled_from([*Settings.model_fields]), _JSON, max_size=4),
    variables=st.dictionaries(_WORDS, st.text(max_size=9), max_size=3),
)
def test_any_data_in_the_sections_is_a_configuration_or_a_config_error(
    data: dict[str, object], variables: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "envgw.yaml"
    path.write_text(json.dumps(data))
    environ = {"ENVGW_" + name.upper(): text for name, text in variables.items()}
    assert_loads_or_complains(path, environ)


def test_the_process_environment_is_read_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVGW_GATEWAY__CITY", "Hội An")
    monkeypatch.chdir(tmp_path)
    assert load().settings.gateway.city == "Hội An"
    assert os.environ["ENVGW_GATEWAY__CITY"] == "Hội An"
