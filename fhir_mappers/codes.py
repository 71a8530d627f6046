"""What a coding means: system and code to a concept, from the value sets in terminology/.

The match is exact and case-sensitive, and needs a system; the display is never read. Only active codes answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

from fhir_mappers.elements import Scale, load_units
from fhir_mappers.value_sets import (
    LOINC,
    SNOMED_CT,
    TerminologyError,
    checked_rows,
    coding_of,
    loinc_check_digit_ok,
    verhoeff_ok,
)
from rules.documents import DocumentRef

__all__ = ["LOINC", "SNOMED_CT", "VALUE_SETS", "Substance", "Terminology", "TerminologyError"]
__all__ += ["load_terminology", "loinc_check_digit_ok", "terminology_from", "verhoeff_ok"]

VALUE_SETS = ("observations", "answers", "conditions", "substances", "procedures")


@dataclass(frozen=True, slots=True)
class Substance:
    """An ingredient, its class, and the form the code names: ingredient (none named), oral, injection or other."""

    name: str
    drug_class: str
    form: str


Measured = tuple[str, Scale, str | None]
"""What a code measures: the concept, its scale of units, and mass, moles or another property."""


@dataclass(frozen=True, slots=True)
class Terminology:
    """What every active coding means. `documents` says which value sets, for the record of a decision.

    `prompts` are site codes mapped to a concept by less than equivalence (concept, relation): they ask a
    person and are never read. `site_maps` are the site's own ConceptMaps in force.
    """

    aliases: Mapping[str, str]
    concepts: Mapping[tuple[str, str, str, str], str]  # value set, question or "", system, code
    properties: Mapping[tuple[str | None, str | None], str]
    substances: Mapping[tuple[str, str], Substance]
    names: Mapping[str, str]
    classes: Mapping[str, str]
    naming: re.Pattern[str]
    documents: tuple[DocumentRef, ...]
    prompts: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    site_maps: tuple[DocumentRef, ...] = ()
    questions: Mapping[tuple[str | None, str | None], str] = field(init=False, repr=False, compare=False)
    measured: Mapping[tuple[str | None, str | None], Measured] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """`questions` are the observations alone, by system and code as listed; `measured` those with a unit."""
        asked = {(s, c): concept for (name, _, s, c), concept in self.concepts.items() if name == "observations"}
        scales = load_units().scales
        measured = {
            key: (concept, scales[concept], self.properties.get(key)) for key, concept in asked.items() if concept in scales
        }
        object.__setattr__(self, "questions", asked)
        object.__setattr__(self, "measured", measured)

    def _concept(self, value_set: str, question: str, system: str | None, code: str | None) -> str | None:
        return self.concepts.get((value_set, question, self.aliases.get(system or "", system or ""), code or ""))

    def canonical(self, system: str | None) -> str:
        """The URI under which a system is listed; a URI that is no alias stays as it is."""
        return self.aliases.get(system or "", system or "")

    def observation(self, system: str | None, code: str | None) -> str | None:
        """What an Observation.code asks or measures."""
        return self.questions.get((system, code)) or self._concept("observations", "", system, code)

    def measured_property(self, system: str | None, code: str | None) -> str | None:
        """What a laboratory code measures ("mass", "moles", ...): a unit of another property is to be refused."""
        return self.properties.get((self.canonical(system), code or ""))

    def answer(self, question: str, system: str | None, code: str | None) -> str | None:
        """What an answer means under its question; the same LA code means different things under two questions."""
        return self._concept("answers", question, system, code)

    def condition(self, system: str | None, code: str | None) -> str | None:
        """What a Condition.code means."""
        return self._concept("conditions", "", system, code)

    def procedure(self, system: str | None, code: str | None) -> str | None:
        """What a Procedure.code means."""
        return self._concept("procedures", "", system, code)

    def substance(self, system: str | None, code: str | None) -> Substance | None:
        """The ingredient of a medication code; a product code reaches its ingredient."""
        return self.substances.get((self.canonical(system), code or ""))

    def known_codings(self, value_set: str) -> frozenset[tuple[str, str]]:
        """Every (system, code) that answers in a value set."""
        return frozenset((system, code) for name, _, system, code in self.concepts if name == value_set)

    def substance_named_in(self, text: str) -> str | None:
        """The substance named first in a free text, as a whole word: for duplicate warnings only.

        Never feeds a grade, a dose or an exposure: a text may negate, plan or remember a drug.
        """
        found = self.naming.search(text)
        return self.names[_plain(found.group())] if found else None


@lru_cache(maxsize=1)
def load_terminology() -> Terminology:
    """The value sets that ship with the package; raises TerminologyError when one cannot be used."""
    folder = files("fhir_mappers") / "terminology"
    names = ("systems", *VALUE_SETS)
    return terminology_from({name: (folder / f"{name}.json").read_bytes() for name in names})


def terminology_from(contents: Mapping[str, bytes]) -> Terminology:
    """Value sets from the bytes of their documents, by name; raises TerminologyError."""
    bodies: dict[str, Any] = {name: json.loads(content) for name, content in contents.items()}
    systems = bodies["systems"]["systems"]
    listed = {row["system"] for row in systems}
    rows = [(name, *row) for name in VALUE_SETS for row in checked_rows(bodies[name], listed)]
    active = [row for row in rows if row[2]["active"]]
    questions = {concept["concept"] for concept in bodies["observations"]["concepts"]}
    for answer in bodies["answers"]["concepts"]:
        if answer["question"] not in questions:
            raise TerminologyError(f"answers: {answer['concept']}: no observation {answer['question']!r}")
    drugs = bodies["substances"]["concepts"]
    names = {_plain(name): drug["concept"] for drug in drugs for name in drug["names"]}
    longest_first = sorted(names, key=len, reverse=True)
    spelled = "|".join(re.escape(name).replace(r"\ ", r"[\s-]+") for name in longest_first)
    return Terminology(
        aliases={alias: row["system"] for row in systems for alias in row["aliases"]},
        concepts={
            (name, concept.get("question", ""), code["system"], code["code"]): concept["concept"]
            for name, concept, code in active
        },
        properties={coding_of(code): code["property"] for _, _, code in active if "property" in code},
        substances={
            coding_of(code): Substance(concept["concept"], concept["class"], code["form"])
            for name, concept, code in active
            if name == "substances"
        },
        names=names,
        classes={drug["concept"]: drug["class"] for drug in drugs},
        naming=re.compile(rf"(?<![\w-])(?:{spelled})(?!\w)", re.IGNORECASE | re.ASCII),
        documents=tuple(
            DocumentRef(body["id"], body["version"], hashlib.sha256(contents[name]).hexdigest())
            for name, body in bodies.items()
        ),
    )


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", " ", name).lower()
