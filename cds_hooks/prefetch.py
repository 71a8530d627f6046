"""What the client sent along: given, none, failed or missing, kept apart key by key.

null or an empty Bundle says "asked, there is none"; a missing key says nothing at all (never "none");
an OperationOutcome error, or what is no FHIR resource, says that the data could not be had.
"""

from __future__ import annotations

from dataclasses import dataclass

from cds_hooks.hook_request import HookRequest
from cds_hooks.refusal import Refusal
from cds_hooks.services import REQUIRED
from fhir_mappers.issues import MappingIssue
from fhir_mappers.reading import Given, is_error_outcome, unwrap

OPTIONAL = ("conditions", "medications", "allergies", "encounter")
MAX_RECORDS = 10_000  # of one request: half a second to read
MAX_DRAFTS = 500


@dataclass(frozen=True, slots=True)
class Records:
    """Every resource that came, whatever its key, and the drafts; what could not be had by name."""

    given: tuple[Given, ...]
    drafts: tuple[Given, ...]
    issues: tuple[MappingIssue, ...]
    unread: frozenset[str]
    failed: tuple[str, ...] = ()  # keys that were sent and hold no usable data


def gather(request: HookRequest) -> Records:
    """The records of a request. Raises Refusal: 412 when required data was not given or not readable; 413."""
    given: list[Given] = []
    issues: list[MappingIssue] = []
    unread = {key for key in OPTIONAL if key not in request.prefetch}
    unsent = f"was not sent, and {request.no_fetch}" if request.no_fetch else "was not sent"
    refused = [
        (key, f"was not sent, and the FHIR server {request.unfetched[key]}" if key in request.unfetched else unsent)
        for key in REQUIRED
        if key not in request.prefetch
    ]
    issues += (MappingIssue(key, f"the FHIR server {why}") for key, why in request.unfetched.items())
    for key, raw in request.prefetch.items():
        if raw is None:
            continue
        place = f"prefetch.{key}"
        if is_error_outcome(raw):
            issues.append(MappingIssue(place, "the server reported an error in place of the data"))
            if key in REQUIRED:
                refused.append((key, "is an OperationOutcome error"))
            unread.add(key)
            continue
        found = unwrap(raw, place)
        if key in REQUIRED and found.incomplete and not found.given:
            refused.append((key, "could not be read"))
        if found.incomplete:
            unread.add(key)
        given += found.given
        issues += found.issues
    if refused:
        raise Refusal(412, "not-found", _needed(refused), f"prefetch.{refused[0][0]}")
    drafts = unwrap(request.draft_orders or b"[]", "context.draftOrders")
    if drafts.incomplete:
        unread.add("draftOrders")
    failed = tuple(sorted(unread & request.prefetch.keys()))
    return bounded(
        Records(tuple(given), tuple(drafts.given), tuple(issues + drafts.issues), frozenset(unread), failed)
    )


def bounded(records: Records) -> Records:
    """The same. Raises Refusal (413) when they are more than one request may hold."""
    for found, most, what in ((records.given, MAX_RECORDS, "records"), (records.drafts, MAX_DRAFTS, "draft orders")):
        if len(found) > most:
            text = f"The request holds {len(found)} {what}; at most {most} are read."
            raise Refusal(413, "too-costly", text)
    return records


def _needed(refused: list[tuple[str, str]]) -> str:
    what = "; ".join(f"{key} {why}" for key, why in refused)
    return f"Required prefetch data is not to be had: {what}. Send each key, null when there is none."
