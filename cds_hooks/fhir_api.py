"""The FHIR side of the service: `$evaluate-icans`, and the terminology it publishes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache, partial
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from cds_hooks import examples, http_body, strict_json
from cds_hooks.evaluating import moment, of_bundle
from cds_hooks.http_body import aside
from cds_hooks.refusal import Refusal
from cds_hooks.settings import Settings, site
from fhir_mappers.assessment_out import result_bundle
from fhir_mappers.terminology_out import published as terminology
from rules import Knowledge

FHIR_JSON = "application/fhir+json"


def routes(settings: Settings, knowledge: Knowledge) -> list[BaseRoute]:
    """Routes under /fhir. Raises SettingsError when a concept map cannot be used."""
    here = site(settings)

    async def evaluate(request: Request) -> Response:
        request.state.log["service"] = "$evaluate-icans"
        body = strict_json.checked(await http_body.read(request, settings.max_body))
        bundle, as_of = _asked(body, settings)
        decision = await aside(len(bundle), partial(of_bundle, bundle, as_of, knowledge, here, limited=True))
        assert decision.assessment is not None
        patient_id = str(decision.record["patient"])
        return _answer(result_bundle(uuid4(), patient_id, decision.assessment, decision.cards, decision.issues))

    return [
        Route("/fhir/$evaluate-icans", evaluate, methods=["POST"]),
        Route("/fhir/metadata", _metadata, methods=["GET"]),
        Route("/fhir/{kind}", _search, methods=["GET"]),
        Route("/fhir/{kind}/{identity}", _read, methods=["GET"]),
    ]


@lru_cache(maxsize=1)
def published() -> Mapping[str, Mapping[str, Any]]:
    """Everything readable under /fhir, by type and id: the terminology, and the two bedside forms."""
    forms = [json.loads(path.read_bytes()) for path in sorted((examples.FOLDER / "questionnaires").glob("*.json"))]
    return {**terminology(), "Questionnaire": {form["id"]: form for form in forms}}


def _asked(body: bytes, settings: Settings) -> tuple[bytes, datetime | None]:
    """The Bundle of a body and the instant asked for: the Bundle itself, or Parameters with `bundle` and `asOf`."""
    members = strict_json.members(body, "The body")
    kind = strict_json.value(members.get("resourceType", b'""'), str, "resourceType", "a FHIR resource type")
    if kind != "Parameters":
        return body, None
    given = strict_json.value(members.get("parameter", b"[]"), list[dict[str, Any]], "parameter", "a list of parameters")
    bundles = [p["resource"] for p in given if isinstance(p.get("resource"), dict)]
    asked = (p.get("valueDateTime", p.get("valueInstant")) for p in given if p.get("name") == "asOf")
    times = [text for text in asked if isinstance(text, str)]
    if len(bundles) != 1:
        found = f"{len(bundles)} resources"
        raise Refusal(400, "required", f"Parameters holds {found}; one parameter with a Bundle was expected.", "parameter")
    return json.dumps(bundles[0]).encode(), moment(times[0], settings.zone) if times else None


async def _read(request: Request) -> Response:
    kind, identity = request.path_params["kind"], request.path_params["identity"]
    found = published().get(kind, {}).get(identity)
    if found is None:
        raise Refusal(404, "not-found", "There is no such resource here.")
    return _answer(found)


async def _search(request: Request) -> Response:
    """Every published resource of a type; `url` narrows to one."""
    kind, url = request.path_params["kind"], request.query_params.get("url")
    if kind not in published():
        raise Refusal(404, "not-found", f"Nothing of this type is published; {', '.join(published())} are.")
    found = [r for r in published()[kind].values() if url in (None, r["url"])]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    if found:
        bundle["entry"] = [{"fullUrl": r["url"], "resource": r, "search": {"mode": "match"}} for r in found]
    return _answer(bundle)


async def _metadata(_: Request) -> Response:
    return _answer(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-11-22",
            "kind": "instance",
            "implementation": {"description": "icans-cds: grades ICANS from FHIR R4"},
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "rest": [
                {
                    "mode": "server",
                    "resource": [
                        {"type": kind, "interaction": [{"code": "read"}, {"code": "search-type"}]}
                        for kind in published()
                    ],
                    "operation": [
                        {
                            "name": "evaluate-icans",
                            "definition": "http://fhir.org/guides/icans-cds/OperationDefinition/evaluate-icans",
                        }
                    ],
                }
            ],
        }
    )


def _answer(resource: Any) -> Response:
    return Response(json.dumps(resource, ensure_ascii=False).encode(), media_type=FHIR_JSON)
