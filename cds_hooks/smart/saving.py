"""A form into the chart: each record created once; what was not taken is named and kept as a file."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec

from cds_hooks import outgoing
from cds_hooks.outgoing import Call, NotHad
from cds_hooks.smart.sessions import Visit
from fhir_mappers.bedside_out import URI, identifier, transaction

SECONDS = 20.0
LIMIT = 1_000_000  # bytes of an answer
_POOL = ThreadPoolExecutor(4, thread_name_prefix="smart-save")


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a form. `problems` names each record not written, and why; `file` holds those."""

    written: tuple[str, ...]
    problems: tuple[str, ...]
    file: bytes | None
    granted: bool = True

    @property
    def complete(self) -> bool:
        return self.granted and not self.problems


def kept(found: Sequence[Mapping[str, Any]]) -> Saved:
    """A form that may not be written: the whole of it as a file."""
    return Saved((), (), _file(found), granted=False)


async def save(session: Any, visit: Visit, found: Sequence[Mapping[str, Any]]) -> Saved:
    """Create each record, one after another, in the order given: the first are what a grade is read from."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, _save, session, visit, found)


def _save(session: Any, visit: Visit, found: Sequence[Mapping[str, Any]]) -> Saved:
    written: list[str] = []
    problems: list[str] = []
    left: list[Mapping[str, Any]] = []
    call = Call(SECONDS)
    for resource in found:
        try:
            _create(session, visit, resource, call)
            written.append(said(resource))
        except NotHad as why:
            problems.append(f"{said(resource)}: the server {why}")
            left.append(resource)
    return Saved(tuple(written), tuple(problems), _file(left) if left else None)


def _create(session: Any, visit: Visit, resource: Mapping[str, Any], call: Call) -> None:
    headers = {
        "Accept": "application/fhir+json",
        "Content-Type": "application/fhir+json",
        "Authorization": f"Bearer {visit.tokens.access.get_secret_value()}",
        "If-None-Exist": f"identifier={URI}|{identifier(resource)['value']}",
    }
    body = json.dumps(resource, ensure_ascii=False).encode()
    answer = outgoing.post(session, f"{visit.server.iss}/{resource['resourceType']}", headers, call, LIMIT, body)
    if answer.status not in (200, 201):
        raise NotHad(f"answered {answer.status}{_why(answer.body)}")


class _Issue(msgspec.Struct):
    diagnostics: str | None = None


class _Outcome(msgspec.Struct):
    issue: list[_Issue] | None = None


def _why(body: bytes) -> str:
    """What the server says of it, shortened."""
    try:
        said_by_server = [i.diagnostics for i in msgspec.json.decode(body, type=_Outcome).issue or () if i.diagnostics]
    except msgspec.DecodeError:
        return ""
    return f" ({re.sub(r'[^ -~]+', ' ', said_by_server[0])[:200]})" if said_by_server else ""


def said(resource: Mapping[str, Any]) -> str:
    """A record in words: "ICE score", or the form itself."""
    return str(resource["code"]["text"]) if resource["resourceType"] == "Observation" else "The form (QuestionnaireResponse)"


def _file(found: Sequence[Mapping[str, Any]]) -> bytes:
    return json.dumps(transaction(found), ensure_ascii=False, indent=1).encode()
