"""`assay features`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.door import Exchange, Home, Json, Symbol, Timeframe, number, opened, say

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="What is known at each bar.")


@app.command("list")
def list_features(
    name: Annotated[str, typer.Argument(help="A set: mini5, classic12, core72 or full110.")] = "core72",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Columns of a feature set: group, unit, lookback in bars."""
    from assay.runs.featuring import describe

    with opened(home):
        rows = describe(name)
    say({"set": name, "features": rows}, lambda console: _described(console, rows), as_json=as_json)


@app.command()
def table(
    exchange: Exchange,
    symbol: Symbol,
    timeframe: Timeframe,
    name: Annotated[str, typer.Option("--set", help="Feature set.")] = "core72",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the table to a .parquet or .csv file.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Compute a set on stored candles: how complete each column is; with --out the values themselves."""
    from assay.runs.featuring import compute

    with opened(home) as context:
        document = compute(context, exchange, symbol, timeframe, name, out=out)
    say(document, lambda console: _computed(console, document), as_json=as_json)


def _described(console: "Console", rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for column in ("name", "group", "unit", "lookback"):
        shown.add_column(column, justify="right" if column == "lookback" else "left")
    for row in rows:
        shown.add_row(row["name"], row["group"], row["unit"], str(row["lookback"]))
    console.print(shown)


def _computed(console: "Console", document: dict[str, Any]) -> None:
    from rich.table import Table

    market = f"{document['exchange']} {document['symbol']} {document['timeframe']}"
    console.print(
        f"{document['set']} on {market}: {document['bars']:,} bars, {len(document['features'])} columns, "
        f"lookback {document['lookback']}, {number(document['quality'], percent=True)} finite after it"
    )
    shown = Table(box=None, pad_edge=False)
    for column in ("name", "finite", "mean", "std", "last"):
        shown.add_column(column, justify="left" if column == "name" else "right")
    for row in document["features"]:
        shown.add_row(
            row["name"], number(row["finite"], percent=True), number(row["mean"], 4), number(row["std"], 4),
            number(row["last"], 4),
        )  # fmt: skip
    console.print(shown)
    for name, why in document["absent"].items():
        console.print(f"absent: {name}: {why}")
    if document["out"]:
        console.print(f"written: {document['out']}", soft_wrap=True)
