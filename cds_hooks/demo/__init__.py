"""The demo page: a small ward chart that signs the worked examples. Served only when ICANS_DEMO is on.

It is a CDS client like any other: it reaches the service through the published hook and feedback paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cds_hooks import examples
from cds_hooks.answers import json_answer
from cds_hooks.demo import ward
from cds_hooks.refusal import Refusal
from cds_hooks.settings import Settings

FOLDER = Path(__file__).parent
PAGE = "demo.html"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "cache-control": "no-cache",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def routes(settings: Settings) -> list[Route]:
    """The page, its files, and the examples it shows; with a FHIR server, the ward that is on it."""
    page = _sends(FOLDER / PAGE, settings.demo_fhir)

    def one(request: Request) -> Response:
        return _one(request.path_params["name"], settings)

    return [
        Route("/demo", page),
        Route("/demo/", page),
        *(Route(f"/demo/static/{path.name}", _sends(path)) for path in files() if path.name != PAGE),
        Route("/demo/examples", listed),
        Route("/demo/examples/{name}", one),
    ]


def files() -> list[Path]:
    """What the browser loads."""
    return sorted(path for path in FOLDER.iterdir() if path.suffix in TYPES)


def listed(_: Request) -> Response:
    """Each example in a line: who, when, which orders are being signed."""
    return json_answer([_entry(name) for name in examples.names()])


def _one(name: str, settings: Settings) -> Response:
    """The hook request of an example, its times shifted to now; with a FHIR server, how to read its chart there.

    Raises Refusal (404).
    """
    try:
        if settings.demo_fhir is None:
            answer = json_answer(examples.shifted(name))
        else:
            token = settings.demo_token.get_secret_value() if settings.demo_token is not None else ""
            asked = {key: value for key, value in ward.request(name).items() if key != "prefetch"}
            authorization = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": "patient/*.rs", "subject": "demo"}
            answer = json_answer({**asked, "fhirServer": settings.demo_fhir, "fhirAuthorization": authorization})
    except LookupError:
        raise Refusal(404, "not-found", "There is no such example; GET /demo/examples lists them.") from None
    answer.headers["cache-control"] = "no-store"
    return answer


def _sends(path: Path, fhir: str | None = None) -> Callable[[Request], Response]:
    content = path.read_bytes()
    headers = dict(HEADERS)
    if fhir is not None:
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(fhir))
        headers["content-security-policy"] += f"; connect-src 'self' {origin}"

    def send(_: Request) -> Response:
        return Response(content, media_type=TYPES[path.suffix], headers=headers)

    return send


def _entry(name: str) -> dict[str, Any]:
    found = examples.example(name)
    patient = found["request"]["prefetch"]["patient"]
    return {
        "name": name,
        "title": found["title"],
        "as_of": found["as_of"],
        "age": _years(date.fromisoformat(patient["birthDate"]), date.fromisoformat(found["as_of"][:10])),
        "sex": patient["gender"],
        "drafts": list(_drafts(found["request"])),
    }


def _years(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def _drafts(request: dict[str, Any]) -> Iterator[str]:
    for entry in request["context"]["draftOrders"]["entry"]:
        order = entry["resource"]
        dosage = (order.get("dosageInstruction") or [{}])[0].get("text")
        yield ", ".join(filter(None, (order["medicationCodeableConcept"]["text"], dosage)))
