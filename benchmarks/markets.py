"""How often a market is taken for another, and an altered copy for a new market; one JSON line a figure.

    python benchmarks/markets.py [FOLDER]

FOLDER holds the Parquet files of the project's data set; without one the folder beside the checkout is taken.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl

from assay.kernel.bars import Bars
from assay.kernel.instrument import Instrument
from assay.market import synthetic
from assay.track import Fingerprint, compute_fingerprint, same_market

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.track.altered import COPIES

COINS = ("BTC", "ETH", "SOL", "BNB", "EUR", "AAPL", "GOOG", "IBM", "SPY")
DAY = 86_400_000
NEWEST = 8_000  # bars that are altered
SEEDS = 60


def read(path: Path) -> Bars:
    """All bars of a file, one for each stamp."""
    table = pl.read_parquet(path).sort("timestamp").unique("timestamp", keep="first", maintain_order=True)
    prices = {name: table[name].to_numpy().astype(np.float64) for name in ("open", "high", "low", "close")}
    frame = next(part for part in path.stem.split("_") if part in ("1m", "5m", "15m", "1h", "4h", "1d"))
    stamps = table["timestamp"].cast(pl.Int64).to_numpy()
    return Bars(Instrument("real", coin(path.stem), frame), stamps, volume=None, **prices)


def coin(name: str) -> str:
    """What is traded, whatever the venue."""
    return next(each for each in COINS if each in name)


def wrong(pairs: Iterator[tuple[Fingerprint, Fingerprint]]) -> tuple[int, int]:
    """How many pairs of different markets are taken for one, and how many there are."""
    answers = [same_market(one, other) is not None for one, other in pairs]
    return sum(answers), len(answers)


def windows(real: dict[str, Bars], days: int) -> Iterator[tuple[Fingerprint, Fingerprint]]:
    """Perpetuals, and 15-minute spot, over the same stretches of so many days."""
    names = [n for n in real if n.endswith("PERP_1h")] + [n for n in real if n.endswith("15m_2024")]
    for one, other in combinations(names, 2):
        a, b = real[one], real[other]
        if coin(one) == coin(other):
            continue
        first, last = max(a.timestamp[0], b.timestamp[0]), min(a.timestamp[-1], b.timestamp[-1])
        for begin in range(int(first), int(last) - days * DAY, days * DAY):
            cut = [s[slice(*np.searchsorted(s.timestamp, (begin, begin + days * DAY)))] for s in (a, b)]
            if min(map(len, cut)):
                yield compute_fingerprint(cut[0]), compute_fingerprint(cut[1])


def walks() -> Iterator[tuple[Fingerprint, Fingerprint]]:
    """Synthetic candles and heavy-tailed random walks of different seeds, of 3,000 and 60,000 bars."""
    for bars in (3_000, 60_000):
        made = [
            compute_fingerprint(synthetic(bars=bars, seed=seed))
            for seed in range(1, 1 + SEEDS // (1 if bars < 9_999 else 4))
        ]
        yield from combinations(made, 2)
    line = synthetic(bars=3_000, seed=1)
    for scale in (0.0005, 0.02):
        drawn = [
            compute_fingerprint(replace(line, close=(p := 100 * np.exp(np.cumsum(
                np.random.default_rng(seed).standard_t(4, 3_000) * scale))), open=p, high=p, low=p))
            for seed in range(SEEDS)
        ]  # fmt: skip
        yield from combinations(drawn, 2)


def main(folder: Path) -> None:
    """Print the figures."""
    real = {path.stem: read(path) for path in sorted(folder.glob("*_*.parquet")) if not path.stem.startswith("funding")}
    prints = {name: compute_fingerprint(bars) for name, bars in real.items()}
    different = [(a, b) for a, b in combinations(real, 2) if coin(a) != coin(b)]
    began = time.process_time()
    count, of = wrong((prints[a], prints[b]) for a, b in different)
    took = (time.process_time() - began) / of
    say("different real markets taken for one", count, of, milliseconds_a_pair=round(1e3 * took, 1))
    for days in (30, 60, 200):
        say(f"the same over {days} days each, coins side by side", *wrong(windows(real, days)))
    say("synthetic markets of different seeds taken for one", *wrong(walks()))
    newest = {name: bars[-NEWEST:] for name, bars in real.items()}
    whole = {name: compute_fingerprint(bars) for name, bars in newest.items()}
    missed_all, crossed_all = [0, 0], [0, 0]
    for how, copy in COPIES.items():
        copies = {name: compute_fingerprint(copy(bars)) for name, bars in newest.items()}
        missed = [name for name in newest if same_market(whole[name], copies[name]) is None]
        crossed = [(a, b) for x in different for a, b in (x, x[::-1]) if same_market(whole[a], copies[b]) is not None]
        say(f"copies not recognised: {how}", len(missed), len(newest), which=missed)
        say(f"copies taken for another market: {how}", len(crossed), 2 * len(different), which=crossed)
        missed_all = [missed_all[0] + len(missed), missed_all[1] + len(newest)]
        crossed_all = [crossed_all[0] + len(crossed), crossed_all[1] + 2 * len(different)]
    say("copies not recognised, all", *missed_all)
    say("copies taken for another market, all", *crossed_all)


def say(figure: str, count: int, of: int, **more: object) -> None:
    """One line."""
    print(json.dumps({"benchmark": "markets", "figure": figure, "count": count, "of": of} | more), flush=True)


if __name__ == "__main__":
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else folder)
