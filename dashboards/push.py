"""Uploads folder, data source, dashboards and alert annotations to a Grafana, by its HTTP API. Doing it twice changes nothing.

`grafana_client` (extra `[grafana]`) is imported when it is needed: dashboards that are provisioned from files need neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from dashboards.stored import PROVISIONED_NAME, PROVISIONED_UID

Done = Literal["created", "updated", "unchanged", "unseen"]
"""`unseen`: the token may not look at it, and need not."""
_T = TypeVar("_T")
TAG = "envgw"
"""On every annotation of ours."""
_EPISODE = "episode:"
_MOST = 10_000
"""Annotations of ours that are looked at: the newest so many."""


class PushError(Exception):
    """Something could not be uploaded. The text says what, why and what to do."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        """What Grafana answered, if it did."""


class Result(NamedTuple):
    """What became of one thing."""

    what: str
    name: str
    done: Done


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How Grafana reaches the history in InfluxQL. Give it a login that may only read."""

    url: str
    database: str
    user: str = ""
    password: str = ""
    token: str = ""
    """InfluxDB 2 and 3: sent as `Authorization: Token …`."""


class Episode(NamedTuple):
    """An alert, as an annotation shows it. Times in ms since the epoch, UTC; `end_ms` None while it is open."""

    id: str
    text: str
    tags: tuple[str, ...]
    start_ms: int
    end_ms: int | None


def connect(url: str, token: str, *, timeout_s: float = 30.0) -> Any:
    """Grafana's API with a service account's token. Raises PushError where the client library is not installed."""
    try:
        from grafana_client import GrafanaApi, TokenAuth
    except ImportError:
        raise PushError("this needs the library grafana-client: pip install -e '.[grafana]' in envgw's folder") from None
    if not url.startswith(("http://", "https://")):
        raise PushError(f"{url!r} is no address of a Grafana: write it with http:// or https://")
    return GrafanaApi.from_url(url, credential=TokenAuth(token), timeout=timeout_s)


def push(
    api: Any,
    boards: Mapping[str, Mapping[str, Any]],
    *,
    folder: str,
    source: Source | None,
    episodes: Iterable[Episode] = (),
) -> Iterator[Result]:
    """Upload what differs, and say of each thing what was done. Raises PushError at the first one that cannot be.

    `folder`: its title; its uid is `envgw`. `source` None: the data source must be there already.
    """
    yield _folder(api, folder)
    yield _source(api, source)
    for name, board in boards.items():
        yield _dashboard(api, name, board)
    yield from _annotations(api, list(episodes))


def _folder(api: Any, title: str) -> Result:
    found = _ask("the folder", lambda: api.folder.get_folder(TAG))
    if found is None:
        _tell("the folder", lambda: api.folder.create_folder(title, uid=TAG))
        return Result("folder", title, "created")
    if found["title"] == title:
        return Result("folder", title, "unchanged")
    _tell("the folder", lambda: api.folder.update_folder(TAG, title=title, overwrite=True))
    return Result("folder", title, "updated")


def _source(api: Any, source: Source | None) -> Result:
    try:
        found = _ask("the data source", lambda: api.datasource.get_datasource_by_uid(PROVISIONED_UID))
    except PushError as error:
        if source is None and error.status == 403:
            return Result("data source", PROVISIONED_NAME, "unseen")  # an Editor may use data sources and not look at them
        raise
    if source is None:
        if found is None:
            raise PushError(
                f"Grafana has no data source with the uid {PROVISIONED_UID}: say where the history is, with --influx-url, --database and "
                "--influx-user (or a configuration that names an influxdb history)"
            )
        return Result("data source", found["name"], "unchanged")
    wanted = _datasource(source)
    if found is None:
        _tell("the data source", lambda: api.datasource.create_datasource(wanted))
        return Result("data source", PROVISIONED_NAME, "created")
    if found.get("readOnly"):
        return Result("data source", found["name"], "unchanged")  # provisioned from a file: that one holds
    # A password cannot be read back: where one is given it is written again.
    same = all(found.get(key) == value for key, value in wanted.items() if not isinstance(value, dict))
    same = same and all(found.get("jsonData", {}).get(key) == value for key, value in wanted["jsonData"].items())
    if same and not wanted["secureJsonData"]:
        return Result("data source", found["name"], "unchanged")
    _tell("the data source", lambda: api.datasource.update_datasource_by_uid(PROVISIONED_UID, wanted))
    return Result("data source", PROVISIONED_NAME, "updated")


