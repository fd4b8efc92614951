"""`assay backtest`."""

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
    number,
    open_context,
    say,
    settings,
)
from assay.kernel.errors import amount

if TYPE_CHECKING:
    from rich.console import Console

_LAST = 5
_SHARES = ("net_profit", "buy_and_hold", "max_drawdown", "annual_return", "win_rate", "exposure", "expectancy", "fees")
_RATIOS = ("sharpe_annual", "sortino_annual", "calmar", "profit_factor", "avg_holding_bars", "turnover")
_ENDS = {"exit_tp": "take", "exit_sl": "stop", "exit_max_hold": "hold", "exit_signal": "signal",
         "exit_end_of_data": "end of data"}  # fmt: skip


def backtest(
    exchange: Exchange,
    symbol: Symbol,
    timeframe: Timeframe,
    strategy: Annotated[str, typer.Argument(help="Name; with --strategy-file it may be left out.")] = "",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value: a parameter of the strategy, or costs.fee, filter.action …"),
    ] = None,
    strategy_file: Annotated[Path | None, typer.Option(help="Python file with your own strategy; it is run.")] = None,
    bars: Annotated[int | None, typer.Option(help="Only the newest N bars. [all]")] = None,
    regime: Annotated[str, typer.Option(help="Enter in this regime only: bull, bear, sideways, volatile.")] = "",
    report: Annotated[bool, typer.Option("--report", help="Write the run's page as well.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run even if this spec already ran on these data.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Trade a strategy over stored candles, after costs; counted as one trial of this market."""
    from assay.kernel.instrument import Instrument
    from assay.runs import backtest as run
    from assay.runs import write_run_page

    with open_context(home, working=True) as context:
        result = run(
            strategy, Instrument(exchange, symbol, timeframe), settings(setting or []), context,
            file=strategy_file, bars=bars, regime=regime, force=force,
        )  # fmt: skip
        page = write_run_page(result.document["experiment_id"], context) if report else None
    document = {**result.document} | ({} if page is None else {"report": str(page)})
    say(document, lambda console: _people(console, document, existing=result.existing), as_json=as_json)


def _people(console: "Console", document: Document, *, existing: bool) -> None:
    metrics = document["metrics"]
    if existing:
        console.print(f"This already ran on these data: run {document['experiment_id']}. --force runs it again.")
    console.print(f"{document['name']}   run {document['experiment_id']} ({document['run_id']})", markup=False)
    console.print(
        f"{amount(document['bars'], 'bar')}, {document['from'][:16]} to {document['to'][:16]}; "
        f"{'long and short' if document['short'] else 'long only'}; "
        f"trial {document['n_trials']:,} of this market",
        highlight=False,
    )
    _metrics(console, document)
    ends = [f"{words} {int(metrics[name])}" for name, words in _ENDS.items() if metrics[name]]
    console.print(f"{amount(metrics['total_trades'], 'trade')}; ended by: {', '.join(ends) or '–'}", highlight=False)
    if document["trades"]:
        _trades(console, document)
    console.print("These parameters were chosen by hand: nothing here is out of sample.")
    if "report" in document:
        console.print(f"report: {document['report']}", soft_wrap=True)


def _metrics(console: "Console", document: Document) -> None:
    from rich.table import Table

    metrics = document["metrics"]
    shares = [(name, number(metrics[name], 4, percent=True)) for name in _SHARES]
    ratios = [(name, number(metrics[name], 2)) for name in _RATIOS]
    ratios += [("equity at the end", number(document["equity_end"], 4))]
    ratios += [("", "")] * (len(shares) - len(ratios))
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 3, 0, 0))
    for justify in ("left", "right", "left", "right"):
        table.add_column(justify=justify)
    for (name, share), (other, ratio) in zip(shares, ratios, strict=True):
        table.add_row(name.replace("_", " "), share, other.replace("_", " "), ratio)
    console.print(table)


def _trades(console: "Console", document: Document) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=f"last {_LAST}", title_justify="left")
    for column in ("side", "from", "bought or sold at", "closed at", "net", "bars", "ended by"):
        table.add_column(column, justify="left" if column in ("side", "from", "ended by") else "right")
    for trade in document["trades"][-_LAST:]:
        table.add_row(
            trade["side"], trade["entry_time"][:16].replace("T", " "), f"{trade['entry_price']:g}",
            f"{trade['exit_price']:g}", number(trade["return_net"], 4, percent=True), str(trade["bars_held"]),
            trade["exit_reason"],
        )  # fmt: skip
    console.print(table)
