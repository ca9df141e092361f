"""How the InfluxDB history takes each answer a server may give: what is set aside, what is waited for, what is said."""

from __future__ import annotations

import asyncio
import base64
import gzip
import time
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate

import pytest
import pytest_asyncio

from devices.reading import Line, Value
from gateway.errors import EnvgwError, Retryable
from gateway.history.influx_http import Answer
from gateway.history.influxdb import InfluxHistory
from gateway.settings import HistorySection
from tests.tools.history_servers import Influxd
from tests.tools.influx27_standin import Influx27StandIn, Status
from tests.tools.mosquitto import free_port

T0 = int(time.time() * 1000) // 60_000 * 60_000


def section(url: str, **more: object) -> HistorySection:
    return HistorySection.model_validate(
        {"name": "city", "kind": "influxdb", "url": url, "token": "right-token", "org": "city", "timeout": "2s", **more}
    )


def lines(count: int, **names: str) -> list[Line]:
    medium = names.get("medium", "air")
    return [Line(medium, "s", "d", "a", T0 - n * 1000, (Value("pm25", float(n), 1),)) for n in range(count)]


@pytest_asyncio.fixture
async def history(influx27: Influx27StandIn) -> AsyncIterator[InfluxHistory]:
    history = InfluxHistory(section(influx27.url))
    yield history
    await history.close()


async def fails(history: InfluxHistory, count: int = 3) -> Retryable:
    with pytest.raises(Retryable) as caught:
        await history.write(lines(count), 1)
    return caught.value


async def test_B6_one_malformed_line_is_found_in_few_requests(influx27: Influx27StandIn, history: InfluxHistory) -> None:
    """2.7 stores nothing of a batch with a malformed line. A time beyond 64-bit nanoseconds is one that only it can find."""
    good = lines(5000)
    bad = Line("air", "s", "bad", "a", 10**16, (Value("pm25", 1.0, 1),))
    refused = await history.write([*good[:3210], bad, *good[3210:]], 1)
    assert [refusal.line for refusal in refused] == [bad]
    assert "unable to parse" in refused[0].reason
    assert len(influx27.points) == 5000
    assert influx27.requests <= 2 * 13 + 1


async def test_B6_a_type_conflict_is_found_and_the_others_are_stored(influx27: Influx27StandIn, history: InfluxHistory) -> None:
    influx27.types["air", "broken"] = str
    bad = [Line("air", "s", f"bad{n}", "a", T0, (Value("broken", 1.0, 1),)) for n in range(2)]
    good = lines(100)
    refused = await history.write([*good[:10], bad[0], *good[10:70], bad[1], *good[70:]], 1)
    assert [refusal.line for refusal in refused] == bad
    assert all("field type conflict" in refusal.reason for refusal in refused)
    assert len(influx27.points) == 100


async def test_B6_lines_outside_retention_are_listed_at_once(influx27: Influx27StandIn, history: InfluxHistory) -> None:
    influx27.retention_ms = 3_600_000
    old = [Line("air", "s", "old", "a", T0 - 86_400_000 - n, (Value("pm25", 1.0, 1),)) for n in range(500)]
    refused = await history.write(old, 1)
    assert [refusal.line for refusal in refused] == old
    assert "outside retention" in refused[0].reason
    assert influx27.requests == 1
    refused = await history.write([*lines(4), old[0]], 2)
    assert [refusal.line for refusal in refused] == [old[0]]
    assert len(influx27.points) == 4


async def test_B6_two_kinds_of_bad_lines_in_one_batch(influx27: Influx27StandIn, history: InfluxHistory) -> None:
    influx27.types["air", "broken"] = str
    conflict = Line("air", "s", "c", "a", T0, (Value("broken", 1.0, 1),))
    beyond = Line("air", "s", "t", "a", 10**16, (Value("pm25", 1.0, 1),))
    nan = Line("air", "s", "n", "a", T0, (Value("pm25", float("nan"), 1),))
    refused = await history.write([conflict, *lines(20), beyond, nan], 1)
    assert {refusal.line.device for refusal in refused} == {"c", "t", "n"}
    assert len(influx27.points) == 20


