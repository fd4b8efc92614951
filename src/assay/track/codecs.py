"""Codecs of stored values: canonical JSON, compressed columns, timestamps."""

import hashlib
import json
import sqlite3
import sys
from array import array
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from typing import Any, cast

import numpy as np
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import StoreError, printable
from assay.kernel.parse import JsonValue
from assay.kernel.timeframe import iso

_DEEPEST = 64
_DECODER = json.JSONDecoder()


def canonical(value: object) -> str:
    """Sorted keys, no blanks, shortest floats that round-trip; NaN and infinities are null.

    Takes dicts with text keys, lists, tuples, str, bool, int, float, None, numpy scalars and arrays, aware datetimes
    and dates. Anything else is StoreError ``STORE_VALUE`` naming its place.

    >>> canonical({"b": 1.50, "a": (True, None)})
    '{"a":[true,null],"b":1.5}'
    """
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_of(value: object) -> str:
    """SHA-256 (hex) of the canonical JSON."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def decode(text: str) -> JsonValue:
    """The value of a JSON text."""
    if text[:1] in ("[", "{"):
        value, end = _DECODER.raw_decode(text)
        if end == len(text):  # as `canonical` writes it: no blanks to look for
            return value
    return json.loads(text)


def plain(value: object, place: str = "$", depth: int = 0) -> JsonValue:
    """The value in JSON's own types; see `canonical`."""
    if depth > _DEEPEST:
        raise StoreError(f"{place} lies deeper than {_DEEPEST} levels", code="STORE_VALUE")
    if isinstance(value, Mapping):
        return {_key(k, place): plain(v, f"{place}.{k}", depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v, f"{place}[{i}]", depth + 1) for i, v in enumerate(value)]
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), place, depth)
    return _scalar(value, place)


def _scalar(value: object, place: str) -> JsonValue:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    if isinstance(value, date):  # a datetime is a date
        return _moment(value, place)
    raise StoreError(
        f"{place} is {printable(value)} ({type(value).__name__}), which JSON cannot hold",
        code="STORE_VALUE",
        field=place,
    )


def _moment(value: date, place: str) -> str:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise StoreError(f"{place} is {value.isoformat()}, a time without a zone", code="STORE_VALUE", field=place)
    return value.isoformat()


def _key(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise StoreError(f"{place} has the key {printable(key)}; JSON keys are text", code="STORE_VALUE", field=place)
    return key


_BYTES = np.dtype(">f8")


class Packed(FunctionElement[bytes]):
    """The finite doubles of a column as bytes for `unpack`, a NULL as infinity; NULL without rows. In any order."""

    inherit_cache = True
    type = sa.LargeBinary()


def unpack(packed: bytes | None) -> FloatArray:
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
def _packed(element: Packed, compiler: sa.Compiled, **options: object) -> str:
    return f"string_agg(float8send(coalesce({compiler.process(element.clauses, **options)}, 'Infinity')), '')"


@compiles(Packed, "sqlite")
def _packed_sqlite(element: Packed, compiler: sa.Compiled, **options: object) -> str:
    return f"assay_packed(coalesce({compiler.process(element.clauses, **options)}, 9e999))"  # too large, so infinity


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_instant(value: datetime | str | int) -> datetime:
    """An aware UTC datetime from one, from ISO text with a zone, or from UTC milliseconds.

    StoreError ``STORE_VALUE`` for a naive time and for text that is no time.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return _EPOCH + timedelta(milliseconds=value)
    moment = value
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise StoreError(f"{printable(value)} is no time; write 2026-01-31T12:00:00Z", code="STORE_VALUE") from None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise StoreError(f"{printable(str(value))} has no time zone; the record keeps UTC", code="STORE_VALUE")
    return moment.astimezone(UTC)


def format_instant(value: datetime | str | int) -> str:
    """24 characters of UTC, milliseconds cut; text order is time order. Errors as `parse_instant`."""
    return iso((parse_instant(value) - _EPOCH) // timedelta(milliseconds=1))
