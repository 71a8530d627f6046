"""A document that is wrong is refused with its name, the place, and what was expected."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rules import KnowledgeError, load_knowledge
from rules.checking import shipped_problems
from rules.criteria import criteria_from
from rules.documents import Document, DocumentRef, packaged
from rules.dosing import dosing_from
from rules.protocol import protocol_from

KNOWN = frozenset(e["id"] for e in packaged("bibliography", "bibliography").body["entries"])
DOSES = frozenset(d["id"] for d in packaged("dosing", "dosing").body["doses"])


def changed(name: str, schema: str, change: Callable[[Any], None]) -> Document:
    document = packaged(name, schema)
    body = copy.deepcopy(document.body)
    change(body)
    return Document("site.json", body, DocumentRef("site", "1.0.0", "0" * 64))


def first_cell(body: Any) -> Any:
    return body["domains"][0]["cells"][0]


@pytest.mark.parametrize(
    ("change", "path", "expected"),
    [
        (lambda b: first_cell(b).update({"from": 9, "to": 10}), "$.domains[0].cells[1]", "one cell for ice 9"),
        (lambda b: b["domains"][0]["cells"].pop(0), "$.domains[0].cells", "missing [10]"),
        (lambda b: first_cell(b).update({"to": 11}), "$.domains[0].cells", "outside [11]"),
        (lambda b: first_cell(b).update({"grade": 2, "up_to": 1}), "$.domains[0].cells[0].up_to", "not below 2"),
        (lambda b: b["domains"].append(b["domains"][1]), "$.domains[5]", "each domain once"),
        (lambda b: b.update(tool="capd"), "$.tool", "one of the table's domains"),
        (lambda b: first_cell(b).update(cites=[{"ref": "nobody", "at": "x"}]), ".cites[0].ref", "a bibliography id"),
    ],
)
def test_a_grading_table(change: Callable[[Any], None], path: str, expected: str) -> None:
    with pytest.raises(KnowledgeError) as raised:
        criteria_from(changed("astct-2019-adults", "criteria", change), KNOWN)
    assert path in raised.value.path
    assert expected in raised.value.expected
    assert str(raised.value).startswith("site.json: $")


@pytest.mark.parametrize(
    ("change", "path", "expected"),
    [
        (lambda b: b["rows"][0].update(topic="weather"), "$.rows[0].topic", "found 'weather'"),
        (lambda b: b["rows"][1].update(id=b["rows"][0]["id"]), "$.rows[1].id", "each id once"),
        (lambda b: b["rows"][0]["when"].update(moon=["full"]), "$.rows[0].when.moon", "one of the facts"),
        (lambda b: b["rows"][0]["when"].update(icans_grade=[True]), "$.rows[0].when.icans_grade[0]", "found True"),
        (lambda b: _therapies(b), ".therapies[0].dosing", "an id of the dosing document"),
        (lambda b: b["topics"][-1].update(kind="check", joins="weather"), "].joins", "found 'weather'"),
        (lambda b: b["topics"][0].update(joins=b["topics"][1]["id"]), "$.topics[0].joins", "a topic that a check joins"),
    ],
)
def test_a_protocol(change: Callable[[Any], None], path: str, expected: str) -> None:
    with pytest.raises(KnowledgeError) as raised:
        protocol_from(changed("default-protocol", "protocol", change), KNOWN, DOSES)
    assert path in raised.value.path
    assert expected in raised.value.expected


def _therapies(body: Any) -> None:
    row = next(r for r in body["rows"] if "therapies" in r.get("advise", {}))
    row["advise"]["therapies"][0]["dosing"] = "nothing"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda b: b["doses"][1].update(id=b["doses"][0]["id"]), "$.doses[1].id"),
        (lambda b: b["doses"][-1]["by_renal_band"].pop("unknown"), "by_renal_band"),
        (lambda b: b["limits"].pop(), "$.limits"),
    ],
)
def test_a_dosing_table(change: Callable[[Any], None], path: str) -> None:
    with pytest.raises(KnowledgeError) as raised:
        dosing_from(changed("dosing", "dosing", change), KNOWN)
    assert path in raised.value.path


@pytest.mark.parametrize(("status", "draft_too", "refused"), [("retired", True, True), ("draft", False, True), ("draft", True, False)])
def test_the_status_of_a_protocol(status: str, draft_too: bool, refused: bool, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({**packaged("default-protocol", "protocol").body, "status": status}), encoding="utf-8")
    if refused:
        with pytest.raises(KnowledgeError, match="'active'"):
            load_knowledge((path,), allow_draft=draft_too)
    else:
        assert load_knowledge((path,), allow_draft=draft_too).protocols[0].status == "draft"


@pytest.mark.parametrize(("content", "expected"), [(b"{", "valid JSON"), (b"\xff", "UTF-8"), (b"[]", "a JSON object"), (b'{"a":1,"a":2}', "each key once"), (b"{}", "required")])
def test_a_file_that_is_no_document(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(content)
    with pytest.raises(KnowledgeError, match=expected):
        load_knowledge((path,))


def test_every_source_is_cited_and_every_citation_known() -> None:
    assert shipped_problems() == []


def test_one_changed_byte_changes_the_hash(tmp_path: Path) -> None:
    content = json.dumps(packaged("default-protocol", "protocol").body)
    refs = []
    for index, text in enumerate((content, content + " ")):
        path = tmp_path / f"{index}.json"
        path.write_text(text, encoding="utf-8")
        refs.append(load_knowledge((path,)).protocols[0].ref)
    assert refs[0].version == refs[1].version
    assert refs[0].sha256 != refs[1].sha256
