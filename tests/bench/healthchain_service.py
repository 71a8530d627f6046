"""HealthChain with an equal hand rule: the lowest ICE score of the day makes one card. Run by its own Python."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.models.requests import CDSRequest
from healthchain.models.responses import Card, CDSResponse

service = CDSHooksService()


@service.hook("order-sign", id="icans-order-sign", title="ICE", description="The lowest ICE score of the last day.")
def order_sign(request: CDSRequest) -> CDSResponse:
    since = datetime.now(timezone.utc) - timedelta(days=1)  # noqa: UP017  (its Python may be older)
    scores = []
    for entry in request.prefetch["observations"]["entry"]:
        found = entry["resource"]
        asks = any(coding.get("code") == "ice-score" for coding in found["code"].get("coding", ()))
        if asks and "valueInteger" in found and datetime.fromisoformat(found["effectiveDateTime"]) >= since:
            scores.append(found["valueInteger"])
    if not scores or min(scores) > 9:
        return CDSResponse(cards=[])
    card = Card(summary=f"ICE {min(scores)}", indicator="warning", source={"label": "hand rule"})
    return CDSResponse(cards=[card])


app = HealthChainAPI()
app.register_service(service, "/cds")
