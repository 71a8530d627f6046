"""A record we were given and could not use, and why: a value, shown on the card, never an exception."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MappingIssue:
    """`evidence` names the record ("Observation/ice-1"); `problem` what is wrong and what was expected.

    `domain` names the domain it could have filled ("ice", "seizure"; "icans" for a charted grade or
    diagnosis of ICANS; "exposure" for a product; "observation" for an Observation of which nothing can be read), when it names one. `named` is a drug that a text names where no code does.
    `used`: the record was read all the same, and this is only said about it.
    """

    evidence: str
    problem: str
    domain: str | None = None
    named: str | None = None
    used: bool = False
