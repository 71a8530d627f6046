"""A declined request: its status, and the OperationOutcome that says why."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):  # noqa: N818  (not a failure of ours: an answer to the caller)
    """A request we do not answer. `code` is a FHIR R4 issue type, `expression` the place in the request.

    The text goes to the caller and into logs: it names members and expectations, never patient data.
    """

    def __init__(self, status: int, code: str, text: str, expression: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text
        self.expression = expression

    def outcome(self) -> dict[str, Any]:
        """The R4 OperationOutcome to send as the body."""
        issue: dict[str, Any] = {"severity": "error", "code": self.code, "diagnostics": self.text}
        if self.expression:
            issue["expression"] = [self.expression]
        return {"resourceType": "OperationOutcome", "issue": [issue]}
