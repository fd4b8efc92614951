"""How often each strategy signals at its defaults, on real candles; one JSON line a file, or the table of the docs.

    python benchmarks/signals.py [FOLDER] [--table]

FOLDER holds the Parquet files of the project's data set; without one the folder beside the checkout is taken.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from assay.kernel.bars import Bars
from assay.kernel.errors import DataError
from assay.kernel.instrument import Instrument
from assay.learn import all_strategies

FILES = (
    "binance_BTC-USDT_1h",
    "binanceusdm_BTC-USDT-PERP_1h",
    "binanceusdm_ETH-USDT-PERP_1h",
    "multitf_binance_BTC-USDT_4h_2024",
    "binance_ETH-USDT_15m_2024",
    "binance_SOL-USDT_15m_2024",
    "binance_ETH-USDT_5m_2025",
    "multitf_binance_BTC-USDT_5m_2024",
    "ftx_BTC-USD-PERP_1m",
    "bitstamp-coinbase_BTC-USD_1d",
    "usa_SPY_1h_raw",
    "usa_SPY_1d_adj",
    "fx_EUR-USD_1h_novolume",
)
REPEATS = 5


def read(path: Path) -> Bars:
    """All bars of a file, as they are."""
    table = pl.read_parquet(path)
    first = table.row(0, named=True)
    named = [np.ascontiguousarray(table[c].to_numpy(), np.float64) for c in ("open", "high", "low", "close", "volume")]
    instrument = Instrument(first["exchange"], first["symbol"], first["timeframe"])
    return Bars(instrument, np.ascontiguousarray(table["timestamp"].to_numpy()), *named)


def measured(bars: Bars, name: str) -> dict[str, float | None]:
    """Signals per 1,000 bars by side (changes of side for a state rule), and the time for all setups in ms."""
    rule = all_strategies()[name]
    htf = "1w" if name == "htf_sweep" and bars.instrument.timeframe == "1d" else None
    values = rule.resolve({"htf": htf} if htf else {})
    try:
        rule.demand(bars, values)
    except DataError:
        return {"long": None, "short": None, "ms": None}
    target = rule.decisions(bars, values).target
    if rule.state:
        target = np.where(np.r_[False, target[1:] != target[:-1]], target, np.nan)
    seconds = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        rule.setups(bars, values)
        seconds.append(time.perf_counter() - begin)
    count = {"long": np.count_nonzero(target > 0), "short": np.count_nonzero(target < 0)}
    return {side: 1000 * n / len(bars) for side, n in count.items()} | {"ms": 1000 * float(np.median(seconds))}


def cell(figures: dict[str, float | None], *, two_sided: bool) -> str:
    """``long / short`` as the table shows it."""
    if figures["long"] is None:
        return "–"
    sides = ("long", "short") if two_sided else ("long",)
    return " / ".join(f"{figures[side]:.1f}" for side in sides)


def main(folder: Path, *, table: bool) -> None:
    """Measure every file that is there."""
    rules = all_strategies()
    if table:
        print("| market | bars | " + " | ".join(rules) + " |\n" + "|---" * (len(rules) + 2) + "|")
    for file in FILES:
        path = folder / f"{file}.parquet"
        if not path.is_file():
            print(json.dumps({"benchmark": "signals", "file": file, "skipped": "not there"}))
            continue
        bars = read(path)
        figures = {name: measured(bars, name) for name in rules}
        if table:
            cells = [cell(figures[name], two_sided=rule.two_sided) for name, rule in rules.items()]
            print(f"| {bars.instrument} | {len(bars):,} | " + " | ".join(cells) + " |")
        else:
            rounded = {n: {k: v if v is None else round(v, 2) for k, v in f.items()} for n, f in figures.items()}
            print(json.dumps({"benchmark": "signals", "file": file, "bars": len(bars), "per_1000": rounded}))


if __name__ == "__main__":
    given = [a for a in sys.argv[1:] if not a.startswith("--")]
    main(
        Path(given[0]) if given else Path(__file__).resolve().parents[2] / "shared" / "data",
        table="--table" in sys.argv,
    )
