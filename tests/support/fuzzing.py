"""Seeded hostile requests, as bytes on a socket: the same seed, the same requests.

Markers are planted in what a card never shows: names, identifiers, tokens, member names. Wherever one comes back,
in an answer or a log, something leaked.
"""

from __future__ import annotations

import copy
import gzip
import json
import random
import string
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cds_hooks import examples

MARKER = "zqcanary"
CAPTURES = json.loads((Path(__file__).parents[1] / "data" / "captures.json").read_text("utf-8"))
HOOKS = ("icans-order-sign", "icans-order-select", "icans-patient-view")
PATHS = (
    *(f"/cds-services/{hook}" for hook in HOOKS),
    *(f"/cds-services/{hook}" for hook in HOOKS),
    *(f"/cds-services/{hook}/feedback" for hook in HOOKS),
    "/fhir/$evaluate-icans",
)
JSON = "application/json"


@dataclass(frozen=True)
class Case:
    """`raw` is everything sent; `family` and `number` name it in a failure."""

    number: int
    family: str
    raw: bytes


def cases(seed: int, count: int) -> Iterator[Case]:
    """`count` requests, families in turn."""
    names = [name for name, weight in WEIGHTS.items() for _ in range(weight)]
    for number in range(count):
        chance = random.Random(f"{seed}/{number}")
        family = names[number % len(names)]
        yield Case(number, family, FAMILIES[family](chance))


def request(
    method: str = "POST", path: str = PATHS[0], body: bytes = b"", headers: dict[str, str] | None = None, length: Any = None
) -> bytes:
    """A request as a client would write it."""
    given = {"Host": "127.0.0.1", "Content-Type": JSON, "Connection": "close"} | (headers or {})
    given.setdefault("Content-Length", str(len(body) if length is None else length))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value is not None)]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


@lru_cache
def _examples() -> tuple[str, ...]:
    return tuple(json.dumps(examples.shifted(name)) for name in examples.names())


def call(chance: random.Random) -> tuple[str, dict[str, Any]]:
    """A path and a good body for it, markers planted."""
    path = chance.choice(PATHS)
    if path.endswith("feedback"):
        item = {"card": "5b2e…", "outcome": "accepted", "acceptedSuggestions": [{"id": "s"}], "outcomeTimestamp": "2026-11-22T21:25:04Z"}
        reason = {"reason": {"code": "x", "system": "http://example.org"}, "userComment": mark(chance)}
        return path, {"feedback": [item, item | {"outcome": "overridden", "overrideReason": reason}]}
    body: dict[str, Any]
    if chance.random() < 0.3:
        body = copy.deepcopy(chance.choice(CAPTURES)["body"])
    else:
        body = json.loads(chance.choice(_examples()))
    if path.startswith("/fhir"):
        held = [p for p in (body.get("prefetch") or {}).values() if isinstance(p, dict)]
        entries = [e for p in held for e in (p.get("entry") or [{"resource": p}])]
        return path, planted({"resourceType": "Bundle", "type": "collection", "entry": entries}, chance)
    body["hook"] = path.removeprefix("/cds-services/icans-")
    if body["hook"] == "order-select":
        body["context"]["selections"] = ["MedicationRequest/1"]
    if chance.random() < 0.5:
        body["fhirServer"] = f"https://{mark(chance)}.example.org/fhir"
        body["fhirAuthorization"] = {"access_token": mark(chance), "token_type": "Bearer", "scope": mark(chance), "subject": mark(chance)}
    body["extension"] = {mark(chance): mark(chance)}
    return path, planted(body, chance)


