"""Was the search overfitted? Combinatorially symmetric cross-validation, and the haircut of many trials.

Source: Bailey, Borwein, López de Prado & Zhu 2017, "The Probability of Backtest Overfitting", J. Computational
Finance 20(4).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from assay.kernel.arrays import BoolArray, FloatArray, IntArray, numbers
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.validate.argument_checks import plain, together, whole

_MOST_BLOCKS = 24  # 2.7 million splits
_TOGETHER = 2_000_000  # Sharpe ratios held at once


@dataclass(frozen=True, slots=True, eq=False)
class Overfitting:
    """How the best in-sample fared out-of-sample, over all splits in the order of `itertools.combinations`.

    pbo:           share of splits on which it was no better than the median.
    logits:        ``(c,)`` ln(ω / (1 - ω)), ω its relative rank out-of-sample.
    in_sample, out_of_sample: ``(c,)`` its per-bar Sharpe ratios.
    slope, intercept: least-squares line of the second on the first.
    loss_share:    share of splits with a negative Sharpe ratio out-of-sample.
    n_dropped:     splits on which no configuration had a Sharpe ratio in-sample; they are in none of the above.
    """

    pbo: float
    logits: FloatArray
    in_sample: FloatArray
    out_of_sample: FloatArray
    slope: float
    intercept: float
    loss_share: float
    n_dropped: int


def probability_of_backtest_overfitting(returns: ArrayLike, n_blocks: int = 16) -> Overfitting:
    """Cut the rows of ``(n, N)`` returns into blocks; half of them in-sample, every way, the others out-of-sample.

    Of equals in-sample the lowest column is the best; an undefined Sharpe ratio never is, and counts as 0, cash,
    out-of-sample. NaN where every split was dropped. From sums per block: C(S, S/2)·N·S additions.
    Raises ConfigError for fewer than two columns, a NaN or infinity (with its place), an odd `n_blocks`, more blocks
    than rows or than 24.
    """
    r = _checked(numbers("returns", returns), n_blocks)
    largest = np.abs(r).max(axis=0)  # a Sharpe ratio has no scale, and squares of what is far from 1 are lost
    r = r / np.where(largest > 0, 2.0 ** np.floor(np.log2(np.where(largest > 0, largest, 1.0))), 1.0)
    return overfitting_of(r.T, n_blocks)


def overfitting_of(series: Iterable[FloatArray], n_blocks: int = 16) -> Overfitting:
    """`probability_of_backtest_overfitting` of finite ``(n,)`` returns, two or more, that need not be held together."""
    blocks = _Blocks.of(series, n_blocks)
    result: list[FloatArray] = []
    dropped = 0
    for chosen in _splits(n_blocks, len(blocks.means)):
        inside, outside = blocks.sharpe(chosen), np.nan_to_num(blocks.sharpe(~chosen), nan=0.0)
        defined = np.isfinite(inside).any(axis=1)
        dropped += int((~defined).sum())
        best = np.where(np.isfinite(inside), inside, -np.inf)[defined].argmax(axis=1)
        result.append(_split_outcomes(inside[defined], outside[defined], best))
    logits, before, after = np.concatenate(result, axis=1)
    slope, intercept = _line(before, after)
    document = len(logits) > 0
    return Overfitting(
        pbo=float((logits <= 0).mean()) if document else float("nan"),
        logits=logits,
        in_sample=before,
        out_of_sample=after,
        slope=slope,
        intercept=intercept,
        loss_share=float((after < 0).mean()) if document else float("nan"),
        n_dropped=dropped,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Blocks:
    """Sums of every block and column: counts ``(S,)``, the rest ``(S, N)``; sums are of deviations from the column."""

    counts: FloatArray
    sums: FloatArray
    squares: FloatArray
    lows: FloatArray
    highs: FloatArray
    means: FloatArray

    @classmethod
    def of(cls, series: Iterable[FloatArray], n_blocks: int) -> "_Blocks":
        document, counts = [], np.zeros(n_blocks)
        for returns in series:
            parts, mean = np.array_split(returns, n_blocks), returns.mean()
            counts = np.array([len(part) for part in parts], np.float64)
            moments = [
                ((part - mean).sum(), ((part - mean) ** 2).sum(), part.min(), part.max(), mean) for part in parts
            ]
            document.append(np.array(moments))
        sums, squares, lows, highs, means = np.array(document).transpose(2, 1, 0)
        return cls(counts, sums, squares, lows, highs, means[0])

    def sharpe(self, chosen: BoolArray) -> FloatArray:
        """``(c, N)`` of the rows of the chosen blocks ``(c, S)``; NaN without range or below two rows."""
        taken = chosen.astype(np.float64)
        n = (taken @ self.counts)[:, np.newaxis]
        total = taken @ self.sums
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = np.sqrt(np.maximum(taken @ self.squares - total**2 / n, 0.0) / (n - 1))
            ratio = (self.means + total / n) / spread
        ratio[self._flat(chosen)] = np.nan
        return np.where(np.isfinite(ratio), ratio, np.nan)

    def _flat(self, chosen: BoolArray) -> BoolArray:
        """``(c, N)``: a column has no range in the chosen blocks; asked only of columns that could."""
        flat = np.zeros((len(chosen), self.lows.shape[1]), np.bool_)
        for j in np.flatnonzero(2 * (self.lows == self.highs).sum(axis=0) >= len(self.counts)):
            low = np.where(chosen, self.lows[:, j], np.inf).min(axis=1)
            flat[:, j] = low == np.where(chosen, self.highs[:, j], -np.inf).max(axis=1)
        return flat


def _splits(n_blocks: int, columns: int) -> Iterator[BoolArray]:
    """``(c, S)`` blocks that are in-sample, some splits at a time, all of them in lexicographic order."""
    size, waiting = max(1, _TOGETHER // columns), list[tuple[int, ...]]()
    for k, chosen in enumerate(combinations(range(n_blocks), n_blocks // 2), start=1):
        waiting.append(chosen)
        if len(waiting) == size or k == comb(n_blocks, n_blocks // 2):
            marks = np.zeros((len(waiting), n_blocks), np.bool_)
            marks[np.arange(len(waiting))[:, np.newaxis], np.array(waiting)] = True
            waiting.clear()
            yield marks


def _split_outcomes(inside: FloatArray, outside: FloatArray, best: IntArray) -> FloatArray:
    """``(3, c)``: logit, Sharpe ratio in-sample and out-of-sample of the best of each split."""
    rows = np.arange(len(best))
    own = outside[rows, best]
    below, equal = (outside < own[:, np.newaxis]).sum(axis=1), (outside == own[:, np.newaxis]).sum(axis=1)
    omega = (below + (equal + 1) / 2) / (outside.shape[1] + 1)
    return np.array([np.log(omega / (1 - omega)), inside[rows, best], own])


def _line(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    if len(x) < 2 or x.max() == x.min():
        return float("nan"), float("nan")
    off = x - x.mean()
    slope = float(off @ (y - y.mean()) / (off @ off))
    return slope, float(y.mean() - slope * x.mean())


def _checked(returns: FloatArray, n_blocks: int) -> FloatArray:
    if returns.ndim != 2 or returns.shape[1] < 2:
        raise ConfigError(
            f"returns have shape {returns.shape}; (n, N) with N >= 2 is needed: one configuration cannot be overfitted",
            code="CONFIG_PARAMETER",
        )
    counted = isinstance(n_blocks, int | np.integer) and not isinstance(n_blocks, bool)
    if not counted or n_blocks % 2 or not 2 <= n_blocks <= _MOST_BLOCKS:
        raise ConfigError(
            f"n_blocks is {printable(n_blocks)}, must be even and in 2..{_MOST_BLOCKS}",
            code="CONFIG_PARAMETER",
            field="n_blocks",
        )
    if n_blocks > len(returns):
        raise ConfigError(
            f"n_blocks is {n_blocks}, there are {len(returns)} rows", code="CONFIG_PARAMETER", field="n_blocks"
        )
    if not np.isfinite(returns).all():
        row, column = np.argwhere(~np.isfinite(returns))[0]
        raise ConfigError(
            f"returns hold {returns[row, column]} in row {row} of configuration {column}", code="CONFIG_PARAMETER"
        )
    return returns


Method = Literal["bonferroni", "holm", "bhy"]
_ROUNDING = 1e-9
_METHODS = {"bonferroni": "bonferroni", "holm": "holm", "bhy": "fdr_by"}


def effective_number_of_trials(
    trial_returns: ArrayLike | None = None, *, correlation: ArrayLike | None = None
) -> float:
    """``ρ̄ + (1 - ρ̄)·M``: independent trials that M correlated ones amount to.

    trial_returns: ``(n, M)``; a constant column correlates 0 with all.   correlation: ``(M, M)``; exactly one.
    ρ̄ is the mean correlation off the diagonal, clipped to [0, 1]. NaN for a NaN in the input. O(n M), no M × M matrix.
    Raises ConfigError for other shapes, and for what is no correlation: not symmetric, or beyond [-1, 1].
    Source: Bailey & López de Prado 2014, "The Deflated Sharpe Ratio", J. Portfolio Management 40(5), appendix.
    """
    if (trial_returns is None) == (correlation is None):
        raise ConfigError("give trial_returns or correlation, exactly one of them", code="CONFIG_PARAMETER")
    value = numbers("trials", correlation if trial_returns is None else trial_returns)
    square = trial_returns is None
    if value.ndim != 2 or not value.size or (square and value.shape[0] != value.shape[1]):
        raise ConfigError(f"shape {value.shape}; {'(M, M)' if square else '(n, M)'} is needed", code="CONFIG_PARAMETER")
    count = value.shape[1]
    if not np.isfinite(value).all():
        return float("nan")
    if square and not (np.abs(value).max() <= 1 + _ROUNDING and np.allclose(value, value.T, atol=_ROUNDING)):
        raise ConfigError(
            f"correlation is not symmetric or goes beyond [-1, 1]: its largest entry is {np.abs(value).max():g}",
            code="CONFIG_PARAMETER",
            hint="A covariance is no correlation: divide by the deviations.",
            field="correlation",
        )
    if count == 1:
        return 1.0
    off = value.sum() - np.trace(value) if square else _off_diagonal(value)
    mean = min(1.0, max(0.0, float(off) / (count * (count - 1))))
    return mean + (1.0 - mean) * count


def _off_diagonal(returns: FloatArray) -> float:
    """Sum of all correlations but a column's with itself: what the sum of unit columns has beyond their number."""
    moves = returns.max(axis=0) > returns.min(axis=0)
    scaled = returns[:, moves] / np.abs(returns[:, moves]).max(axis=0)
    centred = scaled - scaled.mean(axis=0)
    summed = centred @ (1 / np.sqrt(np.einsum("ij,ij->j", centred, centred)))
    return float(summed @ summed) - float(moves.sum())


