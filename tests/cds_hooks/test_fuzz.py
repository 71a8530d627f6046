"""Hostile requests against the running service: no 5xx, no hang, no trace, no marker, and healthy afterwards.

ICANS_FUZZ_SEED and ICANS_FUZZ_COUNT choose others; a failure names seed, number and family of its request.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fhir_servers
import pytest
from clients import BASE, clients_file, token
from fuzzing import FAMILIES, MARKER, Case, cases
from running import Running, exchange, running

SEED = int(os.environ.get("ICANS_FUZZ_SEED", "7"))
HANG = 5.0  # seconds
TRACES = (b"Traceback", b'File "', b".py:", b"line 1", b"site-packages")


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"^HTTP/1\.1 (\d{3})", answer, re.MULTILINE)]


def shown(answer: bytes) -> bytes:
    """The answer without the orders it gives back whole: an update has all that the client sent of them."""
    head, start, body = answer.partition(b'{"cards":')
    try:
        cards = json.JSONDecoder().raw_decode((start + body).decode())[0]["cards"]
    except (ValueError, KeyError, TypeError):
        return answer
    for action in [a for c in cards for s in c.get("suggestions", []) for a in s["actions"] if a["type"] == "update"]:
        del action["resource"]
    return head + json.dumps(cards).encode()


def judged(service: Running, case: Case, seed: int) -> tuple[list[int], float]:
    """The statuses and the time of one request. Fails when it shows what it must not."""
    name = f"seed {seed}, request {case.number} ({case.family}): {case.raw[:300]!r}"
    began = time.perf_counter()
    try:
        answer = exchange(service.port, case.raw, HANG, 0.2 if case.family == "framed" else None)
    except TimeoutError:
        pytest.fail(f"no answer within {HANG} s: {name}")
    spent = time.perf_counter() - began
    found = statuses(answer)
    assert not [status for status in found if status >= 500], f"{answer[:500]!r} to {name}"
    at = shown(answer).lower().find(MARKER.encode())
    assert at < 0, f"{shown(answer)[max(0, at - 200) : at + 100]!r} to {name}"
    assert not [trace for trace in TRACES if trace in answer], f"{answer[:500]!r} to {name}"
    return found, spent


def fuzzed(service: Running, seed: int, count: int) -> None:
    seen: Counter[int] = Counter()
    worst = (0.0, "")
    for case in cases(seed, count):
        found, spent = judged(service, case, seed)
        seen.update(found)
        worst = max(worst, (spent, f"{case.number} ({case.family})"))
    log = service.logged()
    print(f"{count} requests, seed {seed}: {dict(sorted(seen.items()))}; slowest {worst[0]:.2f} s, {worst[1]}; "
          f"peak {service.peak_mb():.0f} MB; log {len(log) / 1e6:.1f} MB")  # fmt: skip
    assert service.healthy()
    assert service.process.poll() is None
    assert MARKER.encode() not in log.lower()
    assert b"Traceback" not in log
    assert b'"event": "crash"' not in log
    assert {200, 400, 404, 405, 412, 413, 415} <= set(seen), "the fuzzer reaches what it is for"


@pytest.fixture
def canary() -> Iterator[fhir_servers.Server]:
    with fhir_servers.serving(fhir_servers.says({})) as server:
        yield server


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as started:
        yield started


def test_2000_hostile_requests(service: Running) -> None:
    fuzzed(service, SEED, int(os.environ.get("ICANS_FUZZ_COUNT", "2000")))


@pytest.mark.long
def test_20000_hostile_requests(service: Running) -> None:
    fuzzed(service, SEED + 1, 20_000)


def test_the_same_seed_is_the_same_requests() -> None:
    first, again, other = ([c.raw for c in cases(seed, 250) if c.family != "untouched"] for seed in (1, 1, 2))
    assert len(first) == len(again) == len(other)
    assert sum(a == b for a, b in zip(first, again, strict=True)) > 0.95 * len(first)  # but for the time in examples
    assert first != other
    assert {case.family for case in cases(1, 250)} == set(FAMILIES)


def test_hostile_requests_and_tokens_where_tokens_are_checked(tmp_path: Path) -> None:
    """What comes without a good token gets 401 (or 429), whatever it is; what comes with one is judged as ever."""
    with running(tmp_path, trust="jwt", clients=str(clients_file(tmp_path)), base_url=BASE, rate_limit="0") as service:
        seen: Counter[int] = Counter()
        for case in cases(SEED + 2, 300):
            raw = case.raw
            path = re.match(rb"POST (/\S+) HTTP/1.1\r\n", raw)
            if path is not None and case.number % 2:
                signed = token(f"{BASE}{path[1].decode()}", "RS384")
                raw = raw.replace(b"\r\n", f"\r\nAuthorization: Bearer {signed}\r\n".encode(), 1)
            found, _ = judged(service, Case(case.number, case.family, raw), SEED + 2)
            seen.update(found)
        print(dict(seen))
        assert {200, 400, 401} <= set(seen)
        assert service.healthy()
        assert MARKER.encode() not in service.logged().lower()
        assert b"eyJ" not in service.logged()


def test_slow_clients_do_not_stop_the_others(service: Running) -> None:
    """24 connections that send half a request and wait: the others are answered as ever."""
    import socket

    half = b"POST /cds-services/icans-order-sign HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    waiting = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(24)]
    try:
        for one in waiting:
            one.sendall(half)
        for case in cases(SEED + 3, 60):
            _, spent = judged(service, case, SEED + 3)
            assert spent < HANG
    finally:
        for one in waiting:
            one.close()
    assert service.healthy()


def test_200_calls_at_once(service: Running) -> None:
    """Answered, or told to come back: never a 5xx, never dropped."""
    from concurrent.futures import ThreadPoolExecutor

    some = [case for case in cases(SEED + 4, 400) if case.family in ("untouched", "meaning")][:200]
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda case: statuses(exchange(service.port, case.raw, 30)), some))
    assert len(found) == len(some)
    assert all(len(one) == 1 and one[0] < 500 for one in found)
    assert service.healthy()


def test_a_large_body_costs_little_before_it_is_refused(service: Running) -> None:
    """8 MB of brackets, quotes, blanks: an answer to another client is never late by more than this."""
    from fuzzing import request

    for part in (b"[", b"[]", b"{},", b'"",', b" ", b'\\"', b'{"a":1},'):
        body = b'{"hook":"order-sign","prefetch":{"observations":[' + part * (7_900_000 // len(part))
        began = time.perf_counter()
        answer = exchange(service.port, request(body=body), HANG)
        spent = time.perf_counter() - began
        print(part, f"{spent:.3f} s")
        assert statuses(answer) == [400]
        assert spent < 1
    assert service.peak_mb() < 300


def test_what_every_answer_and_line_shows(service: Running, canary: Any) -> None:
    """Names, tokens, identifiers planted in a call that is answered with cards: in no header, no body, no log."""
    from fuzzing import planted, request

    from cds_hooks import examples

    chance = __import__("random").Random(1)
    body = planted(examples.shifted("case-2-day-4-printed"), chance)
    body["fhirServer"] = canary.base
    body["fhirAuthorization"] = {"access_token": f"{MARKER}-token"}
    headers = {"Authorization": f"Bearer {MARKER}-jwt", "Cookie": f"{MARKER}=1", "User-Agent": MARKER, "Origin": f"https://{MARKER}.org"}
    for prefetch in (body["prefetch"], {}):
        for path in ("/cds-services/icans-order-sign", "/cds-services/icans-order-sign/feedback", "/fhir/$evaluate-icans", f"/{MARKER}"):
            sent = json.dumps(body | {"prefetch": prefetch}).encode()
            answer = exchange(service.port, request(path=path, body=sent, headers=headers), HANG)
            assert statuses(answer)[0] < 500
            assert MARKER.encode() not in shown(answer).lower()
    good = exchange(service.port, request(body=json.dumps(body).encode()), HANG)
    assert statuses(good) == [200]
    assert b'"cards":[{' in good
    assert MARKER.encode() not in service.logged().lower()
    assert canary.connections == 0
