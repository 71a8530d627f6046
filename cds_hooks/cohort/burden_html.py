"""The burden of alerts as one HTML file: plots are SVG within it, nothing is asked of another host."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import altair as alt
import vl_convert

from cds_hooks.cohort.burden import GRADES, Burden
from cds_hooks.cohort.burden_text import agreement_said, early_said, orders_said

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;margin:.5rem 0}
th,td{text-align:left;padding:.2rem .7rem;border-bottom:1px solid #ddd}td.n{text-align:right}svg{max-width:100%;height:auto}"""
_COLOURS = {"critical": "#b3261e", "warning": "#c77700", "info": "#3367a8"}


def html(found: Burden, title: str) -> str:
    """The whole page."""
    parts = [
        f"<h1>Alert burden: {escape(title)}</h1>",
        f"<p>{found.rows} evaluations of {found.patients} patients, {found.exposed} at risk on {found.days} patient-days. "
        f"{found.silent_rows} evaluations without a card; {found.cards_without_exposure} cards for patients not at risk.</p>",
        "<h2>Alerts</h2>",
        _alerts_plot(found) if found.alerts else "<p>No card.</p>",
        _table(
            ("topic", "indicator", "cards", "patients", "per 100 patient-days", "repeats", "at an order"),
            [
                (a.topic, a.indicator, a.cards, a.patients, "" if a.per_100_days is None else f"{a.per_100_days:.1f}", a.repeats, a.at_orders)
                for a in found.alerts
            ],
        ),
        f"<p>{escape(orders_said(found))}</p><h2>How early</h2><p>{escape(early_said(found))}</p>",
        _hours_plot(found.hours_to_card) if found.hours_to_card else "",
        "<h2>Grades</h2>",
        _table(("interval", "evaluations"), found.grades),
        "<h2>Agreement</h2>",
    ]
    for one in found.agreement:
        parts.append(f"<h3>Grade {escape(one.name)}</h3><p>{escape(agreement_said(one))}</p>")
        if one.pairs:
            parts.append(_matrix_plot(one.matrix, one.name))
    parts += ["<h2>Completeness</h2>", _table(("domain", "evaluations", "assessed", "not overdue"), found.completeness)]
    if found.completeness:
        parts.append(_completeness_plot(found))
    parts += [
        "<h2>Codes that nothing read</h2>",
        _table(("where", "system", "code", "text", "count", "hint by text, for a person"), found.unread),
    ]
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Alert burden</title><style>{_STYLE}</style>\n<body>{body}</body></html>\n'


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    lines = ("".join(f'<td{" class=n" if isinstance(v, int | float) else ""}>{escape(str(v))}</td>' for v in row) for row in rows)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def svg(chart: alt.TopLevelMixin) -> str:
    """A chart as SVG, drawn without a browser or a network."""
    return vl_convert.vegalite_to_svg(chart.to_dict(format="vega-lite"))


def _alerts_plot(found: Burden) -> str:
    rows = [{"topic": a.topic, "indicator": a.indicator, "rate": a.per_100_days or 0} for a in found.alerts]
    chart = alt.Chart(alt.InlineData(values=rows)).mark_bar().encode(
        x=alt.X("rate:Q", title="cards per 100 patient-days at risk"),
        y=alt.Y("topic:N", sort="-x", title=None),
        color=alt.Color("indicator:N", scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values()))),
    )
    return svg(chart.properties(width=520, padding={"left": 30, "top": 5, "right": 5, "bottom": 5}))


def _hours_plot(hours: Sequence[float]) -> str:
    chart = alt.Chart(alt.InlineData(values=[{"h": hour} for hour in hours])).mark_bar(color="#3367a8").encode(
        x=alt.X("h:Q", bin=alt.Bin(maxbins=24), title="hours from the first sign to the first card"),
        y=alt.Y("count()", title="episodes"),
    )
    return svg(chart.properties(width=520, height=180))


def _matrix_plot(matrix: Sequence[Sequence[int]], name: str) -> str:
    rows = [{"computed": i, "other": j, "n": matrix[i][j]} for i in GRADES for j in GRADES]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("other:O", title=f"grade {name}"), y=alt.Y("computed:O", sort="descending", title="computed: at least")
    )
    squares = base.mark_rect().encode(color=alt.Color("n:Q", scale=alt.Scale(scheme="blues", type="symlog"), legend=None))
    darkest = max(map(max, matrix)) / 10  # on the scale of the squares, cells above it are dark
    words = base.mark_text().encode(text="n:Q", color=alt.condition(alt.datum.n > darkest, alt.value("white"), alt.value("black")))
    return svg((squares + words).properties(width=260, height=260))


def _completeness_plot(found: Burden) -> str:
    rows = [{"domain": d, "share": assessed / asked} for d, asked, assessed, _ in found.completeness if asked]
    chart = alt.Chart(alt.InlineData(values=rows)).mark_bar(color="#4b7f52").encode(
        x=alt.X("share:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"), title="assessed, share of evaluations at risk"),
        y=alt.Y("domain:N", title=None),
    )
    return svg(chart.properties(width=520))
