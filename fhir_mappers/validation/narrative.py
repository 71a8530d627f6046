"""Narrative XHTML (narrative.html of FHIR R4 4.0.1, txt-1 and txt-2): well-formed, static, safe to show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers import expat

from fhir_mappers.validation.issues import Issue, error, quoted, warning

XHTML = "http://www.w3.org/1999/xhtml"
# narrative.html and txt-1: chapters 7-11 (but section 4 of chapter 9) and 15 of HTML 4.0, a, img, style attributes
_ELEMENT_NAMES = """
    a abbr acronym address b big blockquote bdo br caption cite code col colgroup dd del dfn div dl dt em
    h1 h2 h3 h4 h5 h6 hr i img ins kbd li ol p pre q s samp small span strike strong sub sup table tbody
    td tfoot th thead tr tt u ul var center font map area
"""
ELEMENTS = frozenset(_ELEMENT_NAMES.split())
_ATTRIBUTE_NAMES = """
    abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char
    charoff charset cite class clear color colspan compact coords dir face frame headers height href
    hreflang hspace id ismap lang longdesc name noshade nowrap rel rev rowspan rules scope shape size
    span src start style summary tabindex title type usemap valign value vspace width datetime
"""
ATTRIBUTES = frozenset(_ATTRIBUTE_NAMES.split())
_ALLOWED = ELEMENTS | {f"{XHTML} {name}" for name in ELEMENTS}
_LINKS = frozenset({"href", "src", "cite", "longdesc", "usemap"})
_ACTIVE = re.compile(r"(?:javascript|vbscript|livescript|data:text/html)", re.IGNORECASE)
_ACTIVE_STYLE = re.compile(
    r"expression\s*\(|javascript:|vbscript:|@import|-moz-binding|behavior\s*:", re.IGNORECASE
)


class _RefusedError(Exception):
    """Stops the parser; its text is the problem."""


class _Reader:
    """Collects the problems of one narrative while expat reads it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Issue] = []
        self.root = ""
        self.content = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        self.root = self.root or local
        if name not in _ALLOWED:
            self.refuse(f"txt-1: element {quoted(local)} is not allowed in a narrative")
        self.content = self.content or local == "img"
        for attribute, value in attributes.items():
            self.attribute(attribute.rpartition(" ")[2], value)

    def attribute(self, name: str, value: str) -> None:
        """A script is an error; an attribute that txt-1 does not list but that does nothing is a warning."""
        if name.lower().startswith("on"):
            self.refuse(f"txt-1: attribute {quoted(name)} runs a script: not allowed in a narrative")
        elif name not in ATTRIBUTES and name != "space":
            text = f"txt-1: attribute {quoted(name)} is not among those of a narrative"
            self.problems.append(warning("security", self.path, text))
        elif name in _LINKS and _ACTIVE.match("".join(value.split())):
            self.refuse(f"{name} runs a script: not allowed in a narrative")
        elif name == "style" and _ACTIVE_STYLE.search(value):
            self.refuse("style runs a script or loads a sheet: not allowed in a narrative")

    def refuse(self, text: str) -> None:
        self.problems.append(error("security", self.path, text))

    def text(self, data: str) -> None:
        self.content = self.content or not data.isspace()

    def doctype(self, *_: object) -> None:
        raise _RefusedError("a document type declaration is not allowed in a narrative")


def narrative_problems(div: str, path: str) -> Iterator[Issue]:
    """Every problem of Narrative.div."""
    reader = _Reader(path)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.Parse(div, True)
    except expat.ExpatError as e:
        reason = expat.ErrorString(e.code)
        yield error(
            "invalid", path, f"not well-formed XHTML: {reason} (line {e.lineno}, column {e.offset + 1})"
        )
    except _RefusedError as e:
        yield error("security", path, str(e))
    else:
        if reader.root != "div":
            yield error("invalid", path, f"a narrative is one div element, found {quoted(reader.root)}")
        if not reader.content:
            yield error("invariant", path, "txt-2: the narrative has no text and no image")
    yield from reader.problems
