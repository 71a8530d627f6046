"""`icans-cds check`: each kind of problem is named with its path and an example; exit codes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from cds_hooks import check_command, wording
from cds_hooks.longest import longest
from rules import KnowledgeError, documents, load_knowledge
from rules.assessing import SHIPPED_PROTOCOLS
from rules.checking import SUMMARY_LIMIT, Problem, check_protocol, reference_problems, shipped_problems
from rules.documents import SHIPPED as SHIPPED_DOCUMENTS

SHIPPED = json.loads((Path(__file__).parents[2] / "rules/knowledge/default-protocol.json").read_text("utf-8"))
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def protocol() -> dict[str, Any]:
    return copy.deepcopy(SHIPPED)


def row(protocol: dict[str, Any], identity: str) -> dict[str, Any]:
    found: dict[str, Any] = next(r for r in protocol["rows"] if r["id"] == identity)
    return found


def said(protocol: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    path = tmp_path / "site.json"
    path.write_text(json.dumps(protocol), encoding="utf-8")
    assert check_command.run([str(path)], None) == 1
    return capsys.readouterr().out


def test_what_ships_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_command.run([], None) == 0
    assert "default-protocol.json is complete: " in capsys.readouterr().out


def test_a_gap_is_shown_as_a_fact_combination(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    row(protocol, "steroid-low")["when"]["icans_grade"] = ["indeterminate", 0]
    text = said(protocol, tmp_path, capsys)
    assert "$.rows: gap: topic corticosteroid: a row was expected, found none for icans_grade=1\n" in text
    assert "    for example: icans_grade=1\n" in text


def test_a_conflict_names_both_rows_and_an_example(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    row(protocol, "steroid-low")["when"]["icans_grade"] = ["indeterminate", 0, 1, 2]
    text = said(protocol, tmp_path, capsys)
    assert "conflict: one row was expected, found steroid-low and steroid-child both for icans_grade=2" in text
    assert "    for example: icans_grade=2, " in text


def test_a_dead_row_is_named(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    dead = {**row(protocol, "work-up-none"), "id": "dead"}
    dead["when"] = {"icans_grade": [0], "grade_basis": ["proxy"]}
    protocol["rows"].append(dead)
    text = said(protocol, tmp_path, capsys)
    assert "dead row: a row that can hold was expected, found dead: icans_grade=0, grade_basis=proxy" in text


def test_an_unknown_fact_has_a_hint(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    when = row(protocol, "steroid-grade-3")["when"]
    when["icans_grad"] = when.pop("icans_grade")
    text = said(protocol, tmp_path, capsys)
    assert ".when.icans_grad: a known fact was expected (icans_grade, " in text
    assert "found 'icans_grad'; " in text
    assert "did you mean 'icans_grade'?" in text


def test_a_boolean_where_a_grade_belongs(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    row(protocol, "steroid-grade-3")["when"]["icans_grade"] = [True]
    text = said(protocol, tmp_path, capsys)
    assert ".when.icans_grade[0]: one of ['indeterminate', 0, 1, 2, 3, 4] was expected, found True (bool)" in text


def test_a_missing_citation(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    del row(protocol, "steroid-grade-3")["cites"]
    row(protocol, "steroid-grade-4")["cites"] = [{"ref": "nobody-2020", "at": "page 1"}]
    text = said(protocol, tmp_path, capsys)
    assert ": a member 'cites' was expected, found none" in text
    assert "cites[0].ref: a known bibliography id was expected (" in text


def test_a_therapy_without_an_indicator(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    del row(protocol, "steroid-grade-3")["advise"]["indicator"]
    assert ".advise: 'indicator' was expected beside 'therapies', found none" in said(protocol, tmp_path, capsys)


def test_every_problem_is_reported_not_only_the_first(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    row(protocol, "steroid-grade-3")["topic"] = "steroids"
    row(protocol, "steroid-grade-2")["advise"]["therapies"][0]["dosing"] = "dexamethasone-by-the-bucket"
    row(protocol, "steroid-grade-4")["advise"]["summary"] = "{grad}: give"
    text = said(protocol, tmp_path, capsys)
    assert "found 'steroids'" in text
    assert "found 'dexamethasone-by-the-bucket'" in text
    assert "summary: a known placeholder was expected (" in text
    assert "found 'grad'; did you mean 'grade'?" in text


def test_json_that_is_none_and_a_key_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content, expected in (("{", "valid JSON"), ('{"id": 1, "id": 2}', "each key once"), ("[]", "a JSON object")):
        path = tmp_path / "bad.json"
        path.write_text(content, encoding="utf-8")
        assert check_command.run([str(path)], None) == 1
        assert expected in capsys.readouterr().err


def test_a_path_that_cannot_be_opened_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_command.run(["nowhere.json"], None) == 2
    assert "a readable file" in capsys.readouterr().err


def test_the_status_is_said(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "draft.json"
    path.write_text(json.dumps({**protocol, "status": "draft"}), encoding="utf-8")
    assert check_command.run([str(path)], None) == 0
    assert "status is draft: the service loads it only with ICANS_DEMO=1" in capsys.readouterr().out


def test_the_example_site_and_its_vignettes(capsys: pytest.CaptureFixture[str]) -> None:
    site, vignettes = str(EXAMPLES / "site-protocol.json"), str(EXAMPLES / "site-vignettes.csv")
    assert check_command.run([site], vignettes) == 0
    assert "6 vignettes pass" in capsys.readouterr().out
    assert check_protocol(Path(site)).problems == ()


def test_a_vignette_that_fails_names_line_expected_and_found(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "v.csv"
    path.write_text("vignette,ice,expect_at_least,expect_rows\nICE 5,5,3,steroid-grade-3\n", encoding="utf-8")
    assert check_command.run([], str(path)) == 1
    text = capsys.readouterr().out
    assert "line 2: ICE 5: expected at_least 3, found 2" in text
    assert "expected row steroid-grade-3" in text


@pytest.mark.parametrize(
    ("header", "line", "expected"),
    [
        ("vignette,icee", "x,5", "found 'icee'"),
        ("vignette,age", "x,old", "age: a whole number of years was expected, found 'old'"),
        ("vignette,age", "x,²", "age: a whole number"),
        ("vignette,exposure", "x,y", "found 'y'"),
        ("vignette,delay", "x,perhaps", "delay: yes or no was expected, found 'perhaps'"),
        ("vignette,ice", "x,n/a", "ice: one of 10, 7, 8, 9, "),
        ("vignette,ice", "x,11", "found '11'"),
        ("vignette,consciousness", "x,sleepy", "consciousness: one of alert, awakens-spontaneously, "),
        ("vignette,age,capd", "x,40,9", "capd: empty was expected, as at this age ice is scored; found '9'"),
        ("vignette,age", "x,40,5,6", "found a further one"),
    ],
)
def test_a_vignette_that_cannot_be_read(header: str, line: str, expected: str, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "v.csv"
    path.write_text(f"expect_at_least,{header}\n1,{line}\n0,{line}\n", encoding="utf-8")
    assert check_command.run([], str(path)) == 1
    text = capsys.readouterr().out
    assert expected in text
    assert "line 2: " in text, "one that cannot be read does not hide the next"
    assert "line 3: " in text


def test_a_vignette_that_expects_nothing_does_not_pass(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "v.csv"
    path.write_text('vignette,ice,expect_at_least\n"two\nlines",5,2\n# a remark\nx,5,\n', encoding="utf-8")
    assert check_command.run([], str(path)) == 1
    assert "v.csv: line 5: an expectation was expected" in capsys.readouterr().out
    path.write_text("vignette,ice,expect_at_least\n", encoding="utf-8")
    assert check_command.run([], str(path)) == 1
    assert "at least one vignette was expected, found none" in capsys.readouterr().out


def test_a_row_that_no_protocol_has_is_said(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "v.csv"
    path.write_text("vignette,exposure,ice,expect_rows\nx,,5,steroid-grade-22\ny,none,,steroid-grade-2\n", encoding="utf-8")
    assert check_command.run([], str(path)) == 1
    text = capsys.readouterr().out
    assert "line 2: x: expected row steroid-grade-22, found no row of that id in the protocol" in text
    assert "line 3: y: expected row steroid-grade-2, found no row" in text


def test_the_published_vignettes_pass_in_their_own_layout(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_command.run([], str(Path(__file__).parents[1] / "data" / "vignettes.json")) == 0
    assert "49 vignettes pass" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "code", "expected"),
    [
        ('[{"id": "A1", "findings": "ICE 5", "age": 5}]', 1, "$[0]: a vignette of the published layout was expected, found no usable 'tool'"),
        ('{"id": 1}', 2, "a list of objects"),
        ("[1]", 2, "a list of objects"),
        ("[", 2, "vignettes as CSV or JSON in UTF-8 were expected"),
        ('vignette,ice\n"x,5', 2, "vignettes as CSV or JSON in UTF-8 were expected"),
        ("", 1, "at least one vignette was expected, found none"),
    ],
)
def test_vignettes_that_are_none(content: str, code: int, expected: str, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "vignettes"
    path.write_text(content, encoding="utf-8")
    assert check_command.run([], str(path)) == code
    printed = capsys.readouterr()
    assert expected in printed.out + printed.err


def test_a_vignette_of_unknown_age_is_scored_by_what_was_charted(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text("vignette,age,delay,capd,expect_at_least\nx,,,9,3\ny,15,yes,9,3\nz,5,no,unable,4\n", encoding="utf-8")
    assert check_command.run([], str(path)) == 0


def test_a_vignettes_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_command.run([], "nowhere.csv") == 2
    assert "nowhere.csv: a readable file was expected" in capsys.readouterr().err


def test_a_retired_protocol_is_checked_said_and_runs_no_vignette(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "retired.json"
    path.write_text(json.dumps({**protocol, "status": "retired"}), encoding="utf-8")
    assert check_command.run([str(path)], str(EXAMPLES / "site-vignettes.csv")) == 1
    text = capsys.readouterr().out
    assert "status is retired: the service does not load it" in text
    assert "$.status" in text


def test_a_summary_that_grows_too_long_is_said_at_its_longest(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    row(protocol, "steroid-grade-3")["advise"]["summary"] = "{grade}: " + "give dexamethasone " * 5
    text = said(protocol, tmp_path, capsys)
    assert ".advise.summary: at most 139 characters with its placeholders filled were expected, found up to 15" in text
    assert "grade 3, grade 4 not excluded: give dexamethasone" in text, "what it rests on is left out first"


def test_no_summary_that_ships_is_ever_cut() -> None:
    knowledge = load_knowledge(tuple(Path(name) for name in SHIPPED_PROTOCOLS))
    filled = longest(knowledge)
    for one in (r for p in knowledge.protocols for r in p.rows if r.indicator):
        assert len(filled(one.summary, one.when)) <= SUMMARY_LIMIT == wording.SUMMARY_LIMIT, one.id


def test_a_dose_that_the_row_does_not_propose_stays_unfilled(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    row(protocol, "work-up-1")["advise"]["do"] = ["Levetiracetam {levetiracetam-treatment}."]
    text = said(protocol, tmp_path, capsys)
    assert ".advise.do[0]: a dose that this row proposes was expected, found {levetiracetam-treatment}" in text


def test_ids_that_stand_twice_and_topics_of_one_code(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    protocol["topics"] += [{"id": "corticosteroid", "title": "Again"}, {"id": "anti-il6", "title": "Same code"}]
    protocol["rows"].append(dict(row(protocol, "steroid-low")))
    first = len(protocol["topics"]) - 2
    text = said(protocol, tmp_path, capsys)
    assert ".id: each id once was expected, found 'steroid-low' again ($.rows[" in text
    assert f"$.topics[{first}].id: each id once was expected, found 'corticosteroid' again" in text
    assert f"$.topics[{first + 1}].id: a code of its own was expected, found 'antiil6' of 'anti-il-6' again" in text


def test_problems_of_one_row_do_not_hide_what_the_others_prove(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    row(protocol, "work-up-1")["when"]["icans_grade"] = [True]
    row(protocol, "work-up-2")["when"]["icans_grade"] = [2, 3]
    row(protocol, "place-low")["when"]["icans_grade"] = [0, 1]
    row(protocol, "steroid-low")["topic"] = "corticosteroids"
    text = said(protocol, tmp_path, capsys)
    assert "found True (bool)" in text
    assert "conflict: one row was expected, found work-up-2 and work-up-3-4 both for icans_grade=3" in text
    assert "gap: topic place-of-care: a row was expected, found none for icans_grade=indeterminate" in text
    assert "did you mean 'corticosteroid'?" in text
    assert "gaps not looked for in corticosteroid, work-up: a row that cannot be read may close them" in text


def test_checks_stand_alone(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    protocol["topics"].append({"id": "order-check", "title": "Checks", "kind": "check"})
    fires = {**row(protocol, "work-up-none"), "id": "fires", "topic": "order-check", "when": {"icans_grade": [3]}}
    protocol["rows"] += [fires, {**fires, "id": "too", "when": {"icans_grade": [3], "adult": [True]}}]
    path = tmp_path / "site.json"
    path.write_text(json.dumps(protocol), encoding="utf-8")
    assert check_command.run([str(path)], None) == 0
    protocol["rows"][-1]["when"]["adult"] = [False, True]
    assert "idle condition: a condition that can fail was expected, found adult of too" in said(protocol, tmp_path, capsys)


def _places(protocol: dict[str, Any]) -> list[tuple[Any, ...]]:
    index = next(i for i, r in enumerate(protocol["rows"]) if r["id"] == "steroid-grade-3")
    one = protocol["rows"][index]
    return [
        *((member,) for member in protocol),
        ("topics", 0),
        ("topics", 0, "id"),
        ("rows", 0),
        *(("rows", index, member) for member in one),
        *(("rows", index, "advise", member) for member in one["advise"]),
        ("rows", index, "when", "icans_grade"),
        ("rows", index, "cites", 0),
        ("rows", index, "cites", 0, "ref"),
    ]


WORDS = ("title", "strength", "certainty", "summary")


def test_malformed_members_are_named_and_never_crash(protocol: dict[str, Any], tmp_path: Path) -> None:
    """Each member of the document, a topic and a row replaced by each other kind of value."""
    path = tmp_path / "site.json"
    protocol["topics"] = [t for t in protocol["topics"] if t["id"] == "corticosteroid"]
    protocol["rows"] = [r for r in protocol["rows"] if r["topic"] == "corticosteroid"]
    for place in _places(protocol):
        for value in (None, 5, 1.5, True, "\ud800 x\n", [], [[]], [{}], {}, {"ref": []}):
            if isinstance(value, str) and place[-1] in WORDS:
                continue
            changed = copy.deepcopy(protocol)
            at: Any = changed
            for step in place[:-1]:
                at = at[step]
            at[place[-1]] = value
            path.write_text(json.dumps(changed), encoding="utf-8")
            found = check_protocol(path).problems
            assert found, (place, value)
            assert all(problem.path.startswith("$") for problem in found)


def test_what_a_document_holds_is_printed_on_one_line(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    row(protocol, "work-up-1")["when"]["new\nline \x1b[31m \ud800"] = [1]
    text = said(protocol, tmp_path, capsys)
    assert "\x1b" not in text
    assert "new\\nline" in text


def test_json_too_deep_is_no_crash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000, encoding="utf-8")
    assert check_command.run([str(path)], None) == 1
    assert "valid JSON" in capsys.readouterr().err


def test_citations_and_the_bibliography_fit_each_other() -> None:
    body = {"rows": [{"cites": [{"ref": "lee-2019", "at": "x"}, {"ref": "lee-2018", "at": "x"}]}]}
    found = [str(p) for p in reference_problems({"a.json": body}, ("lee-2019", "nobody-cited"))]
    assert found == [
        "a.json: $.rows[0].cites[1].ref: a known bibliography id was expected (lee-2019, nobody-cited), "
        "found 'lee-2018'; did you mean 'lee-2019'?",
        "bibliography.json: $.entries[1]: a source that a document cites was expected, found 'nobody-cited'",
    ]


def test_every_document_that_ships_is_checked() -> None:
    folder = Path(documents.__file__).parent / "knowledge"
    assert sorted(SHIPPED_DOCUMENTS) == sorted(path.stem for path in folder.glob("*.json"))
    assert shipped_problems() == []


def test_knowledge_that_does_not_load_stops_the_check(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def broken() -> None:
        raise KnowledgeError("windows.json", "$.windows", "all of them")

    monkeypatch.setattr(check_command, "load_knowledge", broken)
    assert check_command.run([], None) == 1
    assert "windows.json: $.windows: all of them" in capsys.readouterr().out


def test_a_shipped_document_that_is_wrong_is_said(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(check_command, "shipped_problems", lambda: [Problem("dosing.json", "$.doses", "some")])
    assert check_command.run([], None) == 1
    assert "dosing.json: $.doses: some" in capsys.readouterr().out


def test_a_correction_by_an_unknown_dose_is_named(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    one = next(r for r in protocol["rows"] if "dosing" in (r.get("advise", {}).get("correct") or {}))
    one["advise"]["correct"]["dosing"] = "nothing"
    assert ".advise.correct.dosing" in said(protocol, tmp_path, capsys)
