"""Retry transactions after deadlock or serialization failure."""

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from assay.kernel.errors import StoreError
from assay.track.database import Database

TRIES = 5
_PAUSE_SECONDS = 0.02
_P = ParamSpec("_P")
_T = TypeVar("_T")


def again(database: Database, work: Callable[[], _T]) -> _T:
    """What `work` gives, which writes one transaction from its beginning to its end.

    Where PostgreSQL undoes it for a deadlock or a serialization failure (40P01, 40001), it is done again after a random
    pause, 5 tries in all; then StoreError ``STORE_BUSY``. Inside a transaction that was begun outside of `work` there
    is one try: all of that is undone, and whoever began it decides.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return work()
        except StoreError as error:
            if not error.facts.get("undone") or database.writing or attempt == TRIES:
                raise
        time.sleep(random.uniform(0.5, 1.0) * _PAUSE_SECONDS * 2**attempt)
    raise AssertionError  # the last try has returned or raised


def writes(method: Callable[_P, _T]) -> Callable[_P, _T]:
    """`again` for a method of an object that keeps its record as ``_database``."""

    @wraps(method)
    def trying(*value: _P.args, **named: _P.kwargs) -> _T:
        holding: Any = value[0]
        return again(holding._database, lambda: method(*value, **named))

    return trying
