"""`icans-cds timeline`: one episode on one time axis: grade, cards, domains, drugs, key laboratory values.

Drawn by Altair through vl-convert: offline, without a browser, the same file the same bytes. Times are shown
in the offset of the instant that the chart is evaluated at.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import altair as alt
import vl_convert

from cds_hooks.decide import Decision
from rules import Administration, Assessment

LABS = ("body-temperature", "crp", "ferritin", "il-6", "platelets", "sodium", "creatinine")
MOST_LABS = 4
LEAD, MARGIN = timedelta(hours=12), 0.03
"""How long before the first thing shown of the course the axis begins, and the share of it left free at the end."""
COLOURS = {"critical": "#b3261e", "warning": "#c77700", "info": "#3367a8"}
WORTH = {"0": "#6b8f71", "1": "#d9b44a", "2": "#dd8a3a", "3": "#c8553d", "4": "#7d1d3f"}
BAND = {"at least": "#7d1d3f", "not excluded": "#e7c3ce", "not assessed": "#e4e4e4"}
WIDTH, LANE = 760, 24
Row = dict[str, Any]


def picture(points: Sequence[Decision], now: Decision, title: str, form: str) -> bytes:
    """The picture as `svg` or `png`. `points` are the decisions at each assessment, oldest first. Raises ValueError."""
    spec = _charts(points, now, title).to_dict(format="vega-lite")
    if form == "svg":
        return vl_convert.vegalite_to_svg(spec).encode()
    if form == "png":
        return bytes(vl_convert.vegalite_to_png(spec, scale=2))
    raise ValueError(f"{form!r} is no form of picture; svg or png was expected")


def _charts(points: Sequence[Decision], now: Decision, title: str) -> Any:
    assessment = now.assessment
    if assessment is None:
        raise ValueError("the decision holds no assessment")
    begin, end = _axis(assessment)
    shown = [one for one in points if begin <= one.as_of < now.as_of] + [now]
    x = alt.X("at:T", scale=alt.Scale(domain=[_local(begin, now), _local(end, now)]), title=None)
    quiet = x.axis(alt.Axis(labels=False, ticks=False, grid=True))
    last = x.axis(alt.Axis(format="%d %b %H:%M", labelAngle=0, labelOverlap="greedy", tickCount=8, grid=True))
    findings = _findings(assessment, begin, now)
    drugs = _drugs(assessment.snapshot.administrations, begin, now)
    labs = _labs(assessment, begin, now)
    panels = [_grade(shown, now, quiet), _cards(shown, now, quiet), _lanes(findings, quiet)]
    panels += [_bars(drugs, quiet)] if drugs else []
    panels += [_lab(rows, quiet) for rows in labs]
    panels[-1] = panels[-1].encode(x=last) if labs else panels[-1]
    foot = alt.Chart(_data([{"at": _local(now.as_of, now)}])).mark_rule(color="#222", strokeDash=[4, 3]).encode(x=last)
    said = f"{title}: to {now.as_of:%Y-%m-%d %H:%M %z}"
    return (
        alt.vconcat(*panels, *([] if labs else [foot.properties(width=WIDTH, height=4)]), spacing=6)
        .resolve_scale(color="independent", x="shared")
        .properties(title=alt.TitleParams(said, anchor="start", fontSize=14))
        .configure_view(stroke="#ddd")
        .configure_axis(labelFontSize=11, titleFontSize=11, gridColor="#eee")
    )


def _axis(assessment: Assessment) -> tuple[datetime, datetime]:
    """From the start of the course, or the first finding, to the instant."""
    snapshot = assessment.snapshot
    since = assessment.exposure.started if assessment.exposure is not None else assessment.since
    since = since or min((f.at for f in snapshot.findings), default=snapshot.as_of - timedelta(days=1))
    lead = min(LEAD, max(timedelta(hours=1), (snapshot.as_of - since) / 8))
    begin = since - lead
    return begin, snapshot.as_of + (snapshot.as_of - begin) * MARGIN


def _local(moment: datetime, now: Decision) -> str:
    """A time without its offset: the axis shows it as it stands, whatever zone the machine is in."""
    return moment.astimezone(now.as_of.tzinfo).replace(tzinfo=None).isoformat(timespec="seconds")


def _data(rows: Sequence[Row]) -> alt.InlineData:
    return alt.InlineData(values=list(rows))


def _grade(shown: Sequence[Decision], now: Decision, x: alt.X) -> Any:
    """The interval of each decision as a band up to the next: the floor dark, what is not excluded light."""
    rows: list[Row] = []
    exposure = now.assessment.exposure if now.assessment is not None else None
    if exposure is not None and exposure.started < shown[0].as_of:
        unknown = {"at": _local(exposure.started, now), "until": _local(shown[0].as_of, now)}
        rows.append({**unknown, "bottom": -0.12, "top": 4.12, "said": "not assessed"})
    ends = [one.as_of for one in shown[1:]] + [now.as_of + timedelta(minutes=1)]
    for one, until in zip(shown, ends, strict=True):
        grading = one.record["grading"]
        low = grading["at_least"]
        span = {"at": _local(one.as_of, now), "until": _local(until, now), "top": grading["at_most"] + 0.12}
        said = "not excluded" if low is not None else "not assessed"
        rows.append({**span, "bottom": -0.12 if low is None else low - 0.12, "said": said})
        if low is not None:
            rows.append({**span, "bottom": low - 0.12, "top": low + 0.12, "said": "at least"})
    ticks = alt.Axis(values=[0, 1, 2, 3, 4], format="d", labelOverlap=False, title="ICANS grade")
    band = alt.Chart(_data(rows)).mark_rect().encode(
        x=x, x2="until:T", y2="top:Q",
        y=alt.Y("bottom:Q", title="ICANS grade", scale=alt.Scale(domain=[-0.3, 4.3]), axis=ticks),
        color=alt.Color("said:N", title="grade", scale=alt.Scale(domain=list(BAND), range=list(BAND.values()))),
    )  # fmt: skip
    points = [{"at": row["at"], "grade": row["bottom"] + 0.12} for row in rows if row["said"] == "at least"]
    dots = alt.Chart(_data(points)).mark_point(filled=True, color="#7d1d3f", size=40).encode(x=x, y=alt.Y("grade:Q", axis=ticks))
    return (band + dots).properties(width=WIDTH, height=120)


def _cards(shown: Sequence[Decision], now: Decision, x: alt.X) -> Any:
    rows = [
        {"at": _local(one.as_of, now), "indicator": indicator, "lane": "cards", "order": len(COLOURS) - number}
        for one in shown
        for number, indicator in enumerate(COLOURS)
        if any(card["indicator"] == indicator for card in one.cards)
    ]
    colour = alt.Color("indicator:N", title="card", scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())))
    marks = alt.Chart(_data(rows)).mark_point(filled=True, shape="triangle-down", size=90, opacity=1)
    rank = alt.Y("indicator:N", sort=list(COLOURS), title=None, axis=alt.Axis(labelLimit=160), scale=alt.Scale(domain=list(COLOURS)))
    return marks.encode(x=x, y=rank, color=colour).properties(width=WIDTH, height=3 * 14)


def _findings(assessment: Assessment, begin: datetime, now: Decision) -> list[Row]:
    criteria = assessment.criteria
    rows: list[Row] = []
    for finding in sorted(assessment.snapshot.findings, key=lambda f: f.at):
        if finding.domain not in criteria.cells or finding.at < begin:
            continue
        low, high = criteria.interval(finding)
        value = str(finding.value).split("-", 1)[-1].replace("-", " ")
        words = value if finding.proxy is None else f"{value} ({finding.proxy})"
        at = _local(finding.at, now)
        rows.append({"at": at, "domain": finding.domain.value, "value": words, "worth": str(max(low, 0)), "open": high > low})
    return rows


def _lanes(rows: Sequence[Row], x: alt.X) -> Any:
    """One lane a domain, also where nothing was charted: an empty lane says not assessed."""
    lanes = ["ice", "consciousness", "seizure", "motor", "raised-icp"]
    lanes = ["capd", *lanes[1:]] if any(row["domain"] == "capd" for row in rows) else lanes
    y = alt.Y("domain:N", sort=lanes, scale=alt.Scale(domain=lanes), title=None, axis=alt.Axis(grid=True))
    base = alt.Chart(_data(rows)).encode(x=x, y=y)
    colour = alt.Color("worth:N", title="worth", scale=alt.Scale(domain=list(WORTH), range=list(WORTH.values())))
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(color=colour)
    crowded = len(rows) > 40
    words = base.mark_text(align="right", dx=-8, fontSize=10, color="#333").encode(text="value:N")
    return (dots if crowded else dots + words).properties(width=WIDTH, height=LANE * len(lanes))


def _drugs(administrations: Sequence[Administration], begin: datetime, now: Decision) -> list[Row]:
    rows = []
    for one in administrations:
        until = one.end or (now.as_of if one.running else one.start)
        if until < begin:
            continue
        dose = "" if one.dose is None else f"{one.dose:g} {one.unit or ''}".strip()
        start, stop = max(one.start, begin), min(until, now.as_of)
        row = {"at": _local(start, now), "until": _local(stop, now), "drug": one.substance, "dose": dose}
        rows.append({**row, "long": stop - start > timedelta(minutes=30)})
    return rows


def _bars(rows: Sequence[Row], x: alt.X) -> Any:
    drugs = list(dict.fromkeys(row["drug"] for row in sorted(rows, key=lambda row: row["at"])))
    y = alt.Y("drug:N", sort=drugs, scale=alt.Scale(domain=drugs), title=None, axis=alt.Axis(grid=True, labelLimit=160))
    bars = alt.Chart(_data([row for row in rows if row["long"]])).mark_bar(color="#5b7db1", height=12).encode(x=x, x2="until:T", y=y)
    doses = alt.Chart(_data([row for row in rows if not row["long"]]))
    ticks = doses.mark_tick(color="#274472", thickness=3, size=16).encode(x=x, y=y)
    words = doses.mark_text(align="left", dx=5, fontSize=9, color="#333").encode(x=x, y=y, text="dose:N")
    return (bars + ticks + words).properties(width=WIDTH, height=LANE * len(drugs))


def _labs(assessment: Assessment, begin: datetime, now: Decision) -> list[list[Row]]:
    found: list[list[Row]] = []
    for kind in LABS:
        rows = [
            {"at": _local(m.at, now), "value": m.value, "kind": f"{kind.replace('-', ' ')} ({m.unit})"}
            for m in sorted(assessment.snapshot.measurements, key=lambda m: m.at)
            if m.kind == kind and m.at >= begin
        ]
        found += [rows] if rows else []
    return found[:MOST_LABS]


def _lab(rows: Sequence[Row], x: alt.X) -> Any:
    name, unit = rows[0]["kind"].rsplit(" (", 1)
    axis = alt.Axis(tickCount=3, format=".4~r", titleAngle=0, titleAlign="right", titleX=-34, titleY=20)
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), axis=axis, title=[name, f"({unit}"])
    line = alt.Chart(_data(rows)).mark_line(point=True, color="#444", strokeWidth=1)
    return line.encode(x=x, y=y).properties(width=WIDTH, height=46)
