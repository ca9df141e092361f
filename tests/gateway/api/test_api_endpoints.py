"""Every endpoint on a real socket: its answer, its errors, and that both are as the OpenAPI document says."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from pydantic import BaseModel, TypeAdapter

from devices.times import iso
from gateway.api import models
from gateway.health import RED, YELLOW
from gateway.imports.rows import Group, Part
from tests.tools.alerts import START_MS
from tests.tools.city import NOW_MS, City, stored
from tests.tools.sinks import until

EPISODE = f"pm25-high/hai-chau/{START_MS}"


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = models.Problem.model_validate_json(answer.content)
    assert document.status == status
    return document.detail


async def test_healthz_only_says_alive(client: httpx.AsyncClient, city: City) -> None:
    city.paint(RED, "broker city: refused the password; mend brokers.city.password")
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


async def test_readyz_is_503_when_red_with_each_part_and_its_reason(client: httpx.AsyncClient, city: City) -> None:
    green = await client.get("/readyz")
    assert (green.status_code, green.json()["health"]) == (200, "green")
    city.paint(YELLOW, "3 s behind")
    yellow = await client.get("/readyz")
    assert (yellow.status_code, yellow.json()["health"], yellow.json()["ready"]) == (200, "yellow", True)
    city.paint(RED, "broker city: refused the password; mend brokers.city.password")
    red = await client.get("/readyz")
    assert red.status_code == 503
    assert models.Readiness.model_validate(red.json()).parts[0].model_dump() == {
        "name": "source city",
        "colour": "red",
        "reason": "broker city: refused the password; mend brokers.city.password",
    }


async def test_metrics(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "envgw_messages_stored_total 0.0" in answer.text


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/api/v1/status", models.Status),
        ("/api/v1/stations", list[models.Station]),
        ("/api/v1/stations/hai-chau", models.Station),
        ("/api/v1/alerts", list[models.Alert]),
        (f"/api/v1/alerts/{EPISODE}", models.AlertHistory),
        (f"/api/v1/alerts/{EPISODE.replace('/', '%2F')}", models.AlertHistory),
        ("/api/v1/rejections", list[models.Rejection]),
    ],
)
async def test_documents_have_the_documented_shape(client: httpx.AsyncClient, path: str, shape: Any) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    TypeAdapter(shape).validate_json(answer.content, strict=True)


async def test_status_adds_up(client: httpx.AsyncClient) -> None:
    status = models.Status.model_validate_json((await client.get("/api/v1/status")).content)
    assert status.received == status.stored + sum(status.rejected.values()) + status.duplicate + status.shed


@pytest.mark.parametrize(
    "path", ["/api/v1/stations/nowhere", "/api/v1/alerts/no/such/1", "/nothing", "/docs", "/api/v1/stations/../../etc/passwd"]
)
async def test_what_is_not_there_is_a_problem_that_says_where_to_look(client: httpx.AsyncClient, path: str) -> None:
    assert "/api/v1/" in problem(await client.get(path), 404)


async def test_readings_as_json_lines(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/readings")
    assert answer.headers["content-type"] == "application/x-ndjson"
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert rows[2] == {
        "time": "2026-11-23T07:59:59.000Z",
        "station": "hai-chau",
        "device": "hc-1",
        "area": "hai-chau",
        "medium": "air",
        "parameter": "pm25",
        "value": 11.5,
        "unit": "ug/m3",
        "flag": 1,
    }
    assert len(rows) == 3
    assert set(rows[0]) == {name for name, field in models.Reading.model_fields.items() if field.is_required()}


@pytest.mark.parametrize("how", [{"params": {"format": "csv"}}, {"headers": {"Accept": "text/csv"}}])
async def test_readings_as_csv(client: httpx.AsyncClient, city: City, how: dict[str, Any]) -> None:
    city.rows[0] = city.rows[0]._replace(area='quo"te, d', value=None, flag=9)
    answer = await client.get("/api/v1/readings", **how)
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 3
    assert (rows[0]["area"], rows[0]["value"], rows[0]["flag"]) == ('quo"te, d', "", "9")
    assert rows[2]["value"] == "11.5"


async def test_a_summary_says_more_than_its_mean(client: httpx.AsyncClient, city: City) -> None:
    said = (("min", 2.0), ("max", 30.0), ("count", 60.0), ("complete", 1.0), ("worst", 3.0), ("final", 0.0))
    city.rows = [stored(1)._replace(medium="air_1h", notes=said), stored(2)._replace(medium="air_1h")]
    answer = await client.get("/api/v1/readings?resolution=1h")
    first, second = (json.loads(line) for line in answer.text.splitlines())
    assert {name: first[name] for name in first if name not in second} == {
        "min": 2.0, "max": 30.0, "count": 60, "complete": 1.0, "worst": 3, "final": False,
    }  # fmt: skip
    assert set(first) <= set(models.Reading.model_fields)
    rows = list(csv.DictReader(io.StringIO((await client.get("/api/v1/readings?resolution=1h&format=csv")).text)))
    assert [(row["medium"], row["min"], row["count"], row["final"]) for row in rows] == [
        ("air_1h", "2.0", "60", "False"),
        ("air_1h", "", "", ""),
    ]
    assert [asked["resolution"] for asked in city.asked] == ["1h", "1h"]
    problem(await client.get("/api/v1/readings?resolution=1min"), 422)


async def test_an_index_comes_with_its_texts_in_csv_too(client: httpx.AsyncClient, city: City) -> None:
    city.rows = [stored(1, "vn_aqi")._replace(medium="index", notes=(("category", "moderate"), ("dominant", "pm25")))]
    answer = await client.get("/api/v1/readings?parameter=vn_aqi&format=csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["category"], row["dominant"], row["why"], row["final"]) == ("moderate", "pm25", "", "")
    assert "min" not in row


async def test_no_readings_is_an_empty_answer(client: httpx.AsyncClient, city: City) -> None:
    city.rows = []
    assert (await client.get("/api/v1/readings")).content == b""
    assert (await client.get("/api/v1/readings?format=csv")).text == "time,station,device,area,medium,parameter,value,unit,flag\r\n"


@pytest.mark.parametrize(
    ("query", "since_ms", "until_ms"),
    [
        ("", NOW_MS - 86_400_000, NOW_MS),
        ("since=-2h&until=-90s", NOW_MS - 7_200_000, NOW_MS - 90_000),
        ("since=2026-11-23T07:00:00Z", START_MS, NOW_MS),
        ("since=2026-11-23T14:00:00%2B07:00", START_MS, NOW_MS),
        ("since=2026-11-23T14:00:00+07:00", START_MS, NOW_MS),
    ],
)
async def test_the_range_asked_for(client: httpx.AsyncClient, city: City, query: str, since_ms: int, until_ms: int) -> None:
    await client.get(f"/api/v1/readings?station=hai-chau&parameter=pm25,pm10&parameter=no2&{query}")
    asked = {"station": "hai-chau", "parameters": ["pm25", "pm10", "no2"], "since_ms": since_ms, "until_ms": until_ms}
    assert city.asked == [asked | {"resolution": "raw"}]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("since=2026-11-23T07:00:00", "has no time zone: write 2026-11-23T07:00:00Z"),
        ("since=2026-11-23", "write for example 2026-11-23T00:00"),
        ("since=yesterday", "'yesterday' is not a time"),
        ("since=-5y", "write for example -90s"),
        ("since=99999-01-01T00:00Z", "is not a time"),
        ("since=now&until=-1h", "exchange them"),
        ("format=xml", "format: Input should be 'jsonl' or 'csv'"),
    ],
)
async def test_a_wrong_range_says_what_to_write(client: httpx.AsyncClient, city: City, query: str, told: str) -> None:
    assert told in problem(await client.get(f"/api/v1/readings?{query}"), 422)
    assert city.asked == []


async def test_a_history_that_is_down_is_a_503_with_retry_after(client: httpx.AsyncClient, city: City) -> None:
    city.fail_at = 0
    answer = await client.get("/api/v1/readings")
    assert "is its disk there?" in problem(answer, 503)
    assert answer.headers["retry-after"] == "8"


async def test_a_history_that_fails_on_the_way_cuts_the_answer_off(client: httpx.AsyncClient, city: City) -> None:
    """A torso must not pass for the whole: the last chunk never comes."""
    city.rows = [stored(number) for number in range(3000)]
    city.fail_at = 2500
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/api/v1/readings")
    assert city.open_queries == 0
    assert (await client.get("/healthz")).status_code == 200


@pytest.mark.slow
async def test_a_client_that_leaves_ends_its_query(client: httpx.AsyncClient, city: City) -> None:
    city.rows = [stored(number) for number in range(200_000)]
    async with client.stream("GET", "/api/v1/readings") as answer:
        await anext(answer.aiter_bytes(1000))
        assert city.open_queries == 1
    await until(lambda: city.open_queries == 0)


async def test_alerts_are_asked_for_as_given(client: httpx.AsyncClient, city: City) -> None:
    await client.get("/api/v1/alerts?state=resolved&since=-1h&limit=5&station=x")
    assert city.asked == [{"state": "resolved", "station": "x", "since_ms": NOW_MS - 3_600_000, "limit": 5}]


async def test_acknowledge_once(client: httpx.AsyncClient, city: City) -> None:
    path = f"/api/v1/alerts/{EPISODE}/acknowledge"
    answer = await client.post(path, json={"operator": "Lan", "comment": "on my way"})
    assert models.Alert.model_validate_json(answer.content).acknowledged_by == "Lan"
    assert city.asked[-1] == {"action": "acknowledge", "comment": "on my way"}
    assert "Lan acknowledged it already" in problem(await client.post(path, json={"operator": "Minh"}), 409)
    problem(await client.post("/api/v1/alerts/no/such/1/acknowledge", json={"operator": "Lan"}), 404)


async def test_silence_for_a_while(client: httpx.AsyncClient, city: City) -> None:
    path = f"/api/v1/alerts/{EPISODE}/silence"
    answer = await client.post(path, json={"operator": "Lan", "for_s": 3600, "comment": "works there"})
    found = models.Alert.model_validate_json(answer.content)
    assert (found.silenced_by, found.silenced_until) == ("Lan", iso(NOW_MS + 3_600_000))
    assert city.asked[-1] == {"action": "silence", "for_s": 3600.0}
    problem(await client.post(path, json={"operator": "Lan", "for_s": -1}), 422)
    problem(await client.post(path, json={"operator": "Lan"}), 422)


async def test_reinterpret_says_and_then_writes(client: httpx.AsyncClient, city: City) -> None:
    body = {"station": "hai-chau", "since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"}
    assert (await client.post("/api/v1/reinterpret", json=body)).json()["written"] is False
    assert (await client.post("/api/v1/reinterpret", json={**body, "apply": True})).json()["written"] is True
    assert city.asked[-1] == {"station": "hai-chau", "since_ms": 1_772_323_200_000, "until_ms": 1_772_409_600_000, "apply": True}
    problem(await client.post("/api/v1/reinterpret", json={**body, "since": "yesterday"}), 422)
    problem(await client.post("/api/v1/reinterpret", json={**body, "since": "2026-03-03T00:00:00Z"}), 422)


async def test_rebuild_passes_on_what_was_asked(client: httpx.AsyncClient, city: City) -> None:
    body = {"station": "hai-chau", "since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"}
    answer = await client.post("/api/v1/rebuild", json=body)
    assert models.Rebuilt.model_validate_json(answer.content).hours == 24
    assert city.asked[-1] == {"station": "hai-chau", "since_ms": 1_772_323_200_000, "until_ms": 1_772_409_600_000}
    problem(await client.post("/api/v1/rebuild", json={**body, "since": "yesterday"}), 422)
    problem(await client.post("/api/v1/rebuild", json={**body, "since": "2026-03-03T00:00:00Z"}), 422)


async def test_a_part_of_an_archive(client: httpx.AsyncClient, city: City) -> None:
    group = {"station": "hai-chau", "device": "hc-1", "rows": [[1000, {"pm25": [1.5, 1], "no2": [None, 9]}]]}
    answer = await client.post("/api/v1/import", json={"origin": "old.csv", "groups": [group]})
    assert models.ImportResult.model_validate_json(answer.content).values == 2
    assert city.asked[-1] == {"part": Part("old.csv", [Group("hai-chau", "hc-1", [(1000, {"pm25": (1.5, 1), "no2": (None, 9)})])])}
    problem(await client.post("/api/v1/import", json={"origin": "old.csv", "groups": [{**group, "station": "x"}]}), 422)
    problem(await client.post("/api/v1/import", json={"origin": "old.csv", "groups": [{**group, "rows": [[1, {"pm25": 3}]]}]}), 422)
    waits = await client.post("/api/v1/import", json={"origin": "busy", "groups": [group]})
    assert "wait for history" in problem(waits, 503)
    assert waits.headers["retry-after"] == "1"


async def test_reload_says_what_changed_or_all_that_is_wrong(client: httpx.AsyncClient, city: City) -> None:
    answer = await client.post("/api/v1/reload", json={})
    assert models.Reloaded.model_validate_json(answer.content).changed
    city.wrong = ["rules.yaml:3: no parameter 'pm52': did you mean 'pm25'?"]
    answer = await client.post("/api/v1/reload", json={})
    assert answer.status_code == 422
    assert models.Reloaded.model_validate_json(answer.content).problems == city.wrong


async def test_replay(client: httpx.AsyncClient, city: City) -> None:
    answer = await client.post("/api/v1/replay", json={"reason": "unknown-device"})
    assert models.ReplayResult.model_validate_json(answer.content).replayed == 1
    assert city.asked[-1] == {"reason": "unknown-device", "device": None, "limit": 10_000}


@pytest.mark.parametrize(
    ("content", "status", "told"),
    [
        (b"{", 422, "JSON"),
        (b"{}", 422, "operator: Field required"),
        (b'{"operator": ""}', 422, "operator"),
        (b'{"operator": "Lan", "else": 1}', 422, "else: Extra inputs"),
        (b'{"operator": "' + b"x" * 70_000 + b'"}', 413, "65536 bytes"),
        (b"[" * 10_000, 400, "parsing the body"),
    ],
)
async def test_bad_bodies(client: httpx.AsyncClient, city: City, content: bytes, status: int, told: str) -> None:
    answer = await client.post(f"/api/v1/alerts/{EPISODE}/acknowledge", content=content, headers={"Content-Type": "application/json"})
    assert told in problem(answer, status)
    assert city.acknowledged == {}


async def test_a_body_without_length_is_bounded_too(client: httpx.AsyncClient, city: City) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 10_000

    path = f"/api/v1/alerts/{EPISODE}/acknowledge"
    answer = await client.post(path, content=endless(), headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
    assert "65536 bytes" in problem(answer, 413)
    assert city.acknowledged == {}


async def test_our_own_fault_is_a_500_that_tells_no_internals(client: httpx.AsyncClient, city: City) -> None:
    async def broken() -> dict[str, Any]:
        raise RuntimeError("the password is hunter2")

    city.status = broken  # type: ignore[method-assign]
    detail = problem(await client.get("/api/v1/status"), 500)
    assert "RuntimeError" in detail
    assert "hunter2" not in detail


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "[::2]:80", "localhost.evil"])
async def test_dns_rebinding_is_stopped(client: httpx.AsyncClient, host: str) -> None:
    assert "localhost" in problem(await client.get("/api/v1/status", headers={"Host": host}), 403)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8080"])
async def test_its_own_names_are_let_in(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])
async def test_cross_site_posts_are_stopped(client: httpx.AsyncClient, city: City, kind: str) -> None:
    """A web page can send these without asking first; JSON it cannot."""
    answer = await client.post(f"/api/v1/alerts/{EPISODE}/acknowledge", content=b'{"operator": "x"}', headers={"Content-Type": kind})
    assert "application/json" in problem(answer, 415)
    assert city.acknowledged == {}


async def test_no_other_site_may_read(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/status", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    asked = await client.options("/api/v1/replay", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"})
    assert asked.status_code == 405
    assert not [name for name in asked.headers if name.startswith("access-control")]


async def test_openapi_describes_every_endpoint_parameter_and_field(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/v1/openapi.json")).json()
    assert {"/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/stations", "/api/v1/readings", "/api/v1/events"} <= set(
        document["paths"]
    )
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            assert operation["summary"], (verb, path)
            assert operation["tags"], (verb, path)
            assert all(answer["description"] for answer in operation["responses"].values()), (verb, path)
            for parameter in operation.get("parameters", []):
                assert parameter["in"] == "path" or parameter["description"], (verb, path, parameter["name"])
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description") or name in ("HTTPValidationError", "ValidationError"), name


def test_shapes_are_models_with_a_docstring() -> None:
    for name, model in vars(models).items():
        if isinstance(model, type) and issubclass(model, BaseModel) and model is not BaseModel:
            assert model.__doc__, name


def test_the_reference_is_current() -> None:
    from gateway.api.reference import reference

    page = Path("docs/reference/api.md").read_text()
    assert page == reference(), "run: python -m gateway.api.reference > docs/reference/api.md"
    assert re.search(r"^## GET /api/v1/readings$", page, re.MULTILINE)
    assert orjson.dumps(page)
