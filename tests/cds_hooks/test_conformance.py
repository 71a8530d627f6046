"""CDS Hooks 2.0.1 on a service: a test for each SHALL and SHOULD, named by its id in our requirement list.

The first line of each docstring is the requirement in a sentence; docs/conformance.md is made of them
(`python scripts/conformance.py --write`). Requirements that rest on how a site installs the service are
tested as far as the service decides them, and by the document that tells the site.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import fhir_servers
import pytest
from cds import (
    ILL,
    SELECT,
    SIGN,
    VIEW,
    all_actions,
    all_cards,
    all_suggestions,
    answers,
    cards,
    discovered,
    errors,
    feedback,
    guidance,
    item,
    of_type,
    post,
    select,
    service,
    sign,
    templates,
    text,
    valid,
    values,
    view,
)
from charts import (
    ICD10,
    NOW,
    RXNORM,
    ago,
    bundle,
    concept,
    diagnosis,
    infusion,
    observation,
    order,
    patient,
    score,
)
from clients import ATTACKER, BASE, ISS, clients_file, jwks, token
from fhir.resources.R4B import get_fhir_model_class
from starlette.testclient import TestClient
from urllib3.util import create_urllib3_context

from cds_hooks import app as app_module
from cds_hooks import hook_request
from cds_hooks.app import create_app
from cds_hooks.services import PREFETCH, REQUIRED
from cds_hooks.settings import Settings
from cds_hooks.trust.guard import door
from cds_hooks.trust.keys import ALGORITHMS, Keys
from cds_hooks.trust.tokens import Distrust
from rules import load_knowledge

OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
NONE = {"resourceType": "Bundle", "type": "searchset", "total": 0}


def diagnostics(answer: Any) -> str:
    said: str = answer.json()["issue"][0]["diagnostics"]
    return said


@pytest.fixture
def guarded(tmp_path: Path) -> TestClient:
    """A service that checks client tokens."""
    return TestClient(create_app(guarded_settings(tmp_path), clock=lambda: NOW))


def guarded_settings(folder: Path, **more: Any) -> Settings:
    given: dict[str, Any] = {
        "trust": "jwt", "clients": more.pop("clients", None) or clients_file(folder), "base_url": BASE, "database_url": f"sqlite:///{folder / 'g.db'}",
    }  # fmt: skip
    return Settings(**(given | more))


def shown(client: TestClient, path: str, body: Any, **claims: Any) -> Any:
    """The answer to a call with a token for its path."""
    url = claims.pop("aud", f"{BASE}{path}")
    return client.post(path, json=body, headers={"authorization": f"Bearer {token(url, **claims)}"})


# JSON and transport


def test_J01() -> None:
    """Every exchange is JSON, sent and received."""
    for answer in (post(sign()), post({}), service().get("/cds-services"), service().get("/nowhere")):
        assert answer.headers["content-type"] == "application/json"
        answer.json()
    assert service().post(SIGN, content=b"a=1", headers={"content-type": "application/x-www-form-urlencoded"}).status_code == 415


def test_J02(tmp_path: Path) -> None:
    """Every exchange runs over HTTPS: TLS ends at a proxy, and the service tells browsers to stay with it."""
    secure = TestClient(create_app(guarded_settings(tmp_path)))
    assert "max-age" in secure.get("/cds-services").headers["strict-transport-security"]
    assert "## TLS" in text("docs/threat-model.md")


def test_J03() -> None:
    """No element of an answer is null."""
    assert not [v for body in (*answers(), *discovered(), *(e.json() for e in errors())) for v in values(body) if v is None]


def test_J04() -> None:
    """No element is empty, but for cards and services."""
    for body in (*answers(), *discovered(), *(e.json() for e in errors())):
        inner = [v for name, v in body.items() if name != "cards" or v]
        assert not [v for one in inner for v in values(one) if v in ("", [], {})]


def test_J05() -> None:
    """An optional attribute without a value is left out."""
    plain = [card for card in all_cards() if not card.get("suggestions")]
    assert plain
    assert not any({"suggestions", "selectionBehavior"} & card.keys() for card in plain)
    assert all(value for card in all_cards() for value in card.values())


def test_J06() -> None:
    """Embedded resources are FHIR JSON objects."""
    resources = [a["resource"] for a in all_actions() if "resource" in a]
    assert resources
    assert all(isinstance(r, dict) and r["resourceType"] for r in resources)


@pytest.mark.parametrize("path", [SIGN, "/cds-services"])
def test_J07(path: str) -> None:
    """No comments and no trailing commas are sent, nor taken."""
    answer = post(sign()) if path == SIGN else service().get(path)
    json.loads(answer.content)  # strict
    for wrong in (b'{"hook": "order-sign", /* x */}', b'{"hook": "order-sign",}'):
        assert post(wrong).status_code == 400


def test_J08() -> None:
    """FHIR's security considerations are reviewed: the threat model."""
    assert text("docs/threat-model.md").count("\n| T") == 32


# Discovery


def test_D01() -> None:
    """GET /cds-services is always available at a stable address, with or without a slash."""
    for path in ("/cds-services", "/cds-services/"):
        assert service().get(path).status_code == 200


def test_D02() -> None:
    """Its answer is an object with a services array, valid by the schema."""
    valid("discovery.strict", service().get("/cds-services").json())