def planted(body: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The body with a name and identifiers in each resource that may have them."""
    for node in objects(body):
        kind = node.get("resourceType")
        if kind == "Patient":
            node["name"] = [{"family": mark(chance), "given": [mark(chance)]}]
            node["address"] = [{"line": [mark(chance)]}]
        if isinstance(kind, str) and kind not in ("Bundle", "OperationOutcome"):
            node["identifier"] = [{"system": "urn:mrn", "value": mark(chance)}]
    return body


def mark(chance: random.Random) -> str:
    return f"{MARKER}{chance.randrange(10**6)}"


def objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from objects(inner)


ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**400, -(10**30), 1e308, "", " ", "\x00", "\ud800", "\u202e", "ﬀ", "a" * 5000,
    [], {}, [[]], [None], {"a": None}, [{}], "null", "true", "7", "NaN", "0001-01-01", "2026-02-30", "2026-13-01T00:00:00Z",
    "2026-11-22T24:00:00Z", "2026-11-22T21:00:00+99:99", "9999-12-31T23:59:59Z", "2026-11-22T21:00:60Z", "99999-01-01",
    "Patient/", "/", "#", "urn:uuid:", "../../etc/passwd", "javascript:alert(1)", "<script>alert(1)</script>",
    "[a](javascript:x)", "![x](http://127.0.0.1:9/)", "${jndi:ldap://127.0.0.1/a}", "' OR 1=1 --", "{{context.patientId}}",
    "%s%n%x", "\r\nX-Evil: 1", "a" * 200 + "!", "0" * 300, "1e400", "final", "entered-in-error", float("nan"), float("inf"),
)  # fmt: skip


def changed(body: Any, chance: random.Random) -> Any:
    """One to six members replaced, removed, renamed, doubled in a list, or swapped with another part."""
    places = [node for node in _containers(body) if node]
    for _ in range(chance.randint(1, 6)):
        node = chance.choice(places)
        if not node:
            continue
        key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
        how = chance.randrange(6)
        if how == 0 and isinstance(node, dict):
            del node[key]
        elif how == 1 and isinstance(node, dict):
            node[f"{mark(chance)}"] = node.pop(key)
        elif how == 2:
            node[key] = [node[key], copy.deepcopy(node[key])]
        elif how == 3:
            node[key] = copy.deepcopy(chance.choice(places))
        else:
            node[key] = chance.choice(ODD)
    return body


def _containers(node: Any) -> Iterator[Any]:
    if isinstance(node, (dict, list)):
        yield node
        for inner in node.values() if isinstance(node, dict) else node:
            yield from _containers(inner)


def _meaning(chance: random.Random) -> bytes:
    path, body = call(chance)
    return request(path=path, body=json.dumps(changed(body, chance)).encode())


def _untouched(chance: random.Random) -> bytes:
    path, body = call(chance)
    return request(path=path, body=json.dumps(body, ensure_ascii=chance.random() < 0.5).encode())


def _bytes(chance: random.Random) -> bytes:
    """A good body with bytes changed, cut off, put in or taken out."""
    path, body = call(chance)
    raw = bytearray(json.dumps(body).encode())
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(raw) + 1)
        how = chance.randrange(4)
        if how == 0:
            raw[at : at + 1] = bytes([chance.randrange(256)])
        elif how == 1:
            del raw[at : at + chance.randint(1, 40)]
        elif how == 2:
            raw[at:at] = chance.choice([b"\xff", b"\x00", b"{", b"[", b'"', b"\\", b"\xed\xa0\x80", b"/*x*/", b",", b"NaN", b"\xc0\xaf"])
        else:
            raw = raw[: max(1, at)]
    return request(path=path, body=bytes(raw))


def _doubled(chance: random.Random) -> bytes:
    """A key twice, somewhere, with another value or a marker as its name."""
    path, body = call(chance)
    raw = json.dumps(body)
    opening = [at for at, character in enumerate(raw) if character == "{"]
    at = chance.choice(opening) + 1
    name = chance.choice(["id", "status", "hook", "patientId", "resourceType", mark(chance)])
    twice = f'"{name}": 1, "{name}": 2, '
    return request(path=path, body=f"{raw[:at]}{twice}{raw[at:]}".encode())


def _numbers(chance: random.Random) -> bytes:
    path, body = call(chance)
    token = chance.choice(
        ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "9" * 5000, "0x10", "01", "1.", ".5", "+1", "1_000", "--1", "1e", "0e0", "-0"]
    )
    raw = json.dumps(body)
    digits = [at for at, character in enumerate(raw) if character in string.digits and raw[at - 1] == " "]
    at = chance.choice(digits) if digits else raw.index("{") + 1
    return request(path=path, body=f"{raw[:at]}{token}{raw[at + 1 :]}".encode())


def _nested(chance: random.Random) -> bytes:
    depth = chance.choice([60, 64, 65, 66, 500, 5000, 100_000])
    opening, closing = chance.choice([("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
    inner = opening * depth + "1" + closing * (depth if chance.random() < 0.7 else 0)
    where = chance.choice(["%s", '{"hook": %s}', '{"hook": "order-sign", "prefetch": {"patient": %s}}'])
    return request(path=chance.choice(PATHS), body=(where % inner).encode())


def _large(chance: random.Random) -> bytes:
    """Rarely: they are slow to make and to send."""
    size = chance.choice([100_000, 1_000_000, 3_000_000, 8_000_000, 9_000_000])
    part = chance.choice([b"[", b"{},", b" ", b'"",', b'{"a":1},', b"\\", b"x", b'"\\""', b"\xf0\x9f\x98\x80"])
    body = b'{"hook": "order-sign", "prefetch": {"observations": [' + part * (size // len(part))
    return request(path=chance.choice(PATHS), body=body)


def _many(chance: random.Random) -> bytes:
    """A bundle of very many small or alike records."""
    path, body = call(chance)
    record = chance.choice([{"resourceType": "Observation"}, {"resourceType": "MedicationAdministration", "id": "x"}, {}, None])
    entries = [{"resource": record}] * chance.choice([1000, 20_000])
    if "prefetch" in body and isinstance(body["prefetch"], dict):
        body["prefetch"]["observations"] = {"resourceType": "Bundle", "entry": entries}
    return request(path=path, body=json.dumps(body).encode())


def _encoded(chance: random.Random) -> bytes:
    path, body = call(chance)
    raw = json.dumps(body)
    how = chance.choice(["utf-16", "utf-32", "utf-7", "latin-1", "utf-8-sig"])
    return request(path=path, body=raw.encode(how, "replace"))


def _packed(chance: random.Random) -> bytes:
    path, body = call(chance)
    raw = json.dumps(body).encode()
    name, content = chance.choice(
        [
            ("gzip", gzip.compress(raw)), ("gzip", raw), ("gzip", gzip.compress(raw)[:-9]), ("gzip", _bomb()), ("x-gzip", _bomb()),
            ("deflate", zlib.compress(raw)), ("br", raw), ("gzip, gzip", gzip.compress(_bomb())), ("identity", raw),
            ("gzip", gzip.compress(raw) + gzip.compress(raw)), (mark(chance), raw), ("", raw), ("zstd", raw),
        ]
    )  # fmt: skip
    return request(path=path, body=content, headers={"Content-Encoding": name})


@lru_cache
def _bomb() -> bytes:
    return gzip.compress(b" " * 50_000_000)


def _typed(chance: random.Random) -> bytes:
    path, body = call(chance)
    kind = chance.choice(
        ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/json;charset=utf-16",
         "application/fhir+json", "application/fhir+xml", "*/*", "json", mark(chance), "application/json, text/plain", "x" * 4000]
    )  # fmt: skip
    return request(path=path, body=json.dumps(body).encode(), headers={"Content-Type": kind, "Origin": f"https://{mark(chance)}.example.org"})


def _headed(chance: random.Random) -> bytes:
    path, body = call(chance)
    more = {
        "Authorization": chance.choice([f"Bearer {mark(chance)}", f"Basic {mark(chance)}", "Bearer a.b.c", "Bearer " + "A" * 20_000, ""]),
        "Cookie": f"session={mark(chance)}",
        "X-Forwarded-For": mark(chance),
        "X-Request-Id": mark(chance),
        "If-None-Match": mark(chance),
        "Accept": chance.choice(["*/*", "text/html", mark(chance)]),
        "Host": chance.choice(["127.0.0.1", f"{mark(chance)}.example.org", "", "a b"]),
        "User-Agent": chance.choice([mark(chance), "x" * 30_000]),
    }
    return request(path=path, body=json.dumps(body).encode(), headers=more)


def _routed(chance: random.Random) -> bytes:
    method = chance.choice(["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW", "post", "PROPFIND"])
    path = chance.choice(
        ["/", "//", "/cds-services", "/cds-services/", f"/cds-services/{mark(chance)}", "/cds-services/../etc/passwd", "/cds-services/%2e%2e/%2e%2e",
         "/cds-services/%00", "/cds-services/icans-order-sign/feedback/x", "/fhir/Patient/1", f"/fhir/CodeSystem/{mark(chance)}",
         f"/fhir/CodeSystem?url={mark(chance)}", "/fhir/metadata", "/healthz", f"/healthz?{mark(chance)}", "/demo", "/docs", "/metrics", "/openapi.json", "/.env",
         "/" + "a" * 5000, "/%ff%fe", "*", f"http://{mark(chance)}.example.org/", "/cds-services;x=1", "/é"]
    )  # fmt: skip
    asked = {"Origin": mark(chance), "Access-Control-Request-Method": chance.choice(["POST", mark(chance)])} if method == "OPTIONS" else {}
    return request(method, path, headers=asked)


def _framed(chance: random.Random) -> bytes:
    """HTTP itself broken: two framings, bad chunks, wrong lengths, other protocols."""
    path, body = call(chance)
    raw = json.dumps(body).encode()
    start = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {JSON}\r\n".encode()
    chunk = f"{len(raw):x}".encode() + b"\r\n" + raw + b"\r\n0\r\n\r\n"
    return chance.choice(
        [
            start + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunk,
            start + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\n" + chunk,
            start + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nZZ\r\n" + raw + b"\r\n0\r\n\r\n",
            start + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nFFFFFFFFFFFFFFFFF\r\n" + raw,
            start + b"Transfer-Encoding: xchunked\r\nConnection: close\r\n\r\n" + chunk,
            start + b"Content-Length: -1\r\n\r\n" + raw,
            start + b"Content-Length: 1e3\r\n\r\n" + raw,
            start + b"Content-Length: 99999999999999999999\r\nConnection: close\r\n\r\n" + raw,
            start + f"Content-Length: {len(raw)}\r\nContent-Length: 1\r\nConnection: close\r\n\r\n".encode() + raw,
            start + f"Content-Length: {len(raw) + 100}\r\nConnection: close\r\n\r\n".encode() + raw,
            start + f"Content-Length: {len(raw) // 2}\r\nConnection: close\r\n\r\n".encode() + raw,
            start + b"Expect: 100-continue\r\nConnection: close\r\n" + f"Content-Length: {len(raw)}\r\n\r\n".encode() + raw,
            start + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
            start + b"".join(b"X-%d: a\r\n" % n for n in range(3000)) + b"\r\n",
            start + b"Bad Header\r\n\r\n",
            start + b"X\x00: a\r\n\r\n",
            start.replace(b"\r\n", b"\n") + b"\n",
            b"GET /cds-services\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
            b"POST " + path.encode() + b" HTTP/9.9\r\n\r\n",
            bytes(chance.randrange(256) for _ in range(300)) + b"\r\n\r\n",
            request(path=path, body=raw, headers={"Connection": "keep-alive"}) + request(path="/healthz", method="GET"),
        ]
    )  # fmt: skip


def _slow_patterns(chance: random.Random) -> bytes:
    """Text that makes backtracking patterns slow, where dates, ids and references stand."""
    text = chance.choice(["0" * 50_000 + "!", "a/" * 20_000, "-" * 50_000, ("2026-" * 9000) + "x", "https://" + "a." * 20_000, " " * 50_000 + "x", "\t" * 50_000])
    path, body = call(chance)
    for node in objects(body):
        for name in ("effectiveDateTime", "reference", "birthDate", "id", "onsetDateTime", "outcomeTimestamp", "patientId", "text"):
            if name in node and chance.random() < 0.3:
                node[name] = text
    return request(path=path, body=json.dumps(body).encode())


FAMILIES: dict[str, Callable[[random.Random], bytes]] = {
    "meaning": _meaning, "untouched": _untouched, "bytes": _bytes, "doubled": _doubled, "numbers": _numbers, "nested": _nested,
    "encoded": _encoded, "packed": _packed, "typed": _typed, "headed": _headed, "routed": _routed, "framed": _framed,
    "patterns": _slow_patterns, "many": _many, "large": _large,
}  # fmt: skip
WEIGHTS = {"meaning": 40, "bytes": 12, "doubled": 6, "numbers": 6, "framed": 8, "routed": 8, "untouched": 4, "nested": 4, "encoded": 3, "packed": 3, "typed": 4, "headed": 4, "patterns": 3, "many": 1, "large": 1}  # fmt: skip
