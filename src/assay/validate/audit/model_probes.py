"""Probes of fits and decisions: does a model know bars of its test fold or later ones?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, runtime_checkable

import numpy as np

from assay.kernel.arrays import IntArray
from assay.kernel.bars import Bars
from assay.kernel.contracts import Fold, Model, NullReport, Trainer
from assay.kernel.decisions import Decisions
from assay.kernel.panel import Panel, Window, span
from assay.kernel.seeding import generator, integer
from assay.validate._walk_forward import FoldResult
from assay.validate.audit.perturbations import (
    SHUFFLED,
    first_change,
    first_changed_decision,
    first_changed_result,
    perturb,
)
from assay.validate.audit.pipeline import Seen
from assay.validate.audit.replay import AuditState, size

BEFORE, AFTER = 200, 500  # rows that are decided on either side of a cut
WARM = 1e-6
_HISTORIES = (1, 2)
_ORDER = 0.02  # a drawn order's levels, a share of the price


@dataclass(frozen=True, slots=True, eq=False)
class Acting:
    """A fitted model and how exactly it must repeat itself. name: of its trainer."""

    model: Model
    name: str
    tolerance: float


def decide_probe(ground: AuditState, acting: Acting, instant: int, how: str, other: Seen) -> None:
    """Decisions up to `instant` are the same where the future is another.

    Up to there the columns stay as they were: what they know of the future is asked of themselves.
    """
    whole = _stretch(ground, acting, instant)
    if whole is None or not ground.ask("decide"):
        return
    made = acting.model.decide(whole)
    ahead = _grafted(ground, other, whole, instant)
    again = acting.model.decide(ahead)
    for symbol, window in ahead:
        number = _number(ground, symbol)
        rows = int(np.searchsorted(window.bars.known_at, instant, side="right"))
        result = first_changed_decision(made[symbol][:rows], again[symbol][:rows], tolerance=acting.tolerance)
        if result is None:
            continue
        cut, row = ground.cut_of(number, instant), _row(ground, number, window, result.row)
        text = (
            f"decision of '{acting.name}' at row {row}: {result.name} {size(result.change)} when bars after {cut} "
            f"were {how}"
        )
        ground.blame(
            "decide", acting.name, text, symbol=number, cut=cut, row=row, change=result.change, remark=result.remark
        )  # fmt: skip


def simulate_probe(ground: AuditState, acting: Acting, instant: int) -> None:
    """Fills, closed trades and equity up to `instant` are the same where bars after the next one are others."""
    whole = _stretch(ground, acting, instant)
    if whole is None or not ground.ask("simulate"):
        return
    decided = acting.model.decide(whole)
    for symbol, window in whole:
        last = int(np.searchsorted(window.bars.known_at, instant, side="right")) - 1
        if not 0 <= last < len(window) - 2:
            continue
        number = _number(ground, symbol)
        following = int(window.bars.known_at[last + 1])
        (other,) = perturb([window.bars], following, SHUFFLED, seed=ground.seed)
        for decisions in (decided[symbol], draw_decisions(window.bars, ground.seed)):
            costs = ground.pipeline.costs
            was, now = (ground.pipeline.simulate(b, decisions, costs) for b in (window.bars, other))
            result = first_changed_result(was, now, last)
            if result is None:
                continue
            cut, row = ground.cut_of(number, instant), _row(ground, number, window, result.row)
            text = (
                f"the simulation's {result.name} at row {row} {size(result.change)} when bars after {cut + 1} were "
                f"{SHUFFLED}"
            )
            ground.blame("simulate", "simulate", text, symbol=number, cut=cut, row=row, change=result.change)


def warmth_probe(ground: AuditState, acting: Acting, instant: int) -> None:
    """The decision of the row at `instant` is the same from `lookback` rows, and twice as many, as from all."""
    lookback = acting.model.lookback
    for symbol, window in ground.panel:
        row = int(np.searchsorted(window.bars.known_at, instant, side="right")) - 1
        if row < lookback or not ground.ask("warm-up"):
            continue
        whole = _last(acting.model, symbol, window, row, row)
        number = _number(ground, symbol)
        for times in _HISTORIES:
            now = _last(acting.model, symbol, window, row, times * lookback)
            result = first_changed_decision(whole, now, tolerance=WARM)
            if result is None:
                continue
            at = _row(ground, number, window, row)
            text = (
                f"LEAK_WARMUP: decision of '{acting.name}' at row {at}: {result.name} {size(result.change)} when "
                f"history began {times * lookback} rows before; {_enough(acting, symbol, window, row, whole)}"
            )
            ground.blame("warm-up", acting.name, text, symbol=number, cut=at, row=at, change=result.change)


def action_rows(ground: AuditState, acting: Acting) -> IntArray:
    """Positions of the panel's times at which a model asks for another position than at the row before."""
    made = acting.model.decide(Panel({s: w.without_labels() for s, w in ground.panel}))
    result = [np.empty(0, np.int64)]
    for symbol, window in ground.panel:
        target = np.nan_to_num(made[symbol].target)
        rows = np.flatnonzero(np.diff(target, prepend=0.0))
        result.append(np.searchsorted(ground.panel.times, window.bars.known_at[rows]))
    return np.unique(np.concatenate(result)).astype(np.int64)


