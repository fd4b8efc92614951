"""Bootstrap tests of the best of many against a benchmark: thin wrappers over `arch.bootstrap`, which works on
losses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from assay.kernel.arrays import FloatArray, numbers
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.validate.argument_checks import check_share, whole

Interval = Literal["basic", "percentile", "studentized", "norm", "bc", "bca"]
_ROWS_FOR_LENGTH = 8
_FEWEST = 3  # Hansen's threshold holds log log n: below, NaN would count as a p-value of 0


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

    Columns whose difference to the benchmark does not vary are left out; NaN where none is left, below 3 rows or for a
    NaN in the input. Raises ConfigError for other shapes, `reps` < 1, a block longer than the rows, a seed that is no
    whole number >= 0.
    Source: Hansen 2005, "A Test for Superior Predictive Ability", JBES 23(4).
    """
    value = _losses(returns, benchmark, block_size, reps, seed)
    if value is None:
        return Superiority(*[float("nan")] * 3)
    p = _compared(value, block_size, reps, seed, studentize=True)
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
    value = _losses(returns, benchmark, block_size, reps, seed)
    return float("nan") if value is None else float(_compared(value, block_size, reps, seed, studentize=False)["upper"])


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

    Raises ConfigError for a NaN in the input, a size outside (0, 1) and as `superior_predictive_ability`.
    Source: Romano & Wolf 2005, "Stepwise Multiple Testing", Econometrica 73(4).
    """
    import pandas as pd
    from arch.bootstrap import StepM

    for name, value in (("returns", returns), ("benchmark returns", 0.0 if benchmark is None else benchmark)):
        if not np.isfinite(numbers(name, value)).all():
            raise ConfigError(f"{name} hold a NaN: who beats a benchmark cannot be told", code="CONFIG_PARAMETER")
    check_share("size", size)
    values = _losses(returns, benchmark, block_size, reps, seed)
    if values is None:
        return ()
    base, models, columns = values
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
    without range. Raises ConfigError below 3 rows, below 8 without a block size (Politis & White's needs the lags), and
    for a level outside (0, 1), an unknown method, a statistic that gives no single number. Sources: Politis & Romano
    1994, JASA 89; Politis & White 2004, Econometric Reviews 23(1).
    """
    from arch.bootstrap import StationaryBootstrap

    r = numbers("returns", returns)
    if r.ndim != 1 or len(r) < 3:
        raise ConfigError(f"returns have shape {r.shape}; (n,) with n >= 3 is needed", code="CONFIG_PARAMETER")
    _demand_interval(level, reps, block_size, method, seed, rows=len(r))
    if not callable(statistic):
        raise ConfigError(f"statistic is {printable(statistic)}, must be callable", code="CONFIG_PARAMETER")
    if not np.isfinite(r).all() or r.max() == r.min():
        return float("nan"), float("nan")
    if np.size(statistic(r)) != 1:
        raise ConfigError("statistic must give one number of (n,) returns", code="CONFIG_PARAMETER", field="statistic")
    block_size = block_length(r) if block_size is None else block_size
    result = StationaryBootstrap(block_size, r, seed=seed).conf_int(statistic, reps=reps, method=method, size=level)
    low, high = np.asarray(result, np.float64).ravel()
    return float(low), float(high)


def _demand_interval(level: float, reps: int, block_size: int | None, method: str, seed: int, *, rows: int) -> None:
    check_share("level", level)
    _demand_draws(block_size, reps, seed, rows=rows)
    if method not in get_args(Interval):
        raise ConfigError(
            f"method is {printable(method)}, one of {', '.join(get_args(Interval))}",
            code="CONFIG_PARAMETER",
            hint=did_you_mean(str(method), get_args(Interval)),
            field="method",
        )


def _demand_draws(block_size: int | None, reps: int, seed: int, *, rows: int) -> None:
    """A seed that is no number would draw anew each time, and a p-value that changes is none."""
    whole("reps", reps, 1)
    whole("seed", seed, 0)
    if block_size is not None:
        whole("block_size", block_size, 1, rows)


def block_length(r: FloatArray) -> int:
    """Politis & White's mean length, at most a third of the rows."""
    from arch.bootstrap import optimal_block_length

    if len(r) < _ROWS_FOR_LENGTH:
        raise ConfigError(
            f"{len(r)} returns are too few to choose a block size from, {_ROWS_FOR_LENGTH} are needed",
            code="CONFIG_PARAMETER",
            hint="Give block_size.",
            field="block_size",
        )
    with np.errstate(divide="ignore", invalid="ignore"):  # a stretch without any move has no autocorrelation
        best = float(optimal_block_length(r)["stationary"].iloc[0])
    return min(max(1, round(best)), len(r) // 3) if np.isfinite(best) else 1


_Sample = tuple[FloatArray, FloatArray, list[int]]


def _losses(
    returns: ArrayLike, benchmark: ArrayLike | None, block_size: int | None, reps: int, seed: int
) -> _Sample | None:
    """Losses of benchmark and configurations, and the columns that are left; None where nothing can be compared."""
    r = numbers("returns", returns)
    r = r[:, np.newaxis] if r.ndim == 1 else r
    base = np.zeros(r.shape[:1]) if benchmark is None else numbers("benchmark", benchmark)
    if r.ndim != 2 or len(r) < 2 or base.shape != (len(r),):
        raise ConfigError(
            f"returns have shape {np.shape(r)}, benchmark {base.shape}; (n, k) and (n,) with n >= 2 are needed",
            code="CONFIG_PARAMETER",
        )
    _demand_draws(block_size, reps, seed, rows=len(r))
    if len(r) < _FEWEST or not (np.isfinite(r).all() and np.isfinite(base).all()):
        return None
    over = r - base[:, np.newaxis]
    columns = np.flatnonzero(over.max(axis=0) > over.min(axis=0)).tolist()
    return (-base, -r[:, columns], columns) if columns else None


def _compared(value: _Sample, block_size: int | None, reps: int, seed: int, *, studentize: bool) -> Any:
    from arch.bootstrap import SPA

    base, models, _ = value
    test = SPA(base, models, block_size=block_size, reps=reps, studentize=studentize, seed=seed)
    test.compute()
    return test.pvalues
