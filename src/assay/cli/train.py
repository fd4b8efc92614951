"""`assay train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import (
    Audit,
    Document,
    FeaturesFile,
    Home,
    Json,
    number,
    one_file,
    open_context,
    print_verdict,
    say,
    settings,
)

if TYPE_CHECKING:
    from rich.console import Console


def train(
    learner: Annotated[str, typer.Argument(help="ensemble or rules; with --spec it may be left out.")] = "",
    exchange: Annotated[str | None, typer.Option("--exchange", "-e", help="Exchange, e.g. binance.")] = None,
    symbol: Annotated[list[str] | None, typer.Option("--symbol", "-s", help="Symbol; several make one model.")] = None,
    timeframe: Annotated[str | None, typer.Option("--timeframe", "-t", help="Length of a bar, e.g. 1h.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Of rules: name of the strategy.")] = None,
    features: Annotated[str | None, typer.Option(help="Feature set. [core72]")] = None,
    target: Annotated[str | None, typer.Option(help="Target. [profitable, 24 bars, long and short]")] = None,
    train_bars: Annotated[int | None, typer.Option(help="Bars to learn from in each fold. [a third]")] = None,
    test_bars: Annotated[
        int | None, typer.Option(help="Bars to be judged on in each fold. [so that there are 8]")
    ] = None,
    bars: Annotated[int | None, typer.Option(help="Only the newest N bars. [all]")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value: a trainer's parameter, or costs.fee, sizing.enter, target.horizon …"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random generator. [42]")] = None,
    strategy_file: Annotated[
        Path | None, typer.Option(help="Of rules: Python file with a strategy of your own.")
    ] = None,
    features_file: FeaturesFile = None,
    spec: Annotated[Path | None, typer.Option(help="TOML or JSON file with the whole spec.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Train even if this spec already ran on these data.")] = False,
    audit: Audit = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Train a model, judge it walk-forward after costs, and remember all of it."""
    from assay.runs import build_spec

    own = one_file("--features-file", features_file)
    flags: dict[str, object] = {
        "learner": learner or None, "exchange": exchange, "symbols": symbol or None, "timeframe": timeframe,
        "features": features, "bars": bars, "seed": seed, "params.strategy": strategy, "target.name": target,
        "folds.train_bars": train_bars, "folds.test_bars": test_bars,
    }  # fmt: skip
    chosen = build_spec(
        spec, {k: v for k, v in flags.items() if v is not None}, settings(setting or []),
        strategy_file=strategy_file, features_file=own,
    )  # fmt: skip
    from assay.cli.optimize import people as searched
    from assay.runs import execute_spec

    with open_context(home, working=True, audit=audit) as context:
        result = execute_spec(chosen, context, file=strategy_file, features_file=own, force=force)
    people = searched if chosen.learner == "rules" else _people
    say(result.document, lambda console: people(console, result.document, existing=result.existing), as_json=as_json)


def _people(console: "Console", document: Document, *, existing: bool) -> None:
    from rich.table import Table

    metrics = document["metrics"]
    if existing:
        console.print(f"This spec already ran on these data: run {document['experiment_id']}. --force trains again.")
    console.print(f"{document['name']}   run {document['experiment_id']} ({document['run_id']})", markup=False)
    print_verdict(console, document)
    table = Table(box=None, pad_edge=False)
    for column in ("fold", "test from", "test to", "trades", "net", "Sharpe/yr", "AUC"):
        table.add_column(column, justify="left" if column.startswith("test") else "right")
    for fold in document["folds"]:
        m = fold["metrics"]
        table.add_row(
            str(fold["number"] + 1), fold["test_from"][:10], fold["test_to"][:10], number(m.get("total_trades"), 0),
            number(m.get("net_profit"), percent=True), number(m.get("sharpe_annual"), 2), number(m.get("auc")),
        )  # fmt: skip
    table.add_row(
        "all", "", "", number(metrics["total_trades"], 0), number(metrics["net_profit"], percent=True),
        number(metrics["sharpe_annual"], 2), number(metrics.get("auc")),
    )  # fmt: skip
    console.print(table)
    own = document.get("own_features")
    if own is not None:
        text = f"columns of {own['name']} ({own['sha256'][:12]}): {', '.join(own['columns'])}"
        console.print(text, markup=False, highlight=False)
    console.print(f"assay report {document['experiment_id']} writes the page with all of it.")
