"""What the client did not send along, read from its FHIR server: in time, bounded, and only from listed servers.

The access token lives in the request alone and goes to that server alone. Nothing here raises for what a
server does: each key is had, or there are words for why not.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import sleep
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from cds_hooks import outgoing, strict_json
from cds_hooks.hook_request import HookRequest
from cds_hooks.outgoing import LATE, Answer, Call, NotHad
from cds_hooks.refusal import Refusal
from cds_hooks.services import PREFETCH
from fhir_mappers.elements import reference_key
from fhir_mappers.reading import is_error_outcome
from fhir_mappers.views import Reference, elements

WORKERS = 4
PAGES = 5  # of one search: with _count=300, 1,500 records
RETRIES = 2
PAUSE = 0.05  # seconds before a retry, doubled each time, when the server names no time
AGAIN = (429, 502, 503)
WHOLE = ("MedicationRequest",)  # sent back in an `update`: never asked for in part

_ID = re.compile(r"(?!\.+$)[A-Za-z0-9._~-]{1,256}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
_HEADERS = {"Accept": "application/fhir+json"}


class _Link(msgspec.Struct):
    relation: str | None = None
    url: str | None = None


class _Page(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815 - FHIR's own element name
    id: str | None = None
    entry: list[msgspec.Raw] | None = None
    link: list[_Link] | None = None


class _Owned(msgspec.Struct):
    subject: Reference | None = None
    patient: Reference | None = None


class _OwnedEntry(msgspec.Struct):
    resource: _Owned | None = None


_page = msgspec.json.Decoder(_Page)
_owned = msgspec.json.Decoder(_OwnedEntry)


class FhirClient:
    """Reads missing prefetch data. One pool of four threads, whatever the number of calls."""

    def __init__(self, servers: Collection[str], budget_ms: int, max_bytes: int) -> None:
        """`servers` are exact base URLs; `max_bytes` bounds the pages of one key together."""
        self._servers = frozenset(servers)
        self._budget = budget_ms / 1000
        self._max_bytes = max_bytes
        self._session = outgoing.session(WORKERS)
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="fhir")

    async def fill(self, request: HookRequest) -> HookRequest:
        """The request with what could be read, and for each other missing key why not. Within the budget."""
        wanted = _wanted(request)
        if not wanted:
            return request
        why_not = self._why_not(request)
        if why_not is not None:
            return replace(request, no_fetch=why_not or None)
        calls = {key: Call(self._budget) for key in wanted}
        loop = asyncio.get_running_loop()
        tasks = {
            key: loop.run_in_executor(self._pool, self._read, query, request, calls[key])
            for key, query in wanted.items()
        }
        await asyncio.wait(tasks.values(), timeout=self._budget)
        had: dict[str, bytes | None] = {}
        failed: dict[str, str] = {}
        for key, task in tasks.items():
            found: bytes | str = LATE
            if task.done():
                found = task.result()
            else:
                calls[key].abort()
                task.cancel()
            if isinstance(found, bytes):
                had[key] = found
            else:
                failed[key] = f"did not answer within {round(self._budget * 1000)} ms" if found == LATE else found
        return replace(request, prefetch={**request.prefetch, **had}, unfetched=failed)

    async def also(self, request: HookRequest, query: str) -> bytes | str:
        """One more search of this patient's records: the Bundle, or the words for why not. Within the budget."""
        why_not = self._why_not(request)
        if why_not is not None:
            return why_not
        call = Call(self._budget)
        task = asyncio.get_running_loop().run_in_executor(self._pool, self._read, query, request, call)
        await asyncio.wait([task], timeout=self._budget)
        if task.done():
            return task.result()
        call.abort()
        return LATE

    def _why_not(self, request: HookRequest) -> str | None:
        """Why the server is not asked at all; empty where nobody would expect it."""
        if request.fhir_server is None or request.access_token is None:
            return "no fhirServer with fhirAuthorization was given to read it from" if self._servers else ""
        if request.fhir_server.rstrip("/") not in self._servers:
            return "the fhirServer is not one that this service may read from"
        if not _TOKEN.fullmatch(request.access_token.get_secret_value()):
            return "the access token of fhirAuthorization cannot be used"
        return None

    def _read(self, query: str, request: HookRequest, call: Call) -> bytes | str:
        """One key, in a thread: the resource or Bundle, or the words for why not."""
        assert request.fhir_server is not None
        assert request.access_token is not None
        base = request.fhir_server.rstrip("/")
        headers = _HEADERS | {"Authorization": f"Bearer {request.access_token.get_secret_value()}"}
        try:
            kind = re.split("[/?]", query)[0]
            read = self._search if "?" in query else self._resource
            return read(f"{base}/{query}", base, kind, request.patient_id, headers, call)
        except NotHad as why:
            return str(why)

    def _resource(
        self, url: str, base: str, kind: str, patient_id: str, headers: Mapping[str, str], call: Call  # noqa: ARG002
    ) -> bytes:
        body = self._first(url, kind, headers, call)
        page = _decoded(body)
        if page.resourceType != kind:
            raise NotHad(f"answered something else than the {kind}")
        if page.id != url.rpartition("/")[2]:
            raise NotHad(f"answered another {kind} than the one asked for")
        return body

    def _search(
        self, url: str, base: str, kind: str, patient_id: str, headers: Mapping[str, str], call: Call
    ) -> bytes:
        """The entries of all pages as one Bundle, with a next link if not all were read."""
        entries: list[msgspec.Raw] = []
        left = self._max_bytes
        seen = {url}
        cut = True
        for number in range(PAGES):
            try:
                body = self._get(url, headers, call, left) if number else self._first(url, kind, headers, call)
                page = _decoded(body)
                if page.resourceType != "Bundle":
                    raise NotHad("answered something else than a Bundle")
            except NotHad:
                if number == 0:
                    raise
                break
            left -= len(body)
            entries += page.entry or ()
            following = next((link.url for link in page.link or () if link.relation == "next"), None)
            cut = following is not None
            url = urljoin(url, following)
            if following is None or url in seen or not _within(base, url):
                break
            seen.add(url)
        if _of_others(entries, patient_id):
            raise NotHad("answered with records of another patient")
        return _bundle(entries, cut)

    def _first(self, url: str, kind: str, headers: Mapping[str, str], call: Call) -> bytes:
        """Only the elements needed; all of them from a server that does not know how."""
        names = () if kind in WHOLE else elements(kind)
        if names:
            try:
                joined = f"{url}{'&' if '?' in url else '?'}_elements={','.join(names)}"
                return self._get(joined, headers, call, self._max_bytes)
            except NotHad as why:
                if str(why) != _said(400):
                    raise
        return self._get(url, headers, call, self._max_bytes)

    def _get(self, url: str, headers: Mapping[str, str], call: Call, limit: int) -> bytes:
        """A 200, after retries as far as the time goes. Raises NotHad."""
        pause = PAUSE
        for attempt in range(RETRIES + 1):
            answer = outgoing.get(self._session, url, headers, call, limit)
            if answer.status not in AGAIN or attempt == RETRIES:
                break
            wait = _retry_after(answer, pause)
            if wait >= call.left:
                break
            sleep(wait)
            pause *= 2
        if answer.status != 200:
            raise NotHad(_said(answer.status))
        try:
            body = strict_json.checked(answer.body)
        except Refusal:
            raise NotHad("answered what is not strict JSON") from None
        if is_error_outcome(body):
            raise NotHad("answered an OperationOutcome error")
        return body


