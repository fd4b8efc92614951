"""Parameter sweeps through the public API, beside the peers; one JSON line a figure (median of 5, warm), then ratios.

Indicators, signals, fills and statistics are all within the time. Every figure has a process of its own, so that its
peak memory is its own. The rules, the same for all: `range_sweep`, 192 combinations, and SMA crossing with a stop of
1 % and a take of 2 %, 90 combinations. The peers need vectorbt and backtesting.py: a virtual environment beside this
one will do, its interpreter is named by --peer-python. backtesting.py gets 10k bars, for it needs a minute for more.

Usage: sweep.py [ours|peers] [--peer-python PATH] [--million]   (--million: vectorbt on a million bars too)
"""

import argparse
import importlib.metadata
import importlib.util
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # for interpreters without Assay
REPEATS = 5
WINDOWS = (10, 20, 40, 60)
SMALL = ((0.0002, 0.0005, 0.001), (1.0, 1.5)), ((1.0, 2.0), (2.0, 3.0), (30, 60))
LARGE = (
    (np.linspace(0.0002, 0.002, 25), np.linspace(1.0, 2.9, 20)),
    (np.linspace(1, 3, 8), np.linspace(1.5, 5, 8), (20, 30, 45, 60)),
)
PAIRS = [(f, s) for f in range(5, 50, 5) for s in range(60, 160, 10)]
Grid = tuple[Any, Any]


def walk(n: int) -> Any:
    """A random walk of minute candles, each opening at the close before, with log-normal volume."""
    from assay.kernel.bars import Bars
    from assay.kernel.instrument import Instrument

    g = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(g.normal(0, 0.001, n)))
    opens = np.r_[100.0, close[:-1]]
    high = np.maximum(opens, close) * (1 + np.abs(g.normal(0, 0.0005, n)))
    low = np.minimum(opens, close) * (1 - np.abs(g.normal(0, 0.0005, n)))
    times = np.arange(n, dtype=np.int64) * 60_000
    return Bars(Instrument("binance", "BTC/USDT", "1m"), times, opens, high, low, close, g.lognormal(0, 0.5, n))


def sets_of(names: tuple[str, ...], columns: Any) -> list[dict[str, Any]]:
    """Every combination of the columns, by name."""
    return [dict(zip(names, map(float, row), strict=True)) for row in itertools.product(*columns)]


def range_sweep(bars: Any, grid: Grid, threads: int = 2) -> Any:
    """The house's rule of that name, at 4 windows x the grid's thresholds x its exits."""
    from assay.kernel.decisions import Costs
    from assay.learn import build_exits, lazy_candidates, share_indicators, strategy_named, threshold_matrix
    from assay.simulate import sweep_product

    rule = strategy_named("range_sweep")
    base = rule.resolve()
    thresholds = threshold_matrix(rule, [base | s for s in sets_of(("p", "k"), grid[0])])
    names = ("atr_multiplier_sl", "atr_multiplier_tp", "max_holding_periods")
    exits = build_exits([base | s for s in sets_of(names, grid[1])])
    with share_indicators():
        setups = [lazy_candidates(rule, bars, base | {"N": w}, thresholds) for w in WINDOWS]
        return sweep_product(bars, setups, thresholds, exits, Costs(), threads=threads)


def crossing() -> Any:
    """SMA crossing with levels, declared as a user would declare it."""
    from assay.learn import Exit, Setups, Structural, sma, strategy

    space = {
        "fast": Structural(10),
        "slow": Structural(40),
        "atr_multiplier_sl": Exit(0.01, unit="of the close"),
        "atr_multiplier_tp": Exit(0.02, unit="of the close"),
    }

    @strategy("crossing", space, lookback=lambda v, _: v["slow"], two_sided=True, sizing="fixed")
    def rule(bars: Any, *, fast: int, slow: int) -> Any:
        """The side of the faster mean, entered where it changes."""
        return Setups.crossing(sma(bars, fast), sma(bars, slow), stop_unit=bars.close)

    return rule


def declared_averages(bars: Any, threads: int = 2) -> Any:
    """SMA crossing through a declared rule."""
    from assay.kernel.decisions import Costs
    from assay.learn import build_exits, lazy_candidates, share_indicators, threshold_matrix
    from assay.simulate import sweep_product

    rule = crossing()
    base = rule.resolve()
    thresholds = threshold_matrix(rule, [base])
    with share_indicators():
        setups = [lazy_candidates(rule, bars, base | {"fast": f, "slow": s}, thresholds) for f, s in PAIRS]
        return sweep_product(bars, setups, thresholds, build_exits([base]), Costs(), threads=threads)


def report(name: str, bars: int, combinations: int, work: Callable[[], Any], **facts: Any) -> None:
    """Warm up once, then print the median."""
    work()
    seconds, busy = [], []
    for _ in range(facts.pop("repeats", REPEATS)):
        begin, used = time.perf_counter(), time.process_time()
        work()
        seconds.append(time.perf_counter() - begin)
        busy.append(time.process_time() - used)
    median = statistics.median(seconds)
    line = {
        "benchmark": name,
        "bars": bars,
        "combinations": combinations,
        "seconds": round(median, 4),
        "ns": round(median * 1e9 / bars / combinations, 4),
        "best_ns": round(min(seconds) * 1e9 / bars / combinations, 4),
        "cpu_ns": round(min(busy) * 1e9 / bars / combinations, 4),  # over all threads: halve it for two calm cores
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "load": round(os.getloadavg()[0], 2),
    }
    print(json.dumps(line | facts), flush=True)


