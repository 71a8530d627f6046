"""Reads the rows of a value set and checks each: a slip is an error at start, not a wrong answer later."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

LOINC = "http://loinc.org"
SNOMED_CT = "http://snomed.info/sct"

# The multiplication table of the dihedral group of order 10, and the permutation applied at each place.
_TIMES = tuple(
    tuple((a + b) % 5 + 5 * (b > 4) if a < 5 else (a - b) % 5 + 5 * (b < 5) for b in range(10))
    for a in range(10)
)
_PERMUTED = [tuple(range(10))]
for _ in range(7):
    _PERMUTED.append(tuple((1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit] for digit in _PERMUTED[-1]))


class TerminologyError(Exception):
    """A value set that cannot be used: names the document, the code, and what was expected."""


def loinc_check_digit_ok(code: str) -> bool:
    """LOINC mod 10: every second place from the right counts double; the letters of LA, LL, LP count by ASCII."""
    if not re.fullmatch(r"(LA|LL|LP)?[1-9][0-9]*-[0-9]", code):
        return False
    body, check = code.split("-")
    places = [ord(sign) - ord("0") for sign in reversed(body)]
    total = sum(2 * value - 9 * (value // 5) for value in places[::2]) + sum(places[1::2])
    return (total + int(check)) % 10 == 0


def verhoeff_ok(code: str) -> bool:
    """The check digit of a SNOMED CT identifier (6 to 18 digits), Verhoeff's dihedral check."""
    if not re.fullmatch(r"[1-9][0-9]{5,17}", code):
        return False
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = _TIMES[check][_PERMUTED[place % 8][int(digit)]]
    return check == 0


_CHECKS = {LOINC: loinc_check_digit_ok, SNOMED_CT: verhoeff_ok}


def checked_rows(body: Any, systems: set[str]) -> Iterator[tuple[Any, Any]]:
    """Every (concept, code) of a value set; a mistake is an error also in an inactive code."""
    concepts: set[tuple[str, str]] = set()
    holders: dict[tuple[str, ...], str] = {}
    for concept in body["concepts"]:
        name, question = concept["concept"], concept.get("question", "")
        if (question, name) in concepts:
            raise TerminologyError(f"{body['id']}: {name}: expected each concept once, found twice")
        concepts.add((question, name))
        for code in concept["codes"]:
            where, key = (
                f"{body['id']}: {name}: {code['system']}|{code['code']}",
                (question, *coding_of(code)),
            )
            if key in holders:
                raise TerminologyError(f"{where}: expected each code once, found also under {holders[key]}")
            holders[key] = name
            if code["system"] not in systems:
                raise TerminologyError(f"{where}: expected a system listed in the document systems")
            if not _CHECKS.get(code["system"], bool)(code["code"]):
                raise TerminologyError(f"{where}: expected a code whose check digit holds")
            if body["id"] == "observations" and code["code"].startswith(("LA", "LL")):
                raise TerminologyError(f"{where}: expected a question, found an answer or an answer list")
            yield concept, code


def coding_of(code: Mapping[str, Any]) -> tuple[str, str]:
    """System and code, the key of every lookup."""
    return code["system"], code["code"]
