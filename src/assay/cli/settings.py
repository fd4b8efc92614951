"""`assay settings`."""

from typing import TYPE_CHECKING

from assay.cli.command import Home, Json, say

if TYPE_CHECKING:
    from rich.console import Console

    from assay.app import SettingsListing


def settings(home: Home = None, as_json: Json = False) -> None:
    """Every setting: its value, where that comes from, the variable that sets it. Secrets are ***."""
    from assay.app import list_settings

    document = list_settings(home=home)
    say(document, lambda console: _table(console, document), as_json=as_json)


def _table(console: "Console", document: "SettingsListing") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("variable", no_wrap=True)
    table.add_column("source", no_wrap=True)
    table.add_column("value", overflow="fold")
    for row in document["settings"]:
        value = row["value"]
        shown = "–" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        table.add_row(row["variable"], row["source"], Text(shown))
    console.print(table)
    for text in document["unknown"]:
        console.print(f"unknown: {text}", markup=False, highlight=False)
