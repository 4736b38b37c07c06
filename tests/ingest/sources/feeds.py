"""A TAXII server and a MISP server of the tests' own, as small as they can be and as strict as the products."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

TAXII = "application/taxii+json;version=2.1"


class Call(NamedTuple):
    """What was asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Reply(NamedTuple):
    """What comes back: bytes as they are, other data as JSON."""

    body: Any
    status: int = 200
    headers: dict[str, str] = {}


@contextmanager
def serving(answer: Callable[[Call], Reply]) -> Iterator[str]:
    """Answers on a free port of this machine; the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            split = urlsplit(self.path)
            sent = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            call = Call(self.command, split.path, dict(parse_qsl(split.query)), headers, json.loads(sent or b"null"))
            reply = answer(call)
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {"content-length": str(len(body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class TaxiiServer:
    """One API root with collections. `objects` are (added, object) in order of `added`; pages by `next`."""

    def __init__(self, *, page: int = 2, tokens: bool = True) -> None:
        self.objects: dict[str, list[tuple[str, Any]]] = {"c-1": []}
        self.page, self.tokens = page, tokens
        self.readable = {"c-1": True}
        self.asked: list[Call] = []

    def __call__(self, call: Call) -> Reply:
        self.asked.append(call)
        if call.headers.get("authorization") != "Basic " + base64.b64encode(b"ana:s3cret").decode():
            return Reply({"title": "sign in"}, 401)
        if call.headers.get("accept") != TAXII:
            return Reply({"title": "not acceptable"}, 406)
        if call.path == "/taxii2/":
            roots = ["/root/", "https://elsewhere.example/root/", "http://127.0.0.1:1/root/"]
            return Reply({"title": "t", "api_roots": roots})
        if call.path == "/root/":
            return Reply({"title": "root", "versions": [TAXII], "max_content_length": 1})
        if call.path == "/root/collections/":
            listed = [
                {"id": c, "title": f"Title {c}", "alias": f"a-{c}", "can_read": r} for c, r in self.readable.items()
            ]
            return Reply({"collections": listed})
        collection = call.path.split("/")[3]
        return self._objects(self.objects[collection], call.query)

    def _objects(self, objects: list[tuple[str, Any]], query: dict[str, str]) -> Reply:
        found = [one for one in objects if one[0] > query.get("added_after", "")]
        start = int(query.get("next", "0"))
        page = found[start : start + min(self.page, int(query["limit"]))]
        more = start + len(page) < len(found)
        envelope: dict[str, Any] = {"objects": [one for _, one in page], "more": more} if page else {}
        if more and self.tokens:
            envelope["next"] = str(start + len(page))
        headers = {"content-type": TAXII}
        if page:
            headers |= {"X-TAXII-Date-Added-First": page[0][0], "X-TAXII-Date-Added-Last": page[-1][0]}
        return Reply(envelope, 200, headers)


class MispServer:
    """A server's restSearch, a feed's folder and a list."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.list = ""
        self.asked: list[Call] = []

    def __call__(self, call: Call) -> Reply:
        self.asked.append(call)
        if call.path == "/events/restSearch":
            if call.headers.get("authorization") != "s3cret":
                return Reply({"message": "no key"}, 403)
            wanted = call.body
            found = [e for e in self.events if int(e["publish_timestamp"]) >= int(wanted["publish_timestamp"])]
            start = (wanted["page"] - 1) * wanted["limit"]
            return Reply({"response": [{"Event": e} for e in found[start : start + wanted["limit"]]]})
        if call.path == "/feed/manifest.json":
            return Reply({e["uuid"]: {"timestamp": e["timestamp"], "info": e["info"]} for e in self.events})
        if call.path == "/list.txt":
            return Reply(self.list.encode())
        uuid = call.path.removeprefix("/feed/").removesuffix(".json")
        return next((Reply({"Event": e}) for e in self.events if e["uuid"] == uuid), Reply({}, 404))
