"""`assay demo`."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import Home, Json, number, open_context, say
from assay.kernel.errors import amount

if TYPE_CHECKING:
    from rich.console import Console

    from assay.runs import DemoRow


def demo(
    seed: Annotated[int, typer.Option(help="Seed of the markets and of the training.")] = 1,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Train on a market with an edge, on one without and on a real one, and say what to do with each."""
    from assay.runs import run_demo as run

    began = time.monotonic()
    with open_context(home, working=True) as context:
        rows = list(run(context, seed=seed))
    seconds = time.monotonic() - began
    say({"markets": [_row(r) for r in rows], "seconds": seconds}, lambda c: _people(c, rows, seconds), as_json=as_json)


def _row(row: "DemoRow") -> dict[str, object]:
    result = row.document
    stored = ("run_id", "experiment_id", "model_id", "verdict", "stage", "advice", "trades", "metrics")
    return {"market": row.market, "truth": row.truth, "report": str(row.report)} | {k: result[k] for k in stored}


def _people(console: "Console", rows: "list[DemoRow]", seconds: float) -> None:
    from rich.table import Table

    table = Table(show_lines=True)
    for column in ("market and its truth", "out of sample, after costs", "verdict", "what Assay would do, and why"):
        table.add_column(column)
    for row in rows:
        m, result = row.document["metrics"], row.document
        record = (
            f"net {number(m['net_profit'], percent=True)}, holding {number(m['buy_and_hold'], percent=True)}\n"
            f"Sharpe {number(m['sharpe_annual'], 2)} a year, {amount(result['trades'], 'trade')}"
        )
        table.add_row(f"{row.market}\n{row.truth}", record, result["verdict"], result["advice"])
    console.print(table)
    for row in rows:
        console.print(f"report: {row.report}", soft_wrap=True)
    console.print(f"{seconds:.0f} s")
