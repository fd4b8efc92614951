"""core72 on one million bars beside TA-Lib's and polars' indicators. Prints one JSON line a figure."""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import polars as pl
import talib

from assay import features
from assay.kernel.bars import Bars
from assay.testing import random_bars

N = 1_000_000
REPEATS = 7


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def median_seconds(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def thirty_one(b: Bars) -> list[object]:
    """31 standard indicators by the library itself, each on its own."""
    o, h, low, c, v = b.open, b.high, b.low, b.close, b.volume
    return [
        *(talib.SMA(c, w) for w in (10, 20, 50, 100, 200)),
        *(talib.EMA(c, w) for w in (12, 26, 50, 100, 200)),
        *(talib.STDDEV(c, w) for w in (10, 20, 50)),
        *(talib.ROC(c, w) for w in (1, 5, 10, 20)),
        *(talib.RSI(c, w) for w in (7, 14, 21)),
        talib.MACD(c),
        talib.BBANDS(c, 20),
        talib.STOCH(h, low, c, 14, 3, 0, 3, 0),
        talib.CCI(h, low, c, 20),
        talib.MFI(h, low, c, v, 14),
        talib.ATR(h, low, c, 14),
        talib.WILLR(h, low, c, 14),
        talib.MAX(h, 20),
        talib.MIN(low, 20),
        talib.OBV(c, v),
        talib.BOP(o, h, low, c),
    ]


def polars_rolling(frame: pl.DataFrame) -> pl.DataFrame:
    """31 columns of the same kind as polars can give them."""
    c = pl.col("close")
    return frame.select(
        *(c.rolling_mean(w).alias(f"mean{w}") for w in (5, 10, 20, 30, 50, 100, 200)),
        *(c.ewm_mean(span=w).alias(f"ema{w}") for w in (12, 26, 50, 100, 200)),
        *(c.rolling_std(w).alias(f"std{w}") for w in (10, 20, 50)),
        *((c / c.shift(k) - 1).alias(f"roc{k}") for k in (1, 2, 3, 5, 10, 20)),
        *(pl.col("high").rolling_max(w).alias(f"max{w}") for w in (5, 14, 20, 50)),
        *(pl.col("low").rolling_min(w).alias(f"min{w}") for w in (5, 14, 20, 50)),
        *(pl.col("volume").rolling_mean(w).alias(f"volume{w}") for w in (10, 20)),
    )


def measure(name: str, threads: int) -> None:
    bars = random_bars(N)
    features.table(bars[:2000], name)
    base = peak_mb()
    seconds = median_seconds(lambda: features.table(bars, name, threads=threads))
    columns = len(features.set_columns(name))
    line = {
        "figure": f"features.table {name}",
        "bars": N,
        "columns": columns,
        "threads": threads,
        "seconds": round(seconds, 4),
        "peak_mb": round(peak_mb() - base, 1),
        "matrix_mb": round(N * columns * 8 / 2**20, 1),
    }
    print(json.dumps(line), flush=True)


def measure_peers() -> None:
    bars = random_bars(N)
    frame = pl.DataFrame({name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")})
    for peer, work in (
        (f"talib {talib.__version__}, 31 indicators", lambda: thirty_one(bars)),
        (f"polars {pl.__version__}, 31 columns", lambda: polars_rolling(frame)),
    ):
        print(json.dumps({"figure": peer, "bars": N, "seconds": round(median_seconds(work), 4)}), flush=True)


def main() -> None:
    """Each figure in a process of its own, so that peaks do not add up."""
    for name in ("core72", "full110"):
        for threads in (1, 2):
            subprocess.run([sys.executable, __file__, name, str(threads)], check=True)
    measure_peers()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], int(sys.argv[2]))
    else:
        main()