@pytest.mark.parametrize("accepting", [True, False])
async def test_an_unknown_400_is_the_lines_fault_only_if_the_server_takes_others(
    influx27: Influx27StandIn, history: InfluxHistory, accepting: bool
) -> None:
    strange = Status(400, "invalid", "a text that nobody has seen before")
    if accepting:
        influx27.script.append(strange)  # and the probe behind it is accepted
        refused = await history.write(lines(1), 1)
        assert [refusal.reason for refusal in refused] == [strange.message]
    else:
        influx27.always = strange
        error = await fails(history, 5000)
        assert influx27.requests <= 15, "it is found out without asking about every line"
        assert error.red
        assert strange.message in error.reason
        influx27.always = None
        assert await history.write(lines(3), 1) == []
        assert len(influx27.points) >= 3


async def test_413_is_sent_in_pieces(influx27: Influx27StandIn, history: InfluxHistory) -> None:
    influx27.max_body = 1000
    giant = Line("air", "s", "x" * 2000, "a", T0, (Value("pm25", 1.0, 1),))
    refused = await history.write([*lines(200), giant], 1)
    assert [refusal.line for refusal in refused] == [giant]
    assert "too large" in refused[0].reason
    assert len(influx27.points) == 200


async def test_401_waits_red_and_says_what_to_do(influx27: Influx27StandIn, history: InfluxHistory) -> None:
    influx27.token = "another-token"
    error = await fails(history)
    assert error.red
    assert "token" in error.reason
    assert "right-token" not in error.reason
    assert "token" in await history.check()
    influx27.token = "right-token"
    assert await history.write(lines(3), 1) == []
    assert await history.check() == ""


async def test_404_unknown_bucket_is_red(influx27: Influx27StandIn, history: InfluxHistory) -> None:
    influx27.bucket = "renamed"
    error = await fails(history)
    assert error.red
    assert 'bucket "envgw" not found' in error.reason
    assert "bucket" in await history.check()


@pytest.mark.parametrize("status", [500, 502, 503, 408, 429])
async def test_a_passing_trouble_is_waited_out(influx27: Influx27StandIn, history: InfluxHistory, status: int) -> None:
    influx27.script.append(Status(status))
    error = await fails(history)
    assert not error.red
    assert error.after_s is None
    assert await history.write(lines(3), 1) == []
    assert len(influx27.points) == 3


@pytest.mark.parametrize("header", ["7", "soon"])
async def test_retry_after(influx27: Influx27StandIn, history: InfluxHistory, header: str) -> None:
    influx27.script.append(Status(429, "too many requests", "slow down", {"Retry-After": header}))
    assert (await fails(history)).after_s == (7 if header == "7" else None)


async def test_retry_after_a_date(influx27: Influx27StandIn, history: InfluxHistory) -> None:
    influx27.script.append(Status(429, "too many requests", "slow down", {"Retry-After": formatdate(time.time() + 3600, usegmt=True)}))
    assert 3500 <= ((await fails(history)).after_s or 0) <= 3601


async def test_retry_after_counts_from_the_servers_own_clock(influx27: Influx27StandIn, history: InfluxHistory) -> None:
    its_now = time.time() - 86_400
    dates = {"Retry-After": formatdate(its_now + 30, usegmt=True), "Date": formatdate(its_now, usegmt=True)}
    influx27.script.append(Status(503, headers=dates))
    assert (await fails(history)).after_s == 30


@pytest.mark.parametrize("how", ["hang", "drip"])
async def test_a_server_that_does_not_finish_ends_in_the_timeout(influx27: Influx27StandIn, how: str) -> None:
    history = InfluxHistory(section(influx27.url, timeout="300ms"))
    influx27.always = how
    started = time.monotonic()
    error = await fails(history)
    assert time.monotonic() - started < 3
    assert "did not answer within 0.3 s" in error.reason
    assert "did not answer" in await history.check()
    influx27.always = None
    assert await history.write(lines(3), 1) == []
    await history.close()


async def test_a_connection_cut_mid_body_is_tried_again_at_once_and_then_left(influx27: Influx27StandIn, history: InfluxHistory) -> None:
    influx27.script.append("reset")
    assert await history.write(lines(2000), 1) == []
    assert len(influx27.points) == 2000
    influx27.script.extend(["reset", "reset"])
    error = await fails(history)
    assert not error.red


