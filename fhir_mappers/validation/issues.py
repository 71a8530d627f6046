"""What validation says: issues, and the R4 OperationOutcome that carries them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

Severity = Literal["fatal", "error", "warning", "information"]
SEVERITIES: tuple[Severity, ...] = ("fatal", "error", "warning", "information")
LONGEST_QUOTE = 60
LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Issue:
    """One problem: `code` is of the R4 issue-type value set, `location` a FHIRPath such as
    `Bundle.entry[3].resource.valueQuantity.value` (empty when the document has no elements),
    `line` the line of an NDJSON file or of a syntax error."""

    severity: Severity
    code: str
    location: str
    text: str
    line: int | None = None

    @property
    def fails(self) -> bool:
        """Whether this issue makes the resource invalid."""
        return self.severity in ("error", "fatal")

    def on_line(self, number: int) -> Issue:
        return replace(self, line=number)


def error(code: str, location: str, text: str) -> Issue:
    return Issue("error", code, location, text)


def warning(code: str, location: str, text: str) -> Issue:
    return Issue("warning", code, location, text)


def quoted(value: object) -> str:
    """Text of the input made safe to show: cut short, no control characters, no lone surrogates."""
    text = str(value)
    return f"'{printable(text[:LONGEST_QUOTE])}{'…' if len(text) > LONGEST_QUOTE else ''}'"


def printable(text: str) -> str:
    """The text with its control characters and lone surrogates escaped."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def named(name: str) -> str:
    """An element name as FHIRPath writes it: delimited by backticks when it is not an identifier."""
    return name if name.isascii() and name.isidentifier() and len(name) <= 64 else f"`{quoted(name)[1:-1]}`"


def valid(issues: Iterable[Issue]) -> bool:
    """A resource is valid when no issue is an error."""
    return not any(issue.fails for issue in issues)


def operation_outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """The issues as an R4 OperationOutcome (issue 1..*: none found is said in words)."""
    found = [_outcome_issue(issue) for issue in issues]
    none = Issue("information", "informational", "", "No issues found")
    return {"resourceType": "OperationOutcome", "issue": found or [_outcome_issue(none)]}


def _outcome_issue(issue: Issue) -> dict[str, Any]:
    text = issue.text[:LONGEST_TEXT]
    shown: dict[str, Any] = {"severity": issue.severity, "code": issue.code}
    shown["details"] = {"text": text if issue.line is None else f"line {issue.line}: {text}"}
    if issue.line is not None:
        shown["location"] = [f"line {issue.line}"]
    if issue.location:
        shown["expression"] = [issue.location]
    return shown
