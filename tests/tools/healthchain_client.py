"""HealthChain's sandbox client in its own environment: one order-sign with its drafts. Prints the answers.

As released its request model loses draftOrders; the typed subclass brings them back.
"""

import json
import sys

from healthchain.models import CDSRequest
from healthchain.models.hooks import OrderSignContext
from healthchain.sandbox import SandboxClient


class OrderSignRequest(CDSRequest):
    context: OrderSignContext


given = json.loads(sys.stdin.read())
client = SandboxClient(url=given["url"], workflow="order-sign", timeout=30)
for name, model in (("as released", CDSRequest), ("with drafts", OrderSignRequest)):
    client.requests.clear()
    client.requests.append(
        model(hook="order-sign", prefetch=given["prefetch"], context=OrderSignContext(**given["context"]))
    )
    answers = client.send_requests()
    print(json.dumps({"as": name, "answers": [a if isinstance(a, dict) else json.loads(a.model_dump_json()) for a in answers]}, default=str))
