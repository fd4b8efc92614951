"""Searches through the public API and the command line; one JSON line a figure.

    python benchmarks/search.py [FILE] [bayesian] [million]

FILE is a Parquet file of candles (binanceusdm BTC/USDT:USDT 1h of the project's data set, if it is found beside the
checkout; else a synthetic market of 37,660 hourly bars). ``bayesian``: 2,000 trials of liquidity_sweep on all bars, the
optimiser's bookkeeping beside the engine. ``million``: a grid of 1,000,000 combinations on all bars, through `Search`
with every trial counted in a ledger on disk, then through ``assay optimize``, which searches its train window.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.kernel.bars import Bars
from assay.kernel.contracts import Trial
from assay.kernel.decisions import Costs
from assay.kernel.instrument import Instrument
from assay.kernel.panel import Panel, Window
from assay.learn import RuleTrainer, all_strategies
from assay.track import Blobs, TrackingStore, open_store
from assay.validate import Bayesian, Grid, Method, RuleSweep, Search, Space

FOUND = Path(__file__).parent.parent.parent / "shared" / "data" / "binanceusdm_BTC-USDT-PERP_1h.parquet"
MILLION = {
    "range_sweep": {
        "N": "10,20,40,60",
        "p": "0.001:0.01:25",
        "k": "1.5:5.0:20",
        "atr_multiplier_sl": "1.0:3.0:10",
        "atr_multiplier_tp": "1.5:5.0:10",
        "max_holding_periods": "20,30,40,50,60",
    },
    "range_sweep, thresholds of minute bars": {
        "N": "10,20,40,60",
        "p": "0.0002:0.002:25",
        "k": "1.0:2.9:20",
        "atr_multiplier_sl": "1.0:3.0:10",
        "atr_multiplier_tp": "1.5:5.0:10",
        "max_holding_periods": "20,30,40,50,60",
    },
    "liquidity_sweep": {
        "reversal_candles": "1,2",
        "key_level_lookback": "50,100",
        "pierce_depth": "0.0005:0.005:25",
        "volume_spike_threshold": "1.5:5.0:20",
        "atr_multiplier_sl": "1.0:3.0:10",
        "risk_reward_ratio": "1.5:4.0:10",
        "max_holding_periods": "30,50,75,100,150",
    },
}


class Counted:
    """A report that counts in a ledger on disk, as a run's does."""

    def __init__(self, record: TrackingStore, blobs: Blobs) -> None:
        self.record, self.blobs, self.seconds = record, blobs, 0.0

    def progress(self, share_done: float, metrics: Any) -> None:
        """Nobody listens."""

    def trial(self, trial: Trial) -> int:
        began = time.perf_counter()
        number = self.record.ledger.append(trial, blobs=self.blobs)
        self.seconds += time.perf_counter() - began
        return number


def market(file: Path | None) -> Bars:
    """The candles of the file, or synthetic ones."""
    if file is None:
        from assay.market import synthetic

        return synthetic(bars=37_660, seed=1, symbol="BTC/USDT:USDT")
    table = pl.read_parquet(file)
    first = table.row(0, named=True)
    named = [np.ascontiguousarray(table[c].to_numpy(), np.float64) for c in ("open", "high", "low", "close", "volume")]
    instrument = Instrument(first["exchange"], first["symbol"], first["timeframe"])
    return Bars(instrument, np.ascontiguousarray(table["timestamp"].to_numpy()), *named)


def told(what: str, **figures: Any) -> None:
    print(json.dumps({"what": what} | figures), flush=True)  # a benchmark's output


def search(name: str, bars: Bars, method: Method, space: Space, trials: int, home: Path) -> dict[str, Any]:
    """One search with every trial counted on disk."""
    rule = all_strategies()[name]
    base = rule.resolve()
    made = Search(
        make=lambda point: RuleTrainer(rule, {**base, **point}),
        space=space,
        costs=Costs(),
        sweep=RuleSweep(rule, base),
        method=method,
        trials=trials,
        data_digest=bars.digest(),
    )
    with open_store(home / "record.db") as record:
        report = Counted(record, Blobs(home / "blobs"))
        began = time.perf_counter()
        result = made.search(Panel.of(Window.of_bars(bars)), seed=42, report=report)
        seconds = time.perf_counter() - began
        count = record.ledger.count(bars.instrument.key)
    rest = seconds - result.engine_seconds - report.seconds
    held = sum(path.stat().st_size for path in (home / "blobs").rglob("*") if path.is_file())
    return {
        "bars": len(bars),
        "trials": len(result.trials),
        "counted": count,
        "seconds": round(seconds, 3),
        "engine_seconds": round(result.engine_seconds, 3),
        "ledger_seconds": round(report.seconds, 3),
        "bookkeeping_ms_a_trial": round(1e3 * rest / len(result.trials), 4),
        "blob_bytes_a_trial": round(held / len(result.trials), 2),
        "best": result.best_score,
    }


def bayesian(bars: Bars) -> None:
    """2,000 trials of liquidity_sweep's whole declared space."""
    space = Space.of_strategy(all_strategies()["liquidity_sweep"])
    for _ in range(2):  # the first compiles
        with tempfile.TemporaryDirectory() as folder:
            found = search("liquidity_sweep", bars, Bayesian(), space, 2_000, Path(folder))
    told("bayesian search of liquidity_sweep", **found)


def million(bars: Bars, file: Path | None, label: str) -> None:
    """A million combinations through the API, then through the command line on the same file."""
    from assay.validate import parse_space_text

    name = label.split(",")[0]
    rule = all_strategies()[name]
    given = dict(parse_space_text(f"{k}={v}") for k, v in MILLION[label].items())
    space = Space.of(given, names=rule.parameters, fixed=rule.defaults)
    runs = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(search(name, bars, Grid(), space, 1, Path(folder)))
    told(f"a million combinations of {label}, API", **min(runs[1:], key=lambda run: run["seconds"]))
    if file is not None:
        _cli(file, bars, label)


def _cli(file: Path, bars: Bars, label: str) -> None:
    assay = (sys.executable, "-c", "from assay.cli.main import run; run()")
    own = bars.instrument
    asked = [word for k, v in MILLION[label].items() for word in ("--space", f"{k}={v}")]
    name = label.split(",")[0]
    with tempfile.TemporaryDirectory() as home:
        subprocess.run([*assay, "import", str(file), "--home", home], check=True, capture_output=True)
        command = [
            *assay, "optimize", name, "-e", own.exchange, "-s", own.symbol, "-t", own.timeframe, "--method", "grid",
            *asked, "--home", home, "--json",
        ]  # fmt: skip
        began = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        wall = time.perf_counter() - began
    document = json.loads(done.stdout)
    train = int(len(bars) * 0.7)
    told(
        f"a million combinations of {label}, assay optimize",
        searched_bars=train, trials=document["trials"], wall_seconds=round(wall, 2),
        seconds=round(document["seconds"], 2), engine_seconds=round(document["engine_seconds"], 2),
    )  # fmt: skip


if __name__ == "__main__":
    words = sys.argv[1:]
    files = [Path(word) for word in words if word.endswith(".parquet")] or ([FOUND] if FOUND.exists() else [])
    source = files[0] if files else None
    wanted = {word for word in words if word in ("bayesian", "million")} or {"bayesian", "million"}
    candles = market(source)
    if "bayesian" in wanted:
        bayesian(candles)
    if "million" in wanted:
        for each in MILLION:
            million(candles, source, each)
