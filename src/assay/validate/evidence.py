"""What the gate is given: the evidence about one record, and where its checks draw their lines."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from assay.kernel.arrays import FloatArray, IntArray, numbers
from assay.kernel.errors import ConfigError, shown
from assay.validate.audit.report import AuditReport
from assay.validate.statistics import Overfitting
from assay.validate.statistics.given import share, whole

_SMALLEST = float(np.finfo(np.float64).tiny)
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a record can be judged by.

    returns:          ``(n,)`` net, per bar, stitched out-of-sample folds, each bar once.
    n_trades:         closed trades.
    n_trials:         configurations that the market's ledger counts, this one included.
    effective_trials: of their returns; `n_trials` where returns are missing.
    trials_variance:  of their per-bar Sharpe ratios, ddof 1; 0 for one trial. Shown, not judged by: see docs/why.
    ledger_complete:  no scored configuration without a row.
    audit:            the causality audit; None: not audited.
    stressed_returns: ``(n,)`` the same decisions with every cost multiplied by `Thresholds.cost_factor`.
    n_searched:       configurations that the judged one was chosen among; 1: it was not chosen.
    overfitting:      of their out-of-sample returns; None: not compared.
    regimes:          ``(n,)`` int label a bar, negative is none; None: not known.
    seed_sharpes:     per bar, one a seed; None for what its seed hardly moves: rules and the ensemble.
    """

    returns: FloatArray
    bars_per_year: float
    n_trades: int
    n_trials: int
    effective_trials: float
    ledger_complete: bool
    stressed_returns: FloatArray
    trials_variance: float = 0.0
    audit: AuditReport | None = None
    n_searched: int = 1
    overfitting: Overfitting | None = None
    regimes: IntArray | None = None
    seed_sharpes: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where the checks draw their lines.

    Raises ConfigError ``CONFIG_PARAMETER`` for a line that nothing or everything would pass: a confidence outside
    (0, 1), a share outside [0, 1], a count below 0, a cost factor that is not above 0.
    """

    confidence: float = 0.95
    min_trades: int = 30
    min_bars: int = 250
    max_loss_share: float = 0.20
    pyrite_share: float = 0.50
    cost_factor: float = 2.0
    min_regime_bars: int = 100
    min_regime_share: float = 2 / 3
    min_seeds: int = 5
    min_seed_share: float = 0.8
    mature_trades: int = 100
    mature_annual_sharpe: float = 1.5

    def __post_init__(self) -> None:
        for name in ("min_trades", "min_bars", "min_seeds", "mature_trades"):
            whole(name, getattr(self, name), 0)
        whole("min_regime_bars", self.min_regime_bars, 1)
        share("confidence", self.confidence)
        for name in ("max_loss_share", "pyrite_share", "min_regime_share", "min_seed_share"):
            _within(name, getattr(self, name), 0.0, 1.0)
        _within("cost_factor", self.cost_factor, _SMALLEST, _LARGEST)
        _within("mature_annual_sharpe", self.mature_annual_sharpe, -_LARGEST, _LARGEST)


def checked(evidence: Evidence) -> Evidence:
    """The evidence with its series as arrays.

    Raises ConfigError ``CONFIG_PARAMETER`` where it contradicts itself: series that are none, regimes of another length
    than `returns`, fewer than one trial, a negative count. What is merely unknown or undefined is left to the checks.
    """
    whole("n_trades", evidence.n_trades, 0)
    whole("n_trials", evidence.n_trials, 1)
    whole("n_searched", evidence.n_searched, 1)
    _within("effective_trials", evidence.effective_trials, 1.0, _LARGEST)
    _within("bars_per_year", evidence.bars_per_year, _SMALLEST, _LARGEST)
    if evidence.trials_variance < 0:
        raise _wrong("trials_variance", evidence.trials_variance, "must be >= 0")
    returns = _series("returns", evidence.returns, None)
    seeds, regimes = evidence.seed_sharpes, evidence.regimes
    return replace(
        evidence,
        returns=returns,
        stressed_returns=_series("stressed_returns", evidence.stressed_returns, None),
        seed_sharpes=None if seeds is None else _series("seed_sharpes", seeds, None),
        regimes=None if regimes is None else _labels(regimes, len(returns)),
    )


def _series(name: str, value: ArrayLike, rows: int | None) -> FloatArray:
    found = numbers(name, value)
    if found.ndim != 1 or (rows is not None and len(found) != rows):
        raise ConfigError(
            f"{name} have shape {found.shape}, ({'n' if rows is None else rows},) is needed",
            code="CONFIG_PARAMETER",
            field=name,
        )
    return found


def _labels(value: ArrayLike, rows: int) -> IntArray:
    found = _series("regimes", value, rows)
    if not (np.isfinite(found).all() and (found == np.floor(found)).all()):
        raise _wrong("regimes", value, "must be whole numbers, one a bar")
    return found.astype(np.int64)


def _within(name: str, value: float, least: float, most: float) -> None:
    found = numbers(name, value)
    if found.ndim or not least <= found <= most:
        said = "> 0 and finite" if least == _SMALLEST else f">= {least:g} and finite" if most == _LARGEST else "in 0..1"
        raise _wrong(name, value, f"must be {said}")


def _wrong(name: str, value: object, wanted: str) -> ConfigError:
    return ConfigError(f"{name} is {shown(value)}, {wanted}", code="CONFIG_PARAMETER", field=name)
