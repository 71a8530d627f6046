"""A grading table from a document: every value of a domain has exactly one cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rules.documents import Citation, Document, DocumentRef, KnowledgeError, cites
from rules.snapshot import Domain, Finding, Value


@dataclass(frozen=True, slots=True)
class Cell:
    """What one value is worth: a grade, or two grades left open (`grade` to `up_to`).

    `settled_by` names the domain that decides between the two when it is assessed
    (CAPD 1 to 8 is shared by grades 1 and 2; consciousness separates them).
    """

    grade: int
    up_to: int
    says: str
    cites: tuple[Citation, ...]
    settled_by: Domain | None = None


@dataclass(frozen=True, slots=True)
class Criteria:
    """A grading table: `cells[domain][value]`, the score it uses, and the worst grade it knows."""

    ref: DocumentRef
    title: str
    tool: Domain
    worst: int
    cells: Mapping[Domain, Mapping[Value, Cell]]
    titles: Mapping[Domain, str]

    @property
    def domains(self) -> tuple[Domain, ...]:
        """The domains that have to be assessed before a grade is complete."""
        return tuple(self.cells)

    def cell(self, finding: Finding, value: Value | None = None) -> Cell:
        """The one cell of a value; raises KeyError when the table does not know it."""
        return self.cells[finding.domain][finding.value if value is None else value]

    def interval(self, finding: Finding) -> tuple[int, int]:
        """The grades a finding may be worth: of its value, or of both its ends."""
        cell = self.cells[finding.domain][finding.value]
        if finding.other is None:
            return cell.grade, cell.up_to
        other = self.cell(finding, finding.other)
        return min(cell.grade, other.grade), max(cell.up_to, other.up_to)

    def says(self, finding: Finding) -> str:
        """The finding in the words of the table: "ICE 5", "awakens to voice", "ICE 3 to 6"."""
        first = self.cell(finding).says.replace("{value}", str(finding.value))
        if finding.other is None:
            return first
        if isinstance(finding.value, int):
            return f"{first} to {finding.other}"
        return f"{first} or {self.cell(finding, finding.other).says}"


def criteria_from(document: Document, known: frozenset[str]) -> Criteria:
    """The table of a document; raises KnowledgeError when a value has no cell or more than one."""
    body = document.body
    cells: dict[Domain, dict[Value, Cell]] = {}
    titles: dict[Domain, str] = {}
    for index, entry in enumerate(body["domains"]):
        domain = Domain(entry["domain"])
        path = f"$.domains[{index}]"
        if domain in cells:
            raise KnowledgeError(document.name, path, f"each domain once, found {domain} again")
        cells[domain] = _cells(document.name, path, entry, known)
        titles[domain] = entry["title"]
    tool = Domain(body["tool"])
    if tool not in cells:
        raise KnowledgeError(document.name, "$.tool", f"one of the table's domains, found {tool}")
    return Criteria(document.ref, body["title"], tool, body["worst"], cells, titles)


def _cells(name: str, path: str, entry: dict[str, Any], known: frozenset[str]) -> dict[Value, Cell]:
    found: dict[Value, Cell] = {}
    for index, row in enumerate(entry["cells"]):
        at = f"{path}.cells[{index}]"
        cell = Cell(
            grade=row["grade"],
            up_to=row.get("up_to", row["grade"]),
            says=row["says"],
            cites=cites(name, at, row["cites"], known),
            settled_by=Domain(row["settled_by"]) if "settled_by" in row else None,
        )
        if cell.up_to < cell.grade:
            raise KnowledgeError(name, f"{at}.up_to", f"a grade not below {cell.grade}, found {cell.up_to}")
        values: list[Value] = [row["value"]] if "value" in row else list(range(row["from"], row["to"] + 1))
        for value in values:
            if value in found:
                raise KnowledgeError(name, at, f"one cell for {entry['domain']} {value}, found a second")
            found[value] = cell
    if "scores" in entry:
        expected = range(entry["scores"]["lowest"], entry["scores"]["highest"] + 1)
        missing = [value for value in expected if value not in found]
        outside = [value for value in found if isinstance(value, int) and value not in expected]
        if missing or outside:
            raise KnowledgeError(
                name, f"{path}.cells", f"a cell for each score {expected[0]} to {expected[-1]}; "
                f"missing {missing}, outside {outside}",
            )
    return found
