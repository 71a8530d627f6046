"""Reading and grading alone, without HTTP: against decoding the same bytes with msgspec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from uuid import uuid4

import msgspec
from bodies import body

from cds_hooks import hook_request
from cds_hooks.decide import decide
from cds_hooks.prefetch import gather
from fhir_mappers.reading import read
from fhir_mappers.snapshot import snapshot_from
from rules import assess, load_knowledge

REPEATS = 15


@dataclass(frozen=True)
class Alone:
    """The best of many runs, in milliseconds. `reading`: bytes to typed views; `mapping`: views to a snapshot."""

    size: int
    decode: float
    reading: float
    mapping: float
    assess: float
    decide: float


def measured(sizes: tuple[int, ...] = (50, 300, 1000)) -> list[Alone]:
    return [_alone(size) for size in sizes]


def _alone(size: int) -> Alone:
    knowledge, now = load_knowledge(()), datetime.now(UTC)
    sent = body(size, now)
    call = hook_request.parse(sent, "order-sign")
    records = gather(call)
    snapshot = snapshot_from(records.given, call.patient_id, now, knowledge.proxies, records.drafts, None, records.unread).snapshot
    reading = _best(lambda: read(gather(hook_request.parse(sent, "order-sign")).given))
    whole = _best(
        lambda: snapshot_from(
            gather(hook_request.parse(sent, "order-sign")).given, call.patient_id, now, knowledge.proxies, records.drafts, None, records.unread
        )
    )
    return Alone(
        size=size,
        decode=_best(lambda: msgspec.json.decode(sent)),
        reading=reading,
        mapping=whole - reading,
        assess=_best(lambda: assess(snapshot, knowledge)),
        decide=_best(lambda: decide(call, records, knowledge, as_of=now, decision_id=uuid4())),
    )


def _best(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        began = perf_counter()
        work()
        times.append(perf_counter() - began)
    return min(times) * 1000
