"""Inside the closed process: readers of files in native code, which raise no audit event, refuse paths by name."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from assay.validate.isolation.guard import Guard

PRELOADED = ("numpy", "scipy", "pandas", "polars", "pyarrow", "duckdb", "numba", "talib", "sklearn", "statsmodels")
"""Libraries that are imported before the process closes, where the user's file imports them."""

_READERS = {
    "polars": ("read_", "scan_"),
    "pandas": ("read_parquet", "read_feather", "read_orc"),
    "duckdb": ("read_", "from_"),
    "pyarrow": ("memory_map", "OSFile", "create_memory_map"),
    "pyarrow.parquet": ("read_", "ParquetFile", "ParquetDataset"),
    "pyarrow.dataset": ("dataset",),
    "pyarrow.feather": ("read_",),
    "pyarrow.csv": ("read_", "open_"),
}
_MEMORY = ("", ":memory:")


def refuse_readers(guard: Guard) -> None:
    """Replace the file readers of the native libraries that are loaded now."""
    for module_name, beginnings in _READERS.items():
        module = sys.modules.get(module_name)
        for name in [] if module is None else dir(module):
            was = getattr(module, name)
            if name.startswith(beginnings) and callable(was):
                setattr(module, name, _refusing(guard, f"{module_name}.{name}", was))
    if "duckdb" in sys.modules:
        _close_duckdb(guard)
    _close_shared_memory(guard)


def _close_shared_memory(guard: Guard) -> None:
    def shm_open(path: str, *_: Any, **__: Any) -> int:
        raise guard.refuse(f"opens the shared memory {path[:200]!r}")

    if importlib.util.find_spec("_posixshmem") is not None:
        vars(importlib.import_module("_posixshmem"))["shm_open"] = shm_open


def _refusing(guard: Guard, name: str, was: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(was)
    def reader(*arguments: Any, **options: Any) -> Any:
        for each in (*arguments[:1], *options.values()):
            if isinstance(each, str | os.PathLike) and guard.by_user():
                raise guard.refuse(f"opens the file {os.fspath(each)[:200]!r} ({name})")
        return was(*arguments, **options)

    return reader


def _close_duckdb(guard: Guard) -> None:
    """No external access in any connection; a query that asks for it fails, and a database in a file is refused."""
    duckdb = sys.modules["duckdb"]
    was = duckdb.connect

    @wraps(was)
    def connect(database: Any = ":memory:", *arguments: Any, **options: Any) -> Any:
        if str(database) not in _MEMORY and not str(database).startswith(":"):
            raise guard.refuse(f"opens the database {str(database)[:200]!r}")
        return _Connection(guard, was(":memory:", *arguments, **options))

    shared = _Connection(guard, was(":memory:"))
    for name in ("sql", "query", "execute"):
        setattr(duckdb, name, getattr(shared, name))
    vars(duckdb)["connect"] = connect


class _Connection:
    """A DuckDB connection whose failures for want of a permission are reported."""

    def __init__(self, guard: Guard, inner: Any) -> None:
        inner.execute("SET enable_external_access = false")
        self._guard, self._inner = guard, inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._inner.close()

    def sql(self, query: Any, *arguments: Any, **options: Any) -> Any:
        """See DuckDB."""
        return self._reported(self._inner.sql, query, *arguments, **options)

    def query(self, query: Any, *arguments: Any, **options: Any) -> Any:
        """See DuckDB."""
        return self._reported(self._inner.query, query, *arguments, **options)

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        """See DuckDB."""
        return self._reported(self._inner.execute, query, *arguments, **options)

    def _reported(self, call: Callable[..., Any], query: Any, *arguments: Any, **options: Any) -> Any:
        duckdb = sys.modules["duckdb"]
        try:
            return call(query, *arguments, **options)
        except (duckdb.PermissionException, duckdb.IOException) as error:
            raise self._guard.refuse(f"opens a file in the query {str(query)[:200]!r}") from error
