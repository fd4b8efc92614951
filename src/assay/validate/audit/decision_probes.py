"""Probes of decisions and simulated results."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from assay.kernel.arrays import IntArray
from assay.kernel.bars import Bars
from assay.kernel.contracts import Model
from assay.kernel.decisions import Decisions
from assay.kernel.panel import Panel, Window, span
from assay.kernel.seeding import generator
from assay.validate.audit.perturbations import SHUFFLED, first_changed_decision, first_changed_result, perturb
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
