"""`assay models`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import Document, Home, Json, demand_within, holdout, number, open_context, say
from assay.kernel.errors import amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console


app = typer.Typer(no_args_is_help=True, help="Models: look, verify, promote, roll back, export, retire.")
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Number or id of a model, as assay models list shows it.")]
Strategy = Annotated[str | None, typer.Option("--strategy", help="Only of this strategy.")]
Exchange = Annotated[str | None, typer.Option("--exchange", "-e", help="Only of this exchange.")]
Symbol = Annotated[str | None, typer.Option("--symbol", "-s", help="Only of this symbol, e.g. BTC/USDT.")]
Timeframe = Annotated[str | None, typer.Option("--timeframe", "-t", help="Only of bars this long.")]
By = Annotated[str, typer.Option("--by", help="Who does it; kept with the model for ever.")]
File = Annotated[
    Path | None, typer.Option("--file", help="File of a strategy of your own, which no model brings along.")
]
Version = Annotated[
    int | None, typer.Option("--expected-version", help="Version of the champion that you saw; 0 for none yet.")
]


@app.command("list")
def list_models(
    strategy: Strategy = None,
    exchange: Exchange = None,
    symbol: Symbol = None,
    timeframe: Timeframe = None,
    serving: Annotated[bool, typer.Option("--serving", help="Only champions, challengers and previous ones.")] = False,
    limit: Annotated[int, typer.Option(help="Most models, 1 to 10,000.")] = 50,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Models that have files, newest first. A verdict that was overridden is marked with !."""
    from assay.runs import list_models

    demand_within("--limit", limit, 1, 10_000)
    with open_context(home, existing="record") as context:
        listed = list_models(
            context, limit=limit, strategy=strategy, exchange=exchange, symbol=symbol, timeframe=timeframe,
            serving=serving,
        )  # fmt: skip
    rows = [row.document for row in listed]
    request = " ".join(
        verdict for verdict in (strategy, exchange, symbol, timeframe, "serving" if serving else None) if verdict
    )
    say({"models": rows}, lambda console: _table(console, rows, request), as_json=as_json)


@app.command()
def show(model: Model, home: Home = None, as_json: Json = False) -> None:
    """One model: its verdict and why, what it serves as, and everything that people did with it."""
    from assay.runs import show_model as of

    with open_context(home, existing="record") as context:
        result = of(model, context).document
    say(result, lambda console: _one(console, result), as_json=as_json)


