"""The hook call as it came: the envelope and context read strictly, FHIR resources left as raw bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from cds_hooks import strict_json
from cds_hooks.refusal import Refusal

ORDER_HOOKS = ("order-sign", "order-select")
MAX_TEXT = 1_000  # characters of an id or a name; ids of Epic reach 194

_TYPED = re.compile(r"(?:.*/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[^/]+)(?:/_history/[^/]+)?")


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One call of one service. The access token shows as *** and ends with the call."""

    hook: str
    hook_instance: str  # repeated by real clients: never a key
    user_id: str
    patient_id: str
    encounter_id: str | None
    draft_orders: bytes | None  # raw JSON of context.draftOrders: a Bundle, a bare resource or a list
    selections: tuple[str, ...]
    prefetch: Mapping[str, bytes | None]  # raw JSON; None: the client sent null; a key absent: not given
    fhir_server: str | None
    notes: tuple[str, ...] = ()
    access_token: SecretStr | None = None  # of fhirAuthorization, with fhir_server
    unfetched: Mapping[str, str] = field(default_factory=dict)  # keys asked of fhir_server in vain, and why
    no_fetch: str | None = None  # why fhir_server was not asked for what is missing


def parse(body: bytes, hook: str) -> HookRequest:
    """The request in `body`, for the service of `hook`.

    Raises Refusal (400) naming the member that is missing, doubled or of the wrong type.
    Members and extensions we do not know are ignored.
    """
    envelope = strict_json.members(strict_json.checked(body), "The body")
    called = _text(envelope, "hook")
    if called != hook:
        raise Refusal(400, "invalid", f"This service answers the hook {hook}, not the one sent.", "hook")
    hook_instance = _text(envelope, "hookInstance")
    if _given(envelope, "context") is None:
        raise Refusal(400, "required", "context is missing; it must be a JSON object.", "context")
    context = strict_json.members(envelope["context"], "context")
    patient_id, patient_note = _bare_id(
        _text(context, "patientId", "context."), "Patient", "context.patientId"
    )
    encounter_id, encounter_note = _encounter(context)
    return HookRequest(
        hook=called,
        hook_instance=hook_instance,
        user_id=_text(context, "userId", "context."),
        patient_id=patient_id,
        encounter_id=encounter_id,
        draft_orders=_draft_orders(context) if hook in ORDER_HOOKS else None,
        selections=_selections(context) if hook == "order-select" else (),
        prefetch=_prefetch(envelope),
        fhir_server=_fhir_server(envelope),
        notes=patient_note + encounter_note,
        access_token=_access_token(envelope),
    )


def _given(members: Mapping[str, bytes], name: str) -> bytes | None:
    """The raw value; null counts as not given."""
    raw = members.get(name)
    return None if raw == b"null" else raw


def _text(members: Mapping[str, bytes], name: str, within: str = "") -> str:
    place = f"{within}{name}"
    raw = _given(members, name)
    if raw is None:
        raise Refusal(400, "required", f"{place} is missing; it must be a non-empty string.", place)
    text = strict_json.value(raw, str, place, "a non-empty string")
    if not text.strip():
        raise Refusal(400, "value", f"{place} is empty; it must be a non-empty string.", place)
    if len(text) > MAX_TEXT:
        raise Refusal(400, "too-long", f"{place} is longer than {MAX_TEXT} characters.", place)
    return text


def _bare_id(text: str, resource_type: str, place: str) -> tuple[str, tuple[str, ...]]:
    """The id alone, and a note if it came as a reference (real clients send "Patient/123")."""
    if "/" not in text:
        return text, ()
    typed = _TYPED.fullmatch(text)
    if typed is None or typed["type"] != resource_type:
        raise Refusal(400, "value", f"{place} must be the id of one {resource_type}.", place)
    return typed["id"], (f"{place} came as a reference; its type was taken off.",)


def _encounter(context: Mapping[str, bytes]) -> tuple[str | None, tuple[str, ...]]:
    raw = _given(context, "encounterId")
    if raw is None or raw == b'""':
        return None, ()
    return _bare_id(_text(context, "encounterId", "context."), "Encounter", "context.encounterId")


def _draft_orders(context: Mapping[str, bytes]) -> bytes:
    """Not looked into here: clients send Bundles without type, bare resources and lists."""
    place = "context.draftOrders"
    raw = _given(context, "draftOrders")
    if raw is None:
        raise Refusal(
            400, "required", f"{place} is missing; it must be a Bundle of the orders to sign.", place
        )
    if raw[:1] not in (b"{", b"["):
        raise Refusal(400, "value", f"{place} must be a Bundle of the orders to sign.", place)
    return raw


def _selections(context: Mapping[str, bytes]) -> tuple[str, ...]:
    place = "context.selections"
    raw = _given(context, "selections")
    if raw is None:
        raise Refusal(400, "required", f"{place} is missing; it must be a list of references.", place)
    return tuple(strict_json.value(raw, list[str], place, "a list of references such as MedicationRequest/1"))


def _prefetch(envelope: Mapping[str, bytes]) -> dict[str, bytes | None]:
    raw = _given(envelope, "prefetch")
    given = {} if raw is None else strict_json.members(raw, "prefetch")
    return {key: _given(given, key) for key in given}


def _fhir_server(envelope: Mapping[str, bytes]) -> str | None:
    raw = _given(envelope, "fhirServer")
    server = None if raw is None else strict_json.value(raw, str, "fhirServer", "a URL").strip() or None
    authorization = _given(envelope, "fhirAuthorization")
    if authorization is None:
        return server
    if authorization[:1] != b"{":
        raise Refusal(400, "value", "fhirAuthorization must be a JSON object.", "fhirAuthorization")
    if server is None:
        raise Refusal(400, "required", "fhirAuthorization is given without fhirServer.", "fhirServer")
    return server


def _access_token(envelope: Mapping[str, bytes]) -> SecretStr | None:
    """The token, if there is one that can be read; real clients send it empty."""
    raw = _given(envelope, "fhirAuthorization")
    if raw is None:
        return None
    token = strict_json.members(raw, "fhirAuthorization").get("access_token", b"null")
    if token in (b"null", b'""'):
        return None
    place = "fhirAuthorization.access_token"
    return SecretStr(strict_json.value(token, str, place, "a string"))
