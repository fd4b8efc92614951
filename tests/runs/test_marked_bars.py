"""A data filter that marks: the bars stay, but nothing is learnt there and no signal counts."""

from dataclasses import replace

import numpy as np

from assay.kernel.bars import USABLE
from assay.kernel.contracts import NullReport
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.spec import TrainSpec
from assay.market.sources.synthetic import synthetic
from assay.runs.run_inputs import load_history
from assay.validate._walk_forward import walk_forward
from assay.validate.splits import WalkForward


class Always:
    """Learns nothing and wants to be long."""

    name = "always"
    lookback = 0

    def fit(self, train, *, seed, report):
        report.progress(1.0, {})
        return self

    def decide(self, panel):
        return {symbol: Decisions.weights(np.ones(len(window))) for symbol, window in panel}

    def save(self, folder):
        (folder / "always.json").write_text("{}")


def marked_bars(unusable: slice):
    bars = synthetic(bars=900, seed=3, symbol="GOLD/USDT:USDT")
    usable = np.ones(len(bars))
    usable[unusable] = 0.0
    return replace(bars, columns={USABLE: usable})


def test_marked_rows_have_no_label() -> None:
    spec = TrainSpec(exchange="synthetic", symbols=("GOLD/USDT:USDT",), timeframe="1h", features="mini5")
    past = load_history(spec, [marked_bars(slice(300, 400))])
    labels = past.panel.one.labels
    assert labels is not None
    shifted = slice(300 - past.warm_up, 400 - past.warm_up)
    assert np.isnan(labels.y[shifted]).all()
    assert np.isfinite(labels.y[: 300 - past.warm_up]).all()


def test_a_signal_on_a_marked_bar_is_a_keep() -> None:
    spec = TrainSpec(exchange="synthetic", symbols=("GOLD/USDT:USDT",), timeframe="1h", features="mini5")
    past = load_history(spec, [marked_bars(slice(500, 520))])
    start = 500 - past.warm_up  # the first test fold begins on the first marked bar
    plan = WalkForward(start - 24 - 2, 300)
    (outcome, *_) = walk_forward(Always(), past.panel, plan, costs=Costs(), seed=1, report=NullReport())
    tested = outcome.tested["GOLD/USDT:USDT"]
    first = tested.rows[0]
    marked = past.panel.one.bars.columns[USABLE][slice(*tested.rows)] == 0
    assert marked.any()
    assert np.isnan(tested.decisions.target[marked]).all()
    assert (tested.decisions.target[~marked] == 1.0).all()
    entered = tested.record.trades.entry_row[0] - tested.start + first
    assert past.panel.one.bars.columns[USABLE][entered - 1] == 1  # filled one bar after the first usable close
