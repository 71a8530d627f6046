"""The words of a card: grade, evidence with its age, what is missing, what to do, who says so.

Plain Markdown without tables or HTML. Text that comes from a chart is escaped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fhir_mappers.issues import MappingIssue
from rules.assessing import Assessment, Knowledge
from rules.documents import Citation
from rules.grading import DomainGrade
from rules.protocol import Row
from rules.snapshot import SCORES, Domain, Measurement

SUMMARY_LIMIT = 139
"""CDS Hooks: a summary is under 140 characters."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|!&~])")
_NAMES = {
    Domain.ICE: "ICE",
    Domain.CAPD: "CAPD",
    Domain.CONSCIOUSNESS: "consciousness",
    Domain.SEIZURE: "seizure",
    Domain.MOTOR: "motor findings",
    Domain.RAISED_ICP: "raised ICP or edema",
}
_SHORT = {Domain.SEIZURE: "seizure", Domain.MOTOR: "motor weakness", Domain.RAISED_ICP: "raised ICP"}
_SHOWN_LABS = ("sodium", "glucose", "creatinine", "myoglobin", "body-temperature", "il-6", "ferritin")
_LAB_WINDOW = timedelta(hours=24)
_GRADED_BY = (Citation("lee-2019", ""),)


def name_of(domain: Domain) -> str:
    """A domain as a clinician names it."""
    return _NAMES[domain]


def escaped(text: str, limit: int = 200) -> str:
    """Chart text made harmless: one line, no control or bidirectional characters, Markdown and HTML escaped."""
    plain = " ".join((text if text.isascii() and text.isprintable() else _printable(text)).split())
    return _MARKDOWN.sub(r"\\\1", plain if len(plain) <= limit else f"{plain[:limit]}…")


def _printable(text: str) -> str:
    return "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in text
        if unicodedata.category(c) not in ("Cf", "Cs", "Co")
    )


