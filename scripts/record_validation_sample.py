"""Record what validation says about tests/data/validation, so that a change of behaviour fails a test.

    python scripts/record_validation_sample.py

Run it after a change that is meant, and read the diff of expected.ndjson and expected-faults.ndjson.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from fhir_mappers.validation import validate_file, validate_resource

SAMPLE = Path(__file__).parents[1] / "tests" / "data" / "validation"
SUFFIXES = (".json", ".json.gz", ".ndjson", ".ndjson.gz")


def files() -> Iterator[str]:
    """One line for each sample file, as the command line prints it."""
    for path in sorted(p for p in SAMPLE.rglob("*") if p.name.endswith(SUFFIXES) and p.parent != SAMPLE):
        yield json.dumps(validate_file(path, name=path.relative_to(SAMPLE).as_posix()).as_json())


def faults() -> Iterator[str]:
    """One line for each seeded fault."""
    for line in (SAMPLE / "seeded-faults.jsonl").read_text(encoding="utf-8").splitlines():
        fault = json.loads(line)
        outcome = validate_resource(fault["raw"].encode("utf-8", "surrogatepass"))
        yield json.dumps({"id": fault["id"], "valid": outcome.valid, "outcome": outcome.operation_outcome()})


def main() -> None:
    (SAMPLE / "expected.ndjson").write_text("".join(f"{line}\n" for line in files()), encoding="utf-8")
    (SAMPLE / "expected-faults.ndjson").write_text(
        "".join(f"{line}\n" for line in faults()), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
