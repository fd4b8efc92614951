"""`assay vault`."""

from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import Document, Home, Json, number, open_context, reasons, say
from assay.kernel.errors import amount

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="The holdout vault: lock a market's last stretch, read it once a run.")
Exchange = Annotated[str, typer.Option("--exchange", "-e", help="Exchange, e.g. binance.")]
Symbol = Annotated[str, typer.Option("--symbol", "-s", help="Symbol as ccxt spells it; bars of every length.")]
By = Annotated[str, typer.Option("--by", help="Who does it; kept for ever.")]


@app.command()
def lock(
    exchange: Exchange,
    symbol: Symbol,
    by: By,
    last: Annotated[str | None, typer.Option("--last", help="The newest stored days, e.g. 90d.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="A date, or a time with its zone.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Hide a market's bars from a date on, those to come included, from all training, searching and testing."""
    from assay.runs import lock_holdout as locking

    with open_context(home) as context:
        result = locking(context, exchange, symbol, by=by, last=last, since=since)
    say(result, lambda console: _plain(console, [_line(result)]), as_json=as_json)


@app.command()
def unlock(
    exchange: Exchange,
    symbol: Symbol,
    by: By,
    why: Annotated[str, typer.Option("--why", help="Why; kept for ever.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Open a locked market to all work again."""
    from assay.runs import unlock_holdout as unlocking

    with open_context(home) as context:
        result = unlocking(context, exchange, symbol, by=by, why=why)
    text = f"{exchange} {symbol} is open again; it was read {_times(result['readings'])}"
    say(result, lambda console: _plain(console, [text]), as_json=as_json)


@app.command("list")
def list_locks(home: Home = None, as_json: Json = False) -> None:
    """What is locked, and all that was locked, read and unlocked."""
    from assay.runs import list_locks

    with open_context(home) as context:
        result = list_locks(context)
    say(result, lambda console: _listed(console, result), as_json=as_json)


@app.command("open")
def open_(
    run: Annotated[str, typer.Argument(help="Number or id of a training or a search.")],
    by: By,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Let a run's model decide on what is locked, once: it is counted, and kept whatever comes of it."""
    from assay.runs import read_holdout

    with open_context(home, working=True) as context:
        result = read_holdout(run, context, by=by)
    say(result, lambda console: _read(console, result), as_json=as_json)


def _plain(console: "Console", lines: list[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _line(result: Document) -> str:
    seen = result["trials_before"]
    before = f"; scored on it before: {amount(seen, 'trial')}" if seen else ""
    return (
        f"{result['exchange']} {result['symbol']}: locked from {result['from'][:16]} on by {result['by']}, read "
        f"{_times(result['readings'])}{before}"
    )


def _times(count: int) -> str:
    return "never" if not count else "once" if count == 1 else f"{count} times"


def _listed(console: "Console", result: Document) -> None:
    _plain(console, [_line(each) for each in result["locks"]] or ["Nothing is locked."])
    for each in result["events"]:
        what = each["action"].removeprefix("vault.")
        of = f" by run {each['run']}, {each['verdict']}" if what == "read" else ""
        why = f": {each['why']}" if "why" in each else ""
        _plain(
            console,
            [f"  {each['time'][:16]}  {what}{of}, {each['exchange']} {each['symbol']}, {each['by']}{why}"],
        )


def _read(console: "Console", result: Document) -> None:
    _plain(console, [f"run {result['run']} on {result['market']}, {result['from'][:16]} to {result['to'][:16]}"])
    _plain(console, [f"{result['verdict']} on the holdout, reading {result['evidence']['holdout_reads']} of it"])
    reasons(console, result)
    m: Document = result["metrics"]
    _plain(
        console,
        [
            f"net {number(m['net_profit'], percent=True)}, Sharpe {number(m['sharpe_annual'], 2)} a year, "
            f"{amount(m['total_trades'], 'trade')}; kept with run {result['run']}"
        ],
    )
