"""What setup and doctor say of an `influxdb` history that is not as it should be. (As it should be: tests/contracts/history.)"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from devices.reading import Line, Value
from gateway.errors import Retryable
from gateway.findings import Finding, State, all_right
from gateway.history.influx_http import Answer, InfluxHttp
from gateway.history.influx_server import Kind, Server, identify
from gateway.history.influx_upkeep import SLICE_MS, InfluxUpkeep
from gateway.history.influxdb import InfluxHistory
from gateway.settings import HistorySection
from tests.tools.history_servers import Influxd, VictoriaMetrics
from tests.tools.influx3_standin import Influx3CoreStandIn
from tests.tools.influx27_standin import Influx27StandIn
from tests.tools.mosquitto import free_port

DAY_MS = 86_400_000


def section(url: str, **more: object) -> HistorySection:
    given = {"name": "city", "kind": "influxdb", "url": url, "token": "right-token", "org": "city", "timeout": "2s"}
    return HistorySection.model_validate(given | more)


async def doctor(url: str, **more: object) -> dict[str, Finding]:
    upkeep = InfluxUpkeep(section(url, **more))
    found = await upkeep.examine()
    await upkeep.close()
    return {finding.check: finding for finding in found}


async def setup(url: str, **more: object) -> dict[str, Finding]:
    upkeep = InfluxUpkeep(section(url, **more))
    found = await upkeep.prepare()
    await upkeep.close()
    return {finding.check: finding for finding in found}


def wrong(found: dict[str, Finding]) -> set[str]:
    return {check for check, finding in found.items() if finding.state is State.WRONG}


def explained(found: dict[str, Finding]) -> None:
    """Whatever is not well says what to do, and no secret."""
    for finding in found.values():
        assert finding.state in (State.OK, State.DONE) or finding.do, finding
        assert "right-token" not in finding.says + finding.do


# ---------------------------------------------------------------- who is there


async def server(url: str, **more: object) -> Server:
    http = InfluxHttp(section(url, **more))
    try:
        return await identify(http)
    finally:
        await http.close()


async def test_the_four_kinds_are_told_apart(
    shared_influxd: Influxd, influx27: Influx27StandIn, influx3: Influx3CoreStandIn, victoria_metrics: VictoriaMetrics
) -> None:
    found = [await server(each.url) for each in (shared_influxd, influx27, influx3, victoria_metrics)]  # type: ignore[attr-defined]
    assert [each.kind for each in found] == list(Kind)
    assert [each.number for each in found] == [(1, 6), (2, 7), (3, 9), (0, 0)]
    assert found[3].flags["dedup.minScrapeInterval"] == "1ms"
    assert all(each.ahead_s is not None and abs(each.ahead_s) < 2 for each in found)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {}, b"<html>hello</html>"),
        (204, {}, b""),
        (404, {}, b"404 page not found"),
        (500, {"x-influxdb-version": "nightly"}, b""),
        (200, {"x-influxdb-version": "17"}, b'{"version": 5}'),
        (200, {"date": "yesterday"}, b'["version"]'),
        (302, {}, b""),
    ],
)
async def test_another_program_at_that_address(monkeypatch: pytest.MonkeyPatch, status: int, headers: dict[str, str], body: bytes) -> None:
    async def exchange(self: InfluxHttp, method: str, path: str, params: Any, *rest: Any, **more: Any) -> Answer:
        return Answer(status, body, None, headers) if path == "/ping" else Answer(404, b"", None)

    monkeypatch.setattr(InfluxHttp, "exchange", exchange)
    with pytest.raises(Retryable, match=r"url|answered"):
        await server("http://localhost:1")


async def test_nobody_listens() -> None:
    found = await doctor(f"http://127.0.0.1:{free_port()}")
    assert wrong(found) == {"connection"}
    assert "cannot be reached" in found["connection"].says
    explained(found)
    assert wrong(await setup(f"http://127.0.0.1:{free_port()}")) == {"setup"}


# ---------------------------------------------------------------- InfluxDB 2.x (the stand-in)


async def test_a_wrong_token(influx27: Influx27StandIn) -> None:
    found = await doctor(influx27.url, token="wrong")
    assert wrong(found) == {"write"}
    assert "token" in found["write"].says
    explained(found)


async def test_a_token_that_may_write_but_not_read(influx27: Influx27StandIn) -> None:
    influx27.reads = False
    found = await doctor(influx27.url)
    assert wrong(found) == {"read"}
    explained(found)


async def test_a_token_that_may_read_but_not_write(influx27: Influx27StandIn) -> None:
    influx27.writes = False
    for found in (await doctor(influx27.url), await setup(influx27.url)):
        assert wrong(found) == {"write"}
        assert "token" in found["write"].says
        explained(found)


async def test_a_section_without_organisation(influx27: Influx27StandIn) -> None:
    """InfluxDB 2.x needs one to write; VictoriaMetrics and 3 Core do not, so the configuration cannot demand it."""
    found = await doctor(influx27.url, org="")
    assert wrong(found) == {"write"}
    assert "check `org`" in found["write"].says
    explained(found)


async def test_a_token_that_may_write_and_read_but_not_manage_is_enough_to_run(influx27: Influx27StandIn) -> None:
    influx27.manages = False
    found = await doctor(influx27.url)
    assert wrong(found) == set()
    assert found["bucket"].state is State.WARNING
    assert "ENVGW_HISTORY__CITY__TOKEN=… envgw doctor history" in found["bucket"].do
    influx27.buckets.clear()
    found = await setup(influx27.url)
    assert wrong(found) == {"rights"}
    assert "ENVGW_HISTORY__CITY__TOKEN=… envgw history setup city" in found["rights"].do


async def test_a_bucket_without_mapping_gets_one(influx27: Influx27StandIn) -> None:
    """As before 2.4, which knew no virtual mappings."""
    influx27.virtual = False
    found = await doctor(influx27.url)
    assert wrong(found) == {"mapping", "read"}
    explained(found)
    found = await setup(influx27.url)
    assert found["mapping"].state is State.DONE
    assert all_right(found.values()), found
    assert [(item["database"], item["default"], item["bucketID"]) for item in influx27.mappings] == [("envgw", True, "0000000000000001")]
    assert (await setup(influx27.url))["mapping"].state is State.OK
    assert len(influx27.mappings) == 1


@pytest.mark.parametrize("virtual", [True, False])
async def test_a_mapping_to_another_bucket_is_left_alone_and_told(influx27: Influx27StandIn, virtual: bool) -> None:
    """Since 2.4 the virtual mapping of our bucket is listed beside it, but the one that somebody made is what counts."""
    other = influx27.add_bucket("other")
    influx27.mappings.append({"id": "77", "database": "envgw", "retention_policy": "x", "default": True, "bucketID": other["id"]})
    influx27.virtual = virtual
    for found in (await doctor(influx27.url), await setup(influx27.url)):
        assert "mapping" in wrong(found)
        assert other["id"] in found["mapping"].says
        assert "influx v1 dbrp delete --id 77" in found["mapping"].do
    assert len(influx27.mappings) == 1


async def test_a_missing_organisation(influx27: Influx27StandIn) -> None:
    found = await setup(influx27.url, org="nowhere", bucket="new")
    assert wrong(found) == {"setup"}
    assert "no organisation 'nowhere'" in found["setup"].says


async def test_a_bucket_that_is_made_keeps_everything(influx27: Influx27StandIn) -> None:
    influx27.buckets.clear()
    assert (await setup(influx27.url, bucket="new"))["retention"].says == "everything is kept for ever"
    assert [bucket["name"] for bucket in influx27.buckets.values()] == ["new"]


@pytest.mark.parametrize(
    ("server_days", "ours", "state", "words"),
    [
        (0, None, State.OK, "kept for ever"),
        (0, "30d", State.OK, "deletes raw readings after 30d"),
        (7, None, State.WARNING, "deletes everything after 7d"),
        (7, "3d", State.WARNING, "deletes everything after 7d"),
        (7, "30d", State.WRONG, "but `retention` asks for 30d"),
    ],
)
async def test_the_servers_own_retention(influx27: Influx27StandIn, server_days: int, ours: str | None, state: State, words: str) -> None:
    influx27.buckets.clear()
    influx27.add_bucket("envgw", retention_s=server_days * 86_400)
    found = await doctor(influx27.url, retention=ours)
    assert found["retention"].state is state
    assert words in found["retention"].says
    explained(found)


@pytest.mark.parametrize(("ahead_s", "state"), [(0, State.OK), (-20, State.WARNING), (20, State.WARNING), (3600, State.WRONG)])
async def test_the_servers_clock(influx27: Influx27StandIn, ahead_s: float, state: State) -> None:
    influx27.clock_ahead_s = ahead_s
    found = (await doctor(influx27.url))["clock"]
    assert found.state is state
    assert state is State.OK or f"{abs(ahead_s)} s {'ahead of' if ahead_s > 0 else 'behind'} ours" in found.says


async def test_retention_that_the_server_does_not_carry_out_ends_with_an_error(
    influx27: Influx27StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx27, "_delete", lambda params, body: type(influx27)._ping(influx27, {})[0])
    await _write(influx27, days=[40])
    upkeep = InfluxUpkeep(section(influx27.url, retention="30d"))
    with pytest.raises(Retryable, match="has not deleted"):
        await upkeep.forget(_ago(30))
    await upkeep.close()


async def test_retention_goes_in_slices_and_touches_only_what_is_ours(influx27: Influx27StandIn) -> None:
    await _write(influx27, days=[100, 99, 50, 31, 1])
    influx27.points["foreign", (("host", "a"),), _ago(100)] = {"load": 1.0}
    upkeep = InfluxUpkeep(section(influx27.url, retention="30d"))
    assert SLICE_MS == 7 * DAY_MS
    assert await upkeep.forget(_ago(30)) == 3, "100 and 99 days in one request, then 50, then 31"
    await upkeep.close()
    assert sorted((key[0], key[2]) for key in influx27.points) == [("air", _ago(1)), ("foreign", _ago(100))]


_NOW = int(time.time()) * 1000


def _ago(days: float) -> int:
    return _NOW - round(days * DAY_MS)


async def _write(server: Influx27StandIn, days: list[float]) -> None:
    history = InfluxHistory(section(server.url))
    assert await history.write([Line("air", "s", "d", "a", _ago(day), (Value("pm25", 1.0, 1),)) for day in days], 1) == []
    await history.close()


# ---------------------------------------------------------------- InfluxDB 3 Core (the stand-in)


async def test_3_a_database_comes_with_the_first_write(influx3: Influx3CoreStandIn) -> None:
    found = await setup(influx3.url)
    assert "not there yet" in found["database"].says
    assert all_right(found.values())
    assert "is there" in (await doctor(influx3.url))["database"].says


async def test_3_a_wrong_token(influx3: Influx3CoreStandIn) -> None:
    found = await doctor(influx3.url, token="wrong")
    assert wrong(found) == {"write"}
    explained(found)


# ---------------------------------------------------------------- InfluxDB 1.6 (real)


async def test_16_needs_the_old_way_of_writing(influx_database: tuple[Influxd, str]) -> None:
    found = await doctor(influx_database[0].url, bucket=influx_database[1])
    assert wrong(found) == {"version", "write"}
    assert "api: v1" in found["version"].do


async def test_16_a_retention_policy_of_its_own(influx_database: tuple[Influxd, str]) -> None:
    more = {"bucket": influx_database[1], "api": "v1", "retention_policy": "years"}
    assert wrong(await doctor(influx_database[0].url, **more)) == {"retention policy", "write"}
    found = await setup(influx_database[0].url, **more)
    assert all_right(found.values())
    assert found["retention policy"].state is State.WARNING
    assert "DEFAULT" in found["retention policy"].do


async def test_16_a_database_that_forgets(shared_influxd: Influxd) -> None:
    shared_influxd.create("forgets", duration="48h")
    found = await doctor(shared_influxd.url, bucket="forgets", api="v1")
    assert found["retention"].state is State.WARNING
    assert "after 2d" in found["retention"].says
    assert "DURATION INF" in found["retention"].do
    shared_influxd.query("DROP DATABASE forgets")


async def test_16_names_with_quotes(shared_influxd: Influxd) -> None:
    name = 'it\'s "ours"; DROP DATABASE x --'
    found = await setup(shared_influxd.url, bucket=name, api="v1")
    assert found["database"].state is State.DONE
    assert all_right(found.values()), found
    assert [name] in shared_influxd.query("SHOW DATABASES")[0]["values"]
    shared_influxd.query('DROP DATABASE "it\'s \\"ours\\"; DROP DATABASE x --"')


async def test_16_setup_needs_an_administrator(make_influxd: Callable[..., Influxd]) -> None:
    influxd = make_influxd(auth=True).start()
    influxd.query("CREATE USER admin WITH PASSWORD 'right' WITH ALL PRIVILEGES")
    admin = {"api": "v1", "token": None, "username": "admin", "password": "right", "bucket": "closed"}
    clerk = admin | {"username": "clerk", "password": "clerk"}
    http = InfluxHttp(section(influxd.url, **admin))
    await http.exchange("POST", "/query", {"q": "CREATE USER clerk WITH PASSWORD 'clerk'"})
    found = await setup(influxd.url, **clerk)
    assert "setup" in wrong(found), found
    explained(found)
    assert (await setup(influxd.url, **admin))["database"].state is State.DONE
    assert wrong(await doctor(influxd.url, **clerk)) == {"database", "write"}
    await http.exchange("POST", "/query", {"q": 'GRANT WRITE ON "closed" TO clerk'})
    found = await doctor(influxd.url, **clerk)
    assert wrong(found) == {"read"}, found
    assert found["place"].state is State.WARNING
    explained(found)
    await http.exchange("POST", "/query", {"q": 'GRANT ALL ON "closed" TO clerk'})
    found = await doctor(influxd.url, **clerk)
    assert wrong(found) == set(), found
    await http.close()


async def test_16_wrong_password_is_told_without_it(make_influxd: Callable[..., Influxd]) -> None:
    influxd = make_influxd(auth=True).start()
    influxd.query("CREATE USER admin WITH PASSWORD 'right' WITH ALL PRIVILEGES")
    found = await doctor(influxd.url, api="v1", token=None, username="admin", password="n0t-right")
    assert not all_right(found.values())
    assert "n0t-right" not in str(found)
    explained(found)


# ---------------------------------------------------------------- VictoriaMetrics (real)


@pytest.mark.parametrize(("dedup", "words"), [(None, "all kept"), ("0s", "all kept"), ("1m", "within 1m0s only one is kept")])
async def test_victoria_metrics_without_its_flag(
    make_victoria_metrics: Callable[..., VictoriaMetrics], dedup: str | None, words: str
) -> None:
    server = make_victoria_metrics(dedup=dedup, retention=None)
    for found in (await doctor(server.url), await setup(server.url)):
        assert wrong(found) == {"deduplication"}
        assert words in found["deduplication"].says
        assert "-dedup.minScrapeInterval=1ms" in found["deduplication"].do
        assert found["retention"].state is State.WARNING
        assert "after 31d" in found["retention"].says
        explained(found)