def draw_decisions(bars: Bars, seed: int) -> Decisions:
    """Orders, weights and pauses by lot, so that a simulator is asked all that it can be asked."""
    draw, n = generator(seed, "audit decisions"), len(bars)
    target = np.where(draw.random(n) < 0.3, draw.choice([-1.0, -0.5, 0.0, 0.5, 1.0], n), np.nan)
    order = draw.random(n) < 0.5
    stop, take = (np.where(order, _ORDER * bars.close * draw.uniform(0.5, 2.0, n), np.nan) for _ in range(2))
    return Decisions(target, stop, take, np.where(order, draw.integers(0, 12, n), 0).astype(np.int32))


def _last(model: Model, symbol: str, window: Window, row: int, rows: int) -> Decisions:
    """The decision of one row with so many rows of history."""
    return model.decide(Panel.of(window[max(0, row - rows) : row + 1].without_labels()))[symbol][-1:]


def _enough(acting: Acting, symbol: str, window: Window, row: int, whole: Decisions) -> str:
    tried = max(1, acting.model.lookback)
    while tried < row:
        tried *= 2
        if first_changed_decision(whole, _last(acting.model, symbol, window, row, tried), tolerance=WARM) is None:
            return f"{min(tried, row)} rows would do"
    return "no number of rows would do"


def _stretch(ground: AuditState, acting: Acting, instant: int) -> Panel | None:
    """What the model sees around an instant; None where nothing comes before it."""
    at = int(np.searchsorted(ground.panel.times, instant, side="right")) - 1
    if at < 0:
        return None
    rows = np.arange(max(0, at - BEFORE), min(len(ground.panel.times), at + AFTER))
    return ground.panel.predict_view(rows, lookback=acting.model.lookback)


def _grafted(ground: AuditState, other: Seen, whole: Panel, instant: int) -> Panel:
    """The same stretch of other candles, with the columns of `whole` up to `instant`."""
    parts = other.panel(ground.warm_up).windows
    mixed: dict[str, Window] = {}
    for symbol, window in whole:
        times = window.bars.known_at
        if symbol not in parts:
            continue
        start, stop = span(parts[symbol], int(times[0]), int(times[-1]))
        now = parts[symbol][start:stop].without_labels()
        available = int(np.searchsorted(now.bars.known_at, instant, side="right"))
        if not available:
            continue
        features = now.features.copy()
        if now.names == window.names:
            features[:available] = window.features[:available]
        mixed[symbol] = replace(now, features=features)
    return Panel(mixed)


def _number(ground: AuditState, symbol: str) -> int:
    names: Sequence[str] = [b.instrument.symbol for b in ground.bars]
    return names.index(symbol)


def _row(ground: AuditState, number: int, window: Window, row: int) -> int:
    """The row of the instrument's candles that a row of a window is."""
    return int(np.searchsorted(ground.bars[number].timestamp, window.bars.timestamp[row]))


LOOSE = {"lstm": 1e-6, "ppo": 1e-6}
"""Trainers whose sums may depend on the machine's libraries; all others repeat themselves to the bit."""
_PROBE_ROWS = 300  # rows of the stored probe that a model without stable bytes decides on
Making = Callable[[Panel], Trainer]


