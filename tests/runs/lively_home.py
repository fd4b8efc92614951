"""A home that holds 2,000 lively bars, and searches of them as specs."""

import shutil
from pathlib import Path
from typing import Any

from assay.app import context as opened
from assay.kernel.bars import Bars
from assay.kernel.spec import TrainSpec
from assay.runs.context import Context
from assay.runs.specs import build_spec, windows_of
from tests.doors.commands import assay
from tests.doors.conftest import csv_of
from tests.learn.strategy_bars import lively

MARKET = {"exchange": "test", "symbols": ["BTC/USDT"], "timeframe": "1h"}
KEY = "test|BTC/USDT|1h"
POINTS = [{"p": p, "max_holding_periods": hold} for p in (0.0005, 0.002) for hold in (5, 10)]
SPACE = {"p": [0.0005, 0.002], "max_holding_periods": [5, 10]}


def lively_bars() -> Bars:
    return lively(2_000, seed=11, calm=0.01)


def home_of(bars: Bars, folder: Path) -> Path:
    """A home below `folder` that holds the bars."""
    words = ("-e", "test", "-s", "BTC/USDT", "-t", "1h")
    assert assay("import", csv_of(bars, folder / "btc.csv"), *words, home=folder / "home").code == 0
    return folder / "home"


def copied(home: Path, folder: Path) -> Context:
    """A home of one's own like that one."""
    shutil.copytree(home, folder / "home")
    found, _ = opened(home=folder / "home")
    return found


def spec_of(strategy: str = "range_sweep", *, walk: str = "split", **more: Any) -> TrainSpec:
    whole = {n: more.pop(n) for n in ("costs", "filter", "seed", "bars") if n in more}
    params = {"strategy": strategy, "method": "grid", "space": SPACE, "min_trades": 3} | more
    return build_spec(
        None, {"learner": "rules", **MARKET, "folds": _table(walk), "params": params, **whole}, {}
    )  # fmt: skip


def _table(walk: str) -> dict[str, Any]:
    folds = windows_of(walk)
    names = ("train_share", "train_days", "test_days", "gap_days")
    return {n: getattr(folds, n) for n in names if getattr(folds, n) not in (None, 0.0)}