def test_D03(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server without services answers 200 with an empty array."""
    monkeypatch.setattr("cds_hooks.services.SERVICES", ())
    bare = TestClient(create_app(Settings(database_url=f"sqlite:///{tmp_path / 'd.db'}")))
    assert bare.get("/cds-services").json() == {"services": []}


def test_D04() -> None:
    """Success is 200, or 304 to a client that holds the current text."""
    first = service().get("/cds-services")
    assert first.status_code == 200
    again = service().get("/cds-services", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    stale = service().get("/cds-services", headers={"if-none-match": '"other"'})
    assert stale.status_code == 200


@pytest.mark.parametrize("one", discovered(), ids=lambda one: one["id"])
def test_D06(one: dict[str, Any]) -> None:
    """Each service has a hook."""
    assert one["hook"] in ("order-sign", "order-select", "patient-view")


def test_D07() -> None:
    """Each service has a description."""
    assert all(isinstance(one["description"], str) and len(one["description"]) > 40 for one in discovered())


def test_D08() -> None:
    """Each service has an id, the last segment of the URL it is called at."""
    for one in discovered():
        assert post({}, f"/cds-services/{one['id']}").status_code == 400


def test_D09() -> None:
    """Each service has a title."""
    assert all(one["title"] for one in discovered())


def test_D12() -> None:
    """Discovery says which CDS Hooks the service implements."""
    assert {one["version"] for one in discovered()} == {"2.0.1"}


def test_D15() -> None:
    """No pair of id and hook is listed twice."""
    pairs = [(one["id"], one["hook"]) for one in discovered()]
    assert len(set(pairs)) == len(pairs)


def test_D16() -> None:
    """Hooks and use cases are documented in public."""
    for one in discovered():
        assert one["id"] in text("README.md")
        assert one["usageRequirements"]


def test_D17() -> None:
    """actionSelectionBehavior is not used."""
    assert "actionSelectionBehavior" not in json.dumps(answers())


# Being called


def test_H01() -> None:
    """POST of a JSON object to /cds-services/{id} calls the service."""
    for body, path in ((sign(), SIGN), (select(), SELECT), (view(), VIEW)):
        assert post(body, path).status_code == 200
    for wrong in (b"[]", b'"text"', b"null", b"1"):
        assert post(wrong).status_code == 400


@pytest.mark.parametrize("member", ["hook", "hookInstance", "context"])
def test_H02(member: str) -> None:
    """A body without hook, hookInstance or context is no CDS Hooks request: 400 that names it."""
    for wrong in (..., None, 1, "", []):
        answer = post(sign(**{member: wrong}))
        assert answer.status_code == 400
        assert answer.json()["issue"][0]["expression"] == [member]


def test_H03() -> None:
    """fhirAuthorization without fhirServer is malformed."""
    answer = post(sign(fhirAuthorization={"access_token": "x"}))
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (400, ["fhirServer"])


def test_H05() -> None:
    """Two calls are two calls, whatever hookInstance they carry: nothing is remembered of the first."""
    body = sign()
    well = sign(patient(50), context_patientId="p", hookInstance=body["hookInstance"])
    assert cards(body)
    assert cards(well) == []
    assert cards(body)


def test_H06() -> None:
    """hookInstance opens nothing: no route answers to it, and no answer repeats it."""
    instance = str(uuid4())
    answer = post(sign(hookInstance=instance))
    assert instance not in answer.text
    assert service().get(f"/cds-services/{instance}").status_code == 404


def test_H07() -> None:
    """A call of another hook than the service's is refused."""
    for hook in ("patient-view", "order-select", "Order-Sign", "order-sign "):
        assert post(sign(hook=hook)).status_code == 400
    assert post(sign(), VIEW).status_code == 400


def test_H09() -> None:
    """An unknown service is 404; a wrong method is 405 with Allow."""
    assert post({}, "/cds-services/unknown").status_code == 404
    wrong = service().get(SIGN)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "OPTIONS, POST")


def test_H10() -> None:
    """400 is for what cannot be parsed or breaks a basic rule; 422 for what is well formed and not processable."""
    assert post(b"{").status_code == 400
    assert post(sign(context_patientId=...)).status_code == 400
    both = bundle(patient(50), {"resourceType": "Patient", "id": "other"})
    assert post(both, "/fhir/$evaluate-icans").status_code == 422


def test_H11() -> None:
    """Unrecognized context elements are ignored."""
    assert guidance(sign(context_somethingNew={"a": [1]}, context_task=None)) == guidance(sign())


# Hook contexts


def test_C01() -> None:
    """order-sign: userId, patientId and draftOrders always; encounterId perhaps."""
    for member in ("userId", "patientId", "draftOrders"):
        assert post(sign(**{f"context_{member}": ...})).status_code == 400
    assert guidance(sign(context_encounterId="e")) == guidance(sign())


@pytest.mark.parametrize("status", ["draft", "active", "on-hold", "completed", "unknown"])
def test_C02(status: str) -> None:
    """Orders signed again after a revision, of any status, are taken."""
    running = [patient(50), infusion(ago(days=3))]
    found = cards(sign(*running, drafts=[order("1597258", status, "engager"), order("114477", "draft", "new")]))
    assert found


def test_C03() -> None:
    """order-select: userId, patientId, selections and draftOrders always."""
    for member in ("userId", "patientId", "selections", "draftOrders"):
        assert post(select(**{f"context_{member}": ...}), SELECT).status_code == 400
    assert post(select(context_encounterId="e"), SELECT).status_code == 200


def engager_and_other(selection: str) -> dict[str, Any]:
    drafts = [order("1597258", "draft", "engager"), order("6470", "draft", "other")]
    return select(patient(50), drafts=drafts, context_selections=[selection])


def test_C04() -> None:
    """Guidance looks at the selected orders; the other drafts are context."""
    assert cards(engager_and_other("MedicationRequest/engager"), SELECT)
    assert cards(engager_and_other("MedicationRequest/other"), SELECT) == []


def test_C05() -> None:
    """Order details may be missing."""
    bare = {"resourceType": "MedicationRequest", "id": "draft", "status": "draft", "subject": {"reference": "Patient/p"}}
    for draft in (bare, bare | {"medicationCodeableConcept": concept(RXNORM, "1597258")}, {"resourceType": "MedicationRequest"}):
        assert post(sign(drafts=[draft])).status_code == 200


def test_C06() -> None:
    """A selection is Type/id and matches a draft's resource, not an entry's fullUrl."""
    body = engager_and_other("MedicationRequest/engager")
    body["context"]["draftOrders"]["entry"][0]["fullUrl"] = "urn:uuid:11111111-2222-3333-4444-555555555555"
    assert cards(body, SELECT)
    body["context"]["selections"] = ["urn:uuid:11111111-2222-3333-4444-555555555555"]
    assert cards(body, SELECT) == []


@pytest.mark.parametrize("user", ["Practitioner", "PractitionerRole", "Patient", "RelatedPerson"])
def test_C07(user: str) -> None:
    """patient-view: userId of four types and patientId always; encounterId perhaps."""
    assert guidance(view(context_userId=f"{user}/1"), VIEW) == guidance(view(), VIEW)
    for member in ("userId", "patientId"):
        assert post(view(**{f"context_{member}": ...}), VIEW).status_code == 400


@pytest.mark.parametrize("hook", ["encounter-start", "encounter-discharge"])
def test_C08(hook: str) -> None:
    """encounter-start and encounter-discharge are not offered, and a call of them is not answered."""
    assert hook not in {one["hook"] for one in discovered()}
    assert post(sign(hook=hook)).status_code == 400
    assert post(sign(hook=hook), f"/cds-services/icans-{hook}").status_code == 404