def _ours(n: int, work: Callable[..., Any], combinations: int, name: str, *more: Any) -> None:
    bars = walk(n)
    report(name, n, combinations, lambda: work(bars, *more))


def _averages(n: int, name: str, work: str) -> None:
    import by_hand

    _ours(n, getattr(by_hand, work), len(PAIRS), name, PAIRS)


def _vectorbt(rule: str, n: int, **facts: Any) -> None:
    import sweep_peers as peers

    frame = peers.frame_of(walk(n))
    version = importlib.metadata.version("vectorbt")
    if rule == "sma":
        report("vectorbt sma", n, len(PAIRS), lambda: peers.sma_by_vectorbt(frame, PAIRS), version=version, **facts)
        return
    (thresholds, exits), name = (list(itertools.product(*part)) for part in SMALL), "vectorbt range_sweep"
    work = lambda: peers.range_sweep_by_vectorbt(frame, WINDOWS, thresholds, exits)  # noqa: E731
    report(name, n, 192, work, version=version, **facts)


def _backtesting(rule: str, n: int) -> None:
    import sweep_peers as peers

    frame = peers.frame_of(walk(n))
    sets: list[dict[str, Any]] = [{"fast": f, "slow": s} for f, s in PAIRS]
    if rule == "range_sweep":
        names = ("window", "depth", "least", "stop", "take", "hold")
        sets = [dict(zip(names, row, strict=True)) for row in itertools.product(WINDOWS, *SMALL[0], *SMALL[1])]
    with peers.two_processes() as pool:
        work = lambda: peers.all_by_backtesting(pool, rule, frame, sets)  # noqa: E731
        version = importlib.metadata.version("backtesting")
        report(f"backtesting {rule}", n, len(sets), work, version=version, processes=2)


K, M = 100_000, 1_000_000
OURS: dict[str, Callable[[], None]] = {
    "range_sweep 100k": lambda: _ours(K, range_sweep, 192, "assay range_sweep", SMALL),
    "range_sweep 1M": lambda: _ours(M, range_sweep, 192, "assay range_sweep", SMALL),
    "range_sweep large": lambda: _ours(K, range_sweep, 512_000, "assay range_sweep", LARGE),
    "sma 100k": lambda: _averages(K, "assay sma", "moving_averages"),
    "sma 1M": lambda: _averages(M, "assay sma", "moving_averages"),
    "sma declared 1M": lambda: _ours(M, declared_averages, len(PAIRS), "assay sma, declared rule"),
    "sma weights 1M": lambda: _averages(M, "assay sma weights", "held_averages"),
}
PEERS: dict[str, Callable[[], None]] = {
    "vectorbt sma": lambda: _vectorbt("sma", K),
    "vectorbt range_sweep": lambda: _vectorbt("range_sweep", K),
    "backtesting sma": lambda: _backtesting("sma", 10_000),
    "backtesting range_sweep": lambda: _backtesting("range_sweep", 10_000),
}
MILLION: dict[str, Callable[[], None]] = {
    "vectorbt sma 1M": lambda: _vectorbt("sma", M, repeats=1),
    "vectorbt range_sweep 1M": lambda: _vectorbt("range_sweep", M, repeats=1),
}


def measured(python: str, figure: str) -> dict[str, Any] | None:
    """The line of a figure, from a process of its own; None where the peer is absent."""
    command = [python, str(Path(__file__).resolve()), "--figure", figure]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{figure} failed\n{done.stderr[-2000:]}")
    line: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(line), flush=True)
    return None if line.get("absent") else line


def ratios(lines: list[dict[str, Any]]) -> None:
    """How many times the time of ours each peer takes, per bar and combination, on as many bars or on ours' fewest."""
    ours = {(line["benchmark"].split()[1], line["bars"]): line for line in reversed(lines) if "version" not in line}
    for line in lines:
        if "version" in line:
            peer, rule = line["benchmark"].split()
            mine = ours.get((rule, line["bars"])) or ours[(rule, K)]
            times = round(line["ns"] / mine["ns"])
            print(json.dumps({"ratio": f"{peer} / assay, {rule}", "bars": line["bars"], "times": times}), flush=True)


def main() -> None:
    known = OURS | PEERS | MILLION
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=["ours", "peers", "both"], default="both")
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--figure", choices=known, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.figure:
        peer = given.figure.split()[0]
        absent = given.figure not in OURS and importlib.util.find_spec(peer) is None
        print(json.dumps({"benchmark": given.figure, "absent": True})) if absent else known[given.figure]()
        return
    lines = [measured(sys.executable, figure) for figure in OURS] if given.what != "peers" else []
    if given.what != "ours":
        lines += [measured(given.peer_python, f) for f in (PEERS | MILLION if given.million else PEERS)]
    if given.what == "both":
        ratios([line for line in lines if line])


if __name__ == "__main__":
    main()
