"""The worked examples as a ward on one FHIR server: each case-day a patient of its own, every id its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cds_hooks import examples


def request(name: str) -> dict[str, Any]:
    """The hook request of an example, its ids renamed and its times shifted to now. Raises LookupError."""
    found = examples.shifted(name)
    names = {f"{r['resourceType']}/{r['id']}": f"{name}-{r['id']}"[:64] for r in _resources(found) if "id" in r}
    renamed: dict[str, Any] = _renamed(found, names)
    context = renamed["context"]
    context["patientId"] = names[f"Patient/{context['patientId']}"]
    if f"Encounter/{context.get('encounterId')}" in names:
        context["encounterId"] = names[f"Encounter/{context['encounterId']}"]
    return renamed


def chart(name: str) -> dict[str, Any]:
    """The chart of an example as a transaction that puts every record where its id says. Raises LookupError."""
    found: dict[str, Mapping[str, Any]] = {}
    for resource in _resources({"prefetch": request(name)["prefetch"]}):
        found[f"{resource['resourceType']}/{resource['id']}"] = resource
    entries = [{"resource": r, "request": {"method": "PUT", "url": place}} for place, r in found.items()]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _resources(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every resource but the Bundles that hold them."""
    if isinstance(value, list):
        for item in value:
            yield from _resources(item)
    elif isinstance(value, dict):
        if value.get("resourceType", "Bundle") != "Bundle":
            yield value
        else:
            for item in value.values():
                yield from _resources(item)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if isinstance(value, str):
        return f"{value.split('/')[0]}/{names[value]}" if value in names else value
    if not isinstance(value, dict):
        return value
    made = {key: _renamed(item, names) for key, item in value.items()}
    place = f"{value.get('resourceType')}/{value.get('id')}"
    return {**made, "id": names[place]} if place in names else made