def test_C09() -> None:
    """patientId and encounterId are bare ids; a reference of their own type is taken too, another is refused."""
    assert [c[:2] for c in guidance(sign(context_patientId="Patient/p"))] == [c[:2] for c in guidance(sign())]
    for member in ("patientId", "encounterId"):
        assert post(sign(**{f"context_{member}": "Location/1"})).status_code == 400


@pytest.mark.parametrize("user", ["Practitioner/1", "PractitionerRole/1"])
def test_C10(user: str) -> None:
    """userId of the order hooks is a Practitioner or a PractitionerRole."""
    assert guidance(sign(context_userId=user)) == guidance(sign())
    assert guidance(select(context_userId=user), SELECT) == guidance(select(), SELECT)


def test_C11() -> None:
    """One FHIR version: R4, said in discovery; what is sent back is R4."""
    assert all("FHIR R4" in one["usageRequirements"] for one in discovered())
    for action in [*of_type("create"), *of_type("update")]:
        resource = action["resource"]
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


@pytest.mark.parametrize("kind", ["NutritionOrder", "VisionPrescription", "DeviceRequest", "Medication", "Invented"])
def test_C12(kind: str) -> None:
    """An order type without a rule is passed over."""
    other = {"resourceType": kind, "id": "x", "status": "draft"}
    assert guidance(sign(drafts=[other, order("114477", "draft", "draft")])) == guidance(sign())


def test_C13() -> None:
    """medication-refill is not offered."""
    assert "medication-refill" not in {one["hook"] for one in discovered()}
    assert post(sign(hook="medication-refill")).status_code == 400


def test_C14() -> None:
    """order-dispatch is not offered."""
    assert "order-dispatch" not in {one["hook"] for one in discovered()}
    assert post(sign(hook="order-dispatch")).status_code == 400


def test_C15() -> None:
    """A draft names its drug by a code, a contained Medication, a Medication entry, or a reference with a display."""
    drug = {"resourceType": "Medication", "code": concept(RXNORM, "1597258")}
    base = {k: v for k, v in order("1597258", "draft", "d").items() if k != "medicationCodeableConcept"}
    by_code = guidance(sign(patient(50), drafts=[order("1597258", "draft", "d")]))
    contained = base | {"contained": [drug | {"id": "m"}], "medicationReference": {"reference": "#m"}}
    assert guidance(sign(patient(50), drafts=[contained])) == by_code != []
    entry = base | {"medicationReference": {"reference": "Medication/m"}}
    assert guidance(sign(patient(50), drafts=[entry, drug | {"id": "m"}])) == by_code
    unknown = base | {"medicationReference": {"reference": "Medication/elsewhere", "display": "blinatumomab"}}
    assert post(sign(patient(50), drafts=[unknown])).status_code == 200


# Prefetch templates


@pytest.mark.parametrize(("key", "template"), templates())
def test_P01(key: str, template: str) -> None:
    """A template is a read or a type-level search, relative to the base."""
    assert re.fullmatch(r"[A-Z][A-Za-z]+(/\{\{context\.\w+\}\}|\?.+)", template), key


def test_P02() -> None:
    """Each template has a key, by which its data comes back."""
    assert all(re.fullmatch(r"[a-z]+", key) for key, _ in templates())
    assert guidance(sign()) != guidance(sign(prefetch={"observations": None}))


def tokens() -> list[str]:
    return [found for _, template in templates() for found in re.findall(r"\{\{(.*?)\}\}", template)]


def test_P03() -> None:
    """Tokens stand between {{ and }}."""
    assert all(template.count("{{") == template.count("}}") == 1 for _, template in templates())


def test_P04() -> None:
    """A token is context.FIELD or one of the user tokens."""
    assert all(re.fullmatch(r"context\.\w+", one) for one in tokens())


def test_P05() -> None:
    """FIELD is a root primitive that the hook's table marks as a token."""
    assert set(tokens()) == {"context.patientId", "context.encounterId"}


def test_P06() -> None:
    """A context token is spelled context.NAME."""
    assert all(one == one.strip() and one.startswith("context.") for one in tokens())


def test_P07() -> None:
    """No template needs FHIRPath, which not every client knows."""
    assert not any(mark in template for _, template in templates() for mark in ("(", "|", "%", " "))


def test_P08() -> None:
    """No template uses another's result, so that none has to come before another."""
    keys = {key for key, _ in templates()}
    assert not any(f"%{key}" in template or f"{{{{{key}" in template for _, template in templates() for key in keys)


def test_P09() -> None:
    """Queries stay inside the portable subset."""
    for _, template in templates():
        for name, _ in parameters(template):
            assert name in ("patient", "_sort", "_count")


def parameters(template: str) -> list[tuple[str, str]]:
    return [(name, value) for part in template.partition("?")[2].split("&") if part for name, _, value in [part.partition("=")]]


def test_P10() -> None:
    """The subset: reads, type-level searches, references by equality, _count, _sort."""
    for _, template in templates():
        given = dict(parameters(template))
        assert given.get("patient", "{{context.patientId}}") == "{{context.patientId}}"
        assert not any(":" in name for name in given)
        assert int(given.get("_count", 1)) > 0


def test_P11() -> None:
    """Only what every call needs is asked for: no names, no whole chart."""
    kinds = {re.split(r"[/?]", template)[0] for _, template in templates()}
    assert kinds == {
        "Patient", "MedicationAdministration", "Procedure", "Observation", "Condition", "MedicationRequest",
        "AllergyIntolerance", "Encounter",
    }  # fmt: skip
    assert all("_count" in template for _, template in templates() if "?" in template)


def test_P12() -> None:
    """No _include, _has, chaining, or a parameter twice, which clients drop or mangle."""
    for _, template in templates():
        names = [name for name, _ in parameters(template)]
        assert len(set(names)) == len(names)
        assert not any("." in name or name.startswith(("_include", "_rev", "_has")) for name in names)


def test_P13() -> None:
    """A template with context.encounterId is optional data."""
    keys = {key for key, template in templates() if "encounterId" in template}
    assert keys == {"encounter"}
    assert not keys & set(REQUIRED)
    assert post(sign(leave_out=("encounter",))).status_code == 200


# Prefetched data


