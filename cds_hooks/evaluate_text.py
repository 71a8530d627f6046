"""One evaluation on a terminal: the grade, each domain with the age of its evidence, what could not be used, the cards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

COLOURS = {"critical": "red", "warning": "yellow", "info": "blue"}


def show(result: Mapping[str, Any], console: Console) -> None:
    """Prints what `icans-cds evaluate` found in one file."""
    if "outcome" in result:
        said = "; ".join(issue.get("diagnostics", issue["code"]) for issue in result["outcome"]["issue"])
        _line(console, Text.assemble((str(result["file"]), "bold"), f": could not be used: {said}"))
        return
    grading = result["grading"]
    _line(console, Text.assemble((str(result["file"]), "bold"), f": patient {result['patient']}, as of {result['as_of']}"))
    _line(console, Text(f"  ICANS: {grade_said(grading)} ({grading['status']}); exposure: {_exposure(result['exposure'])}"))
    charted = grading["charted"]
    if charted is not None:
        _line(console, Text(f"  charted by a clinician: grade {charted['grade']} at {charted['at']} ({charted['evidence']})"))
    if grading["by_domain"]:
        console.print(_domains(grading, datetime.fromisoformat(result["as_of"])))
    if grading["unassessed"]:
        _line(console, Text(f"  not assessed: {', '.join(grading['unassessed'])}"))
    for aside in grading["set_aside"]:
        _line(console, Text(f"  set aside: {aside['domain']}, {aside['cause']} ({aside['evidence']})"))
    for issue in result["issues"]:
        _line(console, Text(f"  could not be used: {issue['evidence']}: {issue['problem']}"))
    if result.get("curve"):
        console.print(_curve(result["curve"]))
    for card in result["cards"]:
        panel = Group(Text(card["summary"], style="bold"), Markdown(card["detail"]))
        colour = COLOURS.get(card["indicator"], "")
        console.print(Panel(panel, title=card["indicator"], subtitle=Text(card["source"]["label"]), border_style=colour))
    if not result["cards"]:
        _line(console, Text("  no card: nothing asks for action"))


def _line(console: Console, text: Text) -> None:
    console.print(text, highlight=False, soft_wrap=True)


def grade_said(grading: Mapping[str, Any]) -> str:
    """The interval in words."""
    if grading["status"] == "final":
        return f"grade {grading['at_least']}"
    least = "not gradable" if grading["at_least"] is None else f"at least grade {grading['at_least']}"
    return f"{least}, at most {grading['at_most']}"


def _exposure(exposure: Mapping[str, Any] | None) -> str:
    if exposure is None:
        return "none"
    return f"{exposure['substance']}, cycle {exposure['cycle']} day {exposure['cycle_day']}"


def _domains(grading: Mapping[str, Any], as_of: datetime) -> Table:
    table = Table("domain", "value", "worth", "age", "evidence", "", box=None, padding=(0, 1))
    for column in table.columns:
        column.overflow = "fold"
    for name, one in grading["by_domain"].items():
        worth = str(one["at_least"]) if one["at_least"] == one["at_most"] else f"{one['at_least']} to {one['at_most']}"
        marks = [*(["holds the grade"] if name in grading["determining"] else []), *(["overdue"] if one["overdue"] else [])]
        marks += ["inferred"] if one["provisional"] else []
        age = age_said(as_of, datetime.fromisoformat(one["at"]))
        table.add_row(*(Text(str(cell)) for cell in (name, one["value"], worth, age, one["evidence"], ", ".join(marks))))
    return table


def age_said(as_of: datetime, at: datetime) -> str:
    """How long ago, in minutes, hours or days."""
    minutes = int((as_of - at).total_seconds() // 60)
    if minutes < 90:
        return f"{max(0, minutes)} min"
    return f"{minutes / 60:.0f} h" if minutes < 72 * 60 else f"{minutes / 1440:.0f} d"


def _curve(points: list[dict[str, Any]]) -> Table:
    table = Table("as of", "grade", "", "held by", "cards", box=None, padding=(0, 1), title="At each assessment", title_justify="left")
    table.columns[0].no_wrap = True
    for one in points:
        low, high = one["at_least"], one["at_most"]
        bar = "".join("█" if low is not None and g <= low else "░" if g <= high else "·" for g in range(1, 5))
        counted = Counter(card["indicator"] for card in one["cards"])
        cards = ", ".join(f"{count} {indicator}" for indicator, count in counted.items())
        table.add_row(*(Text(str(cell)) for cell in (one["as_of"], grade_said(one), bar, ", ".join(one["determining"]), cards)))
    return table
