"""A search that kills its own process in the middle of a batch; run by `test_search` in a process of its own."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from assay.kernel.contracts import NullReport, Trial
from assay.kernel.decisions import Costs
from assay.kernel.panel import Panel, Window
from assay.learn.rules import RuleTrainer
from assay.learn.strategies.registry import strategy_named
from assay.market.sources.synthetic import synthetic
from assay.validate.search.optuna_sampler import Bayesian
from assay.validate.search.search import Search
from assay.validate.search.space import Space
from assay.validate.splits import WalkForward

RULE = strategy_named("sma_cross")
SEED, TRIALS = 11, 40


def panel(n: int = 900) -> Panel:
    return Panel.of(Window.of_bars(synthetic(bars=n, seed=3, ic=0.2)))


class Killing(NullReport):
    """The process dies when the trial of this number is counted, before its score is told."""

    def __init__(self, die_at: int) -> None:
        super().__init__()
        self.die_at = die_at

    def trial(self, trial: Trial) -> int:
        number = super().trial(trial)
        if number == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return number


def search(journal: Path | None, **changes: Any) -> Search:
    """40 trials of sma_cross."""
    plain: dict[str, Any] = {
        "make": lambda point: RuleTrainer(RULE, point),
        "space": Space.of_strategy(RULE),
        "plan": WalkForward(400, 200),
        "costs": Costs(),
        "method": Bayesian(journal=journal),
        "trials": TRIALS,
        "min_trades": 4,
    }
    return Search(**(plain | changes))


if __name__ == "__main__":
    search(Path(sys.argv[1])).search(panel(), seed=SEED, report=Killing(int(sys.argv[2])))