def age(at: datetime, as_of: datetime) -> str:
    """How long ago, as a clinician says it: minutes to 2 h, hours to 2 days, then days."""
    minutes = int((as_of - at).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 120 and minutes != 60:
        return f"{minutes} min ago"
    if minutes < 48 * 60:
        return f"{minutes // 60} h ago"
    return f"{minutes // (24 * 60)} days ago"


def headline(assessment: Assessment, brief: bool = False) -> str:
    """The grade in one phrase, for a summary: "ICANS at least grade 3 (seizure), grade 4 not excluded".

    When `brief`, what it rests on is left to the detail.
    """
    grading, charted = assessment.grading, assessment.driving_charted
    if charted is not None and charted.grade > (grading.at_least or 0):
        return f"ICANS charted grade {charted.grade}"
    if grading.at_least is None:
        return "ICANS not gradable, nothing assessed"
    if grading.at_least == 0:
        return "ICANS grade 0" if grading.status == "final" else f"No ICANS grade, {_missing_briefly(assessment)}"
    why = "" if brief else f" ({_because(assessment)})"
    mark = "provisional " if grading.rests_on_proxy else ""
    if grading.status == "final":
        return f"ICANS {mark}grade {grading.at_least}{why}"
    return f"ICANS at least {mark}grade {grading.at_least}{why}, {_not_excluded(assessment)}"


def _because(assessment: Assessment) -> str:
    grading = assessment.grading
    held = grading.held_by
    words = [
        d.finding.proxy or _SHORT.get(d.domain) or assessment.criteria.says(d.finding).split(" and unable")[0]
        for d in held
    ]
    return ", ".join(dict.fromkeys(words[:2])) + (f" +{len(words) - 2}" if len(words) > 2 else "")


def _not_excluded(assessment: Assessment) -> str:
    """What the open top leaves: "grade 4 not excluded", and from grade 2 "grade 3 or 4 not excluded"."""
    grading = assessment.grading
    if grading.at_least is not None and grading.at_most - grading.at_least == 2:
        return f"grade {grading.at_most - 1} or {grading.at_most} not excluded"
    return f"grade {grading.at_most} not excluded"


def _missing_briefly(assessment: Assessment) -> str:
    grading = assessment.grading
    names = [_NAMES[d] for d in grading.unassessed]
    if grading.tool in grading.unassessed:
        return f"{_NAMES[grading.tool]} not assessed"
    if names:
        return f"{names[0]} not assessed"
    return "an assessment is overdue or set aside"


def summary(row: Row, assessment: Assessment) -> str:
    """The sentence of a row with the grade put in; cut at the limit of the specification."""
    text = sentence(row.summary, assessment)
    return text if len(text) <= SUMMARY_LIMIT else f"{text[: SUMMARY_LIMIT - 1]}…"


def sentence(text: str, assessment: Assessment) -> str:
    """A summary filled; too long, it leaves out what the grade rests on before what to do is cut."""
    full = filled(text, assessment)
    return full if len(full) <= SUMMARY_LIMIT else filled(text, assessment, brief=True)


def filled(text: str, assessment: Assessment, brief: bool = False) -> str:
    """A document's sentence with its placeholders: {grade}, {score}, {last_score}, {aside}, {dose id}."""
    if "{" not in text:
        return text
    if "{grade}" in text:
        text = text.replace("{grade}", headline(assessment, brief))
    text = text.replace("{score}", _NAMES[assessment.grading.tool])
    if "{last_score}" in text:
        text = text.replace("{last_score}", _last_score(assessment))
    if "{aside}" in text:
        text = text.replace("{aside}", _aside(assessment))
    if "{" not in text:
        return text
    for dose in (*(p.dose for p in assessment.proposals), *(d for c in assessment.checks for d in c.doses)):
        said = dose.text if dose.note is None else f"{dose.text}. {dose.note}"
        text = text.replace(f"{{{dose.id}}}", said.rstrip("."))
    return text


def _last_score(assessment: Assessment) -> str:
    """When the score was last taken, and how often it is due: "last 6 h ago, due every 4 h"."""
    scored = assessment.grading.domain(assessment.grading.tool)
    if scored is None:
        return "none in this course"
    return f"last {age(scored.finding.at, assessment.snapshot.as_of)}, due every {_hours(scored.due_every)}"


def _hours(time: timedelta) -> str:
    return f"{time.total_seconds() / 3600:g} h"


def _aside(assessment: Assessment) -> str:
    """The causes for which findings were set aside: "lorazepam 2 mg"."""
    causes = dict.fromkeys(escaped(a.cause.text, 40) for a in assessment.grading.set_aside)
    return " and ".join(causes) or "another cause"


@dataclass(frozen=True, slots=True)
class Common:
    """What every card of one decision says alike: the grade, the findings in short, what is missing."""

    grade: str
    findings: str
    missing: str


def common_to(assessment: Assessment) -> Common:
    """Worked out once a decision."""
    return Common(_grade_paragraph(assessment), _findings(assessment, full=False), _missing(assessment))


def detail(
    assessment: Assessment,
    rows: Sequence[Row],
    issues: Sequence[MappingIssue],
    knowledge: Knowledge,
    full: bool,
    common: Common | None = None,
) -> str:
    """The card's detail, always in this order: grade, findings, missing, what to do, who says so.

    `common` is what every card of one decision says alike.
    """
    common = common or common_to(assessment)
    parts = [
        common.grade,
        _findings(assessment, full) if full else common.findings,
        common.missing,
        _not_read(assessment, issues) if full else "",
        _what_to_do(assessment, rows),
        who_says_so(rows, knowledge),
    ]
    return "\n\n".join(part for part in parts if part)


def _grade_paragraph(assessment: Assessment) -> str:
    grading = assessment.grading
    if grading.at_least is None:
        bold = f"No ICANS grade: {'nothing usable was' if grading.set_aside else 'nothing was'} assessed."
    elif grading.at_least == 0 and grading.status != "final":
        bold = f"No ICANS grade: {_missing_briefly(assessment)}."
    elif grading.status == "final":
        bold = f"Grade {grading.at_least}."
    else:
        bold = f"At least grade {grading.at_least}; {_not_excluded(assessment)}."
    sentences = [f"**{bold}**"]
    held = grading.held_by
    if held:
        sentences.append(f"Decided by {'; '.join(_named(assessment, d) for d in held)}.")
    if grading.status == "minimum" and grading.unassessed == (Domain.ICE,) and grading.at_most == 3:
        sentences.append("ICE 0 to 2 would be grade 3.")
    if grading.rests_on_proxy:
        sentences.append("Provisional: inferred from a scale, not charted as an ASTCT domain; examine.")
    if held and all(d.overdue or d.stale for d in held):
        newest = max(d.finding.at for d in held)
        sentences.append(f"Last known {age(newest, assessment.snapshot.as_of)}; the current grade is not known.")
    charted = assessment.charted
    if charted is not None and charted.grade:
        words = f"Charted by a clinician: grade {charted.grade}, {age(charted.at, assessment.snapshot.as_of)}"
        drives = charted is assessment.driving_charted and charted.grade > (grading.at_least or 0)
        sentences.append(f"{words}{'; being higher it drives this advice' if drives else ''}.")
    sentences.append(who(assessment))
    return " ".join(part for part in sentences if part)


def who(assessment: Assessment) -> str:
    """Age and sex, so that a card of a wrong patient is seen (H20)."""
    years, sex = assessment.snapshot.age_years, assessment.snapshot.sex
    words = [word for word in (None if years is None else f"{years} years", sex) if word]
    return f"Patient: {', '.join(words)}." if words else "Patient: age not known."


def _says(assessment: Assessment, graded: DomainGrade) -> str:
    words = assessment.criteria.says(graded.finding)
    return f"{words} (from {escaped(graded.finding.proxy)})" if graded.finding.proxy else words


def _named(assessment: Assessment, graded: DomainGrade) -> str:
    """The domain and what it said, the domain's own name not twice."""
    name = _NAMES[graded.domain]
    return f"{name}: {_says(assessment, graded).removeprefix(f'{name}, ').removeprefix(f'{name} ')}"


def _findings(assessment: Assessment, full: bool) -> str:
    as_of, grading = assessment.snapshot.as_of, assessment.grading
    items: list[str] = []
    for graded in grading.by_domain:
        notes = [age(graded.finding.at, as_of)]
        if graded.overdue or graded.stale:
            notes.append("overdue")
        notes += graded.flags
        items.append(f"{_says(assessment, graded)}, {', '.join(notes)}")
    if full:
        items += _baseline(assessment) + _notes(assessment) + _laboratory(assessment) + [crs_said(assessment)]
        items += _in_force(assessment)
    return f"Findings: {'; '.join(items)}." if items else "Findings: none that can be graded."


def _baseline(assessment: Assessment) -> list[str]:
    """An abnormal score from before the course: to compare, not to subtract (H27)."""
    found = assessment.baseline
    if found is None or assessment.criteria.interval(found)[0] == 0:
        return []
    said = assessment.criteria.says(found)
    return [f"baseline before this course {said}, {age(found.at, assessment.snapshot.as_of)}: compare, not subtracted"]


def crs_said(assessment: Assessment) -> str:
    """CRS in one phrase; not measured is never "none"."""
    found = assessment.crs
    if found.state == "without-fever":
        return "CRS: hypotension or hypoxia, no fever found"
    if found.state == "unknown":
        return "CRS: not assessable"
    if found.state in ("none", "masked"):
        return "CRS: none found" + ("; fever may be hidden by a corticosteroid or anti-IL-6" if found.masked else "")
    grade = f"grade {found.at_least}" if found.at_least == found.at_most else f"at least grade {found.at_least}"
    return f"CRS: {grade}"


def _notes(assessment: Assessment) -> list[str]:
    as_of = assessment.snapshot.as_of
    newest = {n.kind: n for n in sorted(assessment.snapshot.notes, key=lambda n: n.at) if n.at <= as_of + timedelta(minutes=5)}
    items = []
    for note in newest.values():
        if note.kind == "tremor" and assessment.exposure is not None and note.at < assessment.exposure.started:
            items.append(f"tremor in an earlier course, {age(note.at, as_of)}: does not count, a prior neurologic event")
        elif note.kind == "tremor":
            items.append(f"tremor, {age(note.at, as_of)}: does not count, early sign, consider EEG")
        elif note.kind in ("myoclonus", "headache"):
            items.append(f"{note.text}, {age(note.at, as_of)}: does not count")
        elif as_of - note.at <= _LAB_WINDOW:
            items.append(f"{note.text}, {age(note.at, as_of)}")
    return items


def _laboratory(assessment: Assessment) -> list[str]:
    as_of = assessment.snapshot.as_of
    newest = [m for kind in _SHOWN_LABS if (m := assessment.snapshot.latest(kind)) is not None]
    recent = [m for m in newest if as_of - m.at <= _LAB_WINDOW]
    words = [f"{_measured(m)}, {age(m.at, as_of)}" for m in recent]
    return [f"{'; '.join(words)} (do not change the grade)"] if words else []


def vitals(assessment: Assessment) -> list[str]:
    """Temperature, pressure and oxygen with their ages, as charted; what was not charted is left out."""
    as_of = assessment.snapshot.as_of
    kinds = ("body-temperature", "systolic-blood-pressure", "oxygen-saturation", "inhaled-oxygen-flow")
    newest = [m for kind in kinds if (m := assessment.snapshot.latest(kind)) is not None]
    return [f"{_measured(m)}, {age(m.at, as_of)}" for m in newest if as_of - m.at <= _LAB_WINDOW]


def _in_force(assessment: Assessment) -> list[str]:
    """Corticosteroid orders in force, so that one below the dose for ICANS is seen and named (A8)."""
    found = [
        f"{o.substance} {f'{o.dose_mg:,.10g} mg' if o.dose_mg is not None else 'of unknown dose'}"
        f"{f' every {o.interval_hours:g} h' if o.interval_hours else ''}"
        for o in assessment.snapshot.orders
        if not o.draft and o.drug_class == "corticosteroid" and o.systemic
    ]
    return [f"corticosteroid in force: {' and '.join(found)}"] if found else []


def _measured(measurement: Measurement) -> str:
    name = {"body-temperature": "temperature", "il-6": "IL-6"}.get(
        measurement.kind, measurement.kind.replace("-", " ")
    )
    unit = {"Cel": "°C", "mm[Hg]": "mmHg"}.get(measurement.unit, measurement.unit)
    return f"{name} {measurement.value:.5g} {unit}"


def _missing(assessment: Assessment) -> str:
    grading, as_of = assessment.grading, assessment.snapshot.as_of
    sentences = []
    if grading.unassessed:
        sentences.append(f"Not assessed: {', '.join(_NAMES[d] for d in grading.unassessed)}.")
    unsettled = any(d.domain is Domain.SEIZURE and d.at_least == 3 < d.at_most for d in grading.by_domain)
    if unsettled and grading.at_least == 3:
        sentences.append("Grade 4 if the seizure lasted over 5 min or recurred without return to baseline.")
    for aside in grading.set_aside:
        said = assessment.criteria.says(aside.finding)
        cause = escaped(aside.cause.text)
        sentences.append(
            f"Set aside: {_NAMES[aside.domain]} ({said}, {age(aside.finding.at, as_of)}), {cause}"
            f"{_given(assessment, aside.cause.evidence)} ({escaped(aside.cause.evidence)}). "
            f"If not due to {cause}: grade {aside.at_least}."
        )
    if grading.tool in SCORES and grading.tool in grading.unassessed:
        sentences.append("A score nobody took is missing, not normal.")
    return " ".join(sentences)


def _given(assessment: Assessment, evidence: str) -> str:
    """When the drug that explains a finding was given; nothing for another cause."""
    doses = [d for d in assessment.snapshot.administrations if d.evidence == evidence]
    return f" given {age(doses[0].start, assessment.snapshot.as_of)}" if doses else ""


def _not_read(assessment: Assessment, issues: Sequence[MappingIssue]) -> str:
    sentences = []
    if assessment.snapshot.unread:
        sentences.append(f"Not provided by the EHR: {', '.join(escaped(key, 40) for key in sorted(assessment.snapshot.unread))}.")
    shown = [f"{escaped(i.evidence, 80)}: {escaped(i.problem, 160)}" for i in _by_weight(issues)[:5]]
    if shown:
        more = f"; and {len(issues) - 5} more" if len(issues) > 5 else ""
        sentences.append(f"Could not be used: {'; '.join(shown)}{more}.")
    return " ".join(sentences)


def lesser_corticosteroids(assessment: Assessment) -> str:
    """Corticosteroids on record that are no ICANS treatment: the suggestion stays and names them (A8)."""
    snapshot = assessment.snapshot
    given = [
        f"{escaped(d.substance)}{'' if d.dose is None else f' {d.dose:g} {d.unit}'} given {age(d.start, snapshot.as_of)}"
        for d in snapshot.administrations
        if d.drug_class == "corticosteroid" and timedelta(0) <= snapshot.as_of - d.start <= _LAB_WINDOW
    ]
    ordered = [
        f"{escaped(o.substance)}{'' if o.dose_mg is None else f' {o.dose_mg:g} mg'}"
        f"{'' if o.interval_hours is None else f' every {o.interval_hours:g} h'} ordered"
        for o in snapshot.orders
        if o.drug_class == "corticosteroid" and not o.draft
    ]
    found = "; ".join(dict.fromkeys([*given, *ordered]))
    return f"On record, not counted as treatment of ICANS: {found}. Do not give both without a decision." if found else ""


def duplication(named: Sequence[MappingIssue]) -> str:
    """Why no drug is suggested: a record may hold it already."""
    records = ", ".join(f"{escaped(i.evidence, 80)} ({escaped(i.named or '')})" for i in named)
    return f"No drug is suggested here: {records} names it in words, without a code that is known. Check for duplication."


def _by_weight(issues: Sequence[MappingIssue]) -> list[MappingIssue]:
    """Issues that could have filled a domain first."""
    return sorted(issues, key=lambda issue: issue.domain is None)


def _what_to_do(assessment: Assessment, rows: Sequence[Row]) -> str:
    lines = [filled(line, assessment) for row in rows for line in row.do]
    if not lines:
        return ""
    return "Do:\n" + "\n".join(f"{number}. {line}" for number, line in enumerate(lines, start=1))


def who_says_so(rows: Sequence[Row], knowledge: Knowledge, graded: bool = True) -> str:
    """The source of the grade and of each row that says what to do; what was not verified is said."""
    parts = [f"grade, {knowledge.label_of(_GRADED_BY)}"] if graded else []
    for row in rows:
        if row.do:
            words = f"{row.topic.replace('-', ' ')}, {knowledge.label_of(row.cites)}"
            parts.append(f"{words} ({row.certainty})" if row.therapies or row.act or row.correct else words)
    return f"Who says so: {'; '.join(dict.fromkeys(parts))}."

