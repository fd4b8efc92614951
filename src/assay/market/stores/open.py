"""Open a candle store by URL."""

import re
from pathlib import Path

from assay.kernel.errors import ConfigError, printable
from assay.kernel.suggestions import did_you_mean
from assay.market.stores.base import CandleStore

_OTHERS = {
    "postgres": "postgres",
    "postgresql": "postgres",
    "clickhouse": "clickhouse",
    "bigquery": "gcp",
}


def open_candles(url: str, *, base_timeframe: str = "1h") -> CandleStore:
    """The candle store at a URL: ``memory://``, ``duckdb:///relative/path`` or ``duckdb:////absolute/path``.

    base_timeframe: the timeframe of the view ``market_data``.
    Raises ConfigError ``CONFIG_FIELD`` for any other URL.
    """
    scheme, colon, rest = url.partition("://")
    if scheme == "memory" and colon and not rest:
        from assay.market.stores.memory import MemoryStore

        return MemoryStore()
    if scheme == "duckdb" and rest.startswith("/") and len(rest) > 1:
        from assay.market.stores.duckdb import DuckDbStore

        return DuckDbStore(Path(rest[1:]), base_timeframe=base_timeframe)
    raise _unknown(url, scheme if colon else "")


def _unknown(url: str, scheme: str) -> ConfigError:
    without_password = re.sub(r"://[^/]*@", "://***@", url)
    if scheme in _OTHERS:
        remedy = f"this version keeps candles in DuckDB; the extra assay[{_OTHERS[scheme]}] has no candle store yet"
    elif scheme == "duckdb":
        remedy = "write duckdb:///path/to/candles.duckdb, or with four slashes for an absolute path"
    else:
        remedy = did_you_mean(scheme, ["memory", "duckdb"]) or "use memory:// or duckdb:///path/to/candles.duckdb"
    return ConfigError(
        f"candle store {printable(without_password)} is not known: {remedy}",
        code="CONFIG_FIELD",
        hint=remedy,
    )
