"""The command `icans-cds timeline`: reads one file, draws its episode."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from cds_hooks import evaluating, timeline
from cds_hooks.decide import decide
from cds_hooks.files import content_of
from cds_hooks.refusal import Refusal
from fhir_mappers.site import Site
from rules import Knowledge

DRAWN, UNUSABLE, WRONG_USAGE = 0, 1, 2


def run(file: str, to: Path, as_of: datetime | None, knowledge: Knowledge, site: Site) -> int:
    """Draws the episode of a Bundle or a hook request. Exit code: 0; 1 not to be used; 2 wrong usage."""
    form = to.suffix.removeprefix(".")
    if form not in ("svg", "png"):
        return _stop(f"{to}: a file that ends in .svg or .png was expected", WRONG_USAGE)
    try:
        content = content_of(file)
        case = evaluating.case_of(content, as_of, site)
        now = decide(case.request, case.records, knowledge, as_of=case.as_of, decision_id=case.id, site=site)
        points = evaluating.curve(case, knowledge, site)
        to.write_bytes(timeline.picture(points, now, now.record["patient"], form))
    except OSError as problem:
        return _stop(f"{problem.filename}: {problem.strerror}", WRONG_USAGE)
    except Refusal as refusal:
        said = "; ".join(issue.get("diagnostics", issue["code"]) for issue in refusal.outcome()["issue"])
        return _stop(f"{file}: could not be used: {said}", UNUSABLE)
    return DRAWN


def _stop(text: str, code: int) -> int:
    print(f"icans-cds timeline: {text}", file=sys.stderr)
    return code
