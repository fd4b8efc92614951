"""`assay db`, `assay backup` and `assay export`: looking after the record."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import Home, Json, open_context, say
from assay.kernel.errors import amount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from assay.track import Accepted, Backup, Checked, SchemaUpgrade

app = typer.Typer(no_args_is_help=True, help="The record's database: lay it, bring it up to date, check it.")


@app.command()
def init(
    path: Annotated[str | None, typer.Argument(help="File or URL. [the record of the home]")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Lay the record's tables, or bring them up to date after a backup; twice is once."""
    from assay.track import initialise_store

    if path is not None:
        return _print_upgrade(initialise_store(path), as_json)
    with open_context(home) as context:
        return _print_upgrade(initialise_store(context.record_url, backups=context.home / "backups"), as_json)


@app.command()
def upgrade(
    backups: Annotated[Path | None, typer.Option(help="Folder for the backup. [backups in the home]")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Bring an older record to this program's tables, after a backup. All of it happens, or nothing."""
    from assay.track import upgrade_store

    with open_context(home, existing="record") as context:
        done = upgrade_store(context.record_url, backups=backups or context.home / "backups")
    _print_upgrade(done, as_json)


@app.command()
def check(home: Home = None, as_json: Json = False) -> None:
    """Read the whole record: pages, references, every chain of the ledger, every alias. Exit 1 where one is wrong.

    The ledger is compared with what run documents, models and reports of the home were judged by.
    """
    from assay.track import check_store as checked

    with open_context(home, existing="record") as context:
        result = checked(context.record_url, home=context.home)
    document = {
        "record": result.where,
        "schema": result.schema,
        "trials": result.trials,
        "findings": [asdict(each) for each in result.findings],
    }
    say(document, lambda console: _checked(console, result), as_json=as_json)
    if result.findings:
        raise typer.Exit(1)


@app.command("accept-head")
def accept_head(
    reason: Annotated[str, typer.Option("--reason", help="Why rows are missing; kept for ever.")],
    by: Annotated[str, typer.Option("--by", help="Who accepts it; kept for ever.")] = "",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Go on with a trial ledger that has lost rows, where no backup has them: what is missing counts on."""
    from assay.track import accept_ledger_head as accepting
    from assay.track import find_published_heads

    with open_context(home, existing="record") as context:
        heads = find_published_heads(context.record, home=context.home, artifacts=context.artifacts, afresh=True)
        done = accepting(context.record, heads, reason=reason, by=by)
    say({"accepted": [asdict(each) for each in done]}, lambda console: _accepted(console, done), as_json=as_json)


def backup(
    file: Annotated[Path, typer.Argument(help="New file; nothing is ever replaced.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Copy the record while others write, and read the copy back. Model files and candles are not in it."""
    from assay.track import backup_store as copied

    with open_context(home, existing="record") as context:
        made = copied(context.record_url, file)
    document = {"backup": str(made.path), "bytes": made.bytes, "rows": dict(made.rows), "seconds": made.seconds}
    say(document, lambda console: _copied(console, made), as_json=as_json)


def export(
    folder: Annotated[Path, typer.Option("--csv", metavar="DIR", help="New folder for the files.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Write each table and view of the record as a CSV file."""
    from assay.track import export_csv

    with open_context(home, existing="record") as context:
        rows = export_csv(context.record_url, folder)
    document = {"folder": str(folder), "rows": rows}
    say(document, lambda console: _exported(console, folder, rows), as_json=as_json)


def _print_upgrade(done: "SchemaUpgrade", as_json: bool) -> None:
    from assay.track import describe_old_trials

    stored = None if done.backup is None else str(done.backup)
    document: dict[str, object] = {"record": done.where, "schema": done.now, "was": done.was, "backup": stored}
    if done.old_trials:
        document |= {"old_trials": done.old_trials, "note": describe_old_trials(done.old_trials)}
    say(document, lambda console: _laid(console, done), as_json=as_json)


def _laid(console: "Console", done: "SchemaUpgrade") -> None:
    from assay.track import describe_old_trials

    before = "" if done.was in (None, done.now) else f", was {done.was}"
    console.print(f"{done.where}: schema {done.now}{before}", markup=False, highlight=False, soft_wrap=True)
    if done.backup is not None:
        console.print(f"backup {done.backup}", markup=False, highlight=False, soft_wrap=True)
    if done.old_trials:
        note = describe_old_trials(done.old_trials)
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)


def _checked(console: "Console", result: "Checked") -> None:
    for finding in result.findings:
        console.print(f"{finding.check:<12}{finding.text}", markup=False, highlight=False, soft_wrap=True)
        console.print(f"{'':<12}{finding.remedy}", markup=False, highlight=False, soft_wrap=True)
    count, trials = len(result.findings), amount(result.trials, "ledger row")
    whole = f": {amount(count, 'finding')}" if count else f": all is well, {trials} verified"
    summary = f"{result.where}: schema {result.schema}{whole}"
    console.print(summary, markup=False, highlight=False, soft_wrap=True)


def _accepted(console: "Console", done: "Sequence[Accepted]") -> None:
    for each in done:
        document = f"{each.market_key or 'the ledger'}: goes on without {amount(each.missing_rows, 'row')}; "
        document += f"still counted: {amount(each.missing_configs, 'look')}"
        console.print(document, markup=False, highlight=False, soft_wrap=True)


def _copied(console: "Console", made: "Backup") -> None:
    rows = amount(sum(made.rows.values()), "row")
    summary = f"{made.path}: {made.bytes:,} bytes, {rows}, checked"
    console.print(summary, markup=False, highlight=False, soft_wrap=True)


def _exported(console: "Console", folder: Path, rows: "Mapping[str, int]") -> None:
    summary = f"{folder}: {amount(len(rows), 'file')}, {amount(sum(rows.values()), 'row')}"
    console.print(summary, markup=False, highlight=False, soft_wrap=True)
