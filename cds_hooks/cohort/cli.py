"""The commands of this package, as the command line offers them."""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fhir_mappers.site import Site
    from rules import Knowledge


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the program."""
    app.command()(synth)
    app.command()(cohort)
    app.command()(burden)
    app.command()(timeline)



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


class Engine(StrEnum):
    """What runs a cohort."""

    DUCKDB = "duckdb"
    SPARK = "spark"


def cohort(
    export: Annotated[Path, typer.Argument(help="Folder of NDJSON (plain or gzip, any sharding) or of bundles.")],
    out: Annotated[Path, typer.Option(help="The results, one row an evaluation.")],
    at: Annotated[str, typer.Option(help="last, every-assessment, every-order, or a grid such as grid:6h.")] = "last",
    engine: Annotated[Engine, typer.Option(help="The embedded engine, or an Apache Spark.")] = Engine.DUCKDB,
    jobs: Annotated[int, typer.Option(help="Processes that grade.", min=1)] = 2,
    resume: Annotated[bool, typer.Option("--resume/--fresh", help="Go on with a run that was interrupted.")] = True,
    master: Annotated[str | None, typer.Option(help="Spark master, such as spark://host:7077; default local[jobs].")] = None,
) -> None:
    """Grade every patient of an export. Exit 0: done, errors are counted and kept; 1: failed; 2: wrong usage."""
    from cds_hooks.cohort.grading import Grader

    needs("duckdb", "cohort")
    from cds_hooks.cohort import command
    from cds_hooks.cohort.running import Task

    knowledge, site = reading()
    task = Task(export, out, Grader(knowledge, site, at), jobs, resume)
    raise typer.Exit(command.run(task, engine.value, master))


def burden(
    results: Annotated[Path, typer.Argument(help="results.parquet of a cohort.")],
    html: Annotated[Path | None, typer.Option(help="Also write one HTML file with plots.")] = None,
    truth: Annotated[Path | None, typer.Option(help="True grades (CSV: patient, time, grade) to compare with.")] = None,
) -> None:
    """Say how often, on whom, how early and how rightly the service would have spoken."""
    needs("duckdb", "cohort")
    import duckdb
    from rich.console import Console

    from cds_hooks.cohort import burden as working_out
    from cds_hooks.cohort.burden_text import show

    try:
        found = working_out.burden(results, truth)
        show(found, Console(width=None if sys.stdout.isatty() else 140))
        if html is not None:
            from cds_hooks.cohort.burden_html import html as page

            html.write_text(page(found, results.name), encoding="utf-8")
    except (OSError, duckdb.Error) as problem:
        raise _stop(str(problem).splitlines()[0], 2) from None


def timeline(
    file: Annotated[str, typer.Argument(metavar="BUNDLE", help="A Bundle or a CDS Hooks request.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture: a name that ends in .svg or .png.")],
    as_of: Annotated[str | None, typer.Option(help="Time of the assessment, such as 2026-11-22T08:00:00Z.")] = None,
) -> None:
    """Draw an episode on one time axis: grade, cards, domains, drugs, laboratory values."""
    from fhir_mappers.elements import Unreadable, exact_time

    needs("altair", "cohort")
    needs("vl_convert", "cohort")
    from cds_hooks import timeline_command

    knowledge, site = reading()
    try:
        instant = exact_time(as_of, site.zone) if as_of else None
    except Unreadable as error:
        raise _stop(f"--as-of: {error}", 2) from None
    raise typer.Exit(timeline_command.run(file, out, instant, knowledge, site))


def needs(library: str, extra: str) -> None:
    """Exits with 2 when a library of an extra is not installed."""
    if find_spec(library) is None:
        raise _stop(f"{library} is not installed; pip install 'icans-cds[{extra}]' was expected", 2)


def reading() -> tuple[Knowledge, Site]:
    """The knowledge and how records are read, by the settings. Exits with 2 when one is wrong."""
    from cds_hooks import settings
    from rules import KnowledgeError, load_knowledge

    try:
        chosen = settings.load()
        return load_knowledge(chosen.protocol, allow_draft=chosen.demo), settings.site(chosen)
    except (settings.SettingsError, KnowledgeError) as error:
        raise _stop(str(error), 2) from None


def _stop(text: str, code: int) -> typer.Exit:
    for line in text.splitlines():
        print(f"icans-cds: {line}", file=sys.stderr)
    return typer.Exit(code)
