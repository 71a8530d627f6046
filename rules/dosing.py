"""Therapies by renal band, with their caps: pure arithmetic on the dosing document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rules.documents import Citation, Document, DocumentRef, KnowledgeError, cites
from rules.snapshot import ClinicalSnapshot, Measurement
from rules.windows import Windows

UNKNOWN_BAND = "unknown"
LIMITS = {
    "dexamethasone-icans-dose", "dexamethasone-single", "dexamethasone-premedication",
    "dexamethasone-daily", "dexamethasone-daily-critical", "methylprednisolone-single",
    "methylprednisolone-daily", "glucose", "neutrophils", "platelets", "levetiracetam-daily",
    "levetiracetam-treatment", "levetiracetam-load", "levetiracetam-load-per-kg", "tocilizumab-single",
    "tocilizumab-interval", "tocilizumab-per-day", "tocilizumab-in-all", "tocilizumab-small-weight",
    "tocilizumab-small-per-kg", "blinatumomab-weight", "blinatumomab-low", "blinatumomab-full",
    "blinatumomab-low-per-m2", "blinatumomab-full-per-m2", "blinatumomab-tolerance", "weight-age",
    "premedication-window", "blasts", "methotrexate", "early-days-first", "early-days-later",
    "resume-days", "resolve-days",
}
"""What the checks of drafted orders compare with; the document gives each its value and source."""


@dataclass(frozen=True, slots=True)
class Dose:
    """One dose to propose: `amount_mg` every `every_hours`, `doses` times (None: until reviewed)."""

    id: str
    substance: str
    route: str
    amount_mg: float
    every_hours: int
    doses: int | None
    text: str
    note: str | None
    may_recommend: bool
    certainty: str | None
    cites: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class RenalFunction:
    """A Cockcroft-Gault clearance (mL/min, or mL/min/1.73 m2 when height is known) and its band.

    `acute`: creatinine up 1.5 times or more within 7 days; the clearance overstates, ask the pharmacist (A34).
    """

    band: str
    clearance: float | None
    normalized: bool
    because: str
    acute: bool = False


@dataclass(frozen=True, slots=True)
class Dosing:
    """The dosing document: renal band edges and doses by id and band."""

    ref: DocumentRef
    edges: tuple[tuple[float, str], ...]
    lowest_band: str
    equivalents: Mapping[str, float]
    doses: Mapping[str, Mapping[str, Dose]]
    limits: Mapping[str, float]
    """The edges of the bands of drafted doses, by id, each in the unit its row names."""

    def dose(self, dose_id: str, band: str) -> Dose:
        """The dose of a band; a dose that does not depend on the kidneys stands in every band."""
        by_band = self.doses[dose_id]
        return by_band.get(band) or by_band["any"]

    def dexamethasone_equivalent(self, substance: str, amount_mg: float) -> float | None:
        """A corticosteroid dose in mg of dexamethasone; None for a drug that is not in the table."""
        own = self.equivalents.get(substance)
        return None if own is None else amount_mg * self.equivalents["dexamethasone"] / own

    def band(self, clearance: float) -> str:
        """The band of a clearance; an edge belongs to the band with the lower dose."""
        return next((name for edge, name in self.edges if clearance > edge), self.lowest_band)


def dosing_from(document: Document, known: frozenset[str]) -> Dosing:
    """The table of a document; raises KnowledgeError when a dose names a band that does not exist."""
    body = document.body
    cites(document.name, "$.clearance", body["clearance"]["cites"], known)
    edges = tuple((row["above"], row["band"]) for row in body["renal_bands"] if "above" in row)
    lowest = next(row["band"] for row in body["renal_bands"] if "above" not in row)
    bands = {row["band"] for row in body["renal_bands"]} | {"hemodialysis", UNKNOWN_BAND}
    doses: dict[str, dict[str, Dose]] = {}
    for index, row in enumerate(body["doses"]):
        path = f"$.doses[{index}]"
        if row["id"] in doses:
            raise KnowledgeError(document.name, f"{path}.id", f"each id once, found {row['id']!r} again")
        by_band = row.get("by_renal_band") or {"any": {}}
        if "any" not in by_band and set(by_band) != bands:
            missing = sorted(bands - set(by_band)) or sorted(set(by_band) - bands)
            raise KnowledgeError(document.name, f"{path}.by_renal_band", f"exactly {sorted(bands)}; see {missing}")
        citations = cites(document.name, path, row["cites"], known)
        doses[row["id"]] = {band: _dose(row, own, citations) for band, own in by_band.items()}
    cites(document.name, "$.corticosteroid_equivalents", body["corticosteroid_equivalents"]["cites"], known)
    limits: dict[str, float] = {}
    for index, row in enumerate(body["limits"]):
        cites(document.name, f"$.limits[{index}]", row["cites"], known)
        limits[row["id"]] = row["value"]
    missing = sorted(LIMITS - limits.keys())
    if missing:
        raise KnowledgeError(document.name, "$.limits", f"a limit {missing[0]!r}")
    return Dosing(document.ref, edges, lowest, body["corticosteroid_equivalents"]["mg"], doses, limits)


def _dose(row: dict[str, Any], own: dict[str, Any], citations: tuple[Citation, ...]) -> Dose:
    entry = {**row, **own}
    return Dose(
        id=row["id"],
        substance=row["substance"],
        route=row["route"],
        amount_mg=entry["dose_mg"],
        every_hours=entry["every_hours"],
        doses=entry.get("doses"),
        text=entry["text"],
        note=entry.get("note"),
        may_recommend=entry.get("may_recommend", True),
        certainty=entry.get("certainty"),
        cites=citations,
    )


def renal_function(snapshot: ClinicalSnapshot, dosing: Dosing, windows: Windows) -> RenalFunction:
    """The renal band of a patient; `unknown` with the reason when it cannot be computed.

    Cockcroft-Gault in mL/min: (140 - age) x weight in kg / (72 x creatinine in mg/dL), x 0.85 in
    women; normalised by 1.73 / body surface area when the height is charted (A34, cockcroft-1976).
    """
    if any(d.kind == "hemodialysis" and d.active for d in snapshot.diagnoses):
        return RenalFunction("hemodialysis", None, False, "on haemodialysis")
    creatinine, weight, height = (snapshot.latest(k) for k in ("creatinine", "body-weight", "body-height"))
    if creatinine is None:
        return RenalFunction(UNKNOWN_BAND, None, False, "no creatinine on record")
    if snapshot.as_of - creatinine.at > windows.creatinine:
        return RenalFunction(UNKNOWN_BAND, None, False, "creatinine older than 48 h")
    missing = [
        name
        for name, value in (("age", snapshot.age_years), ("sex", snapshot.sex), ("weight", weight))
        if value is None
    ]
    if missing or weight is None or snapshot.age_years is None or creatinine.value <= 0:
        return RenalFunction(UNKNOWN_BAND, None, False, f"no {' and no '.join(missing or ['usable creatinine'])} on record")
    clearance = (140 - snapshot.age_years) * weight.value / (72 * creatinine.value)
    if snapshot.sex == "female":
        clearance *= 0.85
    if height is not None:
        clearance *= 1.73 / body_surface(weight.value, height.value)
    unit = "mL/min/1.73 m2" if height is not None else "mL/min, not normalised: no height"
    acute = _rising(snapshot, creatinine)
    warning = "; creatinine up 1.5 times or more in 7 days: ask the pharmacist" if acute else ""
    because = f"creatinine clearance {clearance:.0f} {unit}{warning}"
    return RenalFunction(dosing.band(clearance), clearance, height is not None, because, acute)


def _rising(snapshot: ClinicalSnapshot, newest: Measurement) -> bool:
    week = [
        m.value
        for m in snapshot.by_kind["creatinine"]
        if timedelta(0) <= newest.at - m.at <= timedelta(days=7)
    ]
    return newest.value >= 1.5 * min(week)


def body_surface(weight_kg: float, height_cm: float) -> float:
    """Body surface in m2 (Mosteller: square root of height x weight / 3600)."""
    return float((weight_kg * height_cm / 3600) ** 0.5)
