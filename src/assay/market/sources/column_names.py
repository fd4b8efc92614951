"""Match column names of a file to known columns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from assay.kernel.errors import printable
from assay.market.problems import Faults
from assay.market.raw_rows import EXTRA

_TIMES = ("date", "datetime", "time", "ts", "t", "open_time", "opentime", "date_time", "timestamp_ms", "unix", "epoch")
_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "timestamp": _TIMES,
    "open": ("o", "open_price"),
    "high": ("h", "high_price"),
    "low": ("l", "low_price"),
    "close": ("c", "close_price"),
    "volume": ("v", "vol"),
    "exchange": ("venue",),
    "symbol": ("pair", "ticker", "instrument"),
    "timeframe": ("interval",),
    "quote_volume": ("quote_asset_volume", "quotevolume"),
    "trade_count": ("number_of_trades", "num_trades", "trades"),
}
CANDLE = ("timestamp", "open", "high", "low", "close", "volume")
NAMES = ("exchange", "symbol", "timeframe")


@dataclass(frozen=True, slots=True)
class Header:
    """The file's column for each known name, and those that nobody knows."""

    names: Mapping[str, str]
    ignored: tuple[str, ...]


def match_columns(columns: Iterable[str], faults: Faults) -> Header:
    """The known columns among these names: case, blanks and known synonyms do not matter.

    An exact name wins over synonyms. Two synonyms of one name without it are ambiguous: ``DATA_SCHEMA``.
    """
    folded = {column: _folded(column) for column in columns}
    result: dict[str, str] = {}
    for name in (*CANDLE, *NAMES, *EXTRA, "funding_rate", "known_at"):
        exact = [column for column, fold in folded.items() if fold == name]
        others = [column for column, fold in folded.items() if fold in _SYNONYMS.get(name, ())]
        candidates = exact or others
        if len(candidates) > 1:
            listed = ", ".join(printable(c) for c in candidates)
            faults.add(
                "DATA_SCHEMA", f"{len(candidates)} columns could be {name}: {listed}; keep one or name it {name}"
            )
        if candidates:
            result[name] = candidates[0]
    return Header(result, tuple(c for c in folded if c not in result.values()))


def demand(header: Header, names: Iterable[str], columns: Iterable[str], faults: Faults) -> None:
    """Add ``DATA_SCHEMA`` for the names that the header lacks, with what it has."""
    missing = [name for name in names if name not in header.names]
    if missing:
        has = [printable(c) for c in columns]
        more = f" and {len(has) - 20} more" if len(has) > 20 else ""
        faults.add(
            "DATA_SCHEMA",
            f"missing column {', '.join(missing)}; found {', '.join(has[:20]) or 'none'}{more}",
            hint="The first row must name the columns: timestamp, open, high, low, close, volume.",
            missing=missing,
        )


def _folded(column: str) -> str:
    return "_".join(column.strip().casefold().replace("-", "_").split())
