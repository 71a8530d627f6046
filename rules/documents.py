"""Reads, schema-checks and hashes the knowledge documents. The only place of this room with I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

_PACKAGE = files("rules") / "knowledge"

SHIPPED = {
    "bibliography": "bibliography",
    "astct-2019-adults": "criteria",
    "astct-2019-children": "criteria",
    "astct-2019-crs": "criteria",
    "windows": "windows",
    "dosing": "dosing",
    "proxies": "proxies",
    "default-protocol": "protocol",
    "asco-2021": "protocol",
}
"""The documents that ship with the package, and the schema of each."""


class KnowledgeError(Exception):
    """A document that cannot be used: names the document, the place in it, and what was expected."""

    def __init__(self, document: str, path: str, expected: str) -> None:
        self.document, self.path, self.expected = document, path, expected
        super().__init__(f"{document}: {path}: {expected}")


class Citation(NamedTuple):
    """Where a statement comes from: a bibliography entry, and the place in it."""

    ref: str
    at: str


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """Which document, in which version, with which bytes: stands on every record of a decision."""

    id: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Document:
    """A knowledge document as read: its name for messages, its content, its reference."""

    name: str
    body: dict[str, Any]
    ref: DocumentRef


def packaged(name: str, schema: str | None) -> Document:
    """A document that ships with the package; without a schema it is read and not checked."""
    return _parsed(f"{name}.json", (_PACKAGE / f"{name}.json").read_bytes(), schema)


def read_only(path: Path) -> Document:
    """A site's own document, read and not checked; raises KnowledgeError when that fails."""
    return from_file(path, None)


def from_file(path: Path, schema: str | None) -> Document:
    """A site's own document; raises KnowledgeError when the file cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise KnowledgeError(str(path), "$", f"a readable file ({problem.strerror})") from problem
    return _parsed(str(path), content, schema)


def cites(document: str, path: str, items: Sequence[dict[str, str]], known: frozenset[str]) -> tuple[Citation, ...]:
    """Citations of one statement; every one must be in the bibliography."""
    for index, item in enumerate(items):
        if item["ref"] not in known:
            raise KnowledgeError(
                document, f"{path}.cites[{index}].ref", f"a bibliography id, found {item['ref']!r}"
            )
    return tuple(Citation(item["ref"], item["at"]) for item in items)


def _parsed(name: str, content: bytes, schema: str | None) -> Document:
    try:
        body = json.loads(content, object_pairs_hook=lambda pairs: _no_duplicates(name, pairs))
    except (ValueError, RecursionError) as problem:
        raise KnowledgeError(name, "$", f"valid JSON in UTF-8 ({problem})") from problem
    if not isinstance(body, dict):
        raise KnowledgeError(name, "$", "a JSON object")
    if schema is not None:
        problem_found = best_match(_validator(schema).iter_errors(body))
        if problem_found is not None:
            raise KnowledgeError(name, problem_found.json_path, problem_found.message)
    ref = DocumentRef(str(body.get("id")), str(body.get("version")), hashlib.sha256(content).hexdigest())
    return Document(name, body, ref)


def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((_PACKAGE / "schemas" / f"{schema}.schema.json").read_bytes()))


def schema_problems(body: object, schema: str) -> list[tuple[str, str]]:
    """Every schema error of a document as (JSON path, expected and found), in document order."""
    errors = sorted(_validator(schema).iter_errors(body), key=lambda e: [(type(p) is str, p) for p in e.absolute_path])
    return [(error.json_path, _expected_and_found(error)) for error in errors]


def _expected_and_found(error: ValidationError) -> str:
    """A schema error as "... was expected, found ...", never the whole document."""
    asked: Any = error.validator_value
    found: Any = error.instance
    schema: Any = error.schema
    match error.validator:
        case "required":
            return f"a member {error.message.removesuffix(' is a required property')} was expected, found none"
        case "additionalProperties":
            extra = ", ".join(repr(name) for name in found if name not in schema["properties"])
            return f"only {', '.join(schema['properties'])} were expected, found {extra}"
        case "oneOf":
            members = [option["required"][0] for option in asked]
            there = [name for name in members if isinstance(found, dict) and name in found]
            return f"exactly one of {' or '.join(members)} was expected, found {' and '.join(there) or 'none'}"
        case "dependentRequired":
            return f"{error.message.replace(' is a dependency of ', ' was expected beside ')}, found none"
        case "type":
            return f"{asked if isinstance(asked, str) else ' or '.join(asked)} was expected, found {_short(found)}"
        case _:
            return f"{error.validator} {_short(asked)} was expected, found {_short(found)}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _no_duplicates(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise KnowledgeError(name, f"$..{key}", f"each key once, found {key!r} {keys.count(key)} times")
    return dict(pairs)
