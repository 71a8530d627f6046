"""The floor: a bare Starlette endpoint that decodes the JSON and answers one canned card. What HTTP itself costs."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

CARD = {"summary": "A canned card", "indicator": "info", "source": {"label": "floor"}}


async def answer(request: Request) -> JSONResponse:
    await request.json()
    return JSONResponse({"cards": [CARD]})


app = Starlette(routes=[Route("/cds-services/icans-order-sign", answer, methods=["POST"])])
