"""`assay config`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from assay.cli.command import Document, Home, Json, demand_within, number, open_context, say
from assay.kernel.errors import amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="Configurations that a bot can run: look, export, switch, approve.")
ConfigId = Annotated[str, typer.Argument(help="Id of a configuration, as assay config list shows it.")]
Strategy = Annotated[str | None, typer.Option("--strategy", help="Only of this strategy.")]
Exchange = Annotated[str | None, typer.Option("--exchange", "-e", help="Only of this exchange.")]
Pair = Annotated[str | None, typer.Option("--symbol", "-s", help="Only of this pair, e.g. BTC/USDT.")]
Timeframe = Annotated[str | None, typer.Option("--timeframe", "-t", help="Only of bars this long.")]
Stage = Annotated[
    Literal["PAPER", "DISCOVERY", "VALIDATION", "MATURE", "DECAY"] | None,
    typer.Option("--stage", help="Only in this stage."),
]
Active = Annotated[bool | None, typer.Option("--active/--inactive", help="Only those switched on, or off.")]


@app.command("list")
def list_configurations(
    strategy: Strategy = None,
    exchange: Exchange = None,
    symbol: Pair = None,
    timeframe: Timeframe = None,
    stage: Stage = None,
    active: Active = None,
    limit: Annotated[int, typer.Option(help="Most configurations, 1 to 10,000.")] = 50,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Configurations, newest first."""
    from assay.runs import list_configurations

    demand_within("--limit", limit, 1, 10_000)
    with open_context(home, existing="record") as context:
        listed = list_configurations(
            context, limit=limit, strategy=strategy, exchange=exchange, pair=symbol, timeframe=timeframe,
            stage=stage, active=active,
        )  # fmt: skip
    rows = [row.document for row in listed]
    say({"configurations": rows}, lambda console: _table(console, rows), as_json=as_json)


@app.command()
def show(config_id: ConfigId, home: Home = None, as_json: Json = False) -> None:
    """One configuration: parameters, what it earned out of sample, its stage and why it has it."""
    from assay.runs import show_configuration

    with open_context(home, existing="record") as context:
        result = show_configuration(config_id, context).document
    say(result, lambda console: _one(console, result), as_json=as_json)


@app.command()
def export(
    config_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[CONFIG_ID]...", help="Ids; without any, all that the options leave.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write. [stdout]")] = None,
    strategy: Strategy = None,
    exchange: Exchange = None,
    symbol: Pair = None,
    timeframe: Timeframe = None,
    stage: Stage = None,
    active: Active = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """The V3 document of one configuration; a bundle of several, which are of one pair and one strategy."""
    from assay.runs import export_configurations, select_configurations, write_text_file

    with open_context(home, existing="record") as context:
        names = config_ids or select_configurations(
            context, strategy=strategy, exchange=exchange, pair=symbol, timeframe=timeframe, stage=stage, active=active
        )
        document: Document = export_configurations(names, context)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if out is None:
        say(document, lambda console: console.file.write(text), as_json=as_json)
        return
    write_text_file(text, out)
    summary = {"file": str(out), "configurations": len(document.get("configurations", [document]))}
    say(
        summary, lambda console: console.print(str(out), soft_wrap=True, markup=False, highlight=False), as_json=as_json
    )


@app.command()
def activate(config_id: ConfigId, home: Home = None, as_json: Json = False) -> None:
    """Switch a configuration on for bots. Its stage, and with it its size, stays what it is."""
    _switch(config_id, home, active=True, as_json=as_json)


@app.command()
def deactivate(config_id: ConfigId, home: Home = None, as_json: Json = False) -> None:
    """Switch a configuration off for bots."""
    _switch(config_id, home, active=False, as_json=as_json)


@app.command()
def approve(
    config_id: ConfigId,
    by: Annotated[str, typer.Option("--by", help="Who approves.")],
    why: Annotated[str, typer.Option("--why", help="Why; it is kept with the configuration.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Let a VALIDATION configuration that is eligible be MATURE; only a person does that."""
    from assay.runs import approve_configuration as give

    with open_context(home, existing="record") as context:
        result = give(config_id, context, by=by, why=why).document
    say(
        result, lambda console: console.print(f"{config_id} is MATURE, approved by {by}", markup=False), as_json=as_json
    )


def _switch(config_id: str, home: Path | None, *, active: bool, as_json: bool) -> None:
    from assay.runs import switch_configuration

    with open_context(home, existing="record") as context:
        line = switch_configuration(config_id, context, active=active).document
    text = f"{config_id} is {'active' if active else 'not active'}, stage {line['stage']}"
    say(line, lambda console: console.print(text, markup=False, highlight=False, soft_wrap=True), as_json=as_json)


def _table(console: "Console", rows: "Sequence[Document]") -> None:
    from rich.table import Table

    if not rows:
        console.print("No configuration. assay optimize makes them.")
        return
    markets: dict[str, list[Document]] = {}
    for row in rows:
        markets.setdefault(f"{row['exchange']} {row['pair']} {row['timeframe']}", []).append(row)
    for market, holding in markets.items():
        console.print(market, markup=False, highlight=False)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for column in ("configuration", "stage", "on", "Sharpe", "net"):
            right = column in ("Sharpe", "net")
            table.add_column(column, justify="right" if right else "left", overflow="fold")
        for row in holding:
            table.add_row(
                row["config_id"], row["stage"], "on" if row["is_active"] else "–",
                number(row["sharpe_ratio"], 2), _percent(row["net_profit_pct"]),
            )  # fmt: skip
        console.print(table, highlight=False)


def _one(console: "Console", result: Document) -> None:
    document = result["configuration"]
    lifecycle, numbers, sure = document["lifecycle"], document["performance"], document["statistical_validation"]
    market = " ".join(document["context"][key] for key in ("exchange", "pair", "timeframe"))
    lines = [
        f"{document['configId']}",
        f"{document['strategy']} on {market}; run {document['metadata']['run_id']}",
        f"{'active' if result['is_active'] else 'not active'}; regime {document['context']['regime'] or '–'}"
        + (" only" if document["context"]["regime_filter"] else ""),
        f"{document['status']}: at most {lifecycle['max_allocation_pct']:g} % of capital, size x "
        f"{lifecycle['position_multiplier']:g}, confidence {number(lifecycle['confidence_score'], 2)}",
    ]
    if lifecycle["eligible_for"]:
        lines.append(f"eligible for {lifecycle['eligible_for']}: assay config approve, with --by and --why")
    lines.append(
        f"out of sample: net {_percent(result['net_profit_pct'])}, Sharpe {number(sure['sharpe_ratio'], 2)}, "
        f"{amount(numbers['sample_size'], 'trade')}, p {number(sure['p_value'], 3)}, "
        f"stability {number(sure['stability_score'], 2)}"
    )
    for line in lines:
        console.print(line, markup=False, highlight=False)
    for name, value in document["parameters"].items():
        console.print(f"  {name:<32}{value}", markup=False, highlight=False)
    for reason in lifecycle["reasons"]:
        limit = "" if reason["limit"] is None else f" (limit {reason['limit']})"
        console.print(f"  {reason['state']:<9}{reason['text']}{limit}", markup=False, highlight=False)


def _percent(value: float | None) -> str:
    return number(None if value is None else value / 100, 2, percent=True)
