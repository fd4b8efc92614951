"""`assay migrate`: records of other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from assay.cli.command import Home, Json, open_context, say

if TYPE_CHECKING:
    from rich.console import Console

    from assay.track import Imported

app = typer.Typer(no_args_is_help=True, help="Bring runs of other programs into the record; they are only read.")
Into = Annotated[str | None, typer.Option("--into", help="File or URL of a record. [the record of the home]")]


class Counts(TypedDict):
    """What an import did: how many of each kind were there and are new here, and what is not as it was there."""

    read: dict[str, int]
    written: dict[str, int]
    flagged: dict[str, int]


@app.command()
def legacy(
    file: Annotated[Path, typer.Argument(help="An old experiments.db.")],
    into: Into = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and write nothing.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """An old experiments.db: runs, episodes, settings, regimes. A second time does nothing."""
    from assay.track import Blobs, from_legacy

    with open_context(home) as context:
        blobs = Blobs(context.artifacts)
        done = from_legacy(file, into or context.record_url, dry_run=dry_run, blobs=blobs)
    counts: Counts = {
        "read": dict(done.read),
        "written": {} if done.imported else dict(+done.written),
        "flagged": dict(+done.flagged),
    }
    document: dict[str, object] = {
        "source": str(file),
        "sha256": done.sha256,
        "known": done.imported,
        "dry_run": dry_run,
        "runs": [] if dry_run else done.runs,
        **counts,
    }
    say(document, lambda c: _table(c, counts, imported=done.imported, dry_run=dry_run), as_json=as_json)


@app.command()
def mlflow(
    uri: Annotated[str, typer.Argument(help="Tracking server, sqlite:///file, or folder of a file store.")],
    experiment: Annotated[list[str] | None, typer.Option(help="Only of this name; several may be given.")] = None,
    into: Into = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Runs and registered models of MLflow. What is here already is not written again."""
    from assay.track import from_mlflow, open_store

    with open_context(home) as context, open_store(into or context.record_url) as record:
        done = from_mlflow(uri, record, experiments=experiment or ())
    _print_import(uri, done, as_json)


@app.command()
def optuna(
    storage: Annotated[str, typer.Argument(help="Journal file, or sqlite:///file.")],
    study: Annotated[list[str] | None, typer.Option(help="Only of this name; several may be given.")] = None,
    market: Annotated[str, typer.Option(help="exchange|symbol|timeframe: count the trials in its ledger.")] = "",
    into: Into = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Studies of Optuna, a run each and one for each trial. What is here already is not written again."""
    from assay.track import from_optuna, open_store

    with open_context(home) as context, open_store(into or context.record_url) as record:
        done = from_optuna(storage, record, studies=study or (), market=market)
    _print_import(storage, done, as_json)


def _print_import(source: str, done: "Imported", as_json: bool) -> None:
    counts: Counts = {"read": dict(done.read), "written": dict(done.written), "flagged": dict(done.flagged)}
    document: dict[str, object] = {"source": _without_password(source), **counts}
    say(document, lambda console: _table(console, counts), as_json=as_json)


def _without_password(source: str) -> str:
    from assay.app import mask_passwords

    return mask_passwords(source)


def _table(console: "Console", counts: Counts, *, imported: bool = False, dry_run: bool = False) -> None:
    if imported:
        console.print("imported before; nothing was written")
        return
    for kind in sorted(counts["read"].keys() | counts["written"].keys()):
        read, written = counts["read"].get(kind), counts["written"].get(kind, 0)
        summary = "–" if read is None else f"{read:,}"
        console.print(f"{kind:<18}read {summary:>10}   written {written:>10,}", highlight=False)
    for verdict, count in counts["flagged"].items():
        console.print(f"flagged: {verdict} {count:,}", markup=False, highlight=False, soft_wrap=True)
    if dry_run:
        console.print("a dry run: nothing was written")
