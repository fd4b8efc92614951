"""`assay mirror`."""

import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import Document, Home, Json, open_context, say

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(help="Bring the record to an MLflow server, one way.", invoke_without_command=True)


@app.callback()
def mirror(
    called: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Deliver what waits, and end.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what happened before the mirror was on. Implies --once.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Bring runs, models and champions to the MLflow server of ASSAY_MLFLOW_URI, until stopped."""
    if called.invoked_subcommand is not None:
        return
    from assay.runs import mirror_once, run_mirror

    with open_context(home) as context:  # it may be started before the first training
        if once or everything:
            document = mirror_once(context, everything=everything)
            say(document, lambda console: _done(console, document), as_json=as_json)
            if document["away"] or document["failed"]:
                raise typer.Exit(1)
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if sys.stderr.isatty():
            sys.stderr.write("Mirroring; Ctrl-C stops.\n")
        run_mirror(context, stop)


@app.command()
def status(home: Home = None, as_json: Json = False) -> None:
    """What waits to be mirrored, since when, and the last error."""
    from assay.runs import mirror_status

    with open_context(home, existing="record") as context:
        document = mirror_status(context)
    say(document, lambda console: _state(console, document), as_json=as_json)


def _done(console: "Console", document: Document) -> None:
    console.print(f"{document['delivered']} delivered, {document['failed']} refused", highlight=False)
    _state(console, document)


def _state(console: "Console", document: Document) -> None:
    where = document["server"] or "no server (ASSAY_MLFLOW_URI is not set)"
    console.print(f"server      {where}, experiment {document['experiment']}", markup=False, soft_wrap=True)
    console.print(f"waiting     {document['waiting']}" + (f" since {document['since']}" if document["since"] else ""))
    console.print(f"delivered   {document['last_delivery'] or 'nothing yet'}", highlight=False)
    if document["last_error"]:
        console.print(f"last error  {document['last_error']}", markup=False, soft_wrap=True)
        console.print(f"next try    {document['next_attempt_at']}", highlight=False)
