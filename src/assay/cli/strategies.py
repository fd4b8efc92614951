"""`assay strategies`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import Document, Home, Json, open_context, say
from assay.kernel.errors import ConfigError, amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from assay.kernel.bars import Bars
    from assay.learn import Strategy
    from assay.runs import Context

app = typer.Typer(no_args_is_help=True, help="The rules there are, and yours held to the same contract.")
_BARS = 5_000


@app.command("list")
def list_strategies(home: Home = None, as_json: Json = False) -> None:
    """Strategies that Assay has."""
    from assay.runs import list_strategies

    with open_context(home):
        rows = list_strategies()
    say({"strategies": rows}, lambda console: _listed(console, rows), as_json=as_json)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a strategy, or a .py file with one of your own; it is run.")],
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="Bars in which the lookback is told.")] = "1h",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """One strategy: what it does, its parameters with kind, default, search range and unit."""
    from assay.runs import describe_strategy, load_strategy, name_user_line

    file = Path(name) if name.endswith(".py") else None
    with open_context(home), name_user_line(file):
        document = describe_strategy(load_strategy("" if file else name, file), timeframe)
    say(document, lambda console: _shown(console, document), as_json=as_json)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Python file with one decorated function; it is run.")],
    exchange: Annotated[str | None, typer.Option("--exchange", "-e", help="Stored market to check on.")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", "-s", help="Its symbol. [a synthetic market]")] = None,
    timeframe: Annotated[str | None, typer.Option("--timeframe", "-t", help="Length of a bar. [1h]")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Hold a strategy of your own to the contract: no future, honest lookback, deterministic, space as declared.

    Then ask it in closed processes, on all bars: no file, no network, no clock, no memory, no dates.
    """
    from assay.learn import check_strategy as run
    from assay.runs import (
        check_enough_bars,
        check_probe,
        count_signals,
        load_strategy,
        name_user_line,
        probe_document,
        probe_rule,
    )

    if (exchange is None) != (symbol is None):
        raise ConfigError(
            "a stored market needs --exchange and --symbol together", hint="Without both: synthetic bars."
        )
    with open_context(home, working=True) as context, name_user_line(file):
        rule = load_strategy("", file)
        bars = _bars(rule, context, exchange, symbol, timeframe or "1h")
        check_enough_bars(rule, bars)
        newest = max(_BARS, 3 * rule.lookback(rule.defaults, bars.instrument.timeframe))
        request, made = run(rule, bars[-newest:]), count_signals(rule, bars)
        closed = probe_rule(rule, bars, rule.defaults)
        check_probe(closed)
    document = {
        "strategy": rule.name,
        "file": str(file),
        "passed": True,
        "bars": len(bars),
        "asked": request,
        "signals": made,
        "market": str(bars.instrument),
        "lookback": rule.lookback(rule.defaults, bars.instrument.timeframe),
        "closed": None if closed is None else probe_document(closed),
    }
    say(document, lambda console: _checked(console, document), as_json=as_json)


def _bars(rule: "Strategy", context: "Context", exchange: str | None, symbol: str | None, timeframe: str) -> "Bars":
    """All stored bars, or 5,000 synthetic ones; more where the lookback asks for it."""
    from assay.runs import candles_for_check

    return candles_for_check(
        context, exchange, symbol, timeframe, max(_BARS, 3 * rule.lookback(rule.defaults, timeframe))
    )


def _listed(console: "Console", rows: "Sequence[Document]") -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("name", "sides", "volume", "what it does"):
        table.add_column(column, no_wrap=column != "what it does")
    for row in rows:
        sides = "both" if row["two_sided"] else "long"
        table.add_row(row["strategy"], sides, "needed" if row["needs_volume"] else "–", row["summary"])
    console.print(table)
    console.print("assay strategies show NAME tells its parameters.")


def _shown(console: "Console", result: Document) -> None:
    from rich.table import Table

    console.print(f"[bold]{result['strategy']}[/bold]")
    console.print(result["what"], markup=False, highlight=False)
    lookback = "–" if result["lookback"] is None else f"{amount(result['lookback'], 'bar')} of {result['timeframe']}"
    console.print(
        f"sides: {'long and short' if result['two_sided'] else 'long only'}   volume: "
        f"{'needed' if result['needs_volume'] else 'not needed'}   lookback: {lookback}   "
        f"least trades: {result['min_trades']}",
        highlight=False,
    )
    for text in result["constraints"]:
        console.print(f"must hold: {text}", markup=False, highlight=False)
    table = Table(box=None, pad_edge=False)
    for column in ("parameter", "kind", "default", "searched", "unit"):
        table.add_column(column, justify="right" if column == "default" else "left", no_wrap=column == "parameter")
    for each in result["parameters"]:
        unit = each["unit"] or (f"column {each['book']}" if each["book"] else "")
        table.add_row(each["name"], each["kind"], _value(each["default"]), _searched(each), unit)
    console.print(table)


def _searched(parameter: Document) -> str:
    search = parameter["search"]
    if search is None:
        return "–"
    if isinstance(search, list):
        return ", ".join(_value(each) for each in search)
    step = "" if search["step"] is None else f", step {search['step']:g}"
    return f"{search['low']:g} to {search['high']:g}{step}{', log' if search['log'] else ''}"


def _value(value: object) -> str:
    if value is None:
        return "–"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _checked(console: "Console", result: Document) -> None:
    console.print(f"{result['strategy']} keeps to the contract on {result['market']}.", markup=False)
    console.print(
        f"{amount(result['bars'], 'bar')}, {amount(result['signals'], 'signal')}, lookback {result['lookback']:,}. "
        f"Does a later bar change the answer? Compared at {amount(result['asked'], 'bar')}: no.",
        highlight=False,
    )
    closed = result["closed"]
    if closed is not None:
        how = "closed processes" if closed["landlock"] else "processes that this kernel cannot close (no Landlock)"
        console.print(
            f"Asked {sum(closed['checks'].values()):,} times in {how}: it reads nothing but its bars.", highlight=False
        )
        for note in closed["notes"]:
            console.print(f"note: {note}", markup=False, highlight=False)
    if not result["signals"]:
        console.print("It made no signal on these bars: check it on a market where it makes some.")
