"""The link from a card to the SMART app. Nothing depends on its appContext: launchers may drop it."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

LABEL = "Bedside form and episode"


def linked(cards: list[dict[str, Any]], launch_url: str | None, decision_id: UUID) -> list[dict[str, Any]]:
    """The cards with a link of type `smart`, the decision id in its appContext; as they are without a launch URL."""
    if launch_url is None:
        return cards
    context = json.dumps({"decision": str(decision_id)}, separators=(",", ":"))
    link = {"label": LABEL, "url": launch_url, "type": "smart", "appContext": context}
    return [{**card, "links": [link, *card.get("links", ())]} for card in cards]
