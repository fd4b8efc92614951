"""`assay models`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import health
from assay.cli.command import Home, Json, demand_within, number, opened, say
from assay.cli.verdict import holdout
from assay.kernel.plural import amount

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="Models: look, verify, promote, roll back, export, retire.")
app.command("health")(health.health)
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="Number or id of a model, as assay list_models list shows it.")
]
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
    limit: Annotated[int, typer.Option(help="Most list_models, 1 to 10,000.")] = 50,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Models that have files, newest first. A verdict that was overridden is marked with !."""
    from assay.runs import list_models

    demand_within("--limit", limit, 1, 10_000)
    with opened(home, existing="record") as context:
        rows = list_models(
            context, limit=limit, strategy=strategy, exchange=exchange, symbol=symbol, timeframe=timeframe,
            serving=serving,
        )  # fmt: skip
    asked = " ".join(word for word in (strategy, exchange, symbol, timeframe, "serving" if serving else None) if word)
    say({"models": rows}, lambda console: _table(console, rows, asked), as_json=as_json)


@app.command()
def show(model: Model, home: Home = None, as_json: Json = False) -> None:
    """One model: its verdict and why, what it serves as, and everything that people did with it."""
    from assay.runs import show_model as of

    with opened(home, existing="record") as context:
        found = of(model, context)
    say(found, lambda console: _one(console, found), as_json=as_json)


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

    with opened(home, existing="record") as context:
        found = give(model, context, by=by, override=override, expected_version=expected_version, file=file)
    _switched(found, as_json=as_json)


@app.command()
def rollback(
    strategy: Annotated[str, typer.Option("--strategy", help="Strategy, as assay list_models list shows it.")],
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
    with opened(home, existing="record") as context:
        found = back(context, post, by=by, expected_version=expected_version, file=file)
    _switched(found, as_json=as_json)


@app.command()
def verify(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Without any, all published.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also list_models that were registered by a path alone.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Read the files of models again; exit 1 with the list when any is missing or damaged."""
    from assay.runs import verify_models as checked

    with opened(home, existing="record") as context:
        found = checked(models or [], context, every=every)
    say(found, lambda console: _checked(console, found), as_json=as_json)
    if found["faults"]:
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

    with opened(home, existing="record") as context:
        found = pruned(context, dry_run=dry_run, by=by)
    say(found, lambda console: _pruned(console, found), as_json=as_json)


@app.command()
def export(
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder, or new file that ends in .tar.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Copy a model's parts and its manifest, checked, to a folder or a .tar file."""
    from assay.runs import export_model as copied

    with opened(home, existing="record") as context:
        found = copied(model, context, out)
    say(
        found,
        lambda console: console.print(found["to"], soft_wrap=True, markup=False, highlight=False),
        as_json=as_json,
    )


@app.command("load-test")
def load_test(model: Model, file: File = None, home: Home = None, as_json: Json = False) -> None:
    """Load a model in a fresh process and compare what it decides with what it decided when it was published."""
    from assay.runs import load_test_model as tried

    with opened(home, existing="record") as context:
        found = tried(model, context, file=file)
    text = f"{found['model_id']} loads; {found['probes']} probes decide as published ({found['seconds']:.1f} s)"
    say(found, lambda console: console.print(text, soft_wrap=True, markup=False, highlight=False), as_json=as_json)


def _switched(found: dict[str, Any], *, as_json: bool) -> None:
    market = " ".join(found[key] for key in ("exchange", "symbol", "timeframe") if found[key])
    text = (
        f"{found['model_id']} is champion of {found['strategy_type']} on {market}, version {found['version_of_alias']}"
    )
    say(found, lambda console: console.print(text, soft_wrap=True, markup=False, highlight=False), as_json=as_json)


def _table(console: "Console", rows: list[dict[str, Any]], asked: str) -> None:
    from rich.table import Table

    if not rows:
        text = f"No model that is {asked}." if asked else "No model. assay train makes one."
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
            row["created_at"][:10], row["integrity"], _word(row), number(row["val_metric"], 2),
            " ".join(row["aliases"]) or "–",
        )  # fmt: skip
    console.print(table, highlight=False)


def _word(row: dict[str, Any]) -> str:
    now = row["verdict_now"]
    later = f" ({now} by now)" if now and now != row["verdict"] else ""
    return (row["verdict"] or "–") + ("!" if row["override"] else "") + later


def _one(console: "Console", found: dict[str, Any]) -> None:
    market = " ".join(found[key] for key in ("exchange", "symbol", "timeframe") if found[key])
    lines = [
        f"{found['model_id']}   number {found['id']}",
        f"{found['strategy_type'] or found['name']} on {market or 'no market'}; run {found['experiment_id']}",
        f"serves as {', '.join(found['aliases']) or 'nothing'}",
        f"files {found['integrity']}, leak audit {found['audit_status']}, format {found['format'] or '–'}",
        f"{found['checkpoint_path']}",
        f"made {found['created_at'][:19]}   last loaded {(found['last_used_at'] or '–')[:19]}",
        f"metric: validation {number(found['val_metric'], 3)}, test {number(found['test_metric'], 3)}",
        f"verdict {_word(found)}",
    ]
    if found["verdict_now"] and found["verdict_now"] != found["verdict"]:
        lines.append(f"{amount(found['looks_now'], 'trial')} on its bars by now; who serves is not withdrawn by them")
    if found["deleted_at"]:
        lines.append(f"its files were removed {found['deleted_at'][:19]}")
    if found["override"]:
        lines.append(f"promoted against its verdict by {found['override']['by']}: {found['override']['reason']}")
    lines += [f"  {r['state']:<8}{r['check']:<12}{r['text']}" for r in _reasons(found)]
    lines += holdout(found)
    for event in found["events"]:
        told = ", ".join(f"{k} {v}" for k, v in event["details"].items() if v is not None)
        lines.append(f"  {event['time'][:19]}  {event['action']} by {event['by'] or 'nobody'}: {told}")
    for line in lines:  # a name or a reason of two lines could pass for an event of its own
        console.print(line.replace("\n", "\\n"), markup=False, highlight=False)


def _reasons(found: dict[str, Any]) -> list[dict[str, Any]]:
    reasons = (found["judgement"] or {}).get("reasons", [])
    return [{"state": "", "check": "", "text": ""} | reason for reason in reasons]


def _checked(console: "Console", found: dict[str, Any]) -> None:
    for fault in found["faults"]:
        text = f"{fault['model_id']}: {fault['integrity']} ({fault['code']}) {fault['why']}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    console.print(f"{amount(found['checked'], 'model')} read, {len(found['faults'])} with a fault", highlight=False)


def _pruned(console: "Console", found: dict[str, Any]) -> None:
    verb = "would go" if found["dry_run"] else "removed"
    for each in found["models"]:
        console.print(f"{each['model_id']}: {verb}", markup=False, highlight=False, soft_wrap=True)
    for each in found["orphans"]:
        console.print(f"{each['path']}: {verb}, no row points to it", markup=False, highlight=False, soft_wrap=True)
    size = f"{found['bytes'] / 1024 / 1024:.1f} MiB"
    files = amount(len(found["orphans"]), "file")
    console.print(f"{amount(len(found['models']), 'model')} and {files} without a row {verb}, {size}", highlight=False)
    if found["why"]:
        console.print(f"Nothing was deleted: {found['why']}.", highlight=False)
