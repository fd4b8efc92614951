"""Error and power of the gate's statistics, by simulation of returns.

Each market has N looks without skill, and one record with a true annual Sharpe ratio beside them. An error is a market
on which any of the N passes; a success is one on which the record with skill passes, judged with the same N.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numba import njit
from scipy.special import ndtr

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.errors import ConfigError
from assay.kernel.seeding import generator
from assay.validate.statistics import best_of_many_p_value, sharpe_p_value, sharpe_that_passes
from assay.validate.thresholds import Thresholds

Kind = Literal["normal", "heavy_tails", "trades"]
KINDS: tuple[Kind, ...] = ("normal", "heavy_tails", "trades")
STUDY_BARS, BARS_PER_YEAR = 1_008, 252.0  # four years of days
SKILL = 2.0  # annual Sharpe ratio of the record with skill
_DEGREES, _ALPHA, _BETA = 5.0, 0.05, 0.90  # Student-t GARCH(1,1) of unit variance and finite kurtosis
_ENTRY = 0.1  # chance that a flat rule opens a trade in a bar
LEAST_LEVEL, MOST_LEVEL, FAR_LEVEL = 2.0, 8.0, 30.0  # stops and takes, in usual moves of a bar


@dataclass(frozen=True, slots=True)
class Case:
    """Markets to draw. kind: of the returns: normal; Student-t(5) GARCH; trades in such a market, see `draw_moments`.

    most_level: of trades, the farthest stop and take, in usual moves of a bar.
    """

    kind: Kind
    n_trials: int
    markets: int
    most_level: float = MOST_LEVEL


MOST_LOOKS = 1_000


def study_cases(most: int = 200) -> tuple[Case, ...]:
    """The cases of the study, 2,000 markets each. most: markets of those with the most looks, which cost the most."""
    return tuple(
        Case(kind, count, most if count == MOST_LOOKS else 2_000)
        for kind in KINDS
        for count in (1, 20, 100, MOST_LOOKS)
    )


STUDY_CASES = study_cases()


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Moments of the looks ``(markets, n_trials)`` and of the records with skill ``(markets, 1)``, over `bars` bars.

    Each is a tuple: per-bar Sharpe ratio, skew, non-excess kurtosis.
    """

    case: Case
    bars: int
    skillless: tuple[FloatArray, FloatArray, FloatArray]
    skilled: tuple[FloatArray, FloatArray, FloatArray]


Rule = Callable[[FloatArray, FloatArray, FloatArray, int, int], BoolArray]


@dataclass(frozen=True, slots=True)
class GateStudyResult:
    """Counts of one case.

    wrong: markets on which a look without skill passes.   right: those on which the record with skill does.
    bound: the share of right ones that a Šidák test of this error has on normal returns, Φ(SR·√years - z).
    """

    case: Case
    wrong: int
    right: int
    bound: float

    @property
    def error(self) -> float:
        """Share of the markets on which luck passes."""
        return self.wrong / self.case.markets

    @property
    def power(self) -> float:
        """Share of the markets on which skill passes."""
        return self.right / self.case.markets


def run_gate_study(
    cases: Sequence[Case] = STUDY_CASES, *, error: float = 0.01, seed: int = 1, bars: int = STUDY_BARS
) -> list[GateStudyResult]:
    """Draw every case and ask the check ``edge`` of an `error`. About 0.1 µs a look and bar."""
    return [count_errors(draw_moments(case, seed=seed, bars=bars), edge_rule(error), error) for case in cases]


def edge_rule(error: float) -> Rule:
    """What the check ``edge`` asks: a p-value of the best of all looks that is `error` at most."""

    def passes(sharpe: FloatArray, skew: FloatArray, kurtosis: FloatArray, n: int, n_trials: int) -> BoolArray:
        p_value = best_of_many_p_value(sharpe_p_value(sharpe, n, skew, kurtosis), n_trials)
        return np.asarray((p_value <= error) & (sharpe > 0))

    return passes