@app.command()
def promote(
    model: Model,
    by: By,
    override: Annotated[
        str, typer.Option("--override", metavar="REASON", help="Why, where the verdict is not GOLD; kept for ever.")
    ] = "",
    expected_version: Version = None,
    file: File = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Make a model champion of its strategy on its market; the champion before it becomes previous."""
    from assay.runs import promote_model as give

    with open_context(home, existing="record") as context:
        result = give(model, context, by=by, override=override, expected_version=expected_version, file=file).document
    _switched(result, as_json=as_json)


@app.command()
def rollback(
    strategy: Annotated[str, typer.Option("--strategy", help="Strategy, as assay models list shows it.")],
    symbol: Annotated[str, typer.Option("--symbol", "-s", help="Symbol, e.g. BTC/USDT.")],
    by: By,
    exchange: Annotated[str, typer.Option("--exchange", "-e", help="Exchange; empty when unknown.")] = "",
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="Length of a bar; empty when unknown.")] = "",
    expected_version: Version = None,
    file: File = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Champion and previous change places."""
    from assay.runs import rollback_model as back
    from assay.track import ModelSlot

    post = ModelSlot(strategy, exchange, symbol, timeframe)
    with open_context(home, existing="record") as context:
        result = back(context, post, by=by, expected_version=expected_version, file=file).document
    _switched(result, as_json=as_json)


@app.command()
def verify(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Without any, all published.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Also models that were registered by a path alone.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Read the files of models again; exit 1 with the list when any is missing or damaged."""
    from assay.runs import verify_models as checked

    with open_context(home, existing="record") as context:
        result = checked(models or [], context, every=every).document
    say(result, lambda console: _checked(console, result), as_json=as_json)
    if result["faults"]:
        raise typer.Exit(1)


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; delete nothing.")] = False,
    by: By = "retention",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Remove the files of old models, and files that no row points to. The first run of a home deletes nothing."""
    from assay.runs import prune_models as pruned

    with open_context(home, existing="record") as context:
        result = pruned(context, dry_run=dry_run, by=by).document
    say(result, lambda console: _pruned(console, result), as_json=as_json)


@app.command()
def export(
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder, or new file that ends in .tar.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Copy a model's parts and its manifest, checked, to a folder or a .tar file."""
    from assay.runs import export_model as copied

    with open_context(home, existing="record") as context:
        result = copied(model, context, out).document
    say(
        result,
        lambda console: console.print(result["to"], soft_wrap=True, markup=False, highlight=False),
        as_json=as_json,
    )


@app.command("load-test")
def load_test(model: Model, file: File = None, home: Home = None, as_json: Json = False) -> None:
    """Load a model in a fresh process and compare what it decides with what it decided when it was published."""
    from assay.runs import load_test_model as tried

    with open_context(home, existing="record") as context:
        result = tried(model, context, file=file).document
    text = f"{result['model_id']} loads; {result['probes']} probes decide as published ({result['seconds']:.1f} s)"
    say(result, lambda console: console.print(text, soft_wrap=True, markup=False, highlight=False), as_json=as_json)


def _switched(result: Document, *, as_json: bool) -> None:
    market = " ".join(result[key] for key in ("exchange", "symbol", "timeframe") if result[key])
    text = (
        f"{result['model_id']} is champion of {result['strategy_type']} on {market}, version "
        f"{result['version_of_alias']}"
    )
    say(result, lambda console: console.print(text, soft_wrap=True, markup=False, highlight=False), as_json=as_json)


def _table(console: "Console", rows: "Sequence[Document]", name: str) -> None:
    from rich.table import Table

    if not rows:
        text = f"No model that is {name}." if name else "No model. assay train makes one."
        console.print(text, markup=False, highlight=False)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("id", "strategy", "market", "made", "files", "verdict", "metric", "serves"):
        right = column in ("id", "metric")
        table.add_column(column, justify="right" if right else "left", overflow="fold", no_wrap=right)
    for row in rows:
        table.add_row(
            str(row["id"]), row["strategy_type"] or row["name"],
            " ".join(row[key] for key in ("exchange", "symbol", "timeframe") if row[key]) or "–",
            row["created_at"][:10], row["integrity"], _verdict_text(row), number(row["val_metric"], 2),
            " ".join(row["aliases"]) or "–",
        )  # fmt: skip
    console.print(table, highlight=False)


def _verdict_text(row: Document) -> str:
    now = row["verdict_now"]
    later = f" ({now} by now)" if now and now != row["verdict"] else ""
    return (row["verdict"] or "–") + ("!" if row["override"] else "") + later


def _one(console: "Console", result: Document) -> None:
    market = " ".join(result[key] for key in ("exchange", "symbol", "timeframe") if result[key])
    lines = [
        f"{result['model_id']}   number {result['id']}",
        f"{result['strategy_type'] or result['name']} on {market or 'no market'}; run {result['experiment_id']}",
        f"serves as {', '.join(result['aliases']) or 'nothing'}",
        f"files {result['integrity']}, leak audit {result['audit_status']}, format {result['format'] or '–'}",
        f"{result['checkpoint_path']}",
        f"made {result['created_at'][:19]}   last loaded {(result['last_used_at'] or '–')[:19]}",
        f"metric: validation {number(result['val_metric'], 3)}, test {number(result['test_metric'], 3)}",
        f"verdict {_verdict_text(result)}",
    ]
    if result["verdict_now"] and result["verdict_now"] != result["verdict"]:
        lines.append(f"{amount(result['looks_now'], 'trial')} on its bars by now; who serves is not withdrawn by them")
    if result["deleted_at"]:
        lines.append(f"its files were removed {result['deleted_at'][:19]}")
    if result["override"]:
        lines.append(f"promoted against its verdict by {result['override']['by']}: {result['override']['reason']}")
    lines += [f"  {r['state']:<8}{r['check']:<12}{r['text']}" for r in _reasons(result)]
    lines += holdout(result)
    for event in result["events"]:
        document = ", ".join(f"{k} {v}" for k, v in event["details"].items() if v is not None)
        lines.append(f"  {event['time'][:19]}  {event['action']} by {event['by'] or 'nobody'}: {document}")
    for line in lines:  # a name or a reason of two lines could pass for an event of its own
        console.print(line.replace("\n", "\\n"), markup=False, highlight=False)


def _reasons(result: Document) -> list[dict[str, str]]:
    reasons = (result["judgement"] or {}).get("reasons", [])
    return [{"state": "", "check": "", "text": ""} | reason for reason in reasons]


def _checked(console: "Console", result: Document) -> None:
    for fault in result["faults"]:
        text = f"{fault['model_id']}: {fault['integrity']} ({fault['code']}) {fault['why']}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    console.print(f"{amount(result['checked'], 'model')} read, {len(result['faults'])} with a fault", highlight=False)


def _pruned(console: "Console", result: Document) -> None:
    verb = "would go" if result["dry_run"] else "removed"
    for each in result["models"]:
        console.print(f"{each['model_id']}: {verb}", markup=False, highlight=False, soft_wrap=True)
    for each in result["orphans"]:
        console.print(f"{each['path']}: {verb}, no row points to it", markup=False, highlight=False, soft_wrap=True)
    size = f"{result['bytes'] / 1024 / 1024:.1f} MiB"
    files = amount(len(result["orphans"]), "file")
    console.print(f"{amount(len(result['models']), 'model')} and {files} without a row {verb}, {size}", highlight=False)
    if result["why"]:
        console.print(f"Nothing was deleted: {result['why']}.", highlight=False)


_SECTIONS = ("record", "inputs", "age")


@app.command("health")
def models_health(
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
        say(result, lambda console: _health_of_one(console, result), as_json=as_json)
    else:
        say({"models": rows}, lambda console: _health_table(console, rows), as_json=as_json)


def _health_of_one(console: "Console", result: Document) -> None:
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


def _health_table(console: "Console", rows: "Sequence[Document]") -> None:
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
