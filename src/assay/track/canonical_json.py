"""JSON with one spelling for one value, for hashes and for the record's JSON columns."""

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any

import numpy as np

from assay.kernel.errors import StoreError, printable

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


def decode(text: str) -> Any:
    """The value of a JSON text."""
    if text[:1] in ("[", "{"):
        value, end = _DECODER.raw_decode(text)
        if end == len(text):  # as `canonical` writes it: no blanks to look for
            return value
    return json.loads(text)


def plain(value: object, place: str = "$", depth: int = 0) -> Any:
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


def _scalar(value: object, place: str) -> Any:
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
