"""`from cds_hooks import evaluate`: the decision on one chart, from Python."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cds_hooks.decide import Decision
from cds_hooks.evaluating import decided
from fhir_mappers.site import ANYWHERE, Site
from rules import Knowledge, load_knowledge


def evaluate(
    chart: bytes | str | Mapping[str, Any],
    as_of: datetime | None = None,
    knowledge: Knowledge | None = None,
    site: Site = ANYWHERE,
) -> Decision:
    """The decision on a Bundle of one patient, or on a CDS Hooks request: `cards`, `record` and `assessment`.

    `chart` is JSON or the object it stands for. The instant is `as_of` (with an offset), else
    Bundle.timestamp, else now. Raises cds_hooks.refusal.Refusal when the chart cannot be used, and
    ValueError when `as_of` has no offset.
    """
    if as_of is not None and as_of.tzinfo is None:
        raise ValueError(f"as_of {as_of.isoformat()} has no offset from UTC; an aware datetime was expected")
    if isinstance(chart, Mapping):
        body = json.dumps(chart).encode()
    else:
        body = chart.encode() if isinstance(chart, str) else chart
    return decided(body, as_of, knowledge or load_knowledge(), site)
