"""Every interval of time the rules use, from one document: due, fresh, hold, sedation, risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from rules.documents import Document, DocumentRef, cites
from rules.snapshot import Domain


@dataclass(frozen=True, slots=True)
class Due:
    """When a score and the consciousness are due again at a grade; `first_day` while the episode is young."""

    score: timedelta
    consciousness: timedelta
    first_day: timedelta | None


@dataclass(frozen=True, slots=True)
class Windows:
    """All windows of the document; both ends of each are inclusive (D3)."""

    ref: DocumentRef
    due: Mapping[int, Due]
    fresh: Mapping[Domain, timedelta]
    seizure_hold: timedelta
    post_ictal: timedelta
    contradiction: timedelta
    clock_tolerance: timedelta
    sedation: Mapping[str, timedelta]
    risk_by_class: Mapping[str, timedelta]
    risk_by_substance: Mapping[str, timedelta]
    presumed: timedelta
    infusion_gap: timedelta
    new_cycle: timedelta
    charted_fresh: timedelta
    sleep_hours: tuple[int, int]
    sleep_confirmed: timedelta
    premedication_before: timedelta
    premedication_after: timedelta
    dose_repeats: timedelta
    creatinine: timedelta
    quiet: timedelta
    vitals: timedelta
    fever_masked: timedelta

    def risk(self, substance: str, drug_class: str) -> timedelta | None:
        """How long after the last dose the patient is at risk; None: not an immune effector therapy."""
        return self.risk_by_substance.get(substance) or self.risk_by_class.get(drug_class)


def windows_from(document: Document, known: frozenset[str]) -> Windows:
    """Windows of a document; every entry cites."""
    body = document.body
    for key, entry in body["windows"].items():
        for index, row in enumerate(entry if isinstance(entry, list) else [entry]):
            cites(document.name, f"$.windows.{key}[{index}]", row["cites"], known)

    def hours(key: str) -> timedelta:
        return timedelta(hours=body["windows"][key]["hours"])

    due: dict[int, Due] = {}
    for row in body["windows"]["due"]:
        first = row.get("first_day_hours")
        for grade in row["grades"]:
            due[grade] = Due(
                score=timedelta(hours=row["score_hours"]),
                consciousness=timedelta(hours=row["consciousness_hours"]),
                first_day=None if first is None else timedelta(hours=first),
            )
    rows = body["windows"]
    return Windows(
        ref=document.ref,
        due=due,
        fresh={Domain(d): timedelta(hours=row["hours"]) for row in rows["fresh"] for d in row["domains"]},
        seizure_hold=hours("seizure_hold"),
        post_ictal=hours("post_ictal"),
        contradiction=hours("contradiction"),
        clock_tolerance=hours("clock_tolerance"),
        sedation={row["substance"]: timedelta(hours=row["hours"]) for row in rows["sedation"]},
        risk_by_class={r["class"]: timedelta(hours=r["hours"]) for r in rows["risk"] if "class" in r},
        risk_by_substance={r["substance"]: timedelta(hours=r["hours"]) for r in rows["risk"] if "substance" in r},
        presumed=hours("presumed"),
        infusion_gap=hours("infusion_gap"),
        new_cycle=hours("new_cycle"),
        charted_fresh=hours("charted_fresh"),
        sleep_hours=(rows["sleep"]["from_hour"], rows["sleep"]["to_hour"]),
        sleep_confirmed=hours("sleep"),
        premedication_before=timedelta(hours=rows["premedication"]["before_hours"]),
        premedication_after=timedelta(hours=rows["premedication"]["after_hours"]),
        dose_repeats=hours("dose_repeats"),
        creatinine=hours("creatinine"),
        quiet=hours("quiet"),
        vitals=hours("vitals"),
        fever_masked=hours("fever_masked"),
    )
