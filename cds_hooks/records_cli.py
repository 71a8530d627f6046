"""The commands of the records: db, audit, feedback. Exit 0: done and clean; 1: problems; 2: wrong usage."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from cds_hooks.store.engine import Database

db = typer.Typer(help="The database of decisions and feedback.", no_args_is_help=True)
audit = typer.Typer(help="What was decided, and whether the records are whole.", no_args_is_help=True)

T = TypeVar("T")

_HEADS = Annotated[Path | None, typer.Option(help="Heads of an earlier time, as `verify --json` printed them.")]
_JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@db.command()
def upgrade() -> None:
    """Create the tables of ICANS_DATABASE_URL, or bring them up to date."""
    from cds_hooks.store.engine import HEAD, StoreError, opened, shown
    from cds_hooks.trust.replay import UsedTokens

    url = _url()
    _engine(lambda: opened(url, upgrade=True)).dispose()
    try:
        UsedTokens(url).close()
    except StoreError as error:
        raise _stop(str(error), 1) from None
    print(f"icans-cds: {shown(url)} is at {HEAD}")


@audit.command()
def show(identity: Annotated[str, typer.Argument(metavar="ID", help="Of a decision, a card or a request.")]) -> None:
    """Print a decision with its record, cards and feedback as JSON."""
    from cds_hooks.store import reading

    engine = _opened()
    found = reading.found(engine, identity)
    engine.dispose()
    if not found:
        raise _stop(f"No decision, card or request {identity} is recorded.", 1)
    print(_pretty(found if len(found) > 1 else found[0]))


@audit.command()
def verify(heads: _HEADS = None, as_json: _JSON = False) -> None:
    """Read every row and check its place in its chain. Exit 1 names each row that was changed or removed."""
    from cds_hooks.store.verifying import verify as verified

    engine = _opened()
    done = verified(engine, _heads(heads))
    engine.dispose()
    if as_json:
        print(_pretty({"rows": done.rows, "unchained": done.unchained, "heads": done.heads, "problems": done.problems}))
    else:
        for problem in done.problems:
            print(problem)
        print(f"{done.rows} rows in {len(done.heads)} chains; {done.unchained} from before; {len(done.problems)} problems")
    raise typer.Exit(1 if done.problems else 0)


@audit.command()
def export() -> None:
    """Print every row as one JSON object a line, each with the name of its table."""
    import msgspec

    from cds_hooks.store import reading

    engine = _opened()
    for row in reading.everything(engine):
        sys.stdout.buffer.write(msgspec.json.encode(row) + b"\n")
    sys.stdout.flush()
    engine.dispose()


@audit.command()
def prune(
    before: Annotated[str, typer.Option(help="Remove what is older: 2026-01-01, or an exact time with its zone.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
) -> None:
    """Remove old decisions and feedback; a checkpoint keeps the rest verifiable. Export first."""
    from cds_hooks.store import Store, StoreUnavailable
    from cds_hooks.store.pruning import pruning
    from cds_hooks.store.verifying import verify as verified

    at = _day_or_time(before)
    url = _existing()
    store = _engine(lambda: Store(url))
    problems = verified(store.engine).problems
    if problems:
        raise _stop(f"Nothing is pruned: {len(problems)} problems; see icans-cds audit verify.", 1)
    planned = pruning(store.engine, at)
    if not dry_run:
        try:
            store.submit(planned.work).result()
        except StoreUnavailable as error:
            raise _stop(f"Nothing is pruned: {error.why}.", 1) from None
    store.close()
    done = "would be removed" if dry_run else "removed"
    print(f"{planned.decisions} decisions and {planned.feedback} feedback items {done}")


def feedback(
    since: Annotated[str | None, typer.Option(help="Only decisions from this day or time on.")] = None,
    as_json: _JSON = False,
) -> None:
    """What clinicians did with the cards: acceptance and override reasons by topic and grade."""
    from dataclasses import asdict

    from cds_hooks.store.acceptance import report

    at = _day_or_time(since) if since else None
    engine = _opened()
    found = report(engine, at)
    engine.dispose()
    if as_json:
        print(_pretty(asdict(found)))
        return
    _table(found)


def _table(found: Any) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    heads = ("topic", "grade", "issued", "accepted", "overridden", "no answer")
    table = Table(*(Column(head, no_wrap=True) for head in heads), Column("reasons", overflow="fold"))
    for one in found.by_topic:
        answered = one.accepted + one.overridden
        said = ", ".join(f"{reason} {count}" for reason, count in one.reasons.most_common())
        counts = [str(n) for n in (one.issued, one.accepted, one.overridden, one.issued - answered)]
        table.add_row(one.topic, one.grade, *counts, said)
    console = Console()
    console.print(table)
    console.print(f"Feedback for cards that are not ours: {found.unmatched}; for pruned decisions: {found.pruned}.")


def _url() -> str:
    from cds_hooks import settings

    try:
        return settings.load().database_url
    except settings.SettingsError as error:
        raise _stop(str(error), 2) from None


def _existing() -> str:
    """The URL of a database that is there: an empty one made by looking would say "0 problems"."""
    from cds_hooks.store.engine import embedded_file

    url = _url()
    file = embedded_file(url)
    if file is not None and not file.exists():
        raise _stop(f"There is no database at {file.resolve()}: set ICANS_DATABASE_URL to that of the service.", 1)
    return url


def _opened() -> Database:
    from cds_hooks.store.engine import opened

    url = _existing()
    return _engine(lambda: opened(url))


def _engine(opening: Callable[[], T]) -> T:
    from cds_hooks.store import StoreError

    try:
        return opening()
    except StoreError as error:
        raise _stop(str(error), 1) from None


def _heads(path: Path | None) -> dict[str, tuple[int, str]]:
    import msgspec

    if path is None:
        return {}
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        return msgspec.convert(found.get("heads", found), dict[str, tuple[int, str]])
    except (OSError, msgspec.MsgspecError) as error:
        raise _stop(f"--heads {path}: {error}; the output of audit verify --json was expected.", 2) from None


def _day_or_time(text: str) -> datetime:
    from datetime import UTC

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _stop(f"{text}: expected a day such as 2026-01-01 or a time such as 2026-01-01T08:00:00Z.", 2) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _pretty(content: Any) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()


def _stop(text: str, code: int) -> typer.Exit:
    print(f"icans-cds: {text}", file=sys.stderr)
    return typer.Exit(code)
