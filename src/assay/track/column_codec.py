"""A whole column of numbers as one value: a row for each of a million points is most of the time that they take."""

import sqlite3
import sys
from array import array
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

_BYTES = np.dtype(">f8")


class Packed(FunctionElement[bytes]):
    """The finite doubles of a column as bytes for `unpack`, a NULL as infinity; NULL without rows. In any order."""

    inherit_cache = True
    type = sa.LargeBinary()


def unpack(packed: bytes | None) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """``(n,)`` float64, the bits that the database holds; inf where there was a NULL."""
    return np.frombuffer(packed or b"", _BYTES).astype(np.float64)


def teach(connection: sqlite3.Connection) -> None:
    """Let a connection of SQLite pack; on PostgreSQL every one can."""
    connection.create_aggregate("assay_packed", 1, cast("Any", _Doubles))  # the stubs know no step that is a value


class _Doubles:
    """What SQLite asks of an aggregate. ``step`` is the array's own method: nothing of ours runs for each row."""

    __slots__ = ("_columns", "step")

    def __init__(self) -> None:
        self._columns = array("d")
        self.step: Callable[[float], None] = self._columns.append

    def finalize(self) -> bytes | None:
        if sys.byteorder == "little":
            self._columns.byteswap()
        return self._columns.tobytes() or None


@compiles(Packed)
def _packed(element: Packed, compiler: Any, **options: Any) -> str:
    return f"string_agg(float8send(coalesce({compiler.process(element.clauses, **options)}, 'Infinity')), '')"


@compiles(Packed, "sqlite")
def _packed_sqlite(element: Packed, compiler: Any, **options: Any) -> str:
    return f"assay_packed(coalesce({compiler.process(element.clauses, **options)}, 9e999))"  # too large, so infinity
