"""The one door of the clinical core: a snapshot and the knowledge in, an assessment out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from rules.allergies import allergy
from rules.checking_drafts import DraftCheck, check_drafts
from rules.criteria import Criteria, criteria_from
from rules.crs import Crs, crs
from rules.documents import Citation, Document, DocumentRef, KnowledgeError, from_file, packaged
from rules.dosing import Dose, Dosing, RenalFunction, dosing_from, renal_function
from rules.draft_doses import DraftChart
from rules.exposure import at_risk, closes, exposures
from rules.facts import Facts, facts_from
from rules.grading import Grading, grade
from rules.protocol import Protocol, Row, protocol_from
from rules.proxies import Proxies, proxies_from
from rules.recommending import Advice, recommend
from rules.snapshot import SCORES, ChartedGrade, ClinicalSnapshot, Domain, Exposure, Finding
from rules.windows import Windows, windows_from

ADULT_TABLE_FROM_YEARS = 12
"""ICE from 12 years on; CAPD below, or above with developmental delay (lee-2019, paediatric table)."""


@dataclass(frozen=True, slots=True)
class Source:
    """A bibliography entry: the short label of a card and the link, when one is known."""

    id: str
    label: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Every document the rules decide by, checked against each other."""

    adults: Criteria
    children: Criteria
    crs: Criteria
    windows: Windows
    dosing: Dosing
    proxies: Proxies
    protocols: tuple[Protocol, ...]
    sources: Mapping[str, Source]
    labels: dict[tuple[Citation, ...], str] = field(default_factory=dict, init=False, compare=False, repr=False)
    """The memory of `label_of`."""

    def label_of(self, cites: tuple[Citation, ...]) -> str:
        """Short names of the sources; the project's own decisions are named only where nothing else stands."""
        found = self.labels.get(cites)
        if found is None:
            refs = list(dict.fromkeys(c.ref for c in cites))
            outside = [ref for ref in refs if ref != "project-decision"] or refs
            found = self.labels[cites] = " and ".join(self.sources[ref].label for ref in outside)
        return found

    @property
    def refs(self) -> tuple[DocumentRef, ...]:
        """Id, version and hash of each document, for the record of a decision."""
        return (
            self.adults.ref,
            self.children.ref,
            self.crs.ref,
            self.windows.ref,
            self.dosing.ref,
            self.proxies.ref,
            *(p.ref for p in self.protocols),
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """A dose a row proposes for this patient. `recommended` only when the grade carries it (D1, D9)."""

    row: Row
    dose: Dose
    recommended: bool


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the rules make of a snapshot: grade, exposure, facts, advice. Findings count from `since` on."""

    snapshot: ClinicalSnapshot
    criteria: Criteria
    grading: Grading
    exposure: Exposure | None
    exposures: tuple[Exposure, ...]
    presumed: bool
    charted: ChartedGrade | None
    driving_charted: ChartedGrade | None
    renal: RenalFunction
    facts: Facts
    advice: tuple[Advice, ...]
    proposals: tuple[Proposal, ...]
    crs: Crs
    baseline: Finding | None = None
    checks: tuple[DraftCheck, ...] = ()
    since: datetime | None = None

    @property
    def applicable(self) -> bool:
        """Whether the patient is at risk: an open window, or a presumed exposure (D5)."""
        return self.exposure is not None or self.presumed


def load_knowledge(protocols: Sequence[Path] = (), allow_draft: bool = False) -> Knowledge:
    """Reads every document; raises KnowledgeError naming document, place and what was expected.

    `protocols` replaces the shipped default: ids of shipped protocols, or paths of a site's own. `draft` documents need `allow_draft`; `retired`
    ones are always refused.
    """
    sources = bibliography()
    known = frozenset(sources)
    dosing = dosing_from(packaged("dosing", "dosing"), known)
    documents = [_protocol_document(path) for path in protocols or (Path("icans-default"),)]
    return Knowledge(
        adults=criteria_from(packaged("astct-2019-adults", "criteria"), known),
        children=criteria_from(packaged("astct-2019-children", "criteria"), known),
        crs=criteria_from(packaged("astct-2019-crs", "criteria"), known),
        windows=windows_from(packaged("windows", "windows"), known),
        dosing=dosing,
        proxies=proxies_from(packaged("proxies", "proxies"), known),
        protocols=tuple(_in_force(d, known, frozenset(dosing.doses), allow_draft) for d in documents),
        sources=sources,
    )


def bibliography() -> dict[str, Source]:
    """Every source by its id."""
    body = packaged("bibliography", "bibliography").body
    return {e["id"]: Source(e["id"], e["label"], e.get("url")) for e in body["entries"]}


SHIPPED_PROTOCOLS = {"icans-default": "default-protocol", "asco-2021": "asco-2021"}
"""Protocols that ship with the package, by id; a site names its own by path."""


def _protocol_document(path: Path) -> Document:
    shipped = SHIPPED_PROTOCOLS.get(str(path))
    return packaged(shipped, "protocol") if shipped is not None else from_file(path, "protocol")


def _in_force(document: Document, known: frozenset[str], doses: frozenset[str], allow_draft: bool) -> Protocol:
    status = document.body["status"]
    if status == "retired" or (status == "draft" and not allow_draft):
        raise KnowledgeError(document.name, "$.status", f"'active' (a {status} protocol is not used)")
    return protocol_from(document, known, doses)


def assess(snapshot: ClinicalSnapshot, knowledge: Knowledge) -> Assessment:
    """Grades, finds the exposure, answers the facts, matches the protocols. Pure: same in, same out."""
    windows = knowledge.windows
    criteria = _criteria(snapshot, knowledge)
    courses = exposures(snapshot.administrations, snapshot.as_of, windows)
    since = _since(courses, snapshot.as_of, windows)
    grading = grade(snapshot, criteria, windows, since)
    exposure = _leading(courses, snapshot.as_of, windows) or _unresolved(courses, snapshot, criteria, grading, windows)
    presumed = exposure is None and _presumed(snapshot, bool(courses), windows)
    charted = _charted(snapshot, since)
    driving = charted if charted is not None and _drives(charted, snapshot, grading, windows) else None
    found_crs = crs(snapshot, knowledge.crs, windows)
    facts = facts_from(snapshot, grading, criteria, exposure, presumed, driving, windows, found_crs.state)
    renal = renal_function(snapshot, knowledge.dosing, windows)
    asked = exposure is not None or presumed or facts["engager_draft"]
    advice = tuple(recommend(facts, p) for p in knowledge.protocols) if asked and not snapshot.deceased else ()
    carried = carries_recommendation(facts, grading)
    proposals = tuple(
        Proposal(row, dose, therapy.preferred and carried and dose.may_recommend)
        for one in advice
        for row in one.rows
        for therapy in row.therapies
        for dose in (knowledge.dosing.dose(therapy.dosing, renal.band),)
        if allergy(dose.substance, snapshot) not in ("same", "related")  # H35
    )
    return Assessment(
        snapshot,
        criteria,
        grading,
        exposure,
        courses,
        presumed,
        charted,
        driving,
        renal,
        facts,
        advice,
        proposals,
        found_crs,
        _baseline(snapshot, criteria, since),
        check_drafts(
            DraftChart(
                snapshot, criteria, windows, knowledge.dosing, grading, exposure, courses, renal, facts
            ),
            knowledge.protocols,
        )
        if advice
        else (),
        since,
    )


def _baseline(snapshot: ClinicalSnapshot, criteria: Criteria, since: datetime | None) -> Finding | None:
    """The last score before the course: shown beside the current one, never subtracted (H27)."""
    if since is None:
        return None
    before = [f for f in snapshot.findings if f.domain is criteria.tool and f.at < since]
    return max(before, key=lambda f: f.at, default=None)


def _criteria(snapshot: ClinicalSnapshot, knowledge: Knowledge) -> Criteria:
    """The table by age at the instant; of unknown age, the one whose score was charted."""
    if snapshot.age_years is None:
        charted = {f.domain for f in snapshot.findings}
        child = Domain.CAPD in charted and Domain.ICE not in charted
    else:
        child = snapshot.age_years < ADULT_TABLE_FROM_YEARS or snapshot.developmental_delay
    return knowledge.children if child else knowledge.adults


def _since(courses: Sequence[Exposure], as_of: datetime, windows: Windows) -> datetime | None:
    """From when findings count: the start of the newest course, or of another product's still at risk then.

    So a second product does not hide what the first one did (H48); a new cycle of the same product does.
    """
    if not courses:
        return None
    since, products = courses[-1].started, {courses[-1].substance}
    for course in reversed(courses[:-1]):
        if course.substance not in products and closes(course, as_of, windows) >= since:
            since = course.started
            products.add(course.substance)
    return since


def _leading(courses: Sequence[Exposure], as_of: datetime, windows: Windows) -> Exposure | None:
    """The open course that advice is about: blinatumomab, whose label holds it, else the newest (H48)."""
    at_risk_now = [course for course in courses if at_risk(course, as_of, windows)]
    return max(at_risk_now, key=lambda course: (course.substance == "blinatumomab", course.started), default=None)


def _unresolved(
    courses: Sequence[Exposure],
    snapshot: ClinicalSnapshot,
    criteria: Criteria,
    grading: Grading,
    windows: Windows,
) -> Exposure | None:
    """The last course, closed by time, while the grade it closed with is unresolved (H17)."""
    if not courses or not grading.at_least:
        return None
    last = courses[-1]
    closed = closes(last, snapshot.as_of, windows)
    at_closing = grade(replace(snapshot, as_of=closed), criteria, windows, since=last.started)
    return last if at_closing.at_least or _icans_record(snapshot, windows) else None


def _icans_record(snapshot: ClinicalSnapshot, windows: Windows) -> bool:
    """An ICE score, a charted ICANS grade or an ICANS diagnosis in the last 7 days (D5, A30)."""
    times = [f.at for f in snapshot.findings if f.domain in SCORES and f.domain is Domain.ICE]
    times += [g.at for g in snapshot.charted if g.scale in ("icans", "icans-diagnosis")]
    return any(-windows.clock_tolerance <= snapshot.as_of - at <= windows.presumed for at in times)


def _presumed(snapshot: ClinicalSnapshot, product: bool, windows: Windows) -> bool:
    return not product and _icans_record(snapshot, windows)


def _charted(snapshot: ClinicalSnapshot, since: datetime | None) -> ChartedGrade | None:
    """The newest ICANS grade a clinician charted in this course; grade 5 only of a deceased patient (D7)."""
    usable = [
        g
        for g in snapshot.charted
        if g.scale in ("icans", "icans-diagnosis")
        and g.grade > 0
        and (g.grade < 5 or snapshot.deceased)
        and (since is None or g.at >= since or g.grade == 5)
    ]
    return max(usable, key=lambda g: (g.at, g.grade), default=None)


def _drives(charted: ChartedGrade, snapshot: ClinicalSnapshot, grading: Grading, windows: Windows) -> bool:
    """A fresh charted grade drives until a score and the consciousness were charted after it (D10, A2)."""
    if charted.scale != "icans" or snapshot.as_of - charted.at > windows.charted_fresh:
        return False
    newer = {d.domain for d in grading.by_domain if d.finding.at > charted.at and not d.provisional}
    return not {grading.tool, Domain.CONSCIOUSNESS} <= newer


def carries_recommendation(facts: Facts, grading: Grading) -> bool:
    """Whether a dose may be preselected: the grade rests on a charted domain, and on a fresh examination.

    D1 asks for a fresh score or consciousness; at grade 2 the score itself (model card E2: "offered,
    not preselected, as ICE is missing").
    """
    if facts["grade_basis"] != "charted":
        return False
    fresh = {d.domain for d in grading.by_domain if not d.provisional and not d.stale}
    scored = grading.tool in fresh
    return scored or (facts["icans_grade"] in (3, 4) and Domain.CONSCIOUSNESS in fresh)


__all__ = ["Assessment", "Knowledge", "Proposal", "assess", "load_knowledge"]
