"""`assay datasets`."""

from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import Document, Home, Json, demand_within, open_context, say
from assay.kernel.errors import amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="What runs learnt from: datasets, and where models come from.")
Dataset = Annotated[str, typer.Argument(help="Id, name, or the first 8 digits of the hash of a dataset.")]
_SHOWN = 20


@app.command("list")
def list_datasets(
    limit: Annotated[int, typer.Option(help="Most rows, 1 to 10,000.")] = 50,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Datasets, newest first."""
    from assay.runs import list_datasets

    demand_within("--limit", limit, 1, 10_000)
    with open_context(home, existing="record") as context:
        rows = [row.document for row in list_datasets(context, limit=limit)]
    say(rows, lambda console: _table(console, rows), as_json=as_json)


@app.command()
def show(dataset: Dataset, home: Home = None, as_json: Json = False) -> None:
    """One dataset: span, hash, where it lies, and the runs that used it."""
    from assay.runs import show_dataset as one

    with open_context(home, existing="record") as context:
        document = one(dataset, context).document
    say(document, lambda console: _one(console, document), as_json=as_json)


@app.command()
def lineage(
    what: Annotated[str, typer.Argument(help="A dataset as above, or a model_id.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Where a model comes from, or what came of a dataset."""
    from assay.runs import show_lineage as line

    with open_context(home, existing="record") as context:
        document = line(what, context).document
    people = _of_model if document["kind"] == "model" else _of_dataset
    say(document, lambda console: people(console, document), as_json=as_json)


def _table(console: "Console", rows: "Sequence[Document]") -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        console.print("No dataset yet: a training or a backtest makes one of the candles it reads.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("id", "name", "rev", "rows", "from", "to", "hash", "runs"):
        right = column in ("id", "rev", "rows", "runs")
        table.add_column(
            column, justify="right" if right else "left", no_wrap=True, overflow="ellipsis",
            max_width=24 if column == "name" else None,
        )  # fmt: skip
    for row in rows:
        table.add_row(
            str(row["id"]), Text(row["name"]), str(row["revision"]), _count(row["num_samples"]),
            (row["from"] or "–")[:10], (row["to"] or "–")[:10], (row["data_hash"] or "–")[:8], str(row["runs"]),
        )  # fmt: skip
    console.print(table)


def _one(console: "Console", document: Document) -> None:
    _print_dataset(console, document)
    console.print(f"lies at {document['data_path'] or '–'}", soft_wrap=True, highlight=False, markup=False)
    count = len(document["used_by"])
    console.print(f"used by {count} run{'' if count == 1 else 's'}", highlight=False)
    for run in document["used_by"][:_SHOWN]:
        _print_line(console, f"  {_run(run)} ({run['usage_type']})")
    _more(console, count)


def _of_dataset(console: "Console", document: Document) -> None:
    _print_dataset(console, document["dataset"])
    for run in document["runs"][:_SHOWN]:
        _print_line(console, f"└ {_run(run)}")
        for model in run["models"]:
            console.print(f"   └ model {model}", soft_wrap=True, highlight=False, markup=False)
        for name in run["configurations"]:
            console.print(f"   └ configuration {name}", soft_wrap=True, highlight=False, markup=False)
        _print_line(console, f"   └ {amount(run['trades'], 'trade')}")
    if not document["runs"]:
        console.print("no run used it")
    _more(console, len(document["runs"]))


def _of_model(console: "Console", document: Document) -> None:
    model, run = document["model"], document["run"]
    console.print(f"model {model['model_id']}", soft_wrap=True, highlight=False, markup=False)
    _print_line(console, f"content {model['content_sha256'] or '–'}")
    _print_line(console, f"└ run {run['id']}, {run['name']}, {run['status']}, {run['start_time']}")
    _print_line(console, f"   commit {run['git_commit'] or '–'}")
    _print_line(console, f"   spec {run['spec_hash'] or '–'}")
    for each in document["datasets"]:
        _print_line(
            console, f"   └ dataset {each['id']}, {each['name']}, {_count(each['num_samples'])} rows, {each['usage']}"
        )
        _print_line(console, f"      snapshot {each['data_hash'] or '–'}{'' if each['there'] else ' (gone)'}")
    for verdict in ("parents", "model_parents"):
        if document[verdict]:
            _print_line(console, f"   {verdict.replace('_', ' ')}: {', '.join(map(str, document[verdict]))}")
    console.print(f"came of it: {amount(document['trades'], 'trade')} out of sample", highlight=False)
    for name in document["configurations"]:
        console.print(f"  configuration {name}", soft_wrap=True, highlight=False, markup=False)


def _print_dataset(console: "Console", row: Document) -> None:
    _print_line(console, f"dataset {row['id']}, {row['name']}, revision {row['revision']}")
    _print_line(console, f"{_count(row['num_samples'])} rows, {row['from'] or '–'} to {row['to'] or '–'}")
    gone = "" if row["there"] or row["data_hash"] is None else " (its file is gone)"
    console.print(f"hash {row['data_hash'] or '–'}{gone}", soft_wrap=True, highlight=False)


def _run(run: Document) -> str:
    return f"run {run['experiment_id']}, {run['name']}, {run['status']}"


def _print_line(console: "Console", text: str) -> None:
    console.print(text, highlight=False, markup=False, no_wrap=True, overflow="ellipsis")


def _more(console: "Console", count: int) -> None:
    if count > _SHOWN:
        console.print(f"and {count - _SHOWN} more; --json has all", highlight=False)


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"
