"""The commands of this package, as the command line offers them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the program."""
    app.command()(synth)



def synth(
    out: Annotated[Path, typer.Option(help="Folder to write the export to.")],
    patients: Annotated[int, typer.Option(help="How many patients.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="The same seed and options give the same bytes.")] = 1,
    days: Annotated[int, typer.Option(help="Days of a stay.", min=2)] = 10,
    resources: Annotated[int, typer.Option(help="Resources a patient, filled up with laboratory values.", min=20)] = 300,
    unexposed: Annotated[float, typer.Option(help="Share of patients without any product.", min=0, max=1)] = 0.2,
    affected: Annotated[float, typer.Option(help="Share of exposed patients with neurotoxicity.", min=0, max=1)] = 0.5,
    missing_ice: Annotated[float, typer.Option(help="Share of assessments without an ICE score.", min=0, max=1)] = 0.0,
    missing_other: Annotated[float, typer.Option(help="Share of assessments without another domain.", min=0, max=1)] = 0.0,
    site_codes: Annotated[float, typer.Option(help="Share of patients whose ICE has a code of the site.", min=0, max=1)] = 0.0,
    quirks: Annotated[float, typer.Option(help="Share of scores charted in another valid way.", min=0, max=1)] = 0.0,
    unseen: Annotated[bool, typer.Option("--unseen", help="The true score moves on while it is not charted.")] = False,
    compressed: Annotated[bool, typer.Option("--gzip", help="Write .ndjson.gz.")] = False,
    jobs: Annotated[int, typer.Option(help="Processes.", min=1)] = 1,
) -> None:
    """Write a ward of synthetic patients as Bulk Data NDJSON, with the true grades in truth.csv."""
    from cds_hooks.cohort.synthetic import Plan, write
    from cds_hooks.cohort.synthetic_course import Ward

    ward = Ward(days, resources, unexposed, affected, missing_ice, missing_other, site_codes, quirks, unseen)
    try:
        count = write(Plan(patients, seed, out, ward, compressed), jobs)
    except OSError as problem:
        raise _stop(f"{problem.filename or out}: {problem.strerror}; a folder that can be written was expected", 2) from None
    print(f"{count} resources of {patients} patients in {out}")


def _stop(text: str, code: int) -> typer.Exit:
    for line in text.splitlines():
        print(f"icans-cds: {line}", file=sys.stderr)
    return typer.Exit(code)
