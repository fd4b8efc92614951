"""`assay features`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import (
    Document,
    Exchange,
    FeaturesFile,
    Home,
    Json,
    Symbol,
    Timeframe,
    number,
    one_file,
    open_context,
    say,
    settings,
)
from assay.kernel.errors import amount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console
    from rich.table import Table

    from assay.runs import FeatureRanking

    View = Callable[[FeatureRanking], Document]
    People = Callable[[Console, Document, Path | None], None]

Set = Annotated[str, typer.Option("--features", help="Feature set.")]
Target = Annotated[str | None, typer.Option(help="Target. [profitable, 24 bars, long and short]")]
TrainBars = Annotated[int | None, typer.Option(help="Bars to learn from in each fold. [a third]")]
TestBars = Annotated[int | None, typer.Option(help="Bars of each test fold. [so that there are 8]")]
Newest = Annotated[int | None, typer.Option(help="Only the newest N bars. [all]")]
Setting = Annotated[
    list[str] | None, typer.Option("--set", help="key=value: target.horizon, folds.expanding, costs.fee …")
]
Seed = Annotated[int | None, typer.Option(help="Seed of every random generator. [42]")]
Page = Annotated[
    Path | None, typer.Option("--out", "-o", help="Write the page with maps and lines to this .html file.")
]
_SHOWN = 6  # folds that fit on a line

app = typer.Typer(no_args_is_help=True, help="What is known at each bar.")


@app.command("list")
def list_features(
    name: Annotated[str, typer.Argument(help="A set: mini5, classic12, core72 or full110.")] = "core72",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Columns of a feature set: group, unit, lookback in bars."""
    from assay.runs import describe_set

    with open_context(home):
        rows = describe_set(name)
    say({"set": name, "features": rows}, lambda console: _described(console, rows), as_json=as_json)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Python file with features of your own; it is run.")],
    exchange: Annotated[str | None, typer.Option("--exchange", "-e", help="Stored market to check on.")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", "-s", help="Its symbol. [a synthetic market]")] = None,
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="Length of a bar.")] = "1h",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Hold features of your own to the contract: no future, honest lookback, the same answer in closed processes."""
    from assay.kernel.errors import LeakError
    from assay.runs import check_features, name_user_line

    with open_context(home, working=True) as context, name_user_line(file):
        document = check_features(file, context, exchange, symbol, timeframe)
    wrong = "".join(each["text"] for each in document["violations"][:1])
    if not (wrong and as_json):
        say(document, lambda console: _checked(console, document), as_json=as_json)
    if wrong:
        code, colon, text = wrong.partition(": ")
        named = bool(colon) and code.startswith("LEAK_")
        raise LeakError(text if named else wrong, code=code if named else "LEAK_FEATURE", **document)


@app.command()
def table(
    exchange: Exchange,
    symbol: Symbol,
    timeframe: Timeframe,
    name: Annotated[str, typer.Option("--set", help="Feature set.")] = "core72",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the table to a .parquet or .csv file.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Compute a set on stored candles: how complete each column is; with --out the values themselves."""
    from assay.runs import compute_features

    with open_context(home) as context:
        document = compute_features(context, exchange, symbol, timeframe, name, out=out)
    say(document, lambda console: _computed(console, document), as_json=as_json)


def _ranking(view: "View", people: "People") -> "Callable[..., None]":
    """A command that ranks; rank and stability take the same options and tell of the same ranking."""

    def command(
        exchange: Exchange,
        symbol: Symbol,
        timeframe: Timeframe,
        features: Set = "core72",
        target: Target = None,
        train_bars: TrainBars = None,
        test_bars: TestBars = None,
        bars: Newest = None,
        setting: Setting = None,
        max_features: Annotated[int | None, typer.Option(min=1, help="Columns that a fold may select. [all]")] = None,
        seed: Seed = None,
        features_file: FeaturesFile = None,
        out: Page = None,
        home: Home = None,
        as_json: Json = False,
    ) -> None:
        flags = _flags(exchange, symbol, timeframe, features, target, train_bars, test_bars, bars, seed)
        own = one_file("--features-file", features_file)
        document = view(_ranked(flags, setting, max_features, own, out, home))
        say(document, lambda console: people(console, document, out), as_json=as_json)

    return command


