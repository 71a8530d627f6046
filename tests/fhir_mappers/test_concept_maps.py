"""Site maps: what they make readable, and every slip that is refused with its reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from charts import ANSWER, ITEM, NOW, ago, bundle, concept, domain, encoded, infusion, observation, patient
from typer.testing import CliRunner

from cds_hooks.cli import app
from cds_hooks.decide import Decision
from cds_hooks.evaluating import decided
from fhir_mappers.codes import load_terminology
from fhir_mappers.concept_maps import CONCEPTS, ConceptMapError, meanings, with_site_maps
from fhir_mappers.site import Site
from fhir_mappers.terminology_out import published
from rules import load_knowledge

KNOWLEDGE = load_knowledge()
EPIC = "urn:oid:1.2.840.114350.1.13.0.1.7.2.707679"
LIST = "urn:oid:1.2.840.114350.1.13.0.1.7.4.1"
RUN = CliRunner()


def concept_map(*groups: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "ConceptMap", "id": "epic-like", "version": "2026-11", "status": "active", "publisher": "Dr A. Name", "group": list(groups), **more}


def group(source: str, target: str, *rows: tuple[str, str, str], display: str = "") -> dict[str, Any]:
    elements = [{"code": code, "target": [{"code": to, "equivalence": relation}], **({"display": display} if display else {})} for code, to, relation in rows]
    return {"source": source, "target": target, "element": elements}


SCORE = group(EPIC, ITEM, ("4711", "ice-score", "equivalent"), ("4712", "consciousness", "equal"))
ANSWERS = group(LIST, ANSWER, ("1", "loc-alert", "equivalent"), ("2", "loc-awakens-to-voice", "equivalent"))


def written(folder: Path, body: Any, name: str = "map.json") -> Path:
    path = folder / name
    path.write_text(body if isinstance(body, str) else json.dumps(body))
    return path


def chart() -> list[dict[str, Any]]:
    return [
        patient(50), infusion(ago(days=3)),
        observation("ice", concept(EPIC, "4711"), {"valueInteger": 5}),
        observation("loc", concept(EPIC, "4712"), {"valueCodeableConcept": concept(LIST, "1")}),
        domain("seizure", "seizure-none"), domain("motor", "motor-none"), domain("raised-icp", "icp-none"),
    ]


def graded(folder: Path, *bodies: dict[str, Any]) -> Decision:
    paths = [written(folder, body, f"{n}.json") for n, body in enumerate(bodies)]
    codes = with_site_maps(load_terminology(), paths)
    return decided(encoded(bundle(*chart())), NOW, KNOWLEDGE, Site(codes=codes))


def test_a_flowsheet_map_makes_a_chart_gradable(tmp_path: Path) -> None:
    without = decided(encoded(bundle(*chart())), NOW, KNOWLEDGE)
    assert (without.record["grading"]["at_least"], without.record["grading"]["at_most"]) == (0, 4)
    found = graded(tmp_path, concept_map(SCORE), concept_map(ANSWERS, id="answers")).record
    assert (found["grading"]["status"], found["grading"]["at_least"]) == ("final", 2)
    assert {"epic-like", "answers"} <= {ref["id"] for ref in found["knowledge"]}


@pytest.mark.parametrize("relation", ["wider", "narrower", "inexact", "relatedto", "subsumes", "specializes"])
def test_less_than_equivalence_asks_a_person(relation: str, tmp_path: Path) -> None:
    loose = group(EPIC, ITEM, ("4711", "ice-score", relation))
    found = graded(tmp_path, concept_map(loose)).record
    assert found["grading"]["by_domain"].get("ice") is None
    (issue,) = [i for i in found["issues"] if i["evidence"] == "Observation/ice"]
    assert f"mapped to ice-score as '{relation}' only: refused" in issue["problem"]


@pytest.mark.parametrize("relation", ["unmatched", "disjoint"])
def test_no_match_is_recorded_and_ignored(relation: str, tmp_path: Path) -> None:
    body = concept_map({"source": EPIC, "target": ITEM, "element": [{"code": "4711", "target": [{"equivalence": relation}]}]})
    found = graded(tmp_path, body).record
    assert found["issues"] == []
    assert found["grading"]["by_domain"].get("ice") is None


def two_targets(body: dict[str, Any]) -> None:
    body["group"][0]["element"][0]["target"].append({"code": "capd-score", "equivalence": "equal"})


def mapped_twice(body: dict[str, Any]) -> None:
    body["group"][0]["element"].append({"code": "4711", "target": [{"code": "ice-score", "equivalence": "equal"}]})


def answer_as_question(body: dict[str, Any]) -> None:
    body["group"][0] = group("http://loinc.org", ITEM, ("LL3830-8", "ice-score", "equal"))


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(body: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        holder: Any = body
        for step in parents:
            holder = holder[int(step)] if step.isdigit() else holder[step]
        if value is None:
            del holder[last]
        else:
            holder[int(last) if last.isdigit() else last] = value

    return apply


ELEMENT = "group.0.element.0"


@pytest.mark.parametrize(
    ("slip", "place", "reason"),
    [
        (two_targets, "$.group[0].element[0]", "has two targets"),
        (mapped_twice, "$.group[0].element[2].target[0]", "mapped twice"),
        (answer_as_question, "$.group[0].element[0].code", "is an answer or an answer list"),
        (change("group.0", group("http://loinc.org", ITEM, ("9269-2", "ice-score", "equal"))), "$.group[0].element[0]", "is gcs-total; it cannot be mapped to ice-score"),
        (change("group.0", group("http://snomed.info/sct", ITEM, ("1345050000", "ice-score", "equal"))), "$.group[0].element[0]", "is rass"),
        (change("group.0", group(EPIC, ITEM, ("9", "ice-score", "equal"), display="RASS score")), "$.group[0].element[0]", "is another scale"),
        (change("group.0", group(EPIC, ITEM, ("9", "capd-score", "equal"), display="Mini-Mental")), "$.group[0].element[0]", "is another scale"),
        (change("group.0", group("http://loinc.org", ITEM, ("99844-5", "ice-score", "equal"))), "$.group[0].element[0].code", "fails its check digit"),
        (change("group.0", group(EPIC, ITEM, ("9", "ice-scor", "equal"))), "$.group[0].element[0].target[0].code", "is not a code we read"),
        (change("group.0", group(EPIC, CONCEPTS, ("9", "observations-rasss", "equal"))), "$.group[0].element[0].target[0].code", "observations-rass was meant?"),
        (change("group.0", group(EPIC, "http://loinc.org", ("9", "LA6560-2", "equal"))), "$.group[0].element[0].target[0].code", "means different things"),
        (change(f"{ELEMENT}.target.0.equivalence", "same"), "$.group[0].element[0].target[0].equivalence", "one of"),
        (change(f"{ELEMENT}.target.0.equivalence", None), "$.group[0].element[0].target[0].equivalence", "a text was expected"),
        (change(f"{ELEMENT}.target.0", {"code": "ice-score", "relationship": "equivalent"}), "relationship", "this is R5"),
        (change(f"{ELEMENT}.target.0.dependsOn", [{"property": "x"}]), "target[0]", "dependsOn"),
        (change(f"{ELEMENT}.target", "ice-score"), "$.group[0].element[0].target", "a list was expected"),
        (change(f"{ELEMENT}.code", 7), "$.group[0].element[0].code", "a text was expected"),
        (change("group.0.unmapped", {"mode": "provided"}), "$.group[0].unmapped", "not supported"),
        (change("group.0.source", None), "$.group[0].source", "a text was expected"),
        (change("group.0.element", []), "$.group[0].element", "at least one"),
        (change("group", []), "$.group", "at least one"),
        (change("status", "retired"), "$.status", "retired"),
        (change("resourceType", "ValueSet"), "$.resourceType", "ConceptMap was expected"),
    ],
)
def test_a_slip_refuses_the_map_with_place_and_reason(slip: Callable[[dict[str, Any]], None], place: str, reason: str, tmp_path: Path) -> None:
    body = json.loads(json.dumps(concept_map(SCORE)))
    slip(body)
    with pytest.raises(ConceptMapError) as found:
        with_site_maps(load_terminology(), [written(tmp_path, body)])
    assert "map.json" in str(found.value)
    assert place in str(found.value)
    assert reason in str(found.value)


def test_two_files_may_not_disagree(tmp_path: Path) -> None:
    other = concept_map(group(EPIC, ITEM, ("4711", "capd-score", "equal")))
    with pytest.raises(ConceptMapError, match="mapped twice"):
        graded(tmp_path, concept_map(SCORE), other)


@pytest.mark.parametrize("content", ["{", "[]", '"x"', "[" * 100_000])
def test_a_file_that_is_no_map(content: str, tmp_path: Path) -> None:
    with pytest.raises(ConceptMapError, match="ConceptMap was expected"):
        with_site_maps(load_terminology(), [written(tmp_path, content)])


def test_every_concept_has_one_published_code() -> None:
    codes = [m.code for m in meanings()]
    assert len(set(codes)) == len(codes)
    system = published()["CodeSystem"]["icans-concept"]
    assert [c["code"] for c in system["concept"]] == codes


def test_the_setting_is_used_and_a_bad_map_stops_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = [written(tmp_path, concept_map(SCORE), "a.json"), written(tmp_path, concept_map(ANSWERS), "b.json")]
    case = written(tmp_path, bundle(*chart()), "chart.json")
    monkeypatch.setenv("ICANS_CONCEPT_MAPS", ",".join(map(str, maps)))
    done = RUN.invoke(app, ["evaluate", str(case), "--format", "json"])
    assert json.loads(done.stdout)["grading"]["at_least"] == 2
    written(tmp_path, concept_map(group(EPIC, ITEM, ("9", "ice-score", "equal"), display="GCS")), "a.json")
    done = RUN.invoke(app, ["evaluate", str(case)])
    assert done.exit_code == 2
    assert "is another scale" in done.stderr
    monkeypatch.setenv("ICANS_CONCEPT_MAPS", str(tmp_path / "none.json"))
    done = RUN.invoke(app, ["evaluate", str(case)])
    assert (done.exit_code, "ICANS_CONCEPT_MAPS" in done.stderr) == (2, True)


def test_map_check_lists_what_is_read_and_what_might_be(tmp_path: Path) -> None:
    named = [*chart(), observation("i2", {"coding": [{"system": EPIC, "code": "99", "display": "ICE Score Total"}]}, {"valueInteger": 3}),
             observation("i3", {"coding": [{"system": EPIC, "code": "98", "display": "ICE chemotherapy cycle"}]}, {"valueInteger": 3})]
    case = written(tmp_path, bundle(*named), "chart.json")
    done = RUN.invoke(app, ["map", "check", str(case), "--format", "json"])
    assert done.exit_code == 0
    rows = {(r["system"], r["code"]): r for r in map(json.loads, done.stdout.splitlines())}
    assert (rows[EPIC, "99"]["status"], rows[EPIC, "99"]["concept"]) == ("unmapped, plausible by its text", "ice-score")
    assert rows[EPIC, "98"]["status"] == "irrelevant"
    assert rows[ITEM, "seizure"]["status"] == "mapped"
    assert RUN.invoke(app, ["map", "check", str(case)]).stdout.count("plausible") >= 1


def test_the_skeleton_once_filled_in_is_a_map(tmp_path: Path) -> None:
    named = [*chart(), observation("i2", {"coding": [{"system": EPIC, "code": "99", "display": "ICE Score Total"}]}, {"valueInteger": 3})]
    case = written(tmp_path, bundle(*named), "chart.json")
    done = RUN.invoke(app, ["map", "check", str(case), "--skeleton"])
    body = json.loads(done.stdout)
    with_site_maps(load_terminology(), [written(tmp_path, body)])
    (element,) = body["group"][0]["element"]
    assert element["target"][0]["comment"] == "hint by text: observations-ice-score"
    element["target"][0] |= {"code": "observations-ice-score", "equivalence": "equivalent"}
    assert load_terminology().observation(EPIC, "99") is None
    assert with_site_maps(load_terminology(), [written(tmp_path, body)]).observation(EPIC, "99") == "ice-score"


def test_map_check_of_requests_ndjson_and_a_missing_file(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "case-1-cycle-3-day-1.json"
    lines = written(tmp_path, "\n".join(json.dumps(r) for r in chart()), "all.ndjson")
    done = RUN.invoke(app, ["map", "check", str(example), str(lines), "--format", "json"])
    codes = {json.loads(line)["code"] for line in done.stdout.splitlines()}
    assert {"1597258", "4711", "311289"} <= codes
    assert RUN.invoke(app, ["map", "check", str(tmp_path / "none.json")]).exit_code == 2
