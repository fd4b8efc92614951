"""A trainer is anything that turns history into a model; the same loop judges it.

This one holds whatever went up over the last day in the train window's better direction: momentum or its opposite.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from assay.kernel.contracts import NullReport, Report
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.panel import Panel, Window
from assay.market import synthetic
from assay.validate import WalkForward, walk_forward


@dataclass(frozen=True)
class DayModel:
    sign: float
    lookback: int = 24

    def decide(self, panel: Panel) -> Mapping[str, Decisions]:
        return {symbol: self._decide(window) for symbol, window in panel}

    def _decide(self, window: Window) -> Decisions:
        target = np.zeros(len(window))
        close = window.bars.close
        target[24:] = self.sign * np.sign(close[24:] - close[:-24])
        return Decisions.weights(target)

    def save(self, folder: Path) -> None:
        (folder / "model.json").write_text(f'{{"sign": {self.sign}}}')


@dataclass(frozen=True)
class DayTrainer:
    name: ClassVar[str] = "day"

    def fit(self, train: Panel, *, seed: int, report: Report) -> DayModel:
        close = train.one.bars.close
        move = close[24:] / close[:-24] - 1
        report.progress(1.0, {})
        return DayModel(float(np.sign(np.corrcoef(move[:-24], move[24:])[0, 1])))


bars = synthetic(bars=4_000, seed=7, ic=0.2, symbol="GOLD/USDT:USDT")
panel = Panel.of(Window.of_bars(bars))
for outcome in walk_forward(DayTrainer(), panel, WalkForward(1_200, 600), costs=Costs(), seed=1, report=NullReport()):
    record = outcome.tested["GOLD/USDT:USDT"].record
    net = record.equity[-1] - 1
    print(f"fold {outcome.number}: net {net:+.1%} over {len(record)} bars, {len(record.trades)} trades")