@pytest.mark.parametrize("key", PREFETCH)
def test_Q01(key: str, tmp_path: Path) -> None:
    """The service looks key by key which templates were satisfied, and fetches the rest."""
    chart = [*ILL, order("1597258")]
    with fhir_servers.serving(fhir_servers.chart([*chart, {"resourceType": "Encounter", "id": "e", "status": "in-progress", "subject": {"reference": "Patient/p"}}])) as server:
        settings = Settings(database_url=f"sqlite:///{tmp_path / 'q.db'}", fhir_servers=(server.base,), fetch_ms=5000)
        body = sign(
            *chart, leave_out=(key,), context_encounterId="e", fhirServer=server.base,
            fhirAuthorization={"access_token": "abc", "token_type": "Bearer"},
        )  # fmt: skip
        answer = TestClient(create_app(settings, clock=lambda: NOW)).post(SIGN, json=body)
        assert [path.split("?")[0].split("/")[2] for path in server.requests] == [re.split(r"[/?]", PREFETCH[key])[0]]
    assert answer.status_code == 200
    whole = guidance(sign(*chart, context_encounterId="e"))
    assert [(c["summary"], c["detail"]) for c in answer.json()["cards"]] == [(c[0], c[2]) for c in whole]


@pytest.mark.parametrize("key", REQUIRED)
def test_Q02(key: str) -> None:
    """412 when data it needs was neither sent nor can be fetched; the body names the key."""
    answer = post(sign(leave_out=(key,)))
    assert answer.status_code == 412
    assert key in diagnostics(answer)


def test_Q03() -> None:
    """null means asked for, there is none."""
    assert post(sign(prefetch=dict.fromkeys(PREFETCH))).json() == {"cards": []}


def test_Q04() -> None:
    """A missing key is never read as none: required 412, optional said on the card."""
    assert post(sign(leave_out=("observations",))).status_code == 412
    said = guidance(sign(leave_out=("conditions",)))[0][2]
    assert "Not provided by the EHR: conditions" in said


@pytest.mark.parametrize("none", [None, NONE, NONE | {"entry": []}])
def test_Q05(none: Any) -> None:
    """A search may come back as null or as a Bundle without entries: none."""
    assert guidance(sign(prefetch={"conditions": none})) == guidance(sign())


def test_Q06() -> None:
    """OperationOutcomes are seen, as the value and among the entries."""
    assert post(sign(prefetch={"observations": OUTCOME})).status_code == 412
    entry = {"resource": OUTCOME, "search": {"mode": "outcome"}}
    mixed = sign()
    mixed["prefetch"]["observations"]["entry"].append(entry)
    assert "the server reported an error" in guidance(mixed)[0][2]
    information = OUTCOME | {"issue": [{"severity": "information", "code": "informational"}]}
    only = NONE | {"entry": [{"resource": information, "search": {"mode": "outcome"}}]}
    assert guidance(sign(prefetch={"conditions": only})) == guidance(sign())


def test_Q07() -> None:
    """A Bundle with a next link is incomplete, and the card says so."""
    paged = sign()
    paged["prefetch"]["observations"]["link"] = [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]
    assert "only the first page was given" in guidance(paged)[0][2]


def test_Q08() -> None:
    """Keys that were not asked for are neither required nor a fault."""
    assert guidance(sign(prefetch={"somethingElse": {"resourceType": "Basic", "id": "b"}, "more": None})) == guidance(sign())


def test_Q09() -> None:
    """A record of another patient is not used, and said."""
    foreign = score("ice-score", 0) | {"id": "foreign", "subject": {"reference": "Patient/other"}}
    mine, mixed = guidance(sign()), guidance(sign(*ILL, foreign))
    assert [c[:2] for c in mixed] == [c[:2] for c in mine]
    assert "Observation/foreign: is not this patient" in mixed[0][2]


def test_Q10(tmp_path: Path) -> None:
    """Data is taken by prefetch or from the FHIR server."""
    with fhir_servers.serving(fhir_servers.chart(list(ILL))) as server:
        settings = Settings(database_url=f"sqlite:///{tmp_path / 'q.db'}", fhir_servers=(server.base,), fetch_ms=5000)
        body = sign(leave_out=tuple(PREFETCH), fhirServer=server.base, fhirAuthorization={"access_token": "abc"})
        answer = TestClient(create_app(settings, clock=lambda: NOW)).post(SIGN, json=body)
    assert [c["summary"] for c in answer.json()["cards"]] == [c[0] for c in guidance(sign())]


@pytest.mark.parametrize(
    "reference", ["Patient/p", "https://ehr.example.org/fhir/Patient/p", "urn:uuid:0f1", "Patient/p/_history/3"]
)
def test_Q11(reference: str) -> None:
    """References are matched in all their forms."""
    resources = [one | {"subject": {"reference": reference}} if "subject" in one else one for one in ILL]
    body = sign(*resources)
    body["prefetch"]["patient"] = {"resourceType": "Bundle", "entry": [{"fullUrl": "urn:uuid:0f1", "resource": ILL[0]}]}
    assert [c[0] for c in guidance(body)] == [c[0] for c in guidance(sign())]


# FHIR access


def test_F02(tmp_path: Path) -> None:
    """Each FHIR call carries the access token as a Bearer token; without one there is no call."""
    with fhir_servers.serving(fhir_servers.chart(list(ILL))) as server:
        settings = Settings(database_url=f"sqlite:///{tmp_path / 'f.db'}", fhir_servers=(server.base,), fetch_ms=5000)
        client = TestClient(create_app(settings, clock=lambda: NOW))
        body = sign(leave_out=("observations",), fhirServer=server.base)
        assert client.post(SIGN, json=body).status_code == 412
        assert server.tokens == []
        assert client.post(SIGN, json=body | {"fhirAuthorization": {"access_token": "abc"}}).status_code == 200
        assert set(server.tokens) == {"Bearer abc"}


def test_F03(tmp_path: Path) -> None:
    """The token is used for this call and gone: it is in no store."""
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'f.db'}")
    body = sign(fhirServer="https://ehr.example.org/fhir", fhirAuthorization={"access_token": "canary-f03"})
    assert TestClient(create_app(settings, clock=lambda: NOW)).post(SIGN, json=body).status_code == 200
    assert not any(b"canary-f03" in path.read_bytes() for path in tmp_path.iterdir())


def test_F04() -> None:
    """A complete fhirAuthorization is read, and one that real clients send incomplete or empty does not cost the call."""
    whole = {"access_token": "x", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "s", "patient": "p"}
    for given in (whole, {"access_token": ""}, {}, whole | {"expires_in": "300"}):
        assert post(sign(fhirServer="https://ehr.example.org/fhir", fhirAuthorization=given)).status_code == 200
    assert post(sign(fhirServer="https://ehr.example.org/fhir", fhirAuthorization="Bearer x")).status_code == 400


@pytest.mark.parametrize("scope", ["patient/Observation.rs", "patient/Observation.read", "EPIC.Lists everything", "", 7])
def test_F05(scope: Any) -> None:
    """Scopes of any version are taken; they are not parsed."""
    given = {"access_token": "x", "scope": scope}
    assert post(sign(fhirServer="https://ehr.example.org/fhir", fhirAuthorization=given)).status_code == 200


