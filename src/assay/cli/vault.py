"""`assay vault`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.command import Document, Home, Json, number, opened, say
from assay.cli.verdict import reasons
from assay.kernel.plural import amount

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

    with opened(home) as context:
        found = locking(context, exchange, symbol, by=by, last=last, since=since)
    say(found, lambda console: _plain(console, [_line(found)]), as_json=as_json)


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

    with opened(home) as context:
        found = unlocking(context, exchange, symbol, by=by, why=why)
    text = f"{exchange} {symbol} is open again; it was read {_times(found['readings'])}"
    say(found, lambda console: _plain(console, [text]), as_json=as_json)


@app.command("list")
def list_locks(home: Home = None, as_json: Json = False) -> None:
    """What is locked, and all that was locked, read and unlocked."""
    from assay.runs import list_locks

    with opened(home) as context:
        found = list_locks(context)
    say(found, lambda console: _listed(console, found), as_json=as_json)


@app.command("open")
def open_(
    run: Annotated[str, typer.Argument(help="Number or id of a training or a search.")],
    by: By,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Let a run's model decide on what is locked, once: it is counted, and kept whatever comes of it."""
    from assay.runs import read_holdout

    with opened(home, working=True) as context:
        found = read_holdout(run, context, by=by)
    say(found, lambda console: _read(console, found), as_json=as_json)


def _plain(console: "Console", lines: list[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _line(found: Document) -> str:
    seen = found["trials_before"]
    before = f"; scored on it before: {amount(seen, 'trial')}" if seen else ""
    return (
        f"{found['exchange']} {found['symbol']}: locked from {found['from'][:16]} on by {found['by']}, read "
        f"{_times(found['readings'])}{before}"
    )


def _times(count: int) -> str:
    return "never" if not count else "once" if count == 1 else f"{count} times"


def _listed(console: "Console", found: Document) -> None:
    _plain(console, [_line(each) for each in found["locks"]] or ["Nothing is locked."])
    for each in found["events"]:
        what = each["action"].removeprefix("vault.")
        of = f" by run {each['run']}, {each['verdict']}" if what == "read" else ""
        why = f": {each['why']}" if "why" in each else ""
        _plain(
            console,
            [f"  {each['time'][:16]}  {what}{of}, {each['exchange']} {each['symbol']}, {each['by']}{why}"],
        )


def _read(console: "Console", found: Document) -> None:
    _plain(console, [f"run {found['run']} on {found['market']}, {found['from'][:16]} to {found['to'][:16]}"])
    _plain(console, [f"{found['verdict']} on the holdout, reading {found['evidence']['holdout_reads']} of it"])
    reasons(console, found)
    m: dict[str, Any] = found["metrics"]
    _plain(
        console,
        [
            f"net {number(m['net_profit'], percent=True)}, Sharpe {number(m['sharpe_annual'], 2)} a year, "
            f"{amount(m['total_trades'], 'trade')}; kept with run {found['run']}"
        ],
    )
