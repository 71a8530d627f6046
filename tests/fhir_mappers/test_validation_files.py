"""Files: NDJSON line by line in constant memory, gzip, limits, names that say nothing."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fhir_mappers.validation import files, validate_file
from fhir_mappers.validation.files import validate_stream

GOOD = json.dumps({"resourceType": "Observation", "status": "final", "code": {"text": "x"}}).encode()
BAD = GOOD.replace(b"final", b"banana")


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.NDJSON", "export"])
def test_ndjson_names_the_line_and_skips_blank_ones(tmp_path: Path, name: str) -> None:
    outcome = validate_file(written(tmp_path, name, b"\n".join([GOOD, b"", b"  ", BAD, b"{", GOOD])))
    assert (outcome.resources, outcome.valid) == (4, False)
    assert [(i.line, i.location) for i in outcome.issues] == [(4, "Observation.status"), (5, "")]
    said = outcome.as_json()["outcome"]["issue"][0]
    assert said["location"] == ["line 4"]
    assert said["details"]["text"].startswith("line 4: ")


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.txt"])
def test_one_document(tmp_path: Path, name: str) -> None:
    assert validate_file(written(tmp_path, name, b"\xef\xbb\xbf" + GOOD.replace(b",", b",\r\n"))).valid
    assert not validate_file(written(tmp_path, name, BAD)).valid
    assert not validate_file(written(tmp_path, name, b"")).valid


def test_two_resources_in_a_json_file_are_not_json(tmp_path: Path) -> None:
    (issue,) = validate_file(written(tmp_path, "a.json", GOOD + b"\n" + GOOD)).issues
    assert ".ndjson" in issue.text


def test_a_broken_gzip_is_an_issue_and_a_missing_file_an_oserror(tmp_path: Path) -> None:
    data = gzip.compress(GOOD + b"\n" + GOOD)
    for broken in (data[:-12], b"no gzip", data[:20] + b"xxxx" + data[24:]):
        path = tmp_path / "a.ndjson.gz"
        path.write_bytes(broken)
        assert not validate_file(path).valid
    with pytest.raises(OSError, match="No such file"):
        validate_file(tmp_path / "none.json")


def test_an_empty_ndjson_is_valid_and_says_so(tmp_path: Path) -> None:
    outcome = validate_file(written(tmp_path, "a.ndjson", b"\n\n"))
    assert (outcome.valid, [i.severity for i in outcome.issues]) == (True, ["warning"])


def test_long_lines_and_large_documents_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LONGEST_LINE", 200)
    monkeypatch.setattr(files, "LARGEST_DOCUMENT", 200)
    outcome = validate_file(written(tmp_path, "a.ndjson", b"\n".join([GOOD, GOOD + b" " * 1000, BAD])))
    assert [(i.line, i.code) for i in outcome.issues] == [(2, "too-long"), (3, "code-invalid")]
    assert [i.code for i in validate_file(written(tmp_path, "a.json", GOOD + b" " * 1000)).issues] == [
        "too-long"
    ]


def test_the_issues_of_a_file_are_all_counted_and_not_all_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_ISSUES", 3)
    outcome = validate_file(written(tmp_path, "a.ndjson", b"\n".join([BAD] * 10)))
    assert (len(outcome.issues), outcome.counts["error"]) == (3, 10)
    said = outcome.as_json()
    assert said["valid"] is False
    assert said["outcome"]["issue"][-1]["details"]["text"] == "7 more issues: 7 error"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_stream_is_read_as_it_looks(pack: type[bytes]) -> None:
    several = validate_stream(io.BytesIO(pack(GOOD + b"\n\n" + BAD + b"\n")), "-")
    assert (several.resources, [i.line for i in several.issues]) == (2, [3])
    one = validate_stream(io.BytesIO(pack(json.dumps(json.loads(BAD), indent=1).encode())), "-")
    assert (one.resources, [i.line for i in one.issues]) == (1, [None])
    assert not validate_stream(io.BytesIO(pack(b"")), "-").valid


MEMORY = """
import sys
from pathlib import Path
from fhir_mappers.validation import validate_file
outcome = validate_file(sys.argv[1])
status = Path("/proc/self/status").read_text()  # of this program: ru_maxrss keeps that of the process that forked it
print(outcome.resources, outcome.counts["error"], int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""


def peak(path: Path, megabytes: int) -> tuple[int, int, int]:
    """Resources, errors and peak memory (MB) for a file of this size, validated in a process of its own.

    The lines are long (a narrative), so that the size and not the number of lines makes the test."""
    div = "<div>" + "A patient with CAR-T therapy. " * 3000 + "</div>"
    resource = json.loads(GOOD) | {"text": {"status": "generated", "div": div}}
    lines = [json.dumps(resource | extra).encode() + b"\n" for extra in ({}, {"valueInteger": "7"})]
    pairs = megabytes * 1024 * 1024 // sum(map(len, lines))
    with path.open("wb") as file:
        for _ in range(pairs):
            file.writelines(lines)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True, cwd=root
    )
    resources, errors, memory = map(int, done.stdout.split())
    assert resources == 2 * pairs
    return resources, errors, memory


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    small, large = peak(tmp_path / "small.ndjson", 2), peak(tmp_path / "large.ndjson", 50)
    assert large[2] < small[2] + 25
    assert large[1] * 2 == large[0]


@pytest.mark.long
def test_memory_for_a_gigabyte(tmp_path: Path) -> None:
    _, errors, memory = peak(tmp_path / "large.ndjson", 1024)
    assert errors > 0
    assert memory < 200
