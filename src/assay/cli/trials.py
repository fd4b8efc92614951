"""`assay trials`."""

from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import Document, Home, Json, demand_within, number, open_context, say
from assay.kernel.errors import ConfigError, amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

_NONE = "No trial yet: nothing was trained, searched or tested here. assay demo makes some."


def trials(
    exchange: Annotated[str, typer.Option("--exchange", "-e", help="Exchange; with symbol and timeframe.")] = "",
    symbol: Annotated[str, typer.Option("--symbol", "-s", help="Symbol as ccxt spells it.")] = "",
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="Length of a bar.")] = "",
    run: Annotated[str | None, typer.Option("--run", help="Only what this run tried: its id or run_id.")] = None,
    limit: Annotated[int, typer.Option(help="Most rows, 1 to 10,000.")] = 20,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """What was tried on a market, when and by which run; without a market, all markets that were tried."""
    from assay.kernel.instrument import Instrument
    from assay.runs import list_trials, list_tried_markets

    demand_within("--limit", limit, 1, 10_000)
    named = [exchange, symbol, timeframe]
    if any(named) and not all(named):
        raise ConfigError("a market is --exchange, --symbol and --timeframe together", field="market")
    if all(named) and run is not None:
        raise ConfigError("give a market or --run, not both", field="run")
    with open_context(home, existing="record") as context:
        if run is None and not all(named):
            rows = list_tried_markets(context, limit=limit)
            return say(rows, lambda console: _markets(console, rows), as_json=as_json)
        market = Instrument(exchange, symbol, timeframe) if all(named) else None
        result = list_trials(context, market=market, run=run, limit=limit).document
    return say(result, lambda console: _tried(console, result), as_json=as_json)


def _markets(console: "Console", rows: "Sequence[Document]") -> None:
    from rich.table import Table
    from rich.text import Text

    from assay.track import describe_old_trials

    if not rows:
        console.print(_NONE)
        return
    table = Table(box=None, pad_edge=False)
    some_gone = any(row["missing"] for row in rows)
    counted = ["trials", "rows", "runs", *(["missing"] if some_gone else [])]
    for column in ("market", *counted, "first", "last"):
        right = column in counted
        table.add_column(
            "gone" if column == "missing" else column, justify="right" if right else "left", no_wrap=True,
            overflow="ellipsis", max_width=(26 if some_gone else 30) if column == "market" else None,
        )  # fmt: skip
    for row in rows:
        counts = (f"{row[name]:,}" for name in counted)
        days = ("–" if row[name] is None else row[name][:10] for name in ("first", "last"))
        table.add_row(Text(row["market_key"]), *counts, *days)
    console.print(table)
    if some_gone:
        console.print("gone: trials whose rows are missing, accepted by assay db accept-head; they still count")
    old = sum(row["old"] for row in rows)
    if old:
        console.print(f"note: {describe_old_trials(old)}", markup=False, highlight=False)


def _tried(console: "Console", result: Document) -> None:
    if not result["rows"] and not result["missing"]:
        console.print(_none_of(result))
        return
    sharpe = result["sharpe"]
    rows, judged = result["rows"], result["identities"]
    which = amount(judged, "identity", "identities")
    console.print(
        f"{amount(result['trials'], 'trial')} in {amount(rows, 'row')} of the ledger, of {which}", highlight=False
    )
    for gone in result["missing"]:
        console.print(_missing(gone), highlight=False, markup=False)
    if result["old"]:
        console.print(f"note: {result['old_text']}", highlight=False, markup=False)
    if not rows:
        return
    for key, count in result.get("also", {}).items():
        console.print(f"these candles have {amount(count, 'trial')} under {key}", highlight=False, markup=False)
    console.print(f"by learner: {_counts(result['by_learner'])}", highlight=False)
    console.print(f"by state: {_counts(result['by_state'])}", highlight=False)
    console.print(
        f"Sharpe ratio a bar: best {number(sharpe['best'], 4)}, median {number(sharpe['median'], 4)} "
        f"of {sharpe['known']:,}",
        highlight=False,
    )
    for key, chain in result["chains"].items():
        document = f"whole, {amount(chain['rows'], 'row')}" if chain["state"] == "whole" else f"BROKEN: {chain['text']}"
        console.print(f"chain {key}: {document}", highlight=False, markup=False)
    if result["unread"]:
        rows = amount(result["unread"], "row")
        console.print(f"counted, but not looked into: {rows} whose block is gone or damaged")
    _latest(console, result["latest"])


def _latest(console: "Console", rows: "Sequence[Document]") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("number", "when", "run", "strategy", "by", "trials", "state", "Sharpe"):
        right = column in ("number", "run", "trials", "Sharpe")
        width = 20 if column == "strategy" else None
        table.add_column(
            column, justify="right" if right else "left", no_wrap=True, overflow="ellipsis", max_width=width
        )
    for row in rows:
        table.add_row(
            str(row["seq"]), row["time"][5:16].replace("T", " "), str(row["run"] or "–"), Text(row["strategy"]),
            row["method"], f"{row['trials']:,}", row["state"], number(row["sharpe"], 4),
        )  # fmt: skip
    console.print(table)


def _missing(gone: Document) -> str:
    by = f" by {gone['by']}" if gone["by"] else ""
    return (
        f"gone from {gone['market_key']}: {amount(gone['rows'], 'row')} with {amount(gone['looks'], 'trial')}, still "
        f"counted; accepted {gone['time'][:10]}{by}: {gone['reason']}"
    )


def _none_of(result: Document) -> str:
    if "run" not in result:
        return _NONE
    if result["reproduces"]:
        return f"run {result['run']} reproduces run {result['reproduces']}: its trials are those, none was added"
    return f"run {result['run']} added no trial: it scored nothing, or nothing that was not counted already"


def _counts(counts: Document) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())
