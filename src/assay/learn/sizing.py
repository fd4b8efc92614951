"""Position sizing from forecasts, shared by all trainers that forecast.

A forecast becomes a *score* in [-1, 1]: what speaks for being long less what speaks for being short. Each rule is a
pure function of the rows it declares, so that a bot that starts today decides as the backtest did: the memory of a dead
band is the row that says "keep" (NaN), not a state in the rule.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.kernel.parse import parse
from assay.kernel.spec import SizingChoice

_CHUNK = 65_536
_YEAR_MS = 365 * 86_400_000


class Sizing(Protocol):
    """Turns scores into decisions."""

    @property
    def lookback(self) -> int:
        """Rows of candles needed before the first decision."""
        ...

    def decide(self, score: FloatArray, bars: Bars, *, short: bool) -> Decisions:
        """Weights for ``(n,)`` scores; a NaN score is flat. `short` False floors the weights at 0."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Full share beyond `enter`, flat inside `leave`, keep in the dead band between them.

    enter: score from which on a position is taken, in (0, 1].   leave: 0 <= leave <= enter.
    share: of equity, in (0, 1].

    In the band a position is kept whatever its side: which side is held is the account's memory, not the rule's.
    """

    enter: float = 0.15
    leave: float = 0.05
    share: float = 1.0

    def __post_init__(self) -> None:
        _within("sizing.enter", self.enter, 0.0, 1.0, open_low=True)
        _within("sizing.leave", self.leave, 0.0, self.enter)
        _within("sizing.share", self.share, 0.0, 1.0, open_low=True)

    @property
    def lookback(self) -> int:
        return 0

    def decide(self, score: FloatArray, bars: Bars, *, short: bool) -> Decisions:
        """See `Sizing`."""
        floor = -1.0 if short else 0.0
        beyond = np.where(np.abs(score) >= self.enter, np.sign(score), np.nan)
        target = np.where(np.abs(score) <= self.leave, 0.0, beyond) * self.share
        return Decisions.weights(_flat_without_score(np.maximum(target, floor * self.share), score))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportional:
    """Position in proportion to the score, in steps so that a small change does not trade.

    scale: share of equity per unit of score, > 0; the position is cut at 1.   step: grid of positions, in (0, 1].
    """

    scale: float = 2.0
    step: float = 0.25

    def __post_init__(self) -> None:
        _within("sizing.scale", self.scale, 0.0, 1000.0, open_low=True)
        _within("sizing.step", self.step, 0.0, 1.0, open_low=True)

    @property
    def lookback(self) -> int:
        return 0

    def decide(self, score: FloatArray, bars: Bars, *, short: bool) -> Decisions:
        """See `Sizing`."""
        wanted = np.clip(score * self.scale, -1.0 if short else 0.0, 1.0)
        return Decisions.weights(_flat_without_score(_stepped(wanted, self.step), score))


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityTarget:
    """Full conviction beyond `enter`, sized so that the position's volatility is `annual`.

    enter: score from which on a position is taken, in (0, 1].   annual: volatility wanted, fraction per year, > 0.
    window: bars over which volatility is measured (std of log returns, ddof 1), >= 2.   step: grid of positions.
    """

    enter: float = 0.15
    annual: float = 0.20
    window: int = 50
    step: float = 0.1

    def __post_init__(self) -> None:
        _within("sizing.enter", self.enter, 0.0, 1.0, open_low=True)
        _within("sizing.annual", self.annual, 0.0, 10.0, open_low=True)
        _within("sizing.window", self.window, 2, 100_000)
        _within("sizing.step", self.step, 0.0, 1.0, open_low=True)

    @property
    def lookback(self) -> int:
        return self.window

    def decide(self, score: FloatArray, bars: Bars, *, short: bool) -> Decisions:
        """See `Sizing`; rows before `lookback` and rows without volatility are flat."""
        side = np.where(np.abs(score) >= self.enter, np.sign(score), 0.0)
        share = np.clip(self.annual / _annual_volatility(bars, self.window), 0.0, 1.0)
        wanted = _stepped(np.maximum(side, -1.0 if short else 0.0) * share, self.step)
        return Decisions.weights(_flat_without_score(wanted, score))


SIZINGS: dict[str, type[Sizing]] = {
    "threshold": Threshold,
    "proportional": Proportional,
    "volatility_target": VolatilityTarget,
}


def sizing_rule(choice: SizingChoice) -> Sizing:
    """The sizing rule that a spec names. Raises ConfigError ``CONFIG_PARAMETER`` naming the nearest rule or key."""
    if choice.name not in SIZINGS:
        raise ConfigError(
            f"sizing.name {printable(choice.name)} is unknown; "
            f"{did_you_mean(choice.name, SIZINGS) or 'known: ' + ', '.join(SIZINGS)}",
            code="CONFIG_PARAMETER",
            field="sizing.name",
        )
    return parse(SIZINGS[choice.name], choice.params, path="sizing.params", code="CONFIG_PARAMETER")


def _flat_without_score(target: FloatArray, score: FloatArray) -> FloatArray:
    return np.where(np.isnan(score), 0.0, target)


def _stepped(target: FloatArray, step: float) -> FloatArray:
    """Rounded towards zero to the grid, so that rounding never adds risk."""
    return np.where(np.isnan(target), 0.0, np.clip(np.fix(target / step + np.sign(target) * 1e-9) * step, -1.0, 1.0))


def _annual_volatility(bars: Bars, window: int) -> FloatArray:
    """Std (ddof 1) of the last `window` log returns, by the bars a year that these rows really had; fraction, ``(n,)``.

    NaN before row `window` and where it is 0. From the rows of the window only, so that a cut history says the same.
    """
    out = np.full(len(bars), np.nan)
    if len(bars) > window:
        moves = np.lib.stride_tricks.sliding_window_view(np.diff(np.log(bars.close)), window)
        for first in range(0, len(moves), _CHUNK):  # the deviation copies what it looks at
            part = moves[first : first + _CHUNK]
            out[window + first : window + first + len(part)] = part.std(axis=1, ddof=1)
        years = (bars.timestamp[window:] - bars.timestamp[:-window]) / _YEAR_MS
        out[window:] *= np.sqrt(window / years)
    return np.where(out > 0, out, np.nan)


def _within(name: str, value: float, low: float, high: float, *, open_low: bool = False) -> None:
    if not (low < value <= high if open_low else low <= value <= high):
        raise ConfigError(
            f"{name} is {value!r}, must be in {'(' if open_low else '['}{low:g}, {high:g}]", code="CONFIG_PARAMETER"
        )
