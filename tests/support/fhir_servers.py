"""FHIR servers on loopback that behave well or badly, over real sockets; each counts who connected."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Handle = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """`requests` are the paths asked for, `tokens` the Authorization headers that came."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, handle: Handle) -> None:
        self.requests: list[str] = []
        self.tokens: list[str | None] = []
        self.connections = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.requests.append(self.path)
                server.tokens.append(self.headers.get("authorization"))
                with contextlib.suppress(OSError):
                    handle(self)

            def log_message(self, *_: Any) -> None:
                return

        server = self
        super().__init__(("127.0.0.1", 0), Handler)

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()

    def handle_error(self, *_: Any) -> None:
        return

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/fhir"


@contextlib.contextmanager
def serving(handle: Handle) -> Iterator[Server]:
    with Server(handle) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


def answer(handler: BaseHTTPRequestHandler, body: Any, status: int = 200, **headers: str) -> None:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in {"content-type": "application/fhir+json", "content-length": str(len(sent)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(sent)


def chart(resources: list[dict[str, Any]], token: str | None = "abc") -> Handle:
    """A server that reads and searches these resources, for one token."""

    def handle(handler: BaseHTTPRequestHandler) -> None:
        if token is not None and handler.headers.get("authorization") != f"Bearer {token}":
            return answer(handler, {"resourceType": "OperationOutcome", "issue": []}, 401)
        parts = urlsplit(handler.path).path.removeprefix("/fhir/").split("/")
        of_kind = [r for r in resources if r["resourceType"] == parts[0]]
        if len(parts) == 2:
            found = [r for r in of_kind if r["id"] == parts[1]]
            if not found:
                return answer(handler, {"resourceType": "OperationOutcome", "issue": []}, 404)
            return answer(handler, found[0])
        patient = f"Patient/{parse_qs(urlsplit(handler.path).query)['patient'][0]}"
        mine = [r for r in of_kind if r.get("subject", r.get("patient"))["reference"] == patient]
        return answer(handler, bundle(mine))

    return handle


def bundle(resources: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    entries = [{"resource": r, "search": {"mode": "match"}} for r in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(resources), "entry": entries, **more}


def slow(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(3)
    answer(handler, {})


def drips(handler: BaseHTTPRequestHandler) -> None:
    """A valid beginning, then a byte each 50 ms for ever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.05)


def drips_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.05)


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def huge(handler: BaseHTTPRequestHandler) -> None:
    """A gigabyte, its length not said."""
    handler.wfile.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\nconnection: close\r\n\r\n{"a":"')
    for _ in range(1000):
        handler.wfile.write(b"x" * 1_000_000)


def huge_announced(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
    for _ in range(1000):
        handler.wfile.write(b"x" * 1_000_000)


def status(code: int, **headers: str) -> Handle:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
    return lambda handler: answer(handler, outcome, code, **headers)


def says(body: Any, **headers: str) -> Handle:
    return lambda handler: answer(handler, body, **headers)


def dead() -> str:
    """A base URL where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}/fhir"
