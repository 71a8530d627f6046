"""Findings of several records become one: ICE from its items, the later issued of one instant."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from fhir_mappers import observation as observations
from fhir_mappers.belonging import refused
from fhir_mappers.chart import Chart
from fhir_mappers.elements import Unreadable, effective_time, exact_time, reference_key
from fhir_mappers.issues import MappingIssue
from fhir_mappers.reading import Record
from fhir_mappers.views import Observation
from rules.snapshot import Domain, Finding


def issued(records: Sequence[Record], among: Collection[str], chart: Chart) -> dict[str, datetime]:
    """When each Observation `among` them was issued, else last updated, by evidence; who does not say is left out."""
    found: dict[str, datetime] = {}
    for record in records:
        view = record.view
        if not isinstance(view, Observation) or record.evidence not in among:
            continue
        text = view.issued or (view.meta.lastUpdated if view.meta is not None else None)
        try:
            if text is not None:
                found[record.evidence] = exact_time(text, chart.zone)
        except Unreadable:
            continue
    return found


def of_one_instant(
    findings: Sequence[Finding], asked: Sequence[Record], chart: Chart
) -> tuple[list[Finding], list[MappingIssue]]:
    """Two findings of a domain at one instant: the later issued replaces the earlier; else both stand.

    Both standing, the worse counts. A seizure is an event, never replaced.
    """
    kept, issues = list(findings), []
    by_instant: dict[tuple[Domain, datetime, str | None], list[Finding]] = {}
    for finding in findings:
        if finding.domain is not Domain.SEIZURE:
            by_instant.setdefault((finding.domain, finding.at, finding.proxy), []).append(finding)
    differing = [one for one in by_instant.items() if len(one[1]) > 1 and len({(f.value, f.other) for f in one[1]}) > 1]
    when_issued = issued(asked, {f.evidence for _, found in differing for f in found}, chart) if differing else {}
    for (domain, at, _), found in differing:
        records = sorted({f.evidence for f in found})
        moments = [when_issued[evidence] for evidence in records if evidence in when_issued]
        if len(set(moments)) < len(records):
            words = f"{domain.value} is charted differently at one instant, {at.isoformat()}: {', '.join(records)}; the worse counts"
            issues.append(MappingIssue(found[0].evidence, words, used=True))
            continue
        newest = max(records, key=lambda evidence: when_issued[evidence])
        for finding in found:
            if finding.evidence != newest:
                kept.remove(finding)
                words = f"{domain.value} of the same instant was issued again later: {newest} is read in its place"
                issues.append(MappingIssue(finding.evidence, words, used=True))
    return kept, issues


def ice_from_items(
    records: Sequence[Record], chart: Chart, findings: Sequence[Finding]
) -> tuple[list[Finding], list[MappingIssue]]:
    """ICE items charted one an Observation become one score an instant, also under a panel of members.

    Beside a charted total the items count only when all are there and sum up to something else.
    """
    made: list[Finding] = []
    by_time, evidence, issues = _items(records, chart)
    totals = {f.at: f for f in findings if f.domain is Domain.ICE}
    for at, items in by_time.items():
        summed = observations.ice_of(items, at, evidence[at])
        total = totals.get(at)
        if total is None:
            made.append(summed)
        elif summed.other is None and total.other is None and summed.value != total.value:
            words = f"ICE total {total.value} is not the sum of its items, {summed.value}: the worse counts"
            issues.append(MappingIssue(total.evidence, words, Domain.ICE.value, used=True))
            made.append(summed)
    return made, issues


def _items(
    records: Sequence[Record], chart: Chart
) -> tuple[dict[datetime, dict[str, int]], dict[datetime, str], list[MappingIssue]]:
    """The points of each ICE item by instant, the first record of each instant, and what could not be read."""
    by_time: dict[datetime, dict[str, int]] = {}
    evidence: dict[datetime, str] = {}
    issues: list[MappingIssue] = []
    panels: dict[str, datetime] | None = None
    for record in records:
        view = record.view
        if not isinstance(view, Observation) or (view.status or "").strip() not in observations.FINAL:
            continue
        try:
            if chart.question(view.code) not in observations.ICE_ITEMS or refused(record, chart) is not None:
                continue
            if record.unquoted:
                raise Unreadable(f"{record.mended}: a value that is graded is not repaired")
            if panels is None:
                panels = _panels(records, chart)
            at = panels.get(record.evidence) or chart.past(effective_time(view, chart.zone))
            for item, points in observations.item_points(view, chart):
                known = by_time.setdefault(at, {})
                known[item] = min(points, known.get(item, points))
                evidence.setdefault(at, record.evidence)
        except Unreadable as problem:
            issues.append(MappingIssue(record.evidence, f"ICE item: {problem}", Domain.ICE.value))
    return by_time, evidence, issues


def _panels(records: Sequence[Record], chart: Chart) -> dict[str, datetime]:
    """The time of the ICE panel that each item is a member of, by the item's evidence."""
    found: dict[str, datetime] = {}
    for record in records:
        view = record.view
        if not isinstance(view, Observation) or not view.hasMember:
            continue
        try:
            if chart.question(view.code) != "ice-score" or refused(record, chart) is not None:
                continue
            at = chart.past(effective_time(view, chart.zone))
        except Unreadable:
            continue
        found |= {reference_key(one.reference): at for one in view.hasMember if one.reference}
    return found
