"""Answers in JSON; everything that is no success is an OperationOutcome."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cds_hooks import metrics
from cds_hooks.refusal import Refusal
from cds_hooks.store import StoreUnavailable


def json_answer(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def outcome_answer(refusal: Refusal) -> Response:
    return json_answer(refusal.outcome(), refusal.status)


def refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    request.state.log["refused"] = error.expression or error.code  # the text may quote a key of the body
    return outcome_answer(error)


def not_recorded(request: Request, error: Exception) -> Response:
    """The store did not take it: nothing is answered that is not recorded, and the caller may try again."""
    assert isinstance(error, StoreUnavailable)
    request.state.log["store"] = error.why
    metrics.not_recorded(error.why)
    text = f"Nothing was recorded and no advice is given: {error.why}. Try again; the request was not at fault."
    response = outcome_answer(Refusal(503, "no-store", text))
    response.headers["retry-after"] = "5"
    return response


def http_error(request: Request, error: Exception) -> Response:
    """Unknown paths and wrong methods. OPTIONS outside CORS is told what is allowed."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        text = "There is nothing at this path; GET /cds-services lists the services."
        return outcome_answer(Refusal(404, "not-found", text))
    if error.status_code != 405:
        return outcome_answer(Refusal(error.status_code, "processing", error.detail))
    allowed = {method.strip() for method in (error.headers or {}).get("Allow", "").split(",")} | {"OPTIONS"}
    headers = {"allow": ", ".join(sorted(allowed))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    response = outcome_answer(
        Refusal(405, "not-supported", f"This method is not answered here; send {headers['allow']}.")
    )
    response.headers.update(headers)
    return response
