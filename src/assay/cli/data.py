"""`assay import`, `assay collect` and `assay data`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import (
    Document,
    Exchange,
    Home,
    Json,
    Symbol,
    Timeframe,
    demand_within,
    number,
    open_context,
    say,
)
from assay.kernel.errors import amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="The candles that are stored.")


def import_files(
    files: Annotated[list[Path], typer.Argument(help="CSV or Parquet files; .gz and .zip too.")],
    exchange: Annotated[str | None, typer.Option("--exchange", "-e", help="Where the file does not say it.")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", "-s", help="Where the file does not say it.")] = None,
    timeframe: Annotated[str | None, typer.Option("--timeframe", "-t", help="Where the file does not say it.")] = None,
    time_unit: Annotated[str | None, typer.Option(help="Unit of integer times: s, ms, us or ns.")] = None,
    tz: Annotated[str | None, typer.Option(help="Zone of times without one, e.g. America/New_York.")] = None,
    on_conflict: Annotated[
        str, typer.Option(help="Bars of one time that differ, in the file or from stored ones: refuse, first or last.")
    ] = "refuse",
    suspects: Annotated[
        str, typer.Option(help="Bars of which a price looks like one in another unit: set-aside, keep or refuse.")
    ] = "set-aside",
    allow_negative_price: Annotated[bool, typer.Option(help="Accept prices of 0 and below.")] = False,
    volume_unit: Annotated[
        str | None, typer.Option(help="What volume counts: base, quote, contracts, ticks or unknown.")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Import candles (or funding payments); each row is checked at the door."""
    from assay.runs import import_file

    done: list[Document] = []
    with open_context(home, working=True) as context:
        for file in files:
            done += import_file(
                file, context, exchange=exchange, symbol=symbol, timeframe=timeframe, time_unit=time_unit, tz=tz,
                on_conflict=on_conflict, suspects=suspects, allow_negative_price=allow_negative_price,
                volume_unit=volume_unit,
            )  # fmt: skip
    say(done[0] if len(done) == 1 else {"imports": done}, lambda c: _all_imported(c, done), as_json=as_json)


def collect(
    exchange: Exchange,
    symbol: Symbol,
    timeframe: Timeframe,
    since: Annotated[str, typer.Option(help="First bar: a date, or a time with its zone.")],
    until: Annotated[str | None, typer.Option(help="Bars before this. [now]")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Collect closed bars from an exchange; goes on where the last collection ended."""
    from assay.kernel.instrument import Instrument
    from assay.runs import collect_candles

    with open_context(home, working=True) as context:
        result = collect_candles(Instrument(exchange, symbol, timeframe), context, since=since, until=until)
    say(result, lambda console: _collected(console, result), as_json=as_json)


@app.command("list")
def list_data(home: Home = None, as_json: Json = False) -> None:
    """Instruments that are stored."""
    from assay.runs import list_holdings

    with open_context(home) as context:
        rows = [row.document for row in list_holdings(context)]
    say({"instruments": rows}, lambda console: _holdings(console, rows), as_json=as_json)


@app.command()
def show(
    exchange: Exchange,
    symbol: Symbol,
    timeframe: Timeframe,
    last: Annotated[int, typer.Option(help="How many bars, 1 to 100,000.")] = 10,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """The newest stored bars."""
    from assay.kernel.instrument import Instrument
    from assay.runs import show_candles

    demand_within("--last", last, 1, 100_000)
    with open_context(home) as context:
        result = show_candles(Instrument(exchange, symbol, timeframe), context, last=last)
    say(result, lambda console: _candles(console, result), as_json=as_json)


@app.command()
def check(exchange: Exchange, symbol: Symbol, timeframe: Timeframe, home: Home = None, as_json: Json = False) -> None:
    """Quality of stored bars: gaps, dead bars, jumps, splits, changes of the volume's unit."""
    from assay.kernel.instrument import Instrument
    from assay.runs import check_candles

    with open_context(home) as context:
        result = check_candles(Instrument(exchange, symbol, timeframe), context)
    say(result, lambda console: _quality(console, result), as_json=as_json)


def _all_imported(console: "Console", done: "Sequence[Document]") -> None:
    for result in done:
        _imported(console, result)


def _imported(console: "Console", result: Document) -> None:
    if "series" in result:
        console.print(
            f"{result['exchange']} {result['symbol']} {result['series']}: "
            f"{amount(result['values'], 'value')}, {result['inserted']:,} new"
        )
        return
    console.print(
        f"{amount(result['inserted'], 'new bar')}, {result['revised']:,} revised, {result['unchanged']:,} "
        f"already there",
        highlight=False,
    )
    _quality(console, result)


def _collected(console: "Console", result: Document) -> None:
    console.print(
        f"{amount(result['inserted'], 'new bar')}, {result['revised']:,} revised, "
        f"{amount(result['requests'], 'request')}"
    )
    if result["quality"] is not None:
        _quality(console, result)
    for warning in result["warnings"]:
        console.print(f"  warning: {warning}", markup=False)


def _holdings(console: "Console", rows: "Sequence[Document]") -> None:
    from rich.table import Table

    if not rows:
        console.print("Nothing is stored yet. assay import FILE brings candles in.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("exchange", "symbol", "timeframe", "bars", "from", "to"):
        table.add_column(column, justify="right" if column == "bars" else "left", no_wrap=column != "symbol")
    for row in rows:
        span = (row["from"][:16].replace("T", " "), row["to"][:16].replace("T", " "))
        table.add_row(row["exchange"], row["symbol"], row["timeframe"], f"{row['bars']:,}", *span)
    console.print(table)


def _candles(console: "Console", result: Document) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("time", "open", "high", "low", "close", "volume"):
        table.add_column(column, justify="left" if column == "time" else "right")
    for row in result["candles"]:
        prices = (f"{row[name]:g}" for name in ("open", "high", "low", "close"))
        table.add_row(row["time"][:16].replace("T", " "), *prices, number(row["volume"]))
    console.print(table)


def _quality(console: "Console", result: Document) -> None:
    q = result["quality"]
    console.print(
        f"{result['exchange']} {result['symbol']} {result['timeframe']}: {amount(q['bars'], 'bar')}, "
        f"{q['first'][:16]} to "
        f"{q['last'][:16]}",
        highlight=False,
    )
    console.print(
        f"  {amount(q['holes'], 'gap')} ({amount(q['missing_bars'], 'bar')}, longest {q['longest_gap']}), "
        f"{q['zero_volume']['count']:,} without volume, {q['flat']['count']:,} flat, "
        f"{amount(len(q['jumps']), 'jump')}, "
        f"{amount(len(q['splits']), 'split suspect')}, {amount(len(q['volume_units']), 'volume-unit change')}",
        highlight=False,
    )
    for code, count in q["quarantined"].items():
        console.print(f"  set aside: {amount(count, 'row')} {code}", highlight=False)
    for warning in q["warnings"]:
        console.print(f"  {warning['code']}: {warning['text']}", markup=False, highlight=False)
