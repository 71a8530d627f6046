"""Which findings another cause explains: only abnormal ones are set aside, each with its cause and record.

Sources: lee-2019 footnotes b and d (no sedating medication; haemorrhage is not a feature); which drug
for how long, and the sleeping hours, are project estimates in the windows document (A14, A16, A28).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from rules.criteria import Criteria
from rules.snapshot import SCORES, Administration, ClinicalSnapshot, Domain, Finding
from rules.windows import Windows


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a finding is not counted: `kind` for machines, `text` for the card, `evidence` the record."""

    kind: str
    text: str
    evidence: str


_EXAMINED_AWAKE = (*SCORES, Domain.CONSCIOUSNESS)


class Causes:
    """What may explain the findings of one snapshot, worked out once; findings from before `since` do not count."""

    __slots__ = ("_sedatives", "criteria", "since", "snapshot", "windows")

    def __init__(
        self, snapshot: ClinicalSnapshot, criteria: Criteria, windows: Windows, since: datetime | None
    ) -> None:
        self.snapshot, self.criteria, self.windows, self.since = snapshot, criteria, windows, since
        given = [dose for dose in snapshot.administrations if dose.substance in windows.sedation]
        self._sedatives = sorted(given, key=lambda dose: (dose.start, dose.evidence))

    def of(self, finding: Finding) -> Cause | None:
        """The cause that explains an abnormal finding; None when it counts. A normal value always counts."""
        if self.criteria.interval(finding)[1] == 0:
            return None
        if finding.domain in _EXAMINED_AWAKE:
            return (
                self._sedated(finding)
                or _paralysed(finding, self.snapshot)
                or _intubated(finding, self.snapshot)
                or _asleep(finding, self.snapshot, self.windows)
            )
        if finding.domain is Domain.MOTOR and (blocked := _paralysed(finding, self.snapshot)) is not None:
            return blocked
        return _haemorrhage(finding, self.snapshot, self.since)

    def _sedated(self, finding: Finding) -> Cause | None:
        """The last sedative given before the finding that was still at work."""
        before = bisect_right(self._sedatives, finding.at, key=attrgetter("start"))
        for index in range(before - 1, -1, -1):
            dose = self._sedatives[index]
            if _under(dose, finding.at, self.windows.sedation[dose.substance]):
                amount = "" if dose.dose is None else f" {dose.dose:g} {dose.unit}"
                return Cause("sedation", f"{dose.substance}{amount}", dose.evidence)
        return None


def _under(dose: Administration, at: datetime, after: timedelta) -> bool:
    """Whether a drug was at work at an instant: given before it, running, or within its window."""
    if dose.start > at:
        return False
    return dose.running or at <= (dose.end or dose.start) + after


def _paralysed(finding: Finding, snapshot: ClinicalSnapshot) -> Cause | None:
    for dose in snapshot.administrations:
        if dose.drug_class == "neuromuscular-blocker" and _under(dose, finding.at, timedelta(0)):
            return Cause("neuromuscular-block", f"neuromuscular block ({dose.substance})", dose.evidence)
    return None


def _intubated(finding: Finding, snapshot: ClinicalSnapshot) -> Cause | None:
    if finding.domain is not Domain.ICE:
        return None
    for diagnosis in snapshot.diagnoses:
        if diagnosis.kind != "intubated" or diagnosis.onset is None or diagnosis.onset > finding.at:
            continue
        if diagnosis.ended is None or finding.at <= diagnosis.ended:
            return Cause("intubation", "intubated: the spoken items cannot be done", diagnosis.evidence)
    return None


def _asleep(finding: Finding, snapshot: ClinicalSnapshot, windows: Windows) -> Cause | None:
    """A light proxy value at night, shown to be sleep by ICE 10 and alert soon after (A16)."""
    if finding.proxy is None or finding.value not in ("loc-awakens-to-voice", "loc-awakens-spontaneously"):
        return None
    if finding.other not in (None, "loc-awakens-spontaneously", "loc-alert"):
        return None
    first, last = windows.sleep_hours
    if not (finding.at.hour >= first or finding.at.hour < last):
        return None
    soon = [f for f in snapshot.findings if timedelta(0) < f.at - finding.at <= windows.sleep_confirmed]
    ice = [f for f in soon if f.domain is Domain.ICE and f.value == 10 and f.other is None]
    alert = [f for f in soon if f.domain is Domain.CONSCIOUSNESS and f.proxy is None and f.value == "loc-alert"]
    if not ice or not alert:
        return None
    return Cause("sleep", f"natural sleep ({finding.proxy} at night, ICE 10 and alert after it)", ice[0].evidence)


def _haemorrhage(finding: Finding, snapshot: ClinicalSnapshot, since: datetime | None) -> Cause | None:
    """A coded weakness or oedema does not score once a haemorrhage is on record; an assessor's does (A28)."""
    if finding.assessed or finding.domain not in (Domain.MOTOR, Domain.RAISED_ICP):
        return None
    for diagnosis in snapshot.diagnoses:
        if diagnosis.kind != "intracranial-hemorrhage" or not diagnosis.active:
            continue
        if diagnosis.onset is None or since is None or diagnosis.onset >= since:
            return Cause("haemorrhage", "intracranial haemorrhage on record: not graded as ICANS", diagnosis.evidence)
    return None
