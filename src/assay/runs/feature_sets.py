"""Feature tables on stored candles, described and written."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from assay.features import Feature, Table, set_columns, table
from assay.kernel.errors import ConfigError, StoreError, printable
from assay.kernel.instrument import Instrument
from assay.runs.context import Context
from assay.runs.run_artifacts import to_jsonable


def describe_set(name: str) -> list[dict[str, Any]]:
    """Name, group, unit and lookback of each column of a set. Raises ConfigError ``CONFIG_FEATURE``."""
    from assay.features import find_feature

    return [_described(find_feature(column)) for column in set_columns(name)]


def compute_features(
    context: Context, exchange: str, symbol: str, timeframe: str, name: str, *, out: Path | None = None
) -> dict[str, Any]:
    """A set on stored candles: share of finite values, mean, std and last value of each column.

    out: ``.parquet`` or ``.csv`` to write ``timestamp`` (ms, bar open) and all columns to. Raises ConfigError
    ``CONFIG_PATH`` for another ending, StoreError ``STORE_PATH``.
    """
    if out is not None and out.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"--out {printable(str(out))} must end in .parquet or .csv", code="CONFIG_PATH", field="out")
    bars = context.candles.read(Instrument(exchange, symbol, timeframe))
    result = table(bars, name)
    if out is not None:
        _write(result, bars.timestamp, out)
    return {
        "exchange": exchange,
        "symbol": symbol,
        "timeframe": timeframe,
        "set": name,
        "bars": len(bars),
        "lookback": result.lookback,
        "quality": float(np.isfinite(result.values[result.lookback :]).mean()) if len(bars) > result.lookback else None,
        "features": to_jsonable([_measured(n, result.column(n)) for n in result.names]),
        "absent": dict(result.absent),
        "out": None if out is None else str(out),
    }


def _described(feature: Feature) -> dict[str, Any]:
    return {"name": feature.name, "group": feature.group, "unit": feature.unit, "lookback": feature.lookback}


def _measured(name: str, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column without a value has no mean
        mean, std = np.nanmean(values), np.nanstd(values)
    last = values[-1] if len(values) else np.nan
    return {"name": name, "finite": float(np.isfinite(values).mean()), "mean": mean, "std": std, "last": last}


def _write(result: Table, timestamp: np.ndarray[tuple[int], np.dtype[np.int64]], out: Path) -> None:
    import polars as pl

    frame = pl.DataFrame({"timestamp": timestamp} | {n: result.column(n) for n in result.names})
    try:
        frame.write_parquet(out) if out.suffix == ".parquet" else frame.write_csv(out)
    except OSError as error:
        raise StoreError(f"{out}: {error.strerror or error}", code="STORE_PATH") from error
