"""The burden of alerts on a terminal."""

from __future__ import annotations

from statistics import median

from rich.console import Console
from rich.table import Table

from cds_hooks.cohort.burden import GRADES, Agreement, Burden


def show(found: Burden, console: Console) -> None:
    """Prints the whole report."""
    console.print(f"{found.rows} evaluations of {found.patients} patients, {found.exposed} at risk on {found.days} patient-days.", highlight=False)
    console.print(f"{found.silent_rows} evaluations without a card; {found.cards_without_exposure} cards for patients not at risk.", highlight=False)
    table = Table("topic", "indicator", "cards", "patients", "per 100 patient-days", "repeats", "at an order", title="Alerts")
    for one in found.alerts:
        rate = "" if one.per_100_days is None else f"{one.per_100_days:.1f}"
        table.add_row(one.topic, one.indicator, str(one.cards), str(one.patients), rate, str(one.repeats), str(one.at_orders))
    console.print(table)
    console.print(orders_said(found), highlight=False)
    console.print(early_said(found), highlight=False)
    for agreement in found.agreement:
        console.print(_matrix(agreement))
        console.print(agreement_said(agreement), highlight=False)
    table = Table("domain", "evaluations", "assessed", "not overdue", title="Completeness, patients at risk")
    for domain, asked, assessed, fresh in found.completeness:
        table.add_row(domain, str(asked), _share(assessed, asked), _share(fresh, asked))
    console.print(table)
    table = Table("count", "where", "code", "text", "hint by text, for a person", title="Codes that nothing read")
    for kind, system, code, text, count, hinted in found.unread:
        table.add_row(str(count), kind, f"{system}|{code}", (text or "")[:50], hinted)
    if found.unread:
        console.print(table)


def orders_said(found: Burden) -> str:
    """How many orders would have shown a card."""
    asked, shown = found.orders
    if not asked:
        return "Orders: none was evaluated; run the cohort with --at every-order to ask at each."
    return f"Orders: {shown} of {asked} signed orders ({_share(shown, asked)}) would have shown a card."


def early_said(found: Burden) -> str:
    """How long after the first sign the first card came."""
    if not found.hours_to_card and not found.never_shown:
        return "First sign to first card: no episode of grade 1 or more."
    hours = sorted(found.hours_to_card)
    said = f"median {median(hours):.1f} h, longest {hours[-1]:.1f} h" if hours else "no card"
    return f"First sign to first card, {len(hours) + found.never_shown} episodes: {said}; {found.never_shown} without any card."


def agreement_said(one: Agreement) -> str:
    """Kappa and what the interval leaves out."""
    if not one.pairs:
        return f"No grade from 0 to 4 {one.name} of an evaluation."
    kappa = "not defined" if one.kappa is None else f"{one.kappa:.3f}"
    return f"Quadratic weighted kappa {kappa}; {one.excluded} of {one.pairs} grades lie outside the computed interval."


def _matrix(one: Agreement) -> Table:
    table = Table("at least", *(str(grade) for grade in GRADES), title=f"Computed grade (rows) against the grade {one.name} (columns)")
    for grade, row in zip(GRADES, one.matrix, strict=True):
        table.add_row(str(grade), *map(str, row))
    return table


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""
