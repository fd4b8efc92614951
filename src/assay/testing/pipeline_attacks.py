"""Attacks on the audit: models and columns that know the future in ways that a question or two would not show.

Each hides behind a condition: the length of the panel, a fold, a price level, a share of the rows, one field of the
decisions. `report` is what an audit of it says; none may pass. Attacks by files of the user's own are in
`assay.testing.malicious_files`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.contracts import Report, Trainer
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.panel import Labels, Panel, Window
from assay.market import synthetic
from assay.targets import parse_target
from assay.testing.trainers import TinyTrainer
from assay.validate import (
    QUICK,
    AuditReport,
    Columns,
    Features,
    Pipeline,
    Questions,
    WalkForward,
    audit_trainer,
    no_columns,
    per_symbol,
)

SEED, BARS, TRAIN, TEST, LAG = 11, 2_400, 400, 1_000, 24
_HOUR, _DAY = 3_600_000, 86_400_000

When = Callable[[Window], BoolArray]
Field = Callable[[Decisions, FloatArray, FloatArray], Decisions]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A pipeline that knows the future, and how it hides that.

    features: columns of the pipeline.   trainer: of the model.   own: whether its columns are the user's own code.
    """

    name: str
    trainer: Trainer
    features: Features = no_columns
    own: bool = False

    def report(self, questions: Questions = QUICK) -> AuditReport:
        """What an audit of a market without an edge says."""
        learns = self.features is not no_columns
        pipeline = Pipeline(
            features=self.features, plan=lambda panel: WalkForward(TRAIN, TEST), label=_label if learns else None,
            costs=Costs(), own=self.own,
        )  # fmt: skip
        return audit_trainer(
            self.trainer, synthetic(bars=BARS, seed=SEED), spec=pipeline, seed=SEED, questions=questions
        )


