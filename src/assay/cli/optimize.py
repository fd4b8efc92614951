"""`assay optimize`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import (
    Audit,
    Document,
    Exchange,
    Home,
    Json,
    Symbol,
    Timeframe,
    number,
    open_context,
    print_verdict,
    say,
    settings,
)
from assay.kernel.errors import amount

if TYPE_CHECKING:
    from rich.console import Console

_WINDOWS_SHOWN = 12


def optimize(
    exchange: Exchange,
    symbol: Symbol,
    timeframe: Timeframe,
    strategy: Annotated[str, typer.Argument(help="Name; with --strategy-file it may be left out.")] = "",
    method: Annotated[str, typer.Option(help="grid, random or bayesian.")] = "random",
    trials: Annotated[int, typer.Option(help="Candidates in each window; a grid has as many as it has points.")] = 100,
    space: Annotated[
        list[str] | None,
        typer.Option(help="k=lo:hi, k=lo:hi:n (n points for a grid) or k=a,b,c; replaces what the strategy declares."),
    ] = None,
    objective: Annotated[str, typer.Option(help="What is maximised: sharpe_ratio, net_profit …")] = "sharpe_ratio",
    walk_forward: Annotated[
        str,
        typer.Option(help="split (search on 70 %, judge on the rest), standard (60/30/7 days), long (90/30/7), a/b/c."),
    ] = "split",
    mode: Annotated[
        str, typer.Option(help="refit: search in each window; fixed: hold what the first window found.")
    ] = "refit",
    regime: Annotated[str, typer.Option(help="Enter in this regime only: bull, bear, sideways, volatile.")] = "",
    min_trades: Annotated[int | None, typer.Option(help="Trades that a candidate needs. [the strategy's]")] = None,
    sampler: Annotated[str, typer.Option(help="Of a bayesian search: tpe, or gp (needs torch).")] = "tpe",
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="key=value: a parameter that is not searched, or costs.fee …")
    ] = None,
    strategy_file: Annotated[Path | None, typer.Option(help="Python file with a strategy of your own.")] = None,
    bars: Annotated[int | None, typer.Option(help="Only the newest N bars. [all]")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random generator.")] = 42,
    report: Annotated[bool, typer.Option("--report", help="Write the page as well.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Search even if this spec already ran on these data.")] = False,
    audit: Audit = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Search a strategy's parameters, judge them on bars that the search never saw, and write a configuration."""
    from assay.runs import execute_spec, optimize_spec, write_run_page

    with open_context(home, working=True, sweeping=True, audit=audit) as context:
        spec = optimize_spec(
            strategy, exchange, symbol, timeframe, settings(setting or []), space or [], walk_forward,
            file=strategy_file, bars=bars, seed=seed, method=method, trials=trials, objective=objective, mode=mode,
            regime=regime, min_trades=min_trades, sampler=sampler,
        )  # fmt: skip
        result = execute_spec(spec, context, file=strategy_file, force=force)
        page = write_run_page(result.document["experiment_id"], context) if report else None
    document = {**result.document} | ({} if page is None else {"report": str(page)})
    say(document, lambda console: people(console, document, existing=result.existing), as_json=as_json)


def people(console: "Console", document: Document, *, existing: bool) -> None:
    """A search for people: windows, scores, parameters, where it is kept."""
    if existing:
        console.print(f"This spec already ran on these data: run {document['experiment_id']}. --force searches again.")
    console.print(f"{document['name']}   run {document['experiment_id']} ({document['run_id']})", markup=False)
    console.print(
        f"{amount(document['trials'], 'trial')} ({document['valid_trials']:,} valid) by {document['method']} search in "
        f"{amount(len(document['windows']), 'window')}; "
        f"{document['seconds']:.1f} s, of these {document['engine_seconds']:.1f} s in the engine",
        highlight=False,
    )
    console.print(_search_line(document), highlight=False, markup=False)
    print_verdict(console, document)
    for reason in document["absent"].values():
        console.print(f"  note: {reason}", highlight=False, markup=False)
    _windows(console, document)
    overfit = document["overfit"]
    for reason in overfit["reasons"]:
        console.print(f"  overfit {reason['code']}: {reason['text']}", highlight=False, markup=False)
    scores = {"stability": overfit["stability_score"], "plateau": overfit["plateau_score"]}
    console.print(
        ", ".join(f"{name} {number(value, 2)}" for name, value in scores.items())
        + f"; {_overfit_line(overfit, len(document['windows']))}",
        highlight=False,
    )
    holding = "first window, held over all" if document["mode"] == "fixed" else "newest window"
    console.print(f"best parameters ({holding}, searched on {_searched_on(document)}):", highlight=False)
    for name in document["searched"]:
        console.print(f"  {name} = {document['best_parameters'][name]}", highlight=False, markup=False)
    console.print(f"configuration {document['config_id']}, stage {document['stage']}", highlight=False, markup=False)
    console.print(f"assay config show {document['config_id']}", highlight=False, markup=False, soft_wrap=True)
    if "report" in document:
        console.print(f"report: {document['report']}", soft_wrap=True)


def _search_line(document: Document) -> str:
    """What decided the search, in a line."""
    spec = document["spec"]
    parts = [f"by {document['objective']}", f"windows {document['walk_forward']}", document["mode"]]
    if document["regime_filter"]:
        parts.append(f"enters in {document['regime_filter']} only")
    if document["method"] == "grid":
        sizes = (_points(each) for each in document["space"].values())
        parts.append("grid " + " × ".join(f"{n} {name}" for n, name in zip(sizes, document["space"], strict=True)))
    return ", ".join([*parts, f"seed {spec['seed']}"])


def _searched_on(document: Document) -> str:
    result = [window for window in document["windows"] if window["curve"]]
    return f"{result[-1]['train_from'][:10]} to {result[-1]['train_to'][:10]}"


def _points(table: Document) -> int:
    if table["type"] == "choice":
        return len(table["values"])
    count: int = table.get("points") or table["high"] - table["low"] + 1
    return count


def _overfit_line(overfit: Document, windows: int) -> str:
    if overfit["verdict"] is None:
        return "one window is too few to say more"
    return f"{windows} window{'s say' if windows > 1 else ' says'} {overfit['verdict']}"


def _windows(console: "Console", document: Document) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("window", "test from", "test to", "in-sample", "out of sample", "net", "trades"):
        table.add_column(column, justify="left" if column.startswith("test") else "right")
    shown = document["windows"][-_WINDOWS_SHOWN:]
    for window in shown:
        train, test = window["train"], window["test"]
        table.add_row(
            str(window["number"] + 1), window["test_from"][:10], window["test_to"][:10],
            number(train.get("sharpe_annual"), 2), number(test.get("sharpe_annual"), 2),
            number(test.get("net_profit"), percent=True), number(test.get("total_trades"), 0),
        )  # fmt: skip
    whole: Document = document["metrics"]
    table.add_row(
        "all", "", "", "", number(whole["sharpe_annual"], 2), number(whole["net_profit"], percent=True),
        number(whole["total_trades"], 0),
    )  # fmt: skip
    if len(shown) < len(document["windows"]):
        console.print(f"the newest {len(shown)} of {len(document['windows'])} windows; Sharpe ratios a year:")
    console.print(table)
