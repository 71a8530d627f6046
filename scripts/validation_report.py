"""Measure validation over a corpus: detection by fault class, false alarms, milliseconds, beside R4B alone.

    python scripts/validation_report.py CORPUS [--why scripts/hl7_disagreements.json] [--write docs/validation.md]

CORPUS is a folder with a manifest.csv (columns path, kind, source, expected) and the files it names. Expected
verdicts are only compared with; validation never sees them. --why explains, by file name, each disagreement with
the HL7 validator's recorded verdicts; one without an explanation is marked.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import platform
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from fhir_mappers.validation import validate_resource

SMALL = 20_000
PRIMITIVES = {
    "base64_binary": "base64Binary",
    "date_time": "dateTime",
    "positive_int": "positiveInt",
    "unsigned_int": "unsignedInt",
}
MARKED = "<!-- measured -->"


def ours(data: bytes) -> bool:
    return validate_resource(data).valid


def r4b_alone(data: bytes) -> bool:
    resource = json.loads(data)
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return True


TOOLS: dict[str, Callable[[bytes], bool]] = {"icans-cds": ours, "fhir.resources.R4B": r4b_alone}


@dataclass
class Score:
    found: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)
    crashes: int = 0
    seconds: list[float] = field(default_factory=list)
    official: list[float] = field(default_factory=list)
    per_megabyte: list[float] = field(default_factory=list)

    def ask(self, tool: Callable[[bytes], bool], data: bytes, group: str = "") -> bool:
        start = time.perf_counter()
        try:
            verdict = tool(data)
        except (ValidationError, json.JSONDecodeError, UnicodeDecodeError):
            verdict = False
        except (TypeError, KeyError, ValueError, AttributeError, RecursionError):
            self.crashes += 1
            verdict = False
        spent = time.perf_counter() - start
        if len(data) < SMALL:
            self.seconds.append(spent)
            if group.startswith("hl7"):
                self.official.append(spent)
        elif len(data) > 400_000:
            self.per_megabyte.append(spent / len(data) * 1e6)
        return verdict


@dataclass(frozen=True)
class Case:
    """One document: `group` for the table, `valid` as the corpus says (None: no verdict)."""

    name: str
    group: str
    valid: bool
    data: bytes


def read(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def host(kind: str, line: bytes) -> bytes:
    """A primitive (or Reference) as a document: in an extension; a narrative in the text."""
    if kind == "xhtml":
        return b'{"resourceType":"Basic","code":{"text":"x"},"text":{"status":"generated","div":%s}}' % line
    name = f"value{kind[0].upper()}{kind[1:]}".encode()
    inner = b'"contained":[{"resourceType":"Patient","id":"p1"}],' if b"#p1" in line else b""
    extension = b'[{"url":"http://example.org/x","%s":%s}]' % (name, line)
    return b'{"resourceType":"Basic",%s"code":{"text":"x"},"extension":%s}' % (inner, extension)


def rows(corpus: Path) -> Iterator[tuple[dict[str, str], Path]]:
    manifest = next(iter(sorted(corpus.rglob("manifest.csv"))))
    with manifest.open(newline="") as file:
        for row in csv.DictReader(file):
            path = Path(row["path"])
            found = next((p for p in (corpus / path, corpus.parent / path) if p.exists()), None)
            if found is not None:
                yield row, found


def cases(corpus: Path) -> Iterator[Case]:
    for row, path in rows(corpus):
        yield from of_row(row, path)


def of_row(row: dict[str, str], path: Path) -> Iterator[Case]:
    kind, expected, folder = row["kind"], row["expected"], Path(row["path"]).parts[1]
    if kind == "seeded-faults":
        for line in read(path).splitlines():
            fault = json.loads(line)
            raw = fault["raw"].encode("utf-8", "surrogatepass")
            valid = fault["expected"] == "valid"
            group = "tricky but valid" if valid else f"seeded: {fault['class']}"
            yield Case(fault["id"], group, valid, raw)
    elif kind == "primitive-lines":
        name = path.name.split(".")[0]
        for line in read(path).splitlines():
            if line.strip() not in (b"", b"null"):
                valid = expected == "valid"
                data = host(PRIMITIVES.get(name, name), line)
                yield Case(f"{path.name} {line.decode()}", f"primitives: {expected}", valid, data)
    elif expected in ("valid", "invalid") and kind in ("resource", "patient-bundle"):
        group = f"{folder}: {expected}"
        yield Case(path.name, group, expected == "valid", read(path))
    elif kind == "bulk-ndjson" and expected == "valid":
        for number, line in enumerate(read(path).splitlines()):
            yield Case(f"{path.name}:{number}", "bulk lines: valid", True, line)


def measure(corpus: Path) -> tuple[dict[str, Score], Counter[str], dict[str, bool]]:
    total: Counter[str] = Counter()
    scores = {name: Score() for name in TOOLS}
    groups: dict[str, bool] = {}
    everything = list(cases(corpus))
    for case in everything[:: max(1, len(everything) // 300)]:  # imports and caches warm
        for tool in TOOLS.values():
            Score().ask(tool, case.data)
    for case in everything:
        total[case.group] += 1
        groups[case.group] = case.valid
        for name, tool in TOOLS.items():
            verdict = scores[name].ask(tool, case.data, case.group)
            if verdict != case.valid and case.valid:
                scores[name].alarms[case.group] += 1
                scores[name].named.append(case.name)
            elif not verdict and not case.valid:
                scores[name].found[case.group] += 1
    return scores, total, groups


def tables(scores: dict[str, Score], total: Counter[str], groups: dict[str, bool]) -> str:
    head = "| " + " | ".join(["set", "n", *TOOLS]) + " |\n|" + " --- |" * (2 + len(TOOLS)) + "\n"
    lines = ["Invalid, by class: how many were found.\n", head.rstrip()]
    seeded: dict[str, int] = defaultdict(int)
    for group in sorted(g for g, valid in groups.items() if not valid):
        lines.append(line_of(group, total[group], [scores[t].found[group] for t in TOOLS]))
        if group.startswith("seeded"):
            seeded["n"] += total[group]
            for tool in TOOLS:
                seeded[tool] += scores[tool].found[group]
    shares = [f"**{seeded[t]} ({seeded[t] / max(1, seeded['n']):.1%})**" for t in TOOLS]
    lines.append(line_of("**seeded, all**", seeded["n"], shares))
    lines += ["", "Valid: how many were called invalid (false alarms).\n", head.rstrip()]
    for group in sorted(g for g, valid in groups.items() if valid):
        lines.append(line_of(group, total[group], [scores[t].alarms[group] for t in TOOLS]))
    lines += ["", f"Time (Python {platform.python_version()}, one process, warm) and exceptions.\n"]
    lines.append(
        "| tool | ms a resource under 20 kB: median | p95 | median, HL7 examples | ms per MB of bundle | exceptions |"
    )
    lines.append("| --- |" + " --- |" * 5)
    for tool, score in scores.items():
        times = (statistics.median(score.seconds), statistics.quantiles(score.seconds, n=20)[-1])
        official = statistics.median(score.official) if score.official else 0
        bundle = statistics.median(score.per_megabyte) if score.per_megabyte else 0
        cells = [f"{t * 1e3:.2f}" for t in (*times, official)] + [f"{bundle * 1e3:.0f}"]
        lines.append(line_of(tool, cells, score.crashes))
    return "\n".join(lines)


def line_of(*cells: Any) -> str:
    flat = [c for cell in cells for c in (cell if isinstance(cell, list) else [cell])]
    return "| " + " | ".join(map(str, flat)) + " |"


def hl7_agreement(corpus: Path, why: dict[str, str]) -> str:
    """Agreement with the recorded verdicts of the HL7 validator, class by class, and each disagreement."""
    agreed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    lines = []
    for row, path in rows(corpus):
        if "hl7-validator-cases" not in row["path"] or row["kind"] != "resource":
            continue
        group = row["class"] or "valid"
        total[group] += 1
        if ours(read(path)) == (row["expected"] == "valid"):
            agreed[group] += 1
            continue
        said = (row["note"] or "valid").replace("|", "/")[:110]
        lines.append(f"| {path.name} | {group} | {said} | {why.get(path.name, '**not explained**')} |")
    counts = ", ".join(f"{group} {agreed[group]} of {n}" for group, n in sorted(total.items()))
    head = "| case | class | HL7 says | why we do not say it |\n| --- | --- | --- | --- |"
    return f"Agreement: {agreed.total()} of {total.total()} ({counts}).\n\n" + "\n".join(
        [head, *sorted(lines)]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--why", type=Path)
    parser.add_argument("--write", type=Path, help="replace the measured part of this page")
    given = parser.parse_args()
    scores, total, groups = measure(given.corpus)
    why = json.loads(given.why.read_text()) if given.why else {}
    parts = [tables(scores, total, groups), "## HL7 validator cases", hl7_agreement(given.corpus, why)]
    text = "\n\n".join(parts)
    print(text)
    if scores["icans-cds"].named:
        print("\nfalse alarms:", *scores["icans-cds"].named, sep="\n  ")
    if given.write:
        before, _, rest = given.write.read_text().partition(MARKED)
        _, _, after = rest.partition(MARKED)
        given.write.write_text(f"{before}{MARKED}\n\n{text}\n\n{MARKED}{after}")


if __name__ == "__main__":
    main()