app.command(
    "rank", help="Rank a set's columns for a target, inside each train fold; which to keep, and why not others."
)(_ranking(lambda result: result.document, lambda *document: _columns(*document)))
app.command("stability", help="The same ranking fold by fold: do folds agree, and how far has each column moved.")(
    _ranking(lambda result: result.steadiness, lambda *document: _by_fold(*document))
)


@app.command()
def targets(
    exchange: Exchange,
    symbol: Symbol,
    timeframe: Timeframe,
    target_lag: Annotated[int, typer.Option(help="Bars ahead that are to be learnt, at least 1.")],
    train_bars: TrainBars = None,
    test_bars: TestBars = None,
    bars: Newest = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Which pattern columns may be learnt: how often each event is, in the thinnest fold too, and whether it drifts."""
    from assay.runs import build_spec
    from assay.runs import rank_targets as chosen

    spec = build_spec(None, _flags(exchange, symbol, timeframe, None, None, train_bars, test_bars, bars, None), {})
    with open_context(home) as context:
        document = chosen(context, spec, target_lag=target_lag)
    say(document, lambda console: _candidates(console, document), as_json=as_json)


def _flags(
    exchange: str, symbol: str, timeframe: str, features: str | None, target: str | None, train_bars: int | None,
    test_bars: int | None, bars: int | None, seed: int | None,
) -> dict[str, object]:  # fmt: skip
    """What a training would be told by these options."""
    flags = {
        "exchange": exchange, "symbols": [symbol], "timeframe": timeframe, "features": features, "bars": bars,
        "seed": seed, "target.name": target, "folds.train_bars": train_bars, "folds.test_bars": test_bars,
    }  # fmt: skip
    return {name: value for name, value in flags.items() if value is not None}


def _ranked(
    flags: dict[str, object], setting: list[str] | None, max_features: int | None, features_file: Path | None,
    out: Path | None, home: Path | None,
) -> "FeatureRanking":  # fmt: skip
    from assay.runs import build_spec, check_page_path, rank_spec_features, write_ranking_page

    spec = build_spec(None, flags, settings(setting or []))
    if out is not None:
        check_page_path(out)
    with open_context(home) as context:
        result = rank_spec_features(context, spec, max_features=max_features, features_file=features_file)
    if out is not None:
        write_ranking_page(result, out)
    return result


def _columns(console: "Console", document: Document, out: Path | None) -> None:
    _heading(console, document)
    table = _table(("column", "rank", "gain", "perm", "shap", "sel", "psi", "verdict"))
    for row in document["columns"]:
        table.add_row(
            row["name"], number(row["rank_mean"], 1), number(row["gain_share"], percent=True),
            number(row["perm_mean"], 4), number(row["shap_share"], percent=True),
            number(row["selection_frequency"], 2, percent=True), number(row["psi_max"], 2), row["verdict"],
        )  # fmt: skip
    console.print(table)
    usable = sum(each["verdict"] == "usable" for each in document["candidates"])
    console.print(f"keep: {', '.join(document['selected']) or 'none'}")
    console.print(f"{usable} of {len(document['candidates'])} pattern columns may be learnt: assay features targets")
    _ends(console, out)


def _by_fold(console: "Console", document: Document, out: Path | None) -> None:
    _heading(console, document)
    table = _table(("column", "rank by fold, * selected", "sel", "psi", "verdict"), words=1)
    for row in document["columns"]:
        marks = zip(row["rank"][-_SHOWN:], row["selected"][-_SHOWN:], strict=True)
        table.add_row(
            row["name"], " ".join(f"{rank:.0f}{'*' if chosen else ''}" for rank, chosen in marks),
            number(row["selection_frequency"], 2, percent=True), number(row["psi_max"], 2), row["verdict"],
        )  # fmt: skip
    console.print(table)
    if len(document["folds"]) > _SHOWN:
        console.print(f"Shown are the newest {_SHOWN} of {len(document['folds'])} folds; --json has all.")
    _ends(console, out)


def _candidates(console: "Console", document: Document) -> None:
    console.print(f"{amount(document['target_lag'], 'bar')} ahead, train rows of {amount(document['folds'], 'fold')}")
    table = _table(("column", "rate", "lowest", "highest", "events", "psi", "verdict"))
    for row in document["candidates"]:
        table.add_row(
            row["name"], number(row["rate"], 4, percent=True), number(row["lowest"], 4, percent=True),
            number(row["highest"], 4, percent=True), f"{row['events']:,}", number(row["psi_max"], 2), row["verdict"],
        )  # fmt: skip
    console.print(table)
    console.print("assay train --target pattern --set target.window=W --set target.std_dev=S --set target.target_lag=L")


def _heading(console: "Console", document: Document) -> None:
    market = f"{document['exchange']} {document['symbol']} {document['timeframe']}"
    console.print(
        f"{market}: {amount(document['bars'], 'bar')}, {amount(len(document['folds']), 'fold')}", markup=False
    )
    console.print(f"target {document['target']}", markup=False)
    console.print(
        f"agreement of ranks {number(document['rank_corr'], 2)}, stability of the choice (Nogueira) "
        f"{number(document['nogueira'], 2)}"
    )


def _ends(console: "Console", out: Path | None) -> None:
    if out is not None:
        console.print(f"written: {out}", soft_wrap=True, markup=False)


def _table(names: tuple[str, ...], words: int = 0) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for k, name in enumerate(names):
        table.add_column(name, justify="left" if k <= words or name == "verdict" else "right")
    return table


def _described(console: "Console", rows: "Sequence[Document]") -> None:
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for column in ("name", "group", "unit", "lookback"):
        shown.add_column(column, justify="right" if column == "lookback" else "left")
    for row in rows:
        shown.add_row(row["name"], row["group"], row["unit"], str(row["lookback"]))
    console.print(shown)


def _checked(console: "Console", document: Document) -> None:
    ends = "keeps to the contract" if document["passed"] else "does not pass"
    console.print(
        f"{document['file']} {ends} on {document['market']}, {amount(document['bars'], 'bar')}.", markup=False
    )
    for name, each in document["features"].items():
        console.print(f"  {name}: unit {each['unit']}, lookback {each['lookback']:,}", markup=False, highlight=False)
    by_probe = ", ".join(f"{probe} {n:,}" for probe, n in document["checks"].items())
    console.print(f"comparisons by kind: {by_probe}", highlight=False, markup=False)
    for note in document["notes"]:
        console.print(f"note: {note}", highlight=False, markup=False)
    for each in document["violations"]:
        console.print(f"  {each['probe']:<10}{each['text']}", highlight=False, markup=False)


def _computed(console: "Console", document: Document) -> None:
    from rich.table import Table

    market = f"{document['exchange']} {document['symbol']} {document['timeframe']}"
    console.print(
        f"{document['set']} on {market}: {amount(document['bars'], 'bar')}, "
        f"{amount(len(document['features']), 'column')}, "
        f"lookback {document['lookback']}, {number(document['quality'], percent=True)} finite after it"
    )
    shown = Table(box=None, pad_edge=False)
    for column in ("name", "finite", "mean", "std", "last"):
        shown.add_column(column, justify="left" if column == "name" else "right")
    for row in document["features"]:
        shown.add_row(
            row["name"], number(row["finite"], percent=True), number(row["mean"], 4), number(row["std"], 4),
            number(row["last"], 4),
        )  # fmt: skip
    console.print(shown)
    for name, why in document["absent"].items():
        console.print(f"absent: {name}: {why}")
    if document["out"]:
        console.print(f"written: {document['out']}", soft_wrap=True)
