"""The command line. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import sys
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cds_hooks import records_cli
from cds_hooks.cohort import cli as cohort_cli

if TYPE_CHECKING:
    from fhir_mappers.site import Site
    from rules import Knowledge

app = typer.Typer(
    name="icans-cds",
    help="Grades ICANS from FHIR R4 and answers CDS Hooks calls with cited cards.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


app.add_typer(records_cli.db, name="db")
app.add_typer(records_cli.audit, name="audit")
app.command()(records_cli.feedback)


class Format(StrEnum):
    """How `evaluate` prints."""

    TEXT = "text"
    JSON = "json"


class Walk(StrEnum):
    """At which instants `evaluate` grades."""

    NOW = "now"
    EVERY_ASSESSMENT = "every-assessment"


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="Processes that answer, one a core.", min=1, max=256)] = 1,
) -> None:
    """Serve the CDS Hooks endpoints. Settings are environment variables ICANS_*."""
    from cds_hooks import serving, settings

    try:
        raise typer.Exit(serving.serve(settings.load(), host, port, workers))
    except settings.SettingsError as error:
        raise _stop(str(error), code=2) from None
    except serving.CannotServe as error:
        raise _stop(str(error), code=1) from None


@app.command(name="try")
def try_example(
    name: Annotated[str, typer.Argument(help="Name of an example, such as case-2-day-4-printed.")],
    url: Annotated[
        str, typer.Option(help="Service to call, or its base URL.")
    ] = "http://127.0.0.1:8000/cds-services/icans-order-sign",
    print_only: Annotated[bool, typer.Option("--print", help="Print the request and call nothing.")] = False,
) -> None:
    """Send a published case, its times shifted to now, and show the cards."""
    from cds_hooks import trying

    try:
        if print_only:
            sys.stdout.write(trying.request(name).decode() + "\n")
        else:
            trying.show(trying.call(name, url))
    except trying.UnknownExample as error:
        raise _stop(str(error), code=2) from None
    except trying.NoAnswer as error:
        raise _stop(str(error), code=1) from None


@app.command()
def evaluate(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Bundles or CDS Hooks requests.")],
    as_of: Annotated[
        str | None, typer.Option(help="Time of the assessment, such as 2026-11-22T08:00:00Z.")
    ] = None,
    output: Annotated[
        Format | None, typer.Option("--format", help="What to print; text on a terminal, else json.")
    ] = None,
    at: Annotated[Walk, typer.Option("--at", help="every-assessment adds the grade at each assessment of the chart.")] = Walk.NOW,
) -> None:
    """Grade files without a server. Exit 0: all evaluated; 1: some data could not be used; 2: wrong usage."""
    from cds_hooks import evaluating

    instant, knowledge, site = _reading(as_of)
    as_json = output is Format.JSON or (output is None and not sys.stdout.isatty())
    raise typer.Exit(evaluating.run(files, instant, as_json, knowledge, site, at is Walk.EVERY_ASSESSMENT))


@app.command()
def explain(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A Bundle or a CDS Hooks request.")],
    as_of: Annotated[
        str | None, typer.Option(help="Time of the assessment, such as 2026-11-22T08:00:00Z.")
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.TEXT,
) -> None:
    """Show every step from the records of a file to the grade and the advice, and what would change it."""
    from cds_hooks import explain_command

    at, knowledge, site = _reading(as_of)
    raise typer.Exit(explain_command.run(file, at, output is Format.JSON, knowledge, site))


@app.command()
def validate(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="Files or folders of FHIR R4 JSON or NDJSON; - reads stdin.")
    ],
    output: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.TEXT,
    jobs: Annotated[int, typer.Option(help="Processes to validate files in parallel.", min=1)] = 1,
) -> None:
    """Validate FHIR R4 files. Exit 0: clean; 1: errors; 2: wrong usage or a path that cannot be opened."""
    from cds_hooks import validate_command
    from fhir_mappers.validation.fitness import fitness_for_grading

    raise typer.Exit(validate_command.run(paths, output.value, jobs, fitness=fitness_for_grading))


@app.command()
def check(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE…]", help="Protocols, by path or shipped id; none: all that ship.")
    ] = None,
    vignettes: Annotated[str | None, typer.Option(help="Vignettes, as CSV or in the published JSON layout, to run against the protocol.")] = None,
) -> None:
    """Check knowledge documents: every problem, one a line. Exit 0: clean; 1: problems; 2: wrong usage."""
    from cds_hooks import check_command

    raise typer.Exit(check_command.run(files or [], vignettes))


maps = typer.Typer(help="A site's own codes.", no_args_is_help=True)
app.add_typer(maps, name="map")


@maps.callback()
def _maps() -> None:
    """A site's own codes."""


@maps.command(name="check")
def map_check(
    files: Annotated[list[str], typer.Argument(metavar="BUNDLE…", help="Bundles, NDJSON files or CDS Hooks requests.")],
    skeleton: Annotated[bool, typer.Option("--skeleton", help="Print a ConceptMap to fill in.")] = False,
    output: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.TEXT,
) -> None:
    """List every code met and whether it is read. Exit 0: listed; 2: wrong usage."""
    from cds_hooks import map_command, settings
    from fhir_mappers.codes import load_terminology

    try:
        site = settings.site(settings.load())
    except settings.SettingsError as error:
        raise _stop(str(error), code=2) from None
    codes = site.codes or load_terminology()
    raise typer.Exit(map_command.run(files, skeleton, output is Format.JSON, codes))


@app.command()
def doctor() -> None:
    """Check settings, database, knowledge, FHIR servers and client keys: a line each, with the fix. Exit 1: fix."""
    from cds_hooks import doctor as examining

    raise typer.Exit(examining.run())


def _reading(as_of: str | None) -> tuple[datetime | None, Knowledge, Site]:
    """The instant asked for, the knowledge and how records are read, by the settings. Exits with 2 when one is wrong."""
    from cds_hooks import settings
    from fhir_mappers.elements import Unreadable, evaluation_time
    from rules import KnowledgeError, load_knowledge

    try:
        chosen = settings.load()
        at = evaluation_time(as_of, chosen.zone) if as_of else None
        return at, load_knowledge(chosen.protocol, allow_draft=chosen.demo), settings.site(chosen)
    except (settings.SettingsError, KnowledgeError) as error:
        raise _stop(str(error), code=2) from None
    except Unreadable as error:
        raise _stop(f"--as-of: {error}", code=2) from None


def _stop(text: str, code: int) -> typer.Exit:
    for line in text.splitlines():
        print(f"icans-cds: {line}", file=sys.stderr)
    return typer.Exit(code)


cohort_cli.add_to(app)


def main() -> None:
    """The entry point of the script icans-cds."""
    app()
