"""The services offered, the data each asks for, and the discovery body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

SPECIFICATION = "2.0.1"  # the CDS Hooks release implemented

# Only what every client can send: {{context.x}} tokens, no parameter twice (the CDS Hooks sandbox joins them
# with a comma, an OR in FHIR), no date arithmetic (medplum does not know today()), and _count always (server
# pages are as short as 20). Newest first, by the date parameter R4 gives the type, so that a page that is cut
# holds the latest; AllergyIntolerance is not sorted, as it is not read by time.
# `observations` names no codes: sites chart the ICE score and its kin under codes of their own, and a filter
# would turn "coded otherwise" into "never assessed". A full page is recognised by `next` and said on the card.
PREFETCH: Mapping[str, str] = MappingProxyType(
    {
        "patient": "Patient/{{context.patientId}}",
        "administrations": "MedicationAdministration?patient={{context.patientId}}"
        "&_sort=-effective-time&_count=300",
        "procedures": "Procedure?patient={{context.patientId}}&_sort=-date&_count=200",
        "observations": "Observation?patient={{context.patientId}}&_sort=-date&_count=300",
        "conditions": "Condition?patient={{context.patientId}}&_sort=-recorded-date&_count=200",
        "medications": "MedicationRequest?patient={{context.patientId}}&_sort=-authoredon&_count=200",
        "allergies": "AllergyIntolerance?patient={{context.patientId}}&_count=100",
        "encounter": "Encounter/{{context.encounterId}}",
    }
)
REQUIRED = ("patient", "administrations", "procedures", "observations")


@dataclass(frozen=True, slots=True)
class Service:
    """One entry of the discovery body, called at /cds-services/{id}."""

    id: str
    hook: str
    title: str
    description: str
    usage_requirements: str
    prefetch: Mapping[str, str]
    required: tuple[str, ...]  # keys without which it answers 412

    def described(self) -> dict[str, Any]:
        return {
            "hook": self.hook,
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "usageRequirements": self.usage_requirements,
            "version": SPECIFICATION,
            "prefetch": dict(self.prefetch),
        }


_USAGE = (
    f"FHIR R4. Needs the prefetch keys {', '.join(REQUIRED)}: without them it answers 412. null or an "
    "empty Bundle says that there is none. The other keys are optional; what is missing is said on the card."
)


def _service(hook: str, title: str, description: str) -> Service:
    said = f"{description} It speaks only when called: it is not a monitor."
    return Service(f"icans-{hook}", hook, title, said, _USAGE, PREFETCH, REQUIRED)


SERVICES = (
    _service(
        "order-sign",
        "ICANS: grade and management at order signing",
        "Grades immune effector cell-associated neurotoxicity (ICANS, ASTCT 2019) from the chart when orders "
        "are signed, and advises on corticosteroid, antiseizure medication and the causative agent.",
    ),
    _service(
        "order-select",
        "ICANS: grade and management when orders are selected",
        "The same as at signing, on the orders selected so far; the other drafts are context.",
    ),
    _service(
        "patient-view",
        "ICANS: status of a patient at risk",
        "One card when the chart of a patient at risk of ICANS is opened: grade, trend and when the next "
        "assessment is due; an ICANS record without a therapy on record; silent otherwise.",
    ),
)


SHADOW = "SHADOW MODE: evaluates and records, answers no cards; silence says nothing of the patient."


def discovery(shadow: bool = False) -> dict[str, Any]:
    """The body of GET /cds-services; in shadow mode each description begins by saying so (H50)."""
    found = [service.described() for service in SERVICES]
    if shadow:
        found = [{**one, "description": f"{SHADOW} {one['description']}"} for one in found]
    return {"services": found}