def test_F06() -> None:
    """The service is registered with the client's authorization server beforehand: the document says so."""
    assert "registered with the authorization server" in text("docs/threat-model.md")


@pytest.mark.parametrize("url", ["http://ehr.example.org/fhir", "ftp://ehr.example.org/fhir"])
def test_F07(url: str) -> None:
    """fhirServer is https; http is only taken for this machine."""
    with pytest.raises(ValueError, match="fhir_servers"):
        Settings(fhir_servers=(url,))
    assert Settings(fhir_servers=("http://127.0.0.1:8181/fhir",)).fhir_servers


def test_F08(capsys: pytest.CaptureFixture[str]) -> None:
    """The access token is not stored, logged or repeated."""
    body = sign(fhirServer="https://ehr.example.org/fhir", fhirAuthorization={"access_token": "canary-f08"})
    for one in (body, body | {"prefetch": {}}, body | {"hook": "x"}):
        assert "canary-f08" not in post(one).text
    captured = capsys.readouterr()
    assert "canary-f08" not in captured.err + captured.out
    assert "canary-f08" not in repr(hook_request.parse(json.dumps(body).encode(), "order-sign"))


def test_F09(tmp_path: Path) -> None:
    """A server that is not listed is never contacted, though it listens on this machine."""
    with fhir_servers.serving(fhir_servers.chart(list(ILL))) as server:
        settings = Settings(database_url=f"sqlite:///{tmp_path / 'f.db'}", fhir_servers=("https://ehr.example.org/fhir",))
        body = sign(leave_out=("patient",), fhirServer=server.base, fhirAuthorization={"access_token": "abc"})
        assert TestClient(create_app(settings)).post(SIGN, json=body).status_code == 412
        assert server.connections == 0


# The answer and its status


def test_R01() -> None:
    """Success is 200 with an object that has a cards array."""
    for answer in answers():
        assert isinstance(answer["cards"], list)
        valid("response.strict", answer)


def test_R03() -> None:
    """Nothing to say is 200 with cards: [], no all-clear card."""
    answer = post(sign(patient(50)))
    assert (answer.status_code, answer.json()) == (200, {"cards": []})


def test_R04() -> None:
    """412 for data that is not to be had."""
    assert post(sign(prefetch={"patient": OUTCOME})).status_code == 412


def test_R06() -> None:
    """A non-2xx answer has an OperationOutcome as its body."""
    for answer in errors():
        assert answer.status_code >= 400
        valid("operation-outcome", answer.json())


