"""Trend scanning: which way, and how surely, does the line through the next bars point?"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError, printable
from assay.kernel.panel import Labels
from assay.targets.horizon import check_horizon, labels, reach


@njit(cache=True, nogil=True, error_model="numpy")
def strongest_slope(y: FloatArray, shortest: int, longest: int) -> FloatArray:
    """``(n,)``: of the t-values of the slopes through y[i..i+L], L in shortest..longest, the largest in modulus.

    NaN in the last `longest` rows and where every line fits exactly. Cost: O(n longest).
    """
    n = len(y)
    out = np.full(n, np.nan)
    for i in range(n - longest):
        best = 0.0
        result = False
        sy = sxy = syy = 0.0
        for j in range(longest + 1):
            v = y[i + j] - y[i]
            sy += v
            sxy += j * v
            syy += v * v
            m = j + 1
            if j < shortest:
                continue
            sxx = m * (m * m - 1.0) / 12.0
            cross = sxy - 0.5 * j * sy
            total = syy - sy * sy / m
            rest = total - cross * cross / sxx
            if rest > 1e-12 * syy:
                t = cross / sxx / np.sqrt(rest / (m - 2) / sxx)
                if not result or abs(t) > abs(best):
                    best, result = t, True
        if result:
            out[i] = best
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendScan:
    """y = sign of the largest slope t-value of log close[i..i+L] over L in shortest..longest.

    Known at the close of bar i+longest: choosing L reads them all. Source: López de Prado 2020, *Machine Learning for
    Asset Managers*, 5.4. Raises LeakError ``LEAK_TARGET_LAG``, ConfigError ``CONFIG_PARAMETER``.
    """

    shortest: int = 5
    longest: int = 20

    def __post_init__(self) -> None:
        for name in ("shortest", "longest"):
            value = getattr(self, name)
            if not isinstance(value, int):
                raise ConfigError(
                    f"{name} is {printable(value)}, must be an integer", code="CONFIG_PARAMETER", field=name
                )
            check_horizon(value, field=name)
        if not 2 <= self.shortest <= self.longest:
            raise ConfigError(
                f"shortest is {self.shortest}, longest {self.longest}; need 2 <= shortest <= longest",
                code="CONFIG_PARAMETER",
                field="shortest",
            )

    def label(self, bars: Bars, costs: Costs) -> Labels:
        """Labels of one instrument; costs play no part."""
        end = reach(bars, self.longest)
        y = np.sign(self.strength(bars))
        return labels(bars, y, end, bars.known_at[end], str(self), self.longest, classes=(-1.0, 0.0, 1.0))

    def strength(self, bars: Bars) -> FloatArray:
        """``(n,)``: the t-value itself; its modulus is the label's weight."""
        return strongest_slope(np.log(bars.close), self.shortest, self.longest)

    def __str__(self) -> str:
        return f"trend_scan(shortest={self.shortest}, longest={self.longest})"