async def test_trouble_in_the_middle_of_bisecting_loses_nothing(influx27: Influx27StandIn, history: InfluxHistory) -> None:
    bad = Line("air", "s", "bad", "a", 10**16, (Value("pm25", 1.0, 1),))
    batch = [*lines(50), bad]
    influx27.script.extend([Status(400, "invalid", "unable to parse 'x': y"), Status(204), Status(503)])
    with pytest.raises(Retryable):
        await history.write(batch, 1)
    assert [refusal.line for refusal in await history.write(batch, 1)] == [bad]
    assert len(influx27.points) == 50


async def test_nobody_listens() -> None:
    history = InfluxHistory(section(f"http://127.0.0.1:{free_port()}"))
    error = await fails(history)
    assert "cannot be reached" in error.reason
    assert "cannot be reached" in await history.check()
    await history.close()


async def test_cancelling_a_write_that_hangs_ends_it(influx27: Influx27StandIn, history: InfluxHistory) -> None:
    influx27.always = "hang"
    task = asyncio.create_task(history.write(lines(3), 1))
    await influx27.wait_requests(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_loopback_is_not_compressed_and_anything_else_is(influx27: Influx27StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for loopback in (True, False):
        monkeypatch.setattr("gateway.history.influx_http._LOOPBACK", {"127.0.0.1"} if loopback else set())
        history = InfluxHistory(section(influx27.url))
        for count in (3, 100, 5000):  # too small for it, compressed in the loop, compressed in a thread
            assert await history.write(lines(count), 1) == []
        await history.close()
    assert influx27.encodings == ["", "", "", "", "gzip", "gzip"]
    assert len(influx27.points) == 5000


def test_gzip_is_worth_it() -> None:
    body = "\n".join(f"air,area=a,device=d,station=s pm25={n}.0,pm25_qc=1i {T0 + n}" for n in range(1000)).encode()
    assert len(gzip.compress(body, 1)) * 4 < len(body)


@pytest.mark.parametrize(
    ("more", "header"),
    [
        ({"token": "abc"}, "Token abc"),
        ({"token": None, "username": "u", "password": "p"}, "Token u:p"),
        ({"token": None}, None),
        ({"api": "v1", "token": None, "username": "u", "password": "p"}, "Basic " + base64.b64encode(b"u:p").decode()),
        ({"api": "v1", "token": "abc"}, "Token abc"),
    ],
)
async def test_credentials_go_into_the_header_only(more: dict[str, object], header: str | None) -> None:
    history = InfluxHistory(section("http://localhost:1", **more))
    assert (await history._http._opened()).headers.get("Authorization") == header
    assert "abc" not in str(history._params)
    await history.close()


@pytest.mark.parametrize("url", ["localhost:8086", "ftp://host", "http://", "x"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(EnvgwError, match="write for example"):
        InfluxHistory(section(url))


def test_a_ca_file_that_is_not_there() -> None:
    with pytest.raises(EnvgwError, match="ca_file"):
        InfluxHistory(section("https://localhost:8086", ca_file="/nowhere/ca.pem"))


def test_a_password_in_the_address_is_not_shown() -> None:
    assert "secret" not in InfluxHistory(section("http://user:secret@localhost:8086"))._http.where


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"code":"invalid","message":"unable to parse"}', "unable to parse"),
        (b'{"error":"partial write: points beyond retention policy dropped=2"}', "partial write: points beyond retention policy dropped=2"),
        (b"404 page not found\n", "404 page not found"),
        (b"", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 10_000, "x" * 400 + " …"),
        (b"[1,2]", "[1,2]"),
    ],
)
def test_the_servers_own_words(body: bytes, message: str) -> None:
    assert Answer(400, body, None).message == message


# InfluxDB 1.6.7 itself


async def test_16_a_bad_line_and_a_type_conflict(influx_database: tuple[Influxd, str]) -> None:
    server, database = influx_database
    history = InfluxHistory(section(server.url, api="v1", bucket=database, token=None))
    server_side = Line("air", "s", "bad", "a", 10**16, (Value("pm25", 1.0, 1),))
    assert await history.write(lines(1), 1) == []
    series = server.query("SHOW FIELD KEYS", db=database)
    assert sorted(series[0]["values"]) == [["pm25", "float"], ["pm25_qc", "integer"]]
    # A field that a foreign writer made a text: `no2` can never be stored again, `pm25` of other lines can.
    await history._http.exchange("POST", "/write", {"db": database}, b'air,station=x no2="text"')
    conflict = Line("air", "s", "d", "a", T0, (Value("no2", 1.0, 1),))
    refused = await history.write([*lines(40), server_side, conflict, *lines(60)[40:]], 2)
    assert [refusal.line for refusal in refused] == [server_side, conflict]
    assert "time outside range" in refused[0].reason
    assert "type conflict" in refused[1].reason
    assert server.query('SELECT count("pm25") FROM "air"', db=database)[0]["values"][0][1] == 60
    await history.close()


async def test_16_retention(shared_influxd: Influxd) -> None:
    shared_influxd.create("short", duration="1h")
    history = InfluxHistory(section(shared_influxd.url, api="v1", bucket="short", token=None))
    old = [Line("air", "s", "old", "a", 1000 + n, (Value("pm25", 1.0, 1),)) for n in range(30)]
    refused = await history.write([*lines(10), *old], 1)
    assert [refusal.line for refusal in refused] == old
    assert "retention" in refused[0].reason
    assert shared_influxd.query('SELECT count("pm25") FROM "air"', db="short")[0]["values"][0][1] == 10
    await history.close()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"api": "v1", "bucket": "nope"}, "database not found"),
        ({"api": "v1", "retention_policy": "nope"}, "retention policy not found"),
        ({"api": "v2"}, "set api: v1"),
    ],
)
async def test_16_wrong_settings_are_red(influx_database: tuple[Influxd, str], more: dict[str, str], words: str) -> None:
    server, database = influx_database
    history = InfluxHistory(section(server.url, **({"bucket": database} | more)))
    error = await fails(history)
    assert error.red
    assert words in error.reason
    await history.close()