def _wanted(request: HookRequest) -> dict[str, str]:
    """The queries of the keys not satisfied: absent, or an error in place of the data. null means none."""
    found = {}
    for key, template in PREFETCH.items():
        if key in request.prefetch:
            raw = request.prefetch[key]
            if raw is None or not is_error_outcome(raw):
                continue
        identity = request.encounter_id if "context.encounterId" in template else request.patient_id
        if identity is not None and _ID.fullmatch(identity):
            found[key] = re.sub(r"\{\{[^}]*\}\}", quote(identity, safe=""), template)
    return found


def _decoded(body: bytes) -> _Page:
    try:
        return _page.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise NotHad("answered what is no FHIR resource") from None


def _bundle(entries: list[msgspec.Raw], cut: bool) -> bytes:
    link = b',"link":[{"relation":"next"}]' if cut else b""
    return b'{"resourceType":"Bundle","type":"searchset"%s,"entry":[%s]}' % (link, b",".join(map(bytes, entries)))


def _of_others(entries: list[msgspec.Raw], patient_id: str) -> bool:
    """Whether the records name patients, and none of them the one asked for. One by one they are judged later."""
    named = set()
    for entry in entries:
        try:
            owned = _owned.decode(entry).resource
        except msgspec.DecodeError:
            continue
        subject = owned and (owned.subject or owned.patient)
        if subject and subject.reference:
            named.add(reference_key(subject.reference))
    people = {name for name in named if name.startswith("Patient/")}
    return bool(people) and f"Patient/{patient_id}" not in people


def _within(base: str, url: str) -> bool:
    """Whether a page is under the base: the token goes nowhere else."""
    if re.search(r"[\s\\@]", url) or not url.startswith((f"{base}/", f"{base}?")):
        return False
    path = urlsplit(url).path.lower().replace("%2e", ".")
    return not any(part in (".", "..") for part in path.split("/"))


def _retry_after(answer: Answer, otherwise: float) -> float:
    """Seconds, from either form of the header."""
    given = answer.headers.get("retry-after", "").strip()
    if given.isdecimal():
        return float(given[:6])
    try:
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return otherwise


def _said(status: int) -> str:
    meaning = {401: ": it refuses the access token", 403: ": the access token does not allow it", 404: ": it has none"}
    return f"answered {status}{meaning.get(status, '')}"
