"""`assay db`, `assay backup` and `assay export`: looking after the record."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.command import Home, Json, open_context, say
from assay.kernel.errors import amount

if TYPE_CHECKING:
    from rich.console import Console

    from assay.track import SchemaUpgrade

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
    document: dict[str, Any] = {"record": result.where, "schema": result.schema, "trials": result.trials}
    document["findings"] = [asdict(each) for each in result.findings]
    say(document, lambda console: _checked(console, document), as_json=as_json)
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
        done = [asdict(each) for each in accepting(context.record, heads, reason=reason, by=by)]
    say({"accepted": done}, lambda console: _accepted(console, done), as_json=as_json)


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
    say(document, lambda console: _copied(console, document), as_json=as_json)


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
    say(document, lambda console: _exported(console, document), as_json=as_json)


def _print_upgrade(done: "SchemaUpgrade", as_json: bool) -> None:
    from assay.track import describe_old_trials

    stored = None if done.backup is None else str(done.backup)
    document: dict[str, Any] = {"record": done.where, "schema": done.now, "was": done.was, "backup": stored}
    if done.old_trials:
        document |= {"old_trials": done.old_trials, "note": describe_old_trials(done.old_trials)}
    say(document, lambda console: _laid(console, document), as_json=as_json)


def _laid(console: "Console", document: dict[str, Any]) -> None:
    was, now = document["was"], document["schema"]
    before = "" if was in (None, now) else f", was {was}"
    console.print(f"{document['record']}: schema {now}{before}", markup=False, highlight=False, soft_wrap=True)
    if document["backup"]:
        console.print(f"backup {document['backup']}", markup=False, highlight=False, soft_wrap=True)
    if "note" in document:
        console.print(f"note: {document['note']}", markup=False, highlight=False, soft_wrap=True)


def _checked(console: "Console", document: dict[str, Any]) -> None:
    for finding in document["findings"]:
        console.print(f"{finding['check']:<12}{finding['text']}", markup=False, highlight=False, soft_wrap=True)
        console.print(f"{'':<12}{finding['remedy']}", markup=False, highlight=False, soft_wrap=True)
    count, trials = len(document["findings"]), amount(document["trials"], "ledger row")
    whole = f": {amount(count, 'finding')}" if count else f": all is well, {trials} verified"
    summary = f"{document['record']}: schema {document['schema']}{whole}"
    console.print(summary, markup=False, highlight=False, soft_wrap=True)


def _accepted(console: "Console", done: list[dict[str, Any]]) -> None:
    for each in done:
        document = f"{each['market_key'] or 'the ledger'}: goes on without {amount(each['missing_rows'], 'row')}; "
        document += f"still counted: {amount(each['missing_configs'], 'look')}"
        console.print(document, markup=False, highlight=False, soft_wrap=True)


def _copied(console: "Console", document: dict[str, Any]) -> None:
    rows = amount(sum(document["rows"].values()), "row")
    summary = f"{document['backup']}: {document['bytes']:,} bytes, {rows}, checked"
    console.print(summary, markup=False, highlight=False, soft_wrap=True)


def _exported(console: "Console", document: dict[str, Any]) -> None:
    rows = document["rows"]
    summary = f"{document['folder']}: {amount(len(rows), 'file')}, {amount(sum(rows.values()), 'row')}"
    console.print(summary, markup=False, highlight=False, soft_wrap=True)
