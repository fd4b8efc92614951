"""Terminal output of `assay runs reproduce`, `diff` and `compare`."""

from typing import TYPE_CHECKING, Any

from assay.cli.command import Document, number

if TYPE_CHECKING:
    from rich.console import Console

MOST_COLUMNS = 4
_SHOWN = 12
_HEADLINES = ("sharpe_annual", "net_profit", "max_drawdown", "win_rate", "total_trades")


def print_reproduction(console: "Console", document: Document) -> None:
    """Equal or not, each thing that was compared, and what surrounds the two."""
    console.print(
        f"run {document['run']} again as run {document['reproduced_as']}: "
        f"[bold]{'EQUAL' if document['equal'] else 'DIFFERENT'}[/bold]",
        highlight=False,
    )
    for each in document["compared"]:
        message = "equal" if each["equal"] else f"differs at {each['place']}"
        size = f"{each['size']:>9,}" if each["size"] else f"{'':>9}"
        console.print(f"  {each['what']:<10}{size}  {message}", highlight=False, markup=False)
    first = document["first"]
    if first is not None:
        console.print(f"first difference: {first['what']}, {first['place']}", highlight=False, markup=False)
        for verdict in ("was", "now"):
            console.print(f"  {verdict} {first[verdict]!r}", highlight=False, markup=False)
    _around(console, document["differs"])


def print_differences(console: "Console", document: Document) -> None:
    """What differs between two runs, part by part."""
    from rich.table import Table
    from rich.text import Text

    for side in "ab":
        console.print(f"{side}: {_named(document[side])}", highlight=False, markup=False)
    if document["equal"]:
        console.print("nothing differs")
    for part in ("spec", "data", "code", "environment", "metrics"):
        result = document[part]
        if not result:
            continue
        table = Table(box=None, pad_edge=False, title=part, title_justify="left", title_style="bold", width=80)
        for column, width in (("", 32), ("a", 22), ("b", 22)):
            table.add_column(column, width=width, no_wrap=True, overflow="ellipsis")
        for each in result[:_SHOWN]:
            table.add_row(*(Text(_short(each[name])) for name in ("what", "a", "b")))
        console.print(table)
        if len(result) > _SHOWN:
            console.print(f"and {len(result) - _SHOWN} more; --json has all", highlight=False)


def print_comparison(console: "Console", document: Document) -> None:
    """Up to four runs as columns, more as rows with the headlines."""
    from rich.table import Table
    from rich.text import Text

    runs, metrics = document["runs"], document["metrics"]
    table = Table(box=None, pad_edge=False)
    if len(runs) <= MOST_COLUMNS:
        for run in runs:
            console.print(_named(run), highlight=False, markup=False, no_wrap=True, overflow="ellipsis")
        table.add_column("metric", width=26, no_wrap=True, overflow="ellipsis")
        for run in runs:
            table.add_column(f"run {run['experiment_id']}", justify="right", width=12)
        for name, values in metrics.items():
            table.add_row(Text(name), *(_measured(value, 4) for value in values))
        console.print(table)
        return
    shown = [name for name in _HEADLINES if name in metrics] if len(metrics) > len(_HEADLINES) else list(metrics)
    table.add_column("run", justify="right")
    table.add_column("name", width=20, no_wrap=True, overflow="ellipsis")
    for name in shown:
        table.add_column(Text(name.replace("_", " ")), justify="right", width=8)
    for k, run in enumerate(runs):
        table.add_row(str(run["experiment_id"]), Text(run["name"]), *(_measured(metrics[n][k], 3) for n in shown))
    console.print(table)
    if len(shown) < len(metrics):
        console.print(f"{len(metrics) - len(shown)} more metrics: name them with --metric, or --json has all")


def _around(console: "Console", differs: list[dict[str, Any]]) -> None:
    if not differs:
        console.print("code, lock, versions and machine are the same")
        return
    console.print("not the same as then:")
    for each in differs[:_SHOWN]:
        console.print(f"  {each['what']}: {_short(each['was'])} → {_short(each['now'])}", highlight=False, markup=False)
    if len(differs) > _SHOWN:
        console.print(f"  and {len(differs) - _SHOWN} more; --json has all", highlight=False)


def _named(run: Document) -> str:
    return f"run {run['experiment_id']}, {run['name']}, {run['status']}"


def _measured(value: Any, digits: int) -> str:
    return number(value, 0 if isinstance(value, float) and value.is_integer() and abs(value) >= 1 else digits)


def _short(value: Any) -> str:
    if value is None:
        return "–"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f"{text[:12]}…" if len(text) in (40, 64) and all(c in "0123456789abcdef" for c in text) else text
