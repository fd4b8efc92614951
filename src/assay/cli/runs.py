"""Commands `assay runs` and `assay report`: list, show, compare and reproduce runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from assay.cli.command import Document, Home, Json, demand_within, number, open_context, print_verdict, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console


app = typer.Typer(no_args_is_help=True, help="What ran, and what came of it.")
Status = Literal["running", "completed", "failed", "stopped", "crashed"]
Run = Annotated[str, typer.Argument(help="Integer id or run_id of a run.")]


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(help="Most rows, 1 to 10,000.")] = 20,
    status: Annotated[Status | None, typer.Option(help="Only runs of this status.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Runs, newest first."""
    from assay.runs import list_runs

    demand_within("--limit", limit, 1, 10_000)
    with open_context(home, existing="record") as context:
        rows = [row.document for row in list_runs(context, limit=limit, status=status)]
    say(rows, lambda console: _table(console, rows, status), as_json=as_json)


@app.command()
def show(run: Run, home: Home = None, as_json: Json = False) -> None:
    """One run: what was asked, on what, and what came of it."""
    from assay.runs import show_run

    with open_context(home, existing="record") as context:
        document = show_run(run, context)
    searched = document.get("kind") == "optimize" and document.get("config_id")  # a reproduction has none
    people = _search if searched else _one
    say(document, lambda console: people(console, document), as_json=as_json)


