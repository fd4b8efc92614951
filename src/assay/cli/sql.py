"""`assay sql`."""

import sys
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from assay.cli.command import Home, Json, demand_within, open_context, say
from assay.kernel.errors import ConfigError, amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from assay.kernel.parse import JsonValue
    from assay.track import QueryAnswer

_WIDEST, _LEAST, _BETWEEN = 40, 12, 2


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT.")],
    store: Annotated[
        Literal["record", "candles"] | None,
        typer.Option(help="Where to ask. [record; candles where it has no such table]"),
    ] = None,
    limit: Annotated[int, typer.Option(help="Most rows, 1 to 1,000,000.")] = 1_000,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Ask the record, or the candle store, one question; neither can be changed by it."""
    from assay.runs import run_query

    demand_within("--limit", limit, 1, 1_000_000)
    if as_csv and as_json:
        raise ConfigError("give --csv or --json, not both", field="csv")
    with open_context(home, existing="home") as context:
        result = run_query(statement, context, store=store, limit=limit)
    if result.answer.more:
        sys.stderr.write(f"note: more than {amount(limit, 'row')}; --limit shows more\n")
    if as_csv:
        return _csv(result.answer)
    rows = [[plain(value) for value in row] for row in result.answer.rows]
    document = {"store": result.store, "columns": list(result.answer.columns), "rows": rows, "more": result.answer.more}
    return say(document, lambda console: _table(console, result.answer.columns, rows), as_json=as_json)


def plain(value: object) -> "JsonValue":
    """A value as JSON has it: undefined numbers are null, times text, bytes hex."""
    from assay.track import format_instant

    if isinstance(value, float):
        return value if abs(value) <= sys.float_info.max else None
    if isinstance(value, datetime):
        return format_instant(value) if value.tzinfo is not None else value.isoformat()
    if isinstance(value, bytes | memoryview):
        return value.hex()
    if isinstance(value, dict):
        return {str(name): plain(holding) for name, holding in value.items()}
    if isinstance(value, list | tuple):
        return [plain(holding) for holding in value]
    return value if value is None or isinstance(value, bool | int | str) else _number(value)


def _number(value: object) -> int | float | str:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def _csv(answer: "QueryAnswer") -> None:
    from assay.track import csv_line

    sys.stdout.reconfigure(newline="") if hasattr(sys.stdout, "reconfigure") else None
    sys.stdout.write(csv_line(answer.columns))
    sys.stdout.writelines(csv_line([_exact(value) for value in row]) for row in answer.rows)
    sys.stdout.flush()


def _exact(value: object) -> object:
    return value if isinstance(value, str | int | float | bytes | Decimal) or value is None else plain(value)


def _table(console: "Console", names: "Sequence[str]", values: "list[list[JsonValue]]") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, _BETWEEN, 0, 0))
    columns = [_shown(name) for name in names]
    rows = [["–" if value is None else _shown(value) for value in row] for row in values]
    widths = _widths(columns, rows, console.width)
    fitting = len(widths)
    for column, width in zip(columns, widths, strict=False):
        table.add_column(Text(column), no_wrap=True, overflow="ellipsis", width=width)
    for row in rows:
        table.add_row(*map(Text, row[:fitting]))
    console.print(table)
    if fitting < len(columns):
        left = ", ".join(columns[fitting:])
        sys.stderr.write(f"note: not all columns fit; name some, or --csv has all. Left out: {left}\n")


def _widths(columns: list[str], rows: list[list[str]], room: int) -> list[int]:
    """Widths of the first columns that have room to be read, one at least; what is left over goes to the first."""
    from rich.cells import cell_len

    wanted = [
        min(_WIDEST, max([cell_len(name), *(cell_len(row[k]) for row in rows)])) for k, name in enumerate(columns)
    ]
    widths: list[int] = []
    for name, most in zip(columns, wanted, strict=True):
        least = min(most, max(_LEAST, cell_len(name)))
        if widths and least + _BETWEEN > room:
            break
        widths.append(min(least, room))
        room -= widths[-1] + _BETWEEN
    for k, most in enumerate(wanted[: len(widths)]):
        more = max(0, min(most - widths[k], room))
        widths[k] += more
        room -= more
    return widths


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.encode("unicode_escape").decode() if any(not c.isprintable() for c in text) else text
