"""What a consciousness scale (RASS, GCS, AVPU, level of arousal) says about an ASTCT domain.

No validated mapping exists: a reading may raise a grade or ask for an examination, never lower (D9).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from rules.documents import Document, DocumentRef, cites
from rules.snapshot import Domain, Finding


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of a scale: the domain it speaks about, or None when it only asks for an examination."""

    says: str
    domain: Domain | None
    value: str | None
    other: str | None

    def finding(self, at: datetime, evidence: str) -> Finding | None:
        """The inferred finding; None when the reading scores in no domain."""
        if self.domain is None or self.value is None:
            return None
        return Finding(self.domain, self.value, at, evidence, other=self.other, proxy=self.says)


@dataclass(frozen=True, slots=True)
class Proxies:
    """Readings by scale and number, and by scale and answer concept."""

    ref: DocumentRef
    by_number: Mapping[tuple[str, int], Reading]
    by_answer: Mapping[tuple[str, str], Reading]
    scales: frozenset[str]


def proxies_from(document: Document, known: frozenset[str]) -> Proxies:
    """The scales of a document; every scale cites."""
    by_number: dict[tuple[str, int], Reading] = {}
    by_answer: dict[tuple[str, str], Reading] = {}
    for index, scale in enumerate(document.body["scales"]):
        cites(document.name, f"$.scales[{index}]", scale["cites"], known)
        for row in scale["readings"]:
            reading = Reading(
                says=f"{scale['says']} {row['says']}",
                domain=Domain(row["domain"]) if "domain" in row else None,
                value=row.get("value"),
                other=row.get("other"),
            )
            by_answer[scale["scale"], row["answer"]] = reading
            if "number" in row:
                by_number[scale["scale"], row["number"]] = reading
    scales = frozenset(scale["scale"] for scale in document.body["scales"])
    return Proxies(document.ref, by_number, by_answer, scales)