@dataclass(frozen=True, slots=True)
class PeekingModel:
    """Holds the sign of the last move; where `when` is true, that of the move `ahead` bars later.

    shape: how the answer enters the decisions.   length: panels on which it peeks at all, by their number of rows.
    through_base: it reads the later bars from the array that the panel's closes were cut from.
    """

    when: When
    ahead: int = LAG
    shape: Field = field(default=lambda honest, now, later: Decisions.weights(later))
    length: Callable[[int], bool] = lambda n: True
    through_base: bool = False
    lookback: int = LAG

    def decide(self, panel: Panel) -> dict[str, Decisions]:
        """See `Model`."""
        return {symbol: self._decided(window) for symbol, window in panel}

    def _decided(self, window: Window) -> Decisions:
        now = np.nan_to_num(_moves(window.bars.close, -LAG), nan=1.0)
        peeks = self.when(window) if self.length(len(window)) else np.zeros(len(window), np.bool_)
        ahead = self._later(window)
        later = np.where(peeks & np.isfinite(ahead), ahead, now)
        decisions = self.shape(Decisions.weights(now), now, later)
        early = np.arange(len(window)) < self.lookback
        return replace(decisions, target=np.where(early, 0.0, decisions.target))

    def _later(self, window: Window) -> FloatArray:
        close = window.bars.close
        if not self.through_base:
            return _moves(close, self.ahead)
        whole = close.base if isinstance(close.base, np.ndarray) else close
        offset = (close.__array_interface__["data"][0] - whole.__array_interface__["data"][0]) // close.itemsize
        return _moves(np.asarray(whole, np.float64), self.ahead)[offset : offset + len(close)]

    def save(self, folder: Path) -> None:
        """Write ``acting.json``; it has learnt nothing."""
        (folder / "acting.json").write_text("{}", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class PeekingTrainer:
    """Makes one model, whatever it is given to learn from; in folds that `folds` leaves out, an honest one."""

    name: ClassVar[str] = "peeking"
    model: PeekingModel
    from_time: int = 0

    def fit(self, train: Panel, *, seed: int, report: Report) -> PeekingModel:
        """See `Trainer`."""
        report.progress(1.0, {})
        if train.times[-1] < self.from_time:
            return replace(self.model, when=never)
        return self.model


def attacks() -> tuple[Attack, ...]:
    """All of them, each with a name of its own."""
    models = [Attack(name=name, trainer=PeekingTrainer(model)) for name, model in _models().items()]
    late = synthetic(bars=BARS, seed=SEED).timestamp[TRAIN + TEST // 2]
    last_fold = Attack(name="peeks in the last fold only", trainer=PeekingTrainer(PeekingModel(always), int(late)))
    columns = [
        Attack(name=f"column {name}", trainer=TinyTrainer(keep=1), features=_column(values), own=True)
        for name, values in _columns().items()
    ]
    return (*models, last_fold, *columns)


def always(window: Window) -> BoolArray:
    """Every row."""
    return np.ones(len(window), np.bool_)


def never(window: Window) -> BoolArray:
    """No row."""
    return np.zeros(len(window), np.bool_)


def _models() -> Mapping[str, PeekingModel]:
    lengths: Mapping[str, Callable[[int], bool]] = {
        "peeks on panels above 900 rows": lambda n: n > 900,
        "peeks on panels above 1,000 rows": lambda n: n > 1_000,
        "peeks at exactly the judged length": lambda n: n == TEST + LAG,
        "peeks on panels of an even length": lambda n: n % 2 == 0,
        "peeks on panels above 700 rows": lambda n: n > 700,
    }
    aheads = {f"looks {k} bars ahead on long panels": k for k in (1, 2, 6, 100)}
    whens: Mapping[str, When] = {
        "peeks in one row of a hundred": lambda w: _hashed(w) % 100 == 0,
        "peeks in one row of seven": lambda w: _hashed(w) % 7 == 0,
        "peeks above one price level": lambda w: w.bars.close > _mean_close(),
        "peeks before large moves": lambda w: np.abs(_change(w.bars.close, 1)) > 0.008,
        "peeks on Mondays": lambda w: (w.bars.timestamp // _DAY + 3) % 7 == 0,
        "peeks at noon": lambda w: w.bars.timestamp // _HOUR % 24 == 12,
        "peeks in quiet markets": lambda w: np.abs(_change(w.bars.close, -LAG)) < 0.01,
        "peeks in the second half of a panel": lambda w: np.arange(len(w)) > len(w) // 2,
    }
    shapes: Mapping[str, Field] = {
        "peeks in the size": lambda honest, now, later: Decisions.weights(now * np.where(later == now, 1.0, 0.2)),
        "peeks only to sell": lambda honest, now, later: Decisions.weights(np.where(later < 0, later, now)),
        "peeks only to stay out": lambda honest, now, later: Decisions.weights(np.where(later == now, now, 0.0)),
        "peeks in the stop": lambda honest, now, later: replace(honest, stop=np.where(later == now, 5.0, 0.5)),
        "peeks in the take": lambda honest, now, later: replace(honest, take=np.where(later == now, 9.0, 0.5)),
        "peeks in the hold": lambda honest, now, later: replace(
            honest, hold=np.where(later == now, LAG, 1).astype(np.int32)
        ),
        "peeks in when to keep": lambda honest, now, later: Decisions.weights(np.where(later == now, now, np.nan)),
    }
    long = lengths["peeks on panels above 900 rows"]
    return (
        {name: PeekingModel(always, length=length) for name, length in lengths.items()}
        | {name: PeekingModel(always, ahead=ahead, length=long) for name, ahead in aheads.items()}
        | {name: PeekingModel(when, length=long) for name, when in whens.items()}
        | {name: PeekingModel(always, shape=shape, length=long) for name, shape in shapes.items()}
        | {"reads the array behind the panel": PeekingModel(always, through_base=True)}
    )


def _columns() -> Mapping[str, Callable[[Bars], FloatArray]]:
    def on_long(values: Callable[[Bars], FloatArray]) -> Callable[[Bars], FloatArray]:
        return lambda bars: values(bars) if len(bars) > 1_600 else _honest(bars)

    def some(bars: Bars, rows: BoolArray, ahead: int = 1) -> FloatArray:
        return np.where(rows, _change(bars.close, ahead), _honest(bars))

    return {
        "that looks ahead on long arrays": on_long(lambda bars: _change(bars.close, 1)),
        "that looks a day ahead on long arrays": on_long(lambda bars: _change(bars.close, LAG)),
        "that is scaled by the whole series": lambda bars: _honest(bars) / np.nanstd(_honest(bars)),
        "that is ranked in the whole series": lambda bars: np.argsort(np.argsort(bars.close)) / len(bars),
        "that knows the highest price to come": lambda bars: bars.close / bars.high.max(),
        "that is filled from the next row": lambda bars: np.r_[_honest(bars)[1:], 0.0],
        "that looks ahead in one row of fifty": lambda bars: some(bars, _hashed_times(bars.timestamp) % 50 == 0),
        "that looks ahead at one price": lambda bars: some(bars, bars.close > np.median(bars.close)),
        "that looks ahead on Sundays": lambda bars: some(bars, (bars.timestamp // _DAY + 3) % 7 == 6),
        "that hides the future in its last bits": lambda bars: (
            _honest(bars) + 1e-13 * np.sign(np.nan_to_num(_change(bars.close, 1)))
        ),
        "that counts the bars": lambda bars: np.full(len(bars), len(bars) / 1e4),
        "that reads the array behind the bars": lambda bars: _behind(bars.close),
    }


@cache
def _mean_close() -> float:
    return float(synthetic(bars=BARS, seed=SEED).close.mean())


def _column(values: Callable[[Bars], FloatArray]) -> Features:
    def columns(bars: Bars) -> Columns:
        both = np.column_stack([_honest(bars), values(bars)])
        return Columns(both, ("move", "attack"), LAG)

    return per_symbol(columns)


def _label(bars: Bars) -> Labels:
    return parse_target("direction", horizon=4).label(bars, Costs())


def _honest(bars: Bars) -> FloatArray:
    """``(n,)`` the move of the last bar, 0 for the first."""
    return np.nan_to_num(_change(bars.close, -1))


def _behind(close: FloatArray) -> FloatArray:
    """``(n,)`` the next move, read from the array that these closes were cut from, as far as it goes."""
    whole = np.asarray(close.base if isinstance(close.base, np.ndarray) else close, np.float64)
    offset = (close.__array_interface__["data"][0] - whole.__array_interface__["data"][0]) // close.itemsize
    return np.nan_to_num(_change(whole, 1)[offset : offset + len(close)])


def _change(close: FloatArray, ahead: int) -> FloatArray:
    """``(n,)`` relative move to the bar `ahead` (behind, if negative); NaN where there is none."""
    out, k = np.full(len(close), np.nan), abs(ahead)
    if len(close) > k:
        if ahead > 0:
            out[:-k] = close[k:] / close[:-k] - 1.0
        else:
            out[k:] = close[k:] / close[:-k] - 1.0
    return out


def _moves(close: FloatArray, ahead: int) -> FloatArray:
    """``(n,)`` sign of `_change`, 1 for none; NaN where there is no such bar."""
    change = _change(close, ahead)
    return np.where(np.isnan(change), np.nan, np.where(change < 0, -1.0, 1.0))


def _hashed(window: Window) -> IntArray:
    return _hashed_times(window.bars.timestamp)


def _hashed_times(timestamp: IntArray) -> IntArray:
    """``(n,)`` numbers without a pattern that depend on the time alone."""
    return (timestamp // _HOUR * 2_654_435_761) % 4_294_967_296 >> 7