def test_R07(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error while processing is a 5xx, never a 200."""
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app_module, "decide", broken)
    answer = post(sign())
    assert answer.status_code == 500
    assert "cards" not in answer.json()


def test_R08() -> None:
    """Content-Type is application/json, of answers and errors alike."""
    assert {a.headers["content-type"] for a in (*errors(), post(sign()))} == {"application/json"}


# Cards


def test_K01() -> None:
    """summary: one sentence of 1 to 139 characters."""
    assert all(0 < len(c["summary"]) < 140 and "\n" not in c["summary"] for c in all_cards())


def test_K02() -> None:
    """indicator: info, warning or critical."""
    assert {"warning", "critical"} <= {c["indicator"] for c in all_cards()} <= {"info", "warning", "critical"}


def test_K03() -> None:
    """source is an object."""
    assert all(isinstance(c["source"], dict) for c in all_cards())


def test_K05() -> None:
    """uuid is a lower-case UUID, unique to the card, and another in each call."""
    found = [c["uuid"] for c in all_cards()] + [c["uuid"] for _ in range(2) for c in cards(sign())]
    assert len(set(found)) == len(found)
    assert all(str(UUID(one)) == one for one in found)


def test_K07() -> None:
    """detail is GitHub Flavored Markdown, of plain paragraphs and lists."""
    assert all(isinstance(c["detail"], str) and "|--" not in c["detail"] for c in all_cards())


def test_K08() -> None:
    """No HTML comes through detail: text from the chart is escaped."""
    hostile = "<img src=x onerror=alert(1)>"
    found = cards(sign(*ILL, observation("x", concept("urn:x", hostile), {"valueString": hostile}, subject={"reference": hostile})))
    assert all("<img" not in c["detail"] + c["summary"] for c in (*found, *all_cards()))
    assert all(not re.search(r"(?<!\\)<\w", c["detail"]) for c in all_cards())


def test_K10() -> None:
    """selectionBehavior is there whenever suggestions is."""
    assert all(("suggestions" in c) == ("selectionBehavior" in c) for c in all_cards())
    assert any("suggestions" in c for c in all_cards())


def test_K11() -> None:
    """Its value is at-most-one or any."""
    assert {c["selectionBehavior"] for c in all_cards() if "suggestions" in c} <= {"at-most-one", "any"}


def test_K14() -> None:
    """Every attribute has its type and is known to the specification."""
    for answer in answers():
        valid("response.strict", answer)


def test_K15() -> None:
    """Cards come most urgent first."""
    rank = {"critical": 0, "warning": 1, "info": 2}
    for answer in answers():
        order_ = [rank[c["indicator"]] for c in answer["cards"]]
        assert order_ == sorted(order_)


def test_K16() -> None:
    """Cards carry what prioritising needs: indicator and source.topic."""
    assert all(c["source"]["topic"]["code"] for c in all_cards())


# Source


def test_S01() -> None:
    """label: a short, readable string."""
    assert all(0 < len(c["source"]["label"]) < 100 for c in all_cards())


def test_S03() -> None:
    """url is the source's own, the same for every patient."""
    assert len({c["source"]["url"] for c in all_cards()}) == 1
    assert all(c["source"]["url"].startswith("https://") for c in all_cards())


def test_S06() -> None:
    """The source is the primary source of the guidance: the protocol; detail names the publications."""
    assert all("Who says so:" in c["detail"] for c in cards(sign()))


def test_S07() -> None:
    """topic is there, its code alphanumeric and the same for the same matter."""
    topics = [c["source"]["topic"] for c in all_cards()]
    assert all(re.fullmatch(r"[A-Za-z0-9]{1,100}", t["code"]) and t["system"] for t in topics)
    first, second = ([c["source"]["topic"] for c in cards(sign())] for _ in range(2))
    assert first == second


# Suggestions


def test_G01() -> None:
    """label: a string."""
    assert all(s["label"].strip() for s in all_suggestions())


def test_G03() -> None:
    """uuid is a string, unique over the whole answer."""
    for answer in answers():
        found = [s["uuid"] for c in answer["cards"] for s in c.get("suggestions", [])]
        assert len(set(found)) == len(found)
        assert all(str(UUID(one)) == one for one in found)


def test_G05() -> None:
    """With at-most-one, at most one suggestion is recommended."""
    for card in all_cards():
        if card.get("selectionBehavior") == "at-most-one":
            assert sum(s["isRecommended"] for s in card["suggestions"]) <= 1


def test_G07() -> None:
    """A set of actions makes sense as a transaction: one action a suggestion, no resource twice."""
    assert all(len(s["actions"]) == 1 for s in all_suggestions())


# Actions


def test_A01() -> None:
    """type: create, update or delete."""
    assert {a["type"] for a in all_actions()} == {"create", "update", "delete"}


def test_A02() -> None:
    """description: a string."""
    assert all(a["description"].strip() for a in all_actions())


def test_A03() -> None:
    """create: resource is a new resource, without an id."""
    assert all("id" not in a["resource"] for a in of_type("create"))


def with_running_order() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A running order with more in it than we read, and the updates suggested of it."""
    running = order("1597258") | {
        "note": [{"text": "kept"}], "extension": [{"url": "https://ehr.example.org/x", "valueString": "kept"}],
    }  # fmt: skip
    found = cards(sign(*ILL[:2], score("ice-score", 0), running))
    actions = [a for c in found for s in c.get("suggestions", []) for a in s["actions"] if a["type"] == "update"]
    assert actions
    return running, actions


def test_A04() -> None:
    """update: resource is the whole resource; all but the status is as it came."""
    running, actions = with_running_order()
    for action in actions:
        assert action["resource"] | {"status": running["status"]} == running


def test_A05() -> None:
    """update: the resource has the id and type of the one it replaces."""
    running, actions = with_running_order()
    assert {(a["resource"]["resourceType"], a["resource"]["id"]) for a in actions} == {("MedicationRequest", running["id"])}


def test_A06() -> None:
    """delete: resourceId, a relative reference."""
    assert all(re.fullmatch(r"[A-Z]\w+/\S+", a["resourceId"]) and "resource" not in a for a in of_type("delete"))


def test_A07() -> None:
    """Resources are valid FHIR R4."""
    for action in [*of_type("create"), *of_type("update")]:
        resource = action["resource"]
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def test_A08() -> None:
    """update and delete name a resource of the call."""
    draft = order("1597258", "draft", "engager")
    found = cards(sign(*ILL[:2], score("ice-score", 0), order("1597258"), drafts=[draft]))
    actions = [a for c in found for s in c.get("suggestions", []) for a in s["actions"]]
    named = {a["resourceId"] if a["type"] == "delete" else f"MedicationRequest/{a['resource']['id']}" for a in actions if a["type"] != "create"}
    assert named
    assert named <= {"MedicationRequest/order", "MedicationRequest/engager"}


def test_A09() -> None:
    """A resource of an action is the call's patient's."""
    body = sign(*ILL, order("1597258"))
    for action in [a for c in cards(body) for s in c.get("suggestions", []) for a in s["actions"] if "resource" in a]:
        assert action["resource"]["subject"]["reference"] == "Patient/p"


def test_A10() -> None:
    """A suggested order is a draft and a proposal, never active."""
    created = [a["resource"] for a in of_type("create")]
    orders = [r for r in created if r["resourceType"].endswith("Request")]
    assert orders
    assert {(r["status"], r["intent"]) for r in orders} == {("draft", "proposal")}
    assert not [r for r in created if r.get("status") in ("active", "in-progress", "completed")]


# System actions


def test_Y01() -> None:
    """A systemAction would be an action: none are sent."""
    assert not any("systemActions" in answer for answer in answers())


def test_Y02() -> None:
    """systemActions only by agreement: there is none, so none are sent."""
    asked = sign(extension={"davinci-crd.configuration": {"systemActions": True}})
    assert post(asked).json().keys() == {"cards"}


def test_Y03() -> None:
    """The same content does not come twice: one card a topic."""
    for answer in answers():
        topics = [c["source"]["topic"]["code"] for c in answer["cards"]]
        assert len(set(topics)) == len(topics)


# Codings and override reasons


def test_O01() -> None:
    """code and system are there."""
    for card in all_cards():
        for coding in (card["source"]["topic"], *card.get("overrideReasons", [])):
            assert coding["code"]
            assert coding["system"].startswith("http")


def test_O02() -> None:
    """An override reason has a display."""
    reasons = [reason for card in all_cards() for reason in card.get("overrideReasons", [])]
    assert reasons
    assert all(reason["display"].strip() for reason in reasons)


def test_O04() -> None:
    """Reasons are distinct by system and code, and the same in every call of a topic."""
    by_topic: dict[str, set[tuple[Any, ...]]] = {}
    for card in all_cards():
        found = tuple((r["system"], r["code"]) for r in card.get("overrideReasons", []))
        assert len(set(found)) == len(found)
        by_topic.setdefault(card["source"]["topic"]["code"], set()).add(found)
    assert all(len(sets) == 1 for sets in by_topic.values()), by_topic


# Links


def links() -> list[dict[str, Any]]:
    found = [link for card in all_cards() for link in card.get("links", [])]
    assert found
    return found


def test_L01() -> None:
    """label: a string."""
    assert all(one["label"].strip() for one in links())


def test_L02() -> None:
    """url: a URL to open in a browser, the same for every patient."""
    known = {source.url for source in load_knowledge().sources.values()}
    assert all(one["url"].startswith("https://") and one["url"] in known for one in links())


def test_L03() -> None:
    """type: absolute; no app is launched."""
    assert {one["type"] for one in links()} == {"absolute"}


def test_L04() -> None:
    """appContext is on no absolute link."""
    assert not [one for one in links() if "appContext" in one]


def test_L06() -> None:
    """No link launches itself: the card holds all guidance."""
    assert not [one for one in links() if one.get("autolaunchable")]


def test_L07() -> None:
    """No link has launch parameters."""
    assert not [one for one in links() if re.search(r"[?&](iss|launch)=", one["url"])]


# Feedback


def test_B02() -> None:
    """It takes an object with a feedback array."""
    assert feedback(item()).status_code == 200
    for wrong in (b"[]", b"{}", b'{"feedback": {}}', b'{"feedback": []}', b'{"feedback": null}'):
        assert post(wrong, f"{SIGN}/feedback").status_code == 400


@pytest.mark.parametrize("member", ["card", "outcome", "outcomeTimestamp"])
def test_B03(member: str) -> None:
    """Each item has card, outcome and outcomeTimestamp."""
    for wrong in (..., None, 1, "", "soon" if member != "card" else []):
        assert feedback(item(**{member: wrong})).status_code == 400


def test_B04() -> None:
    """accepted comes with acceptedSuggestions."""
    assert feedback(item(outcome="accepted", acceptedSuggestions=[{"id": "s"}])).status_code == 200
    for wrong in (..., [], [{}], [{"id": ""}], "s"):
        assert feedback(item(outcome="accepted", acceptedSuggestions=wrong)).status_code == 400


def test_B06() -> None:
    """overrideReason has a reason, a comment, or both."""
    reason = {"code": "x", "system": "http://example.org"}
    for good in ({"reason": reason}, {"userComment": "why"}, {"reason": reason, "userComment": "why"}):
        assert feedback(item(overrideReason=good)).status_code == 200
    assert feedback(item(overrideReason={})).status_code == 400


def test_B07() -> None:
    """One POST may hold items of several cards, and a card may be reported again."""
    assert feedback(item(card="a"), item(card="b"), item(card="a")).status_code == 200


def test_B08(guarded: TestClient) -> None:
    """The client authenticates here as anywhere."""
    path = f"{SIGN}/feedback"
    assert guarded.post(path, json={"feedback": [item()]}).status_code == 401
    assert shown(guarded, path, {"feedback": [item()]}).status_code == 200


def test_B09(tmp_path: Path) -> None:
    """A malformed item is a 4xx and nothing of the POST is stored."""
    from cds_hooks.store import Store

    store = Store(f"sqlite:///{tmp_path / 'b.db'}")
    client = TestClient(create_app(Settings(), store=store))
    wrong = {"feedback": [item(card="good"), item(card=...)]}
    assert client.post(f"{SIGN}/feedback", json=wrong).status_code == 400
    assert store.feedback() == []


def test_B10() -> None:
    """An unknown card is no error, and the answer is the same as for a known one."""
    known = cards(sign())[0]["uuid"]
    mine, other = feedback(item(card=known)), feedback(item(card=str(uuid4())))
    assert (mine.status_code, mine.content) == (other.status_code, other.content) == (200, b"")


def test_B11() -> None:
    """overrideReasons, an extension in place of a reason, and card ids that are no UUIDs are taken."""
    reason = {"reason": {"code": "x", "system": "http://example.org"}}
    for more in ({"overrideReasons": [reason]}, {"overrideReason": {"extension": {"com.epic": 1}}}, {"card": "123456"}):
        assert feedback(item(**more)).status_code == 200


# Trusting clients


def test_T01() -> None:
    """Authentication is required where a call could expose data: by default on every address others can reach."""
    from cds_hooks.serving import placed

    assert placed(Settings(), "0.0.0.0", 8000).tokens_checked


def test_T03(guarded: TestClient) -> None:
    """The client is known by a signed JWT in Authorization: Bearer; discovery, the same for all, is public."""
    assert guarded.post(SIGN, json=sign()).status_code == 401
    assert shown(guarded, SIGN, sign()).status_code == 200
    assert guarded.get("/cds-services").status_code == 200


@pytest.mark.parametrize("headers", [{"kid": ...}, {"typ": None}, {"typ": "JWE"}])
def test_T04(guarded: TestClient, headers: dict[str, Any]) -> None:
    """The header has alg, kid and typ JWT."""
    assert shown(guarded, SIGN, sign(), headers=headers).status_code == 401


@pytest.mark.parametrize("claim", ["iss", "exp", "iat", "jti"])
def test_T05(guarded: TestClient, claim: str) -> None:
    """The payload has iss, aud, exp, iat and jti."""
    assert shown(guarded, SIGN, sign(), **{claim: ...}).status_code == 401


def test_T06(guarded: TestClient) -> None:
    """aud, a string or an array, is the URL called; at feedback the service's URL too."""
    assert shown(guarded, SIGN, sign(), aud=["https://other.example.org", f"{BASE}{SIGN}"]).status_code == 200
    assert shown(guarded, SIGN, sign(), aud=f"{BASE}{VIEW}").status_code == 401
    for aud in (f"{BASE}{SIGN}", f"{BASE}{SIGN}/feedback"):
        assert shown(guarded, f"{SIGN}/feedback", {"feedback": [item()]}, aud=aud).status_code == 200


def test_T07(tmp_path: Path) -> None:
    """iss and jku are listed; a jku off the list is not even fetched."""
    with fhir_servers.serving(fhir_servers.says(jwks())) as canary:
        client = TestClient(create_app(guarded_settings(tmp_path), clock=lambda: NOW))
        swapped = shown(client, SIGN, sign(), headers={"jku": f"{canary.base}/jwks.json"})
        assert (swapped.status_code, canary.connections) == (401, 0)
        assert shown(client, SIGN, sign(), iss="https://unknown.example.org").status_code == 401


def test_T08(guarded: TestClient) -> None:
    """Without jku the keys are those exchanged beforehand."""
    assert shown(guarded, SIGN, sign()).status_code == 200
    assert shown(guarded, SIGN, sign(), key=ATTACKER).status_code == 401


def test_T09(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are read again on an unknown kid, with a limit."""
    published = [jwks("ES384")]
    with fhir_servers.serving(lambda handler: fhir_servers.answer(handler, published[0])) as server:
        keys = Keys(None, f"{server.base}/jwks.json")
        assert keys.find("ES384") is not None
        published[0] = jwks("RS384")
        assert keys.find("RS384") is None
        assert len(server.requests) == 1
        monkeypatch.setattr("cds_hooks.trust.keys.PAUSE", 0.0)
        assert keys.find("RS384") is not None
        assert len(server.requests) == 2
    assert tmp_path.is_dir()


def test_T10(guarded: TestClient) -> None:
    """alg none is not accepted."""
    import base64

    now = int(time.time())
    parts = [{"alg": "none", "kid": "ES384", "typ": "JWT"}, {"iss": ISS, "aud": f"{BASE}{SIGN}", "exp": now + 300, "iat": now, "jti": "x"}]
    unsigned = ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts)
    for signature in (".", ".AA"):
        answer = guarded.post(SIGN, json=sign(), headers={"authorization": f"Bearer {unsigned}{signature}"})
        assert answer.status_code == 401


def test_T11(guarded: TestClient) -> None:
    """No symmetric algorithm is accepted."""
    assert not [name for name in ALGORITHMS if name.startswith("HS")]
    assert shown(guarded, SIGN, sign(), alg="HS256", key="k" * 64, headers={"kid": "ES384"}).status_code == 401


@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_T12(guarded: TestClient, alg: str) -> None:
    """ES384 and RS384 are supported."""
    assert shown(guarded, SIGN, sign(), alg=alg).status_code == 200


def test_T13(guarded: TestClient) -> None:
    """exp has not passed and nbf has, but for a little skew."""
    for claims, status in [
        ({"exp": lambda now: now - 600, "iat": lambda now: now - 900}, 401),
        ({"exp": lambda now: now - 10, "iat": lambda now: now - 300}, 200),
        ({"nbf": lambda now: now + 600}, 401),
        ({"nbf": lambda now: now + 10}, 200),
    ]:
        assert shown(guarded, SIGN, sign(), **claims).status_code == status


def test_T14(guarded: TestClient) -> None:
    """A jti is taken once."""
    assert [shown(guarded, SIGN, sign(), jti="once").status_code for _ in range(2)] == [200, 401]


def test_T15(guarded: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    """401 tells nothing about why, and no token is logged."""
    bodies = {
        shown(guarded, SIGN, sign(), **claims).content
        for claims in ({"key": ATTACKER}, {"iss": "x"}, {"aud": "x"}, {"exp": 1}, {"headers": {"kid": "x"}}, {"jti": ...})
    }
    assert len(bodies) == 1
    assert "eyJ" not in capsys.readouterr().err


def test_T16(tmp_path: Path) -> None:
    """tenant is listed where it is used."""
    listed = clients_file(tmp_path, {"iss": ISS, "jwks": "jwks.json", "tenant": "north"})
    opened = door(guarded_settings(tmp_path, clients=listed))
    good = token(f"{BASE}{SIGN}", tenant="north")
    assert asyncio.run(opened.caller([f"Bearer {good}"], SIGN)).tenant == "north"
    for tenant in ("south", ...):
        with pytest.raises(Distrust, match="tenant"):
            asyncio.run(opened.caller([f"Bearer {token(f'{BASE}{SIGN}', tenant=tenant)}"], SIGN))


def test_T17(guarded: TestClient) -> None:
    """401 has WWW-Authenticate."""
    assert guarded.post(SIGN, json=sign()).headers["www-authenticate"] == "Bearer"


def test_T18() -> None:
    """Patient data and tokens are protected as agreed: what is kept and what is not is written down."""
    assert "## What is kept" in text("docs/threat-model.md")


def test_T19() -> None:
    """TLS 1.2 or newer, wherever the service connects; where it is reached, the proxy's task."""
    assert create_urllib3_context().minimum_version >= ssl.TLSVersion.TLSv1_2
    assert "TLS 1.2" in text("docs/threat-model.md")


# CORS and extensions


@pytest.mark.parametrize(("path", "method"), [("/cds-services", "GET"), (SIGN, "POST"), (f"{SIGN}/feedback", "POST")])
def test_X01(path: str, method: str) -> None:
    """Preflights of GET and POST with authorization and content-type are answered, everywhere."""
    asked = {"origin": "https://ehr.example.org", "access-control-request-method": method, "access-control-request-headers": "authorization,content-type"}
    answer = service().options(path, headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert {"authorization", "content-type"} <= set(answer.headers["access-control-allow-headers"].lower().split(", "))


def test_X02(tmp_path: Path) -> None:
    """A preflight needs no token, also where tokens are checked; errors carry the header too."""
    origin = {"origin": "https://ehr.example.org"}
    client = TestClient(create_app(guarded_settings(tmp_path, cors_origins=(origin["origin"],))))
    assert client.options(SIGN, headers=origin | {"access-control-request-method": "POST"}).status_code == 200
    refused = client.post(SIGN, json={}, headers=origin)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, origin["origin"])


def test_X03(tmp_path: Path) -> None:
    """No origin is reflected together with Allow-Credentials."""
    for client in (service(), TestClient(create_app(guarded_settings(tmp_path, cors_origins=("https://a.example.org",))))):
        for origin in ("https://evil.example.org", "https://a.example.org", "null"):
            answer = client.get("/cds-services", headers={"origin": origin})
            assert "access-control-allow-credentials" not in answer.headers


def test_X04() -> None:
    """extension is a JSON object: none is sent but those of FHIR resources."""
    for card in all_cards():
        assert "extension" not in card
        assert not any("extension" in s for s in card.get("suggestions", []))


def test_X05() -> None:
    """Extension names are globally unique: none of our own is sent."""
    assert not any("extension" in answer for answer in answers())
    assert not any("extension" in one for one in discovered())


@pytest.mark.parametrize("extension", [{}, {"com.example": {"a": [1]}}, [], "text", None, 7])
def test_X06(extension: Any) -> None:
    """Unknown extensions of a request are ignored."""
    assert guidance(sign(extension=extension, context_extension=extension)) == guidance(sign())


# Stale guidance


def test_U02() -> None:
    """That a later hook replaces earlier cards would be said by one id for several hooks: each has its own."""
    ids = [one["id"] for one in discovered()]
    assert len(set(ids)) == len(ids)


def test_U03() -> None:
    """Hooks needed for safety are agreed with the client: discovery says that the service is not a monitor."""
    assert all("not a monitor" in one["description"] for one in discovered())


# Performance and behaviour


def busy(number: int) -> dict[str, Any]:
    others = [observation(f"o{n}", concept("http://loinc.org", "2951-2"), {"valueInteger": n}, ago(hours=30)) for n in range(number)]
    return sign(*ILL, *others)


def test_N01() -> None:
    """Answers take well below 500 ms: here with 300 Observations."""
    body = busy(300)
    post(body)
    spent = []
    for _ in range(20):
        began = time.perf_counter()
        assert post(body).status_code == 200
        spent.append(time.perf_counter() - began)
    assert sorted(spent)[10] < 0.25


def test_N02() -> None:
    """90 % of calls within 5 s: here all of 20 with 1,000 Observations."""
    body = busy(1000)
    for _ in range(20):
        began = time.perf_counter()
        assert post(body).status_code == 200
        assert time.perf_counter() - began < 5


def test_N03() -> None:
    """The same request twice has the same guidance, ids aside."""
    assert guidance(sign()) == guidance(sign())


def test_N04() -> None:
    """Calls in parallel for different patients do not mix."""
    ill, well = sign(), sign(patient(50))
    severe = sign(*ILL[:2], score("ice-score", 0), diagnosis(ICD10, "G40.901", onsetDateTime=ago(hours=1)))
    expected = [guidance(one) for one in (ill, well, severe)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(guidance, [ill, well, severe] * 20))
    assert found == expected * 20