@runtime_checkable
class Auditable(Protocol):
    """A trainer that can be had with a small budget and the same code path."""

    def for_audit(self) -> Trainer:
        """The same trainer, quicker: fewer rounds, fewer candidates."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """One fit of one fold. files: what the model saved, by name."""

    fold: int
    learnt: Panel
    acting: Acting
    files: dict[str, bytes]


class Fits:
    """Fits of an audit. trainer: or what makes one for a whole panel, for trainers that are prepared on one.

    stable: whether two fits with one seed gave the same bytes; else decisions are compared.
    """

    def __init__(self, ground: AuditState, trainer: Trainer | Making) -> None:
        self.ground, self.trainer = ground, trainer
        self.stable = True
        self.count = 0
        self._repeats: dict[int, bool] = {}

    def fit(self, number: int, panel: Panel) -> Fitted:
        """Fold `number` of the unchanged plan, learnt from this panel."""
        trainer = for_audit(self.trainer, panel)
        learnt = panel.train_view(self.ground.folds[number].train)
        model = trainer.fit(learnt, seed=integer(self.ground.seed, f"fold {number}"), report=NullReport())
        self.count += 1
        return Fitted(number, learnt, Acting(model, trainer.name, LOOSE.get(trainer.name, 0.0)), _files(model))

    def of_walk(self, outcome: FoldResult, panel: Panel) -> Fitted | None:
        """A fit that a walk over this panel made, as `fit` would make it; None where an audit fits in another way."""
        trainer = _made(self.trainer, panel)
        if outcome.model is None or isinstance(trainer, Auditable):
            return None
        acting = Acting(outcome.model, trainer.name, LOOSE.get(trainer.name, 0.0))
        return Fitted(outcome.number, panel.train_view(outcome.fold.train), acting, _files(outcome.model))

    def repeats(self, first: Fitted) -> bool:
        """Whether the same fit gives the same model; settles what is compared. Fits once a fold."""
        if first.fold not in self._repeats:
            self._repeats[first.fold] = self._repeated(first)
        return self._repeats[first.fold]

    def _repeated(self, first: Fitted) -> bool:
        again = self.fit(first.fold, self.ground.panel)
        self.stable = self.stable and first.files == again.files
        if first.files == again.files or self._apart(first, again) is None:
            return True
        self.ground.complete = False
        self.ground.notes.append(
            f"LEAK_UNREPEATABLE: two fits of fold {first.fold} with one seed decided otherwise, "
            "so nothing can be said of the fit"
        )
        return False

    def probe(self, first: Fitted, how: str) -> None:
        """The fold's fit is the same when the bars from its test run's first row on are others.

        Where it is not, the unchanged fit is made again: a fit that does not repeat itself says nothing.
        """
        ground = self.ground
        if not all(self._repeats.values()) or not ground.ask("fit"):
            return
        instant = int(ground.panel.times[_test(ground, first.fold)[0]])
        other = ground.pipeline.view(perturb(ground.bars, instant - 1, how, seed=ground.seed), labelled=True)
        again = self.fit(first.fold, other.panel(ground.warm_up))
        where = f"fold {first.fold} when bars from its test run's first row on were {how}"
        if self._inputs_differ(first, again, instant, where) or first.files == again.files or not self.repeats(first):
            return
        name, text = first.acting.name, ""
        change = float("nan")
        if self.stable:
            files = [f for f in sorted(first.files | again.files) if first.files.get(f) != again.files.get(f)]
            text = f"the fit of '{name}' wrote another {files[0]} for {where}"
        elif (change_ := self._apart(first, again)) is not None:
            text, change = f"the fit of '{name}' decided otherwise for {where}", change_
        if text:
            cut = ground.cut_of(0, instant - 1)
            ground.blame("fit", name, text, symbol=0, cut=cut, row=cut + 1, change=change)

    def _inputs_differ(self, first: Fitted, again: Fitted, instant: int, where: str) -> bool:
        """Whether what was learnt from differs already: then the column or the label is named, not the trainer."""
        for symbol, window in first.learnt:
            number = [b.instrument.symbol for b in self.ground.bars].index(symbol)
            other = again.learnt[symbol]
            result = first_change(window.names, window.features, other.features, tolerance=0.0)
            if window.labels is not None and other.labels is not None:
                name = window.labels.name
                pair = window.labels.y[:, None], other.labels.y[:, None]
                result = result + first_change([name], *pair, tolerance=0.0)
            for each in result:
                row = int(np.searchsorted(self.ground.bars[number].timestamp, window.bars.timestamp[each.row]))
                text = f"'{each.name}' at train row {row} {size(each.change)} for {where}"
                cut = self.ground.cut_of(number, instant - 1)
                self.ground.blame("fit", each.name, text, symbol=number, cut=cut, row=row, change=each.change)
            if result:
                return True
        return False

    def _apart(self, first: Fitted, again: Fitted) -> float | None:
        """How far two models' decisions on the first rows of the fold's test run lie apart; None: not at all."""
        rows = _test(self.ground, first.fold)[:_PROBE_ROWS]
        view = self.ground.panel.predict_view(rows, lookback=first.acting.model.lookback)
        made = [f.acting.model.decide(view) for f in (first, again)]
        for symbol, was in made[0].items():
            result = first_changed_decision(was, made[1][symbol], tolerance=first.acting.tolerance)
            if result is not None:
                return result.change
        return None


def for_audit(trainer: Trainer | Making, panel: Panel) -> Trainer:
    """The trainer, or what the function makes for a panel; its smaller self where it offers one."""
    whole = _made(trainer, panel)
    return whole.for_audit() if isinstance(whole, Auditable) else whole


def _made(trainer: Trainer | Making, panel: Panel) -> Trainer:
    if isinstance(trainer, Trainer) and not isinstance(trainer, type):
        return trainer
    return trainer(panel)  # a class has all that a trainer has, and is a maker


def _test(ground: AuditState, number: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    fold: Fold = ground.folds[number]
    return fold.test


def _files(model: Model) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        model.save(Path(folder))
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}