@dataclass(frozen=True, slots=True)
class Haircut:
    """p-value of a Sharpe ratio, the same as one of many, the Sharpe ratio that this leaves, and the share that went.

    Numbers, or ``(m,)`` for a family of m.
    """

    p_value: Any
    adjusted_p_value: Any
    sharpe: Any
    haircut: Any


def haircut_sharpe(
    sharpe: ArrayLike, n: ArrayLike, *, n_trials: int | None = None, method: Method = "bonferroni"
) -> Haircut:
    """What multiple testing leaves of per-bar Sharpe ratios over `n` bars; ``(m,)`` is judged as one family.

    ``t = SR√n``; two-sided normal p; adjusted by `method` among `n_trials` (default m; the untold ones have p = 1);
    turned back: ``SR' = sign·Φ⁻¹(1 - p'/2)/√n``; ``haircut = 1 - SR'/SR``, NaN for SR = 0. A NaN or infinity among the
    ratios makes all NaN. Raises ConfigError for fewer trials than ratios, n < 1 or infinite and an unknown method.
    Source: Harvey & Liu 2015, "Backtesting", J. Portfolio Management 42(1), normal approximation.
    """
    from statsmodels.stats.multitest import multipletests

    alone = np.ndim(sharpe) == 0 and np.ndim(n) == 0
    ratios, bars = (np.atleast_1d(x) for x in np.broadcast_arrays(*together(sharpe=sharpe, n=n)))
    trials = _demand(ratios, bars, n_trials, method)
    p = adjusted = np.full(len(ratios), np.nan)
    if np.isfinite(ratios).all() and np.isfinite(bars).all():
        p = 2 * ndtr(-np.abs(ratios) * np.sqrt(bars))
        family = np.concatenate([p, np.ones(trials - len(p))])
        adjusted = multipletests(family, method=_METHODS[method])[1][: len(p)]
    with np.errstate(divide="ignore", invalid="ignore"):
        turned = np.minimum(-ndtri(adjusted / 2) / np.sqrt(bars), np.abs(ratios))  # p may be too small to tell
        left = np.sign(ratios) * turned + 0.0
        lost = np.where(ratios == 0, np.nan, 1 - left / ratios)
    result = [plain(x) for x in (p, adjusted, left, lost)]
    return Haircut(*(float(x[0]) for x in result)) if alone else Haircut(*result)


def _demand(ratios: FloatArray, bars: FloatArray, n_trials: int | None, method: str) -> int:
    """How many trials there are, everything checked."""
    if ratios.ndim != 1 or not len(ratios):
        raise ConfigError(f"sharpe has shape {ratios.shape}; one or (m,) is needed", code="CONFIG_PARAMETER")
    if not isinstance(method, str) or method not in _METHODS:
        raise ConfigError(
            f"method is {printable(method)}, one of {', '.join(_METHODS)}",
            code="CONFIG_PARAMETER",
            hint=did_you_mean(str(method), _METHODS),
        )
    if np.any(bars < 1) or np.any(np.isinf(bars)):
        raise ConfigError(
            f"n is {printable(bars.tolist())}, must be finite and >= 1", code="CONFIG_PARAMETER", field="n"
        )
    trials = len(ratios) if n_trials is None else whole("n_trials", n_trials, 1)
    if trials < len(ratios):
        raise ConfigError(
            f"n_trials is {trials} for {len(ratios)} Sharpe ratios; no fewer can have been tried",
            code="CONFIG_PARAMETER",
            field="n_trials",
        )
    return trials
