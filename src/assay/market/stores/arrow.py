"""Bars as Arrow tables, for engines that speak Arrow."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import PRICES, Bars, Joined
from assay.kernel.instrument import Instrument

OWN_COLUMNS = ("volume", "quote_volume", "trade_count")


def table_of(bars: Bars) -> pa.Table:
    """Key, prices, volumes and ``extra``: a map from name to value with all further columns. NaN becomes null."""
    n = len(bars)
    key = bars.instrument
    columns: dict[str, object] = {
        "exchange": _same(key.exchange, n),
        "symbol": _same(key.symbol, n),
        "timeframe": _same(key.timeframe, n),
        "timestamp": pa.array(bars.timestamp, pa.int64()),
    }
    columns |= {name: pa.array(getattr(bars, name), pa.float64()) for name in PRICES}
    values = {"volume": bars.volume, **bars.columns}
    columns |= {name: _nullable(values.get(name), n) for name in OWN_COLUMNS}
    columns["extra"] = _extra({k: v for k, v in bars.columns.items() if k not in OWN_COLUMNS}, n)
    return pa.table(columns)


def bars_of(instrument: Instrument, table: pa.Table, extra: Sequence[str]) -> Bars:
    """Bars from a table with timestamp, prices, `OWN_COLUMNS` and one column for each name in `extra`, sorted."""
    names = ("quote_volume", "trade_count", *extra)
    return Bars(
        instrument,
        _times(table, "timestamp"),
        _floats(table, "open"),
        _floats(table, "high"),
        _floats(table, "low"),
        _floats(table, "close"),
        volume=_floats(table, "volume"),
        columns={name: _floats(table, name) for name in names},
    )


def series_table(exchange: str, symbol: str, name: str, series: Joined) -> pa.Table:
    """A joined series with its market and name."""
    n = len(series.value)
    return pa.table(
        {
            "exchange": _same(exchange, n),
            "symbol": _same(symbol, n),
            "name": _same(name, n),
            "value_time": pa.array(series.value_time, pa.int64()),
            "known_at": pa.array(series.known_at, pa.int64()),
            "value": _nullable(series.value, n),
        }
    )


def series_of(table: pa.Table) -> Joined:
    """The inverse of `series_table`, from rows sorted by known_at and value_time."""
    return Joined(_times(table, "value_time"), _times(table, "known_at"), _floats(table, "value"))


def _same(text: str, n: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), pa.array([text], pa.string()))


def _nullable(values: FloatArray | None, n: int) -> pa.Array:
    if values is None:
        return pa.nulls(n, pa.float64())
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def _extra(columns: Mapping[str, FloatArray], n: int) -> pa.Array:
    """A map array; a row holds the names whose value is known there. Rows without any are null."""
    kind = pa.map_(pa.string(), pa.float64())
    if not columns:
        return pa.nulls(n, kind)
    names = sorted(columns)
    values = np.column_stack([columns[name] for name in names])
    available = ~np.isnan(values)
    offsets = np.concatenate([[0], np.cumsum(available.sum(axis=1))]).astype(np.int32)
    keys = pa.DictionaryArray.from_arrays(np.nonzero(available)[1].astype(np.int32), pa.array(names, pa.string()))
    maps = pa.MapArray.from_arrays(pa.array(offsets), keys.cast(pa.string()), pa.array(values[available]))
    return maps


def _floats(table: pa.Table, name: str) -> FloatArray:
    values = table.column(name).to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(values, dtype=np.float64)


def _times(table: pa.Table, name: str) -> IntArray:
    return np.ascontiguousarray(table.column(name).to_numpy(), dtype=np.int64)
