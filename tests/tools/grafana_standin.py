"""A stand-in for Grafana, which cannot be installed here: the few answers of its HTTP API that `dashboards.push` needs.

It is NOT Grafana. It was written after the API's documentation (folders, data sources by uid, dashboards, annotations): routes,
status codes and the shape of answers are Grafana's, what they mean inside is a dictionary. It checks the token and the role, refuses
to save provisioned dashboards as Grafana does (400), and notes what was written, so that a test can say that nothing was.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Any]


class GrafanaStandIn:
    """`with GrafanaStandIn() as grafana:` listens on `grafana.url`."""

    def __init__(self, *, token: str = "glsa_right", role: str = "Admin") -> None:
        self.token, self.role = token, role
        self.folders: dict[str, dict[str, Any]] = {}
        self.sources: dict[str, dict[str, Any]] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.annotations: list[dict[str, Any]] = []
        self.provisioned: set[str] = set()
        """Uids of dashboards that it read from files."""
        self.writes: list[str] = []
        """Method and path of every request that was not a GET."""
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                status, answer = stand_in.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = _serve

            def log_message(self, *_: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> GrafanaStandIn:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, url: str, authorization: str, body: dict[str, Any]) -> Answer:
        parts = urlsplit(url)
        path = parts.path.removeprefix("/api")
        if authorization != f"Bearer {self.token}":
            return 401, {"message": "Invalid API key"}
        if method != "GET":
            self.writes.append(f"{method} {path}")
        if (self.role == "Viewer" and method != "GET") or (self.role == "Editor" and path.startswith("/datasources")):
            return 403, {"message": "You'll need additional permissions to perform this action."}
        if path.startswith("/folders"):
            return self._folder(method, path, body)
        if path.startswith("/datasources"):
            return self._source(method, path, body)
        if path.startswith("/dashboards"):
            return self._dashboard(method, path, body)
        if path.startswith("/annotations"):
            return self._annotation(method, path, body, parse_qs(parts.query))
        return 404, {"message": "Not found"}

    def _folder(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        if method == "POST":
            if body["uid"] in self.folders:
                return 409, {"message": "a folder with that uid already exists"}
            self.folders[body["uid"]] = {"uid": body["uid"], "title": body["title"], "version": 1}
            return 200, self.folders[body["uid"]]
        folder = self.folders.get(path.rsplit("/", 1)[1])
        if folder is None:
            return 404, {"message": "folder not found"}
        if method == "PUT":
            folder["title"] = body["title"]
        return 200, folder

    def _source(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        if method == "POST":
            if any(one["name"] == body["name"] for one in self.sources.values()):
                return 409, {"message": "data source with the same name already exists"}
            self.sources[body["uid"]] = body
            return 200, {"message": "Datasource added"}
        uid = path.rsplit("/", 1)[1]
        if uid not in self.sources:
            return 404, {"message": "Data source not found"}
        if method == "PUT":
            if self.sources[uid].get("readOnly"):
                return 403, {"message": "Cannot update read-only data source"}
            self.sources[uid] = body
            return 200, {"message": "Datasource updated"}
        shown = {key: value for key, value in self.sources[uid].items() if key != "secureJsonData"}
        secrets = self.sources[uid].get("secureJsonData", {})
        return 200, {**shown, "secureJsonFields": dict.fromkeys(secrets, True)}

    def _dashboard(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        if method == "POST":
            board = body["dashboard"]
            if board["uid"] in self.provisioned:
                return 400, {"message": "Cannot save provisioned dashboard"}
            if not body.get("overwrite") and board["uid"] in self.dashboards:
                return 412, {"message": "The dashboard has been changed by someone else"}
            if body["folderUid"] not in self.folders:
                return 400, {"message": "folder not found"}
            version = self.dashboards.get(board["uid"], {"dashboard": {"version": 0}})["dashboard"]["version"] + 1
            stored = {**board, "id": len(self.dashboards) + 1, "version": version}
            self.dashboards[board["uid"]] = {"dashboard": stored, "meta": {"folderUid": body["folderUid"], "provisioned": False}}
            return 200, {"uid": board["uid"], "version": version, "status": "success"}
        found = self.dashboards.get(path.rsplit("/", 1)[1])
        if found is None:
            return 404, {"message": "Dashboard not found"}
        return 200, {**found, "meta": {**found["meta"], "provisioned": found["dashboard"]["uid"] in self.provisioned}}

    def _annotation(self, method: str, path: str, body: dict[str, Any], query: dict[str, list[str]]) -> Answer:
        if method == "GET":
            wanted = set(query.get("tags", []))
            return 200, [one for one in self.annotations if wanted <= set(one["tags"])][: int(query["limit"][0])]
        said = {"time": body["time"], "timeEnd": body["timeEnd"], "tags": body["tags"], "text": body["text"]}
        if method == "POST":
            self.annotations.append({"id": len(self.annotations) + 1, **said})
            return 200, {"message": "Annotation added", "id": len(self.annotations)}
        number = re.fullmatch(r"/annotations/(\d+)", path)
        assert number is not None
        self.annotations[int(number[1]) - 1].update(said)
        return 200, {"message": "Annotation updated"}