@app.command()
def reproduce(
    run: Run,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse if code, lock or versions differ.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Execute a run again from what it kept, and compare bit by bit. Exit code 0 equal, 1 different, 65 data gone."""
    from assay.runs import reproduce as again

    with open_context(home, working=True, existing="record") as context:
        document = again(run, context, strict=strict)
    say(document, lambda console: print_reproduction(console, document), as_json=as_json)
    if not document["equal"]:
        raise typer.Exit(1)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="Integer id or run_id of a run.")],
    b: Annotated[str, typer.Argument(help="Of another.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """What differs between two runs: spec, data, code, environment, metrics. Exit code 0 nothing, 1 something."""
    from assay.runs import diff_runs as between

    with open_context(home, existing="record") as context:
        document = between(a, b, context)
    say(document, lambda console: print_differences(console, document), as_json=as_json)
    if not document["equal"]:
        raise typer.Exit(1)


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(help="Integer ids or run_ids.")],
    metric: Annotated[list[str] | None, typer.Option("--metric", "-m", help="Only this metric; repeatable.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Metrics of several runs side by side."""
    from assay.runs import compare_runs as side_by_side

    with open_context(home, existing="record") as context:
        document = side_by_side(runs, context, metrics=metric or ())
    say(document, lambda console: print_comparison(console, document), as_json=as_json)


def report(
    run: Run,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write. [reports/run_<id>.html]")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Write a run's page: one HTML file that opens offline."""
    from assay.runs import write_run_page

    with open_context(home, existing="record") as context:
        path = write_run_page(run, context, to=out)
    say({"report": str(path)}, lambda console: console.print(str(path), soft_wrap=True), as_json=as_json)


def _table(console: "Console", rows: "Sequence[Document]", status: str | None) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        console.print(f"No {status} run." if status else "No run yet. assay demo makes three.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("id", "name", "status", "started", "verdict", "Sharpe", "net", "trades"):
        right = column in ("id", "Sharpe", "net", "trades")
        table.add_column(column, justify="right" if right else "left", no_wrap=column != "name")
    for row in rows:
        m = row["metrics"]
        table.add_row(
            str(row["experiment_id"]), Text(row["name"], no_wrap=True, overflow="ellipsis"), row["status"],
            row["start_time"][5:16].replace("T", " "),
            row["verdict"] or "–", number(m.get("sharpe_annual"), 2),
            number(m.get("net_profit"), percent=True), number(m.get("total_trades"), 0),
        )  # fmt: skip
    console.print(table)


def _search(console: "Console", document: Document) -> None:
    from assay.cli.optimize import people

    people(console, document, existing=False)


def _one(console: "Console", document: Document) -> None:
    console.print(f"{document['name']}   {document['status']}   run {document['experiment_id']}", markup=False)
    console.print(f"run_id {document['run_id']}")
    console.print(f"model {document.get('model_id') or '–'}", soft_wrap=True)
    console.print(f"started {document['start_time']}   seconds {number(document.get('seconds'), 1)}")
    for name, summary in _run_facts(document).items():
        console.print(f"{name:<8}{summary}", markup=False, highlight=False, no_wrap=True, overflow="ellipsis")
    if document.get("notes"):
        console.print(document["notes"], markup=False)
    if "verdict" in document:
        print_verdict(console, document)
    if "metrics" in document:
        for name, value in sorted(document["metrics"].items()):
            console.print(f"  {name:<24}{number(value, 4)}", highlight=False)


def _run_facts(document: Document) -> dict[str, str]:
    """What was asked, in short, and on what, by which code."""
    spec = document.get("spec") or {}
    parts = [str(spec[name]) for name in ("learner", "exchange", "timeframe") if spec.get(name)]
    parts[2:2] = spec.get("symbols") or ()
    rest = {k: v for k, v in (spec.get("params") or {}).items() if v not in (None, {}, [])}
    summary = " ".join([*parts, *(f"{name}={value}" for name, value in rest.items())])
    short = {name: (document.get(key) or "–")[:12] for name, key in (("data", "data_digest"), ("commit", "git_commit"))}
    seed = document.get("seed")
    return {"spec": f"{(document.get('spec_hash') or '–')[:12]} {summary}".rstrip()} | short | {
        "seed": "–" if seed is None else str(seed)
    }  # fmt: skip


MOST_COLUMNS = 4
_SHOWN = 12
_HEADLINES = ("sharpe_annual", "net_profit", "max_drawdown", "win_rate", "total_trades")


def print_reproduction(console: "Console", document: Document) -> None:
    """Equal or not, each thing that was compared, and what surrounds the two."""
    console.print(
        f"run {document['run']} again as run {document['reproduced_as']}: "
        f"[bold]{'EQUAL' if document['equal'] else 'DIFFERENT'}[/bold]",
        highlight=False,
    )
    for each in document["compared"]:
        message = "equal" if each["equal"] else f"differs at {each['place']}"
        size = f"{each['size']:>9,}" if each["size"] else f"{'':>9}"
        console.print(f"  {each['what']:<10}{size}  {message}", highlight=False, markup=False)
    first = document["first"]
    if first is not None:
        console.print(f"first difference: {first['what']}, {first['place']}", highlight=False, markup=False)
        for verdict in ("was", "now"):
            console.print(f"  {verdict} {first[verdict]!r}", highlight=False, markup=False)
    _around(console, document["differs"])


def print_differences(console: "Console", document: Document) -> None:
    """What differs between two runs, part by part."""
    from rich.table import Table
    from rich.text import Text

    for side in "ab":
        console.print(f"{side}: {_named(document[side])}", highlight=False, markup=False)
    if document["equal"]:
        console.print("nothing differs")
    for part in ("spec", "data", "code", "environment", "metrics"):
        result = document[part]
        if not result:
            continue
        table = Table(box=None, pad_edge=False, title=part, title_justify="left", title_style="bold", width=80)
        for column, width in (("", 32), ("a", 22), ("b", 22)):
            table.add_column(column, width=width, no_wrap=True, overflow="ellipsis")
        for each in result[:_SHOWN]:
            table.add_row(*(Text(_short(each[name])) for name in ("what", "a", "b")))
        console.print(table)
        if len(result) > _SHOWN:
            console.print(f"and {len(result) - _SHOWN} more; --json has all", highlight=False)


def print_comparison(console: "Console", document: Document) -> None:
    """Up to four runs as columns, more as rows with the headlines."""
    from rich.table import Table
    from rich.text import Text

    runs, metrics = document["runs"], document["metrics"]
    table = Table(box=None, pad_edge=False)
    if len(runs) <= MOST_COLUMNS:
        for run in runs:
            console.print(_named(run), highlight=False, markup=False, no_wrap=True, overflow="ellipsis")
        table.add_column("metric", width=26, no_wrap=True, overflow="ellipsis")
        for run in runs:
            table.add_column(f"run {run['experiment_id']}", justify="right", width=12)
        for name, values in metrics.items():
            table.add_row(Text(name), *(_measured(value, 4) for value in values))
        console.print(table)
        return
    shown = [name for name in _HEADLINES if name in metrics] if len(metrics) > len(_HEADLINES) else list(metrics)
    table.add_column("run", justify="right")
    table.add_column("name", width=20, no_wrap=True, overflow="ellipsis")
    for name in shown:
        table.add_column(Text(name.replace("_", " ")), justify="right", width=8)
    for k, run in enumerate(runs):
        table.add_row(str(run["experiment_id"]), Text(run["name"]), *(_measured(metrics[n][k], 3) for n in shown))
    console.print(table)
    if len(shown) < len(metrics):
        console.print(f"{len(metrics) - len(shown)} more metrics: name them with --metric, or --json has all")


def _around(console: "Console", differs: "Sequence[Document]") -> None:
    if not differs:
        console.print("code, lock, versions and machine are the same")
        return
    console.print("not the same as then:")
    for each in differs[:_SHOWN]:
        console.print(f"  {each['what']}: {_short(each['was'])} → {_short(each['now'])}", highlight=False, markup=False)
    if len(differs) > _SHOWN:
        console.print(f"  and {len(differs) - _SHOWN} more; --json has all", highlight=False)


def _named(run: Document) -> str:
    return f"run {run['experiment_id']}, {run['name']}, {run['status']}"


def _measured(value: float | None, digits: int) -> str:
    return number(value, 0 if isinstance(value, float) and value.is_integer() and abs(value) >= 1 else digits)


def _short(value: object) -> str:
    if value is None:
        return "–"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f"{text[:12]}…" if len(text) in (40, 64) and all(c in "0123456789abcdef" for c in text) else text