async def test_16_with_passwords(make_influxd: Callable[..., Influxd]) -> None:
    server = make_influxd(auth=True).start()
    server.query("CREATE USER admin WITH PASSWORD 'right' WITH ALL PRIVILEGES")
    admin = {"api": "v1", "token": None, "username": "admin", "bucket": "closed"}
    right = InfluxHistory(section(server.url, **admin, password="right"))
    await right._http.exchange("GET", "/query", {"q": 'CREATE DATABASE "closed"'})
    assert await right.write(lines(3), 1) == []
    assert len([row async for row in right.query(station=None, parameters=None, since_ms=0, until_ms=T0)]) == 3
    wrong = InfluxHistory(section(server.url, **admin, password="wrong"))
    error = await fails(wrong)
    assert error.red
    assert "username and password" in error.reason
    assert "wrong" not in error.reason
    with pytest.raises(Retryable):
        await anext(wrong.query(station=None, parameters=None, since_ms=0, until_ms=T0))
    await right.close()
    await wrong.close()


async def test_16_frozen_and_thawed(make_influxd: Callable[..., Influxd]) -> None:
    server = make_influxd().start()
    server.create("db")
    history = InfluxHistory(section(server.url, api="v1", bucket="db", token=None, timeout="500ms"))
    server.freeze()
    assert "did not answer" in (await fails(history)).reason
    server.thaw()
    deadline = time.monotonic() + 20
    while await history.check():
        assert time.monotonic() < deadline
    assert await history.write(lines(3), 1) == []
    assert server.query('SELECT count("pm25") FROM "air"', db="db")[0]["values"][0][1] == 3
    await history.close()


async def test_victoria_metrics_says_that_it_cannot_answer(victoria_metrics: object) -> None:
    history = InfluxHistory(section(victoria_metrics.url, token=None))  # type: ignore[attr-defined]
    with pytest.raises(EnvgwError, match="does not answer InfluxQL"):
        await anext(history.query(station=None, parameters=None, since_ms=0, until_ms=T0))
    await history.close()
