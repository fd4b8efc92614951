"""Is the best of many better than a benchmark? Thin wrappers over `arch.bootstrap`, which works on losses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import ConfigError

Interval = Literal["basic", "percentile", "studentized", "norm", "bc", "bca"]


@dataclass(frozen=True, slots=True)
class Superiority:
    """p-values of "no configuration beats the benchmark": Hansen's lower, consistent and upper."""

    lower: float
    consistent: float
    upper: float


def superior_predictive_ability(
    returns: ArrayLike,
    benchmark: ArrayLike | None = None,
    *,
    block_size: int | None = None,
    reps: int = 1000,
    seed: int,
) -> Superiority:
    """Does the best of ``(n, k)`` returns beat `benchmark` ``(n,)``, cash when None? Studentised, stationary bootstrap.

    Columns that equal the benchmark cannot beat it and are left out; NaN where none is left or the input holds a NaN.
    Source: Hansen 2005, "A Test for Superior Predictive Ability", JBES 23(4).
    """
    given = _losses(returns, benchmark, block_size, reps)
    if given is None:
        return Superiority(*[float("nan")] * 3)
    p = _compared(given, block_size, reps, seed, studentize=True)
    return Superiority(*(float(p[name]) for name in ("lower", "consistent", "upper")))


def reality_check(
    returns: ArrayLike,
    benchmark: ArrayLike | None = None,
    *,
    block_size: int | None = None,
    reps: int = 1000,
    seed: int,
) -> float:
    """The same without studentising. Source: White 2000, "A Reality Check for Data Snooping", Econometrica 68(5)."""
    given = _losses(returns, benchmark, block_size, reps)
    return float("nan") if given is None else float(_compared(given, block_size, reps, seed, studentize=False)["upper"])


def step_m(
    returns: ArrayLike,
    benchmark: ArrayLike | None = None,
    *,
    block_size: int | None = None,
    reps: int = 1000,
    seed: int,
    size: float = 0.05,
) -> tuple[int, ...]:
    """Columns that beat the benchmark, increasing, wrong about any of them with probability `size`.

    Raises ConfigError for a NaN in the input.
    Source: Romano & Wolf 2005, "Stepwise Multiple Testing", Econometrica 73(4).
    """
    import pandas as pd
    from arch.bootstrap import StepM

    if not np.isfinite(np.asarray(returns, np.float64)).all():
        raise ConfigError("returns hold a NaN: who beats a benchmark cannot be told", code="CONFIG_PARAMETER")
    given = _losses(returns, benchmark, block_size, reps)
    if given is None:
        return ()
    base, models, columns = given
    test = StepM(base, pd.DataFrame(models, columns=columns), size=size, block_size=block_size, reps=reps, seed=seed)
    test.compute()
    return tuple(sorted(int(str(column)) for column in test.superior_models))


def bootstrap_interval(
    returns: ArrayLike,
    statistic: Callable[..., Any],
    *,
    level: float = 0.95,
    reps: int = 1000,
    block_size: int | None = None,
    method: Interval = "percentile",
    seed: int,
) -> tuple[float, float]:
    """Confidence interval of a statistic of ``(n,)`` returns, by the stationary bootstrap.

    block_size: mean length of a block; None is Politis & White's, at most n / 3. (NaN, NaN) for a NaN in the input or
    without range. Raises ConfigError below 3 rows. Sources: Politis & Romano 1994, JASA 89; Politis & White 2004,
    Econometric Reviews 23(1).
    """
    from arch.bootstrap import StationaryBootstrap, optimal_block_length

    r = np.asarray(returns, np.float64)
    if r.ndim != 1 or len(r) < 3:
        raise ConfigError(f"returns have shape {r.shape}; (n,) with n >= 3 is needed", code="CONFIG_PARAMETER")
    if not np.isfinite(r).all() or r.max() == r.min():
        return float("nan"), float("nan")
    if block_size is None:
        best = float(optimal_block_length(r)["stationary"].iloc[0])
        block_size = min(max(1, round(best)), len(r) // 3)
    found = StationaryBootstrap(block_size, r, seed=seed).conf_int(statistic, reps=reps, method=method, size=level)
    low, high = np.asarray(found, np.float64).ravel()
    return float(low), float(high)


_Given = tuple[FloatArray, FloatArray, list[int]]


def _losses(returns: ArrayLike, benchmark: ArrayLike | None, block_size: int | None, reps: int) -> _Given | None:
    """Losses of benchmark and configurations, and the columns that are left; None where nothing can be compared."""
    r = np.asarray(returns, np.float64)
    r = r[:, np.newaxis] if r.ndim == 1 else r
    base = np.zeros(len(r)) if benchmark is None else np.asarray(benchmark, np.float64)
    if r.ndim != 2 or len(r) < 2 or base.shape != (len(r),):
        raise ConfigError(
            f"returns have shape {np.shape(returns)}, benchmark {base.shape}; (n, k) and (n,) with n >= 2 are needed",
            code="CONFIG_PARAMETER",
        )
    if reps < 1 or (block_size is not None and not 1 <= block_size <= len(r)):
        raise ConfigError(
            f"reps is {reps} and block_size {block_size}; at least 1, and a block no longer than the {len(r)} rows",
            code="CONFIG_PARAMETER",
        )
    if not (np.isfinite(r).all() and np.isfinite(base).all()):
        return None
    over = r - base[:, np.newaxis]
    columns = np.flatnonzero(over.max(axis=0) > over.min(axis=0)).tolist()
    return (-base, -r[:, columns], columns) if columns else None


def _compared(given: _Given, block_size: int | None, reps: int, seed: int, *, studentize: bool) -> Any:
    from arch.bootstrap import SPA

    base, models, _ = given
    test = SPA(base, models, block_size=block_size, reps=reps, studentize=studentize, seed=seed)
    test.compute()
    return test.pvalues
