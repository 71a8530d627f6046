"""`icans-cds doctor`: is everything here that the service needs? A line each, and what to do where not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cds_hooks import outgoing
from cds_hooks.outgoing import Call, NotHad
from cds_hooks.settings import PREFIX, Settings, SettingsError, load, site
from cds_hooks.smart import discovery
from cds_hooks.smart import servers as smart_servers
from cds_hooks.store import Store, StoreError, StoreUnavailable
from cds_hooks.trust import clients
from cds_hooks.trust.clients import Client
from cds_hooks.trust.replay import UsedTokens
from rules import KnowledgeError, load_knowledge

TIMEOUT = 5.0  # seconds for a FHIR server
DATABASE_WAIT = 10.0  # seconds for a write
HEALTHY, SICK = 0, 1
MARKS = {"ok": "ok  ", "note": "note", "fix": "FIX "}


@dataclass(frozen=True, slots=True)
class Found:
    """One line: `state` is ok, note (works, but look) or fix (does not work), `fix` what to do about it."""

    state: str
    what: str
    said: str
    fix: str = ""

    def __str__(self) -> str:
        said = " ".join(self.said.split())  # a database answers in several lines
        return f"{MARKS[self.state]}  {self.what}: {said}" + (f". {self.fix}" if self.fix else "")


def run() -> int:
    """Print a line for each check. Exit code 0 when nothing has to be fixed, else 1."""
    found = list(examined())
    for one in found:
        print(one)
    return SICK if any(one.state == "fix" for one in found) else HEALTHY


def examined() -> Iterator[Found]:
    """Everything found, in the order in which to mend it."""
    try:
        settings = load()
    except SettingsError as error:
        for line in str(error).splitlines():
            yield Found("fix", "settings", line, "Set or unset that variable")
        return
    unknown = _unknown(os.environ)
    for name in unknown:
        yield Found("note", "settings", f"{name} is no setting", "Correct its name or unset it")
    if not unknown:
        given = sorted(name for name in os.environ if name.startswith(PREFIX))
        yield Found("ok", "settings", ", ".join(given) or "all by default")
    yield from _database(settings)
    yield from _knowledge(settings)
    yield from _concept_maps(settings)
    yield from _fhir_servers(settings)
    yield from _clients(settings)
    yield from _smart(settings)


def _smart(settings: Settings) -> Iterator[Found]:
    """The servers that may launch the SMART app, each asked for its configuration."""
    if settings.smart_servers is None:
        if settings.smart_launch_url is not None:
            yield Found("note", "SMART app", "cards link to a launch URL, and ICANS_SMART_SERVERS is not set", "Right if another process serves it")
        return
    try:
        listed = smart_servers.load(settings.smart_servers)
    except SettingsError as error:
        yield Found("fix", "SMART app", str(error), "Correct the file")
        return
    for iss, server in listed.items():
        kind = "public client" if server.secret is None else "confidential client"
        try:
            with outgoing.session(1) as using:
                discovery.endpoints(using, iss)
        except discovery.NotSmart as why:
            yield Found("fix", f"SMART server {iss}", str(why), "Check the URL and the network; PKCE with S256 is needed")
            continue
        yield Found("ok", f"SMART server {iss}", f"answers, {kind}")


def _unknown(environment: Iterable[str]) -> list[str]:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def _database(settings: Settings) -> Iterator[Found]:
    try:
        store = Store(settings.database_url)
        try:
            store.probe().result(DATABASE_WAIT)
        finally:
            store.close()
    except (StoreError, StoreUnavailable, TimeoutError) as error:
        yield Found("fix", "database", str(error), "Set ICANS_DATABASE_URL to one this user can write to")
        return
    yield Found("ok", "database", "opens, has its tables, answers")


def _knowledge(settings: Settings) -> Iterator[Found]:
    try:
        knowledge = load_knowledge(settings.protocol, allow_draft=settings.demo)
    except KnowledgeError as error:
        yield Found("fix", "knowledge", str(error), "Run icans-cds check on the document, or change ICANS_PROTOCOL")
        return
    yield Found("ok", "knowledge", ", ".join(f"{ref.id} {ref.version}" for ref in knowledge.refs))


def _concept_maps(settings: Settings) -> Iterator[Found]:
    try:
        codes = site(settings).codes
    except SettingsError as error:
        yield Found("fix", "concept maps", str(error), "Correct the file, or change ICANS_CONCEPT_MAPS")
        return
    maps = ", ".join(f"{ref.id} {ref.version}" for ref in codes.site_maps) if codes else ""
    yield Found("ok", "concept maps", maps or "none given; only the shipped value sets are known")


def _fhir_servers(settings: Settings) -> Iterator[Found]:
    if not settings.fhir_servers:
        yield Found("ok", "FHIR servers", "none listed: nothing is fetched, clients have to send the data")
    for base in settings.fhir_servers:
        try:
            with outgoing.session(1) as using:
                url = f"{base}/metadata"
                answer = outgoing.get(using, url, {"Accept": "application/fhir+json"}, Call(TIMEOUT), 20_000_000)
        except NotHad as why:
            fix = "Check the URL, the network and the certificate (REQUESTS_CA_BUNDLE names a hospital's own)"
            yield Found("fix", f"FHIR server {base}", str(why), fix)
            continue
        yield _capable(base, answer.status, answer.body)


def _capable(base: str, status: int, body: bytes) -> Found:
    what = f"FHIR server {base}"
    if status in (401, 403):
        return Found("note", what, f"answers, and keeps its metadata from strangers ({status})")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if status != 200 or not isinstance(said, dict) or said.get("resourceType") != "CapabilityStatement":
        return Found("fix", what, f"answered {status} and no CapabilityStatement", "Give its exact base URL")
    version = str(said.get("fhirVersion"))[:20]
    if not version.startswith("4.0"):
        return Found("fix", what, f"speaks FHIR {version}", "Give the base URL of its R4 interface")
    return Found("ok", what, f"answers, FHIR {version}")


def _clients(settings: Settings) -> Iterator[Found]:
    if settings.clients is None:
        yield from _nobody(settings)
        return
    try:
        known = clients.load(settings.clients)
    except SettingsError as error:
        yield Found("fix", "clients", str(error), "Correct the file")
        return
    yield from _keys(known)
    if settings.base_url is None:
        yield Found("note", "clients", "ICANS_BASE_URL is not set", "Needed on an address that others can reach")
    elif not settings.base_url.startswith("https://"):
        yield Found("note", "clients", "ICANS_BASE_URL is not https", "Clients have to reach the service over TLS")
    try:
        UsedTokens(settings.database_url).close()
    except StoreError as error:
        yield Found("fix", "used tokens", str(error), "Let this user write beside the database")


def _nobody(settings: Settings) -> Iterator[Found]:
    fix = "Set ICANS_CLIENTS to a JSON list of objects with iss and jwks or jku"
    if settings.tokens_checked:
        yield Found("fix", "clients", "ICANS_TRUST=jwt and no client is listed", fix)
    elif settings.trust == "open":
        yield Found("note", "clients", "ICANS_TRUST=open: whoever reaches the service is answered")
    else:
        yield Found("note", "clients", "none listed: it starts on loopback only", fix)


def _keys(known: Mapping[str, Sequence[Client]]) -> Iterator[Found]:
    for iss, entries in known.items():
        for client in entries:
            try:
                yield Found("ok", f"client {iss}", f"{client.keys.read()} keys in {client.keys.source}")
            except ValueError as error:
                fix = "Check the URL and that this host may reach it, or give the keys as a file (jwks)"
                yield Found("fix", f"client {iss}", f"{client.keys.source} {error}", fix)
