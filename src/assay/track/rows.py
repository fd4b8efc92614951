"""Rows as plain dicts, and numbers at the record's door."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import sqlalchemy as sa

from assay.kernel.errors import StoreError, printable

Row = dict[str, Any]


def rows(result: sa.CursorResult[Any]) -> list[Row]:
    """All rows, keyed by column name."""
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.all()]


def nan_for_null(row: Row, names: Iterable[str]) -> Row:
    """The row itself, NaN now where one of these columns was NULL: undefined numbers compare and print as numbers."""
    for name in names:
        if row[name] is None:
            row[name] = math.nan
    return row


def number(value: object, what: str) -> float:
    """A float from a number of Python or numpy, or a 0-d tensor; anything else is StoreError ``STORE_VALUE``."""
    if not isinstance(value, str | bytes) and hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, bool | int | float):
        try:
            return float(value)
        except OverflowError:
            pass
    raise StoreError(
        f"{what} is {printable(value)} ({type(value).__name__}), not a number", code="STORE_VALUE", field=what
    )


def finite_or_none(value: object, what: str) -> float | None:
    """`number`, with None for None, NaN and infinities: in the record undefined is NULL."""
    result = math.nan if value is None else number(value, what)
    return result if math.isfinite(result) else None


def scalar(value: object) -> object:
    """A numpy scalar as Python's; everything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def not_found(kind: str, request: object, text: str) -> StoreError:
    """``STORE_NOT_FOUND`` that says what there is instead."""
    return StoreError(
        f"there is no {kind} {printable(request)}; {text}", code="STORE_NOT_FOUND", asked=printable(request)
    )


def check_fields(values: Mapping[str, object], table: sa.Table) -> Row:
    """The given columns with numpy scalars unwrapped; an unknown one is StoreError ``STORE_VALUE``."""
    unknown = sorted(set(values) - set(table.columns.keys()))
    if unknown:
        raise StoreError(f"{table.name} has no column {', '.join(unknown)}", code="STORE_VALUE")
    return {name: scalar(value) for name, value in values.items()}
