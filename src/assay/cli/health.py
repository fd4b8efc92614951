"""`assay models health`."""

from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import Document, Home, Json, open_context, say
from assay.kernel.errors import amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

_SECTIONS = ("record", "inputs", "age")


def health(
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="Number or id. Without one, all champions and challengers.")
    ] = "",
    false_alarms: Annotated[
        float, typer.Option("--false-alarms", help="Chance of an input alarm where nothing changed.")
    ] = 0.05,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Keep, retrain or retire: what a model earned on newer candles, what it sees there, how old it is, and why."""
    from assay.runs import check_health as of_one
    from assay.runs import check_serving_models

    with open_context(home, working=True) as context:
        rows = check_serving_models(context, false_alarms=false_alarms) if not model else []
        result = of_one(model, context, false_alarms=false_alarms) if model else {}
    if model:
        say(result, lambda console: _one(console, result), as_json=as_json)
    else:
        say({"models": rows}, lambda console: _table(console, rows), as_json=as_json)


def _one(console: "Console", result: Document) -> None:
    console.print(f"{result['model_id']}   {_market(result)}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"serves as {', '.join(result['aliases']) or 'nothing'}", highlight=False)
    age = result["age"]
    if age is not None:
        text = f"learnt to {age['learnt_to'][:16]}, {amount(round(age['days']), 'day')} ago"
        console.print(f"{text}; newest candle {age['newest'][:16]}", markup=False, highlight=False)
        if age["gap_bars"]:
            console.print(
                f"between what it learnt from and the first newer bar is a gap of {amount(age['gap_bars'], 'bar')}"
            )
    for each in result["reasons"]:
        console.print(f"  {each['state']:<8}{each['check']:<9}{each['text']}", markup=False, highlight=False)
    extras = result["monitoring"]
    if extras is not None and extras["documented_stage"]:
        rolling, lifetime = extras["rolling_30d_sharpe"], extras["lifetime_sharpe_ratio"]
        text = f"beside: Sharpe {rolling:.2f} over 30 days, {lifetime:.2f} out of sample"
        console.print(f"  {text}; documented limits say {extras['documented_stage']}", markup=False, highlight=False)
    unknown = f"; {result['open']} of {len(result['reasons'])} checks are open" if result["open"] else ""
    console.print(f"[bold]{result['recommendation']}[/bold]{unknown}", highlight=False)


def _table(console: "Console", rows: "Sequence[Document]") -> None:
    from rich.table import Table

    if not rows:
        console.print("No model serves. assay models promote makes a champion.", highlight=False)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("id", "strategy", "market", "new bars", *_SECTIONS, "says"):
        right = column in ("id", "new bars")
        table.add_column(column, justify="right" if right else "left", overflow="fold", no_wrap=right)
    for row in rows:
        states = {each["check"]: each["state"] for each in row["reasons"]}
        new = "–" if row["new_bars"] is None else f"{row['new_bars']:,}"
        document = (states.get(check, "–").replace("UNKNOWN", "?") for check in _SECTIONS)
        table.add_row(str(row["id"]), row["strategy_type"], _market(row), new, *document, row["recommendation"])
    console.print(table, highlight=False)
    for row in rows:
        for each in row["reasons"]:
            if each["state"] == "FAIL":
                text = f"{row['id']} {row['recommendation']}: {each['check']}: {each['text']}"
                console.print(text, markup=False, highlight=False)


def _market(result: Document) -> str:
    return " ".join(result[key] for key in ("exchange", "symbol", "timeframe") if result[key]) or "–"