def _datasource(source: Source) -> dict[str, Any]:
    """The data source as deploy/grafana/provisioning has it."""
    header = {"httpHeaderName1": "Authorization"} if source.token else {}
    secrets = {"password": source.password, "httpHeaderValue1": f"Token {source.token}" if source.token else ""}
    return {
        "name": PROVISIONED_NAME,
        "uid": PROVISIONED_UID,
        "type": "influxdb",
        "access": "proxy",
        "url": source.url,
        "user": source.user,
        "database": source.database,
        "jsonData": {"dbName": source.database, "httpMode": "POST", "timeInterval": "60s", "version": "InfluxQL", **header},
        "secureJsonData": {name: value for name, value in secrets.items() if value},
    }


def _dashboard(api: Any, name: str, board: Mapping[str, Any]) -> Result:
    what = f"the dashboard {name}"
    uid, title = board["uid"], board["title"]
    found = _ask(what, lambda: api.dashboard.get_dashboard(uid))
    if found is not None:
        meta = found.get("meta", {})
        if meta.get("provisioned"):
            raise PushError(
                f"Grafana reads {title!r} from files (provisioning): change those, or take them out of its provisioning before you push"
            )
        if _own(found["dashboard"]) == _own(board) and meta.get("folderUid") == TAG:
            return Result("dashboard", title, "unchanged")
    body = {"dashboard": {**_own(board), "id": None}, "folderUid": TAG, "overwrite": True, "message": "envgw dashboards push"}
    _tell(what, lambda: api.dashboard.update_dashboard(body))
    return Result("dashboard", title, "created" if found is None else "updated")


def _own(board: Mapping[str, Any]) -> dict[str, Any]:
    """Without what Grafana counts by itself."""
    return {key: value for key, value in board.items() if key not in ("id", "version")}


def _annotations(api: Any, episodes: list[Episode]) -> Iterator[Result]:
    """Each alert is one annotation with its episode as a tag, drawn from its begin to its end."""
    if not episodes:
        return
    stored = _ask("the annotations", lambda: api.annotations.get_annotation(tags=[TAG], limit=_MOST)) or []
    there = {tag: one for one in stored for tag in one.get("tags", []) if tag.startswith(_EPISODE)}
    for episode in episodes:
        key = _EPISODE + episode.id
        wanted: dict[str, Any] = {
            "time_from": episode.start_ms,
            "time_to": episode.start_ms if episode.end_ms is None else episode.end_ms,
            "tags": [TAG, key, *episode.tags],
            "text": episode.text,
        }
        found = there.get(key)
        if found is None:
            _tell("an annotation", lambda wanted=wanted: api.annotations.add_annotation(**wanted))  # type: ignore[misc]
            yield Result("annotation", episode.id, "created")
        elif (found["time"], found["timeEnd"], sorted(found["tags"]), found["text"]) != (
            wanted["time_from"],
            wanted["time_to"],
            sorted(wanted["tags"]),
            wanted["text"],
        ):
            number = found["id"]
            _tell("an annotation", lambda wanted=wanted, number=number: api.annotations.update_annotation(number, **wanted))  # type: ignore[misc]
            yield Result("annotation", episode.id, "updated")
        else:
            yield Result("annotation", episode.id, "unchanged")


def _ask(what: str, call: Callable[[], _T]) -> _T | None:
    """What Grafana has, or None where it answers 404."""
    return _call("read", what, call, absent=True)


def _tell(what: str, call: Callable[[], Any]) -> None:
    _call("write", what, call, absent=False)


def _call(verb: str, what: str, call: Callable[[], _T], *, absent: bool) -> _T | None:
    from grafana_client.client import GrafanaException

    try:
        return call()
    except GrafanaException as error:
        if absent and error.status_code == 404:
            return None
        raise PushError(f"cannot {verb} {what}: {_reason(error)}", error.status_code) from None
    except OSError as error:  # no connection, no TLS, a timeout: all errors of requests are of this kind
        raise PushError(f"cannot {verb} {what}: Grafana does not answer ({_innermost(error)})") from None
    except ValueError:
        raise PushError(f"cannot {verb} {what}: the answer is not Grafana's (is the address right, with its path?)") from None


def _reason(error: Any) -> str:
    said = error.response.get("message", "") if isinstance(error.response, dict) else ""
    if error.status_code == 401:
        return "Grafana does not know this token (401): make one at Administration, Service accounts"
    if error.status_code == 403:
        return f"this token may not (403{', ' + said if said else ''}): folders and dashboards need the role Editor, data sources Admin"
    return f"Grafana answered {error.status_code}{': ' + said if said else ''}"


def _innermost(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error) or type(error).__name__