def count_errors(draws: Draws, rule: Rule, error: float) -> GateStudyResult:
    """Count the markets on which a rule is wrong and right. error: what `GateStudyResult.bound` is of."""
    case, n = draws.case, draws.bars
    wrong = rule(*draws.skillless, n, case.n_trials).any(axis=1)
    right = rule(*draws.skilled, n, case.n_trials)
    bound = float(ndtr(SKILL * sqrt(n / BARS_PER_YEAR) - sharpe_that_passes(case.n_trials, error)))
    return GateStudyResult(case, int(wrong.sum()), int(right.sum()), bound)


def draw_moments(case: Case, *, seed: int, bars: int = STUDY_BARS) -> Draws:
    """Moments of returns for every look of every market; the same seed gives the same numbers.

    normal, heavy_tails: each look has its own returns.   trades: all looks of a market trade the same heavy-tailed
    returns; each enters at random, on either side, with a stop and a take far away that differ from look to look
    (log-uniform, drawn until there are the trades that the check `sample` asks for), and is judged by what it earns
    beyond its mean position. A record with skill is a further look to which the mean of its Sharpe ratio is added.
    Raises ConfigError ``CONFIG_PARAMETER`` for another kind.
    """
    if case.kind not in KINDS:
        raise ConfigError(f"kind is {case.kind!r}, must be one of {', '.join(KINDS)}", code="CONFIG_PARAMETER")
    random = generator(seed, f"gate study {case.kind} {case.n_trials}")
    looks = case.n_trials + 1  # the last one has skill
    sums = np.empty((case.markets, looks, 4))
    skill = SKILL / sqrt(BARS_PER_YEAR)
    if case.kind == "trades":
        _trades(random, bars, skill, Thresholds().min_trades, case.most_level, sums)
    else:
        _alone(random, bars, skill, case.kind == "heavy_tails", sums)
    sharpe, skew, kurtosis = _moments(sums, bars)
    last = slice(looks - 1, looks)
    return Draws(
        case,
        bars,
        (sharpe[:, :-1], skew[:, :-1], kurtosis[:, :-1]),
        (sharpe[:, last], skew[:, last], kurtosis[:, last]),
    )


def _moments(sums: FloatArray, n: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sharpe ratio (ddof 1), skew and kurtosis from the sums of the first four powers; NaN without variance."""
    one, two, three, four = (sums[..., k] / n for k in range(4))
    with np.errstate(divide="ignore", invalid="ignore"):
        second = two - one**2
        third = three - one * (3 * two - 2 * one**2)
        fourth = four - one * (4 * three - one * (6 * two - 3 * one**2))
        second = np.where(second > 0, second, np.nan)
        return one / np.sqrt(second * n / (n - 1)), third / second**1.5, fourth / second**2


@njit(cache=True, error_model="numpy")
def _student(random: np.random.Generator) -> float:
    """Student-t of unit variance by the polar method (Bailey 1994, Mathematics of Computation 62(206))."""
    while True:
        u, v = 2.0 * random.random() - 1.0, 2.0 * random.random() - 1.0
        w = u * u + v * v
        if 0.0 < w < 1.0:
            return u * np.sqrt((_DEGREES - 2.0) * (w ** (-2.0 / _DEGREES) - 1.0) / w)


@njit(cache=True, error_model="numpy")
def _add(into: FloatArray, x: float) -> None:
    square = x * x
    into[0] += x
    into[1] += square
    into[2] += square * x
    into[3] += square * square


@njit(cache=True, error_model="numpy")
def _alone(random: np.random.Generator, n: int, skill: float, heavy: bool, sums: FloatArray) -> None:
    markets, looks, _ = sums.shape
    for i in range(markets):
        for j in range(looks):
            into = sums[i, j]
            into[:] = 0.0
            mean = skill if j == looks - 1 else 0.0
            variance = 1.0
            for _ in range(n):
                if heavy:
                    move = np.sqrt(variance) * _student(random)
                    variance = (1.0 - _ALPHA - _BETA) + _ALPHA * move * move + _BETA * variance
                else:
                    move = random.standard_normal()
                _add(into, mean + move)


@njit(cache=True, error_model="numpy")
def _trades(
    random: np.random.Generator, n: int, skill: float, least: int, most_level: float, sums: FloatArray
) -> None:  # fmt: skip
    markets, looks, _ = sums.shape
    moves, side = np.empty(n), np.empty(n)
    for i in range(markets):
        variance = 1.0
        for t in range(n):
            moves[t] = np.sqrt(variance) * _student(random)
            variance = (1.0 - _ALPHA - _BETA) + _ALPHA * moves[t] * moves[t] + _BETA * variance
        for j in range(looks):
            while _positions(random, moves, side, most_level) < least:
                pass
            mean = side.mean()
            spread = np.sqrt(np.mean(((side - mean) * moves) ** 2))
            extra = skill * spread if j == looks - 1 else 0.0
            into = sums[i, j]
            into[:] = 0.0
            for t in range(n):
                _add(into, (side[t] - mean) * moves[t] + extra)


@njit(cache=True, error_model="numpy")
def _positions(random: np.random.Generator, moves: FloatArray, side: FloatArray, most_level: float) -> int:
    """-1, 0 or 1 in each bar: entered at random, left at the close beyond a stop or a take of this look's own.

    Gives the number of trades.
    """
    reach = np.log(most_level / LEAST_LEVEL)
    stop, take = LEAST_LEVEL * np.exp(reach * random.random()), LEAST_LEVEL * np.exp(reach * random.random())
    now, gain, count = 0.0, 0.0, 0
    for t in range(len(moves)):
        if now == 0.0 and random.random() < _ENTRY:
            now, gain = (1.0 if random.random() < 0.5 else -1.0), 0.0
            count += 1
        side[t] = now
        gain += now * moves[t]
        if gain <= -stop or gain >= take:
            now = 0.0
    return count


@dataclass(frozen=True, slots=True)
class Drifted:
    """Rules without skill in a market that rises: how many have a probability of 0.99 or more, of `rules`.

    rule: share of the bars long, and short.   plain: of the returns.   active: of those beyond the mean position.
    """

    rule: tuple[float, float]
    rules: int
    plain: int
    active: int


def drift_study(
    rules: Sequence[tuple[float, float]] = ((0.8, 0.0), (0.5, 0.0), (0.6, 0.2)),
    *,
    markets: int = 1_000,
    bars: int = 9_000,
    bars_per_year: float = 8_760.0,
    holding: float = 3.0,
    spell: float = 24.0,
    seed: int = 1,
) -> list[Drifted]:
    """Random spells of about `spell` bars in a position, in normal markets with that annual Sharpe ratio of holding."""
    studies = []
    for long, short in rules:
        random = generator(seed, f"drift study {long} {short}")
        sums = np.empty((markets, 2, 4))
        _drifting(random, bars, holding / sqrt(bars_per_year), 1.0 / spell, long, short, sums)
        sharpe, skew, kurtosis = _moments(sums, bars)
        passes = np.asarray(sharpe_p_value(sharpe, bars, skew, kurtosis) <= 0.01).sum(axis=0)
        studies.append(Drifted((long, short), markets, int(passes[0]), int(passes[1])))
    return studies


@njit(cache=True, error_model="numpy")
def _drifting(
    random: np.random.Generator, n: int, drift: float, change: float, long: float, short: float, sums: FloatArray
) -> None:
    moves, side = np.empty(n), np.empty(n)
    for i in range(len(sums)):
        now = 0.0
        for t in range(n):
            moves[t] = drift + random.standard_normal()
            if t == 0 or random.random() < change:
                u = random.random()
                now = 1.0 if u < long else -1.0 if u < long + short else 0.0
            side[t] = now
        mean = side.mean()
        sums[i, :, :] = 0.0
        for t in range(n):
            _add(sums[i, 0], side[t] * moves[t])
            _add(sums[i, 1], (side[t] - mean) * moves[t])
