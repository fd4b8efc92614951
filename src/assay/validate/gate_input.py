"""`GateInput`: the evidence about one record."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from assay.kernel.arrays import FloatArray, IntArray, numbers
from assay.kernel.bars import USABLE, Bars
from assay.kernel.errors import ConfigError, printable
from assay.kernel.timeframe import from_iso
from assay.market import Event, examine_quality
from assay.validate.argument_checks import LARGEST, SMALLEST, whole, within
from assay.validate.audit.pipeline import AuditReport
from assay.validate.diagnostics import BreakEven, CostSides, Fills
from assay.validate.statistics import Overfitting


@dataclass(frozen=True, slots=True, kw_only=True)
class GateInput:
    """What a record can be judged by.

    returns:          ``(n,)`` net, per bar, stitched out-of-sample folds, each bar once.
    active_returns:   ``(n,)`` less what holding its mean position earns, `assay.validate.active`; None: not known.
    n_trades:         closed trades.
    n_independent_trades: of them, `assay.validate.active`; None: all.
    n_trials:         configurations that the market's ledger counts, this one included.
    effective_trials: of their returns; `n_trials` where returns are missing.
    trials_variance:  of their per-bar Sharpe ratios, ddof 1; 0 for one trial. Shown, not judged by: see docs/why.
    ledger_complete:  no scored configuration without a row.
    audit:            the causality audit; None: not audited.
    stressed_returns: ``(n,)`` the same decisions at the costs that the check `cost` asks it to survive.
    shown_returns:    ``(n,)`` the same at the costs that the candles show at least; None: the assumed ones are no less.
    cost_sides:       what a side costs, an entry an instrument; empty: not known.
    break_even:       the costs at which the record earns nothing; None: not known.
    fills:            where the notional was filled; None: not known.
    data_problems:    what is wrong with the judged candles, with places; None: they were not examined.
    n_searched:       configurations that the judged one was chosen among; 1: it was not chosen.
    overfitting:      of their out-of-sample returns; None: not compared.
    regimes:          ``(n,)`` int label a bar, negative is none; None: not known.
    seed_sharpes:     per bar, one a seed; None for what its seed hardly moves: rules and the ensemble.
    holdout_reads:    how often the market's locked stretch was read, by anything. Shown, not judged by.
    """

    returns: FloatArray
    bars_per_year: float
    n_trades: int
    n_trials: int
    effective_trials: float
    ledger_complete: bool
    stressed_returns: FloatArray
    active_returns: FloatArray | None = None
    n_independent_trades: int | None = None
    shown_returns: FloatArray | None = None
    cost_sides: tuple[CostSides, ...] = ()
    break_even: BreakEven | None = None
    fills: Fills | None = None
    data_problems: tuple[str, ...] | None = None
    trials_variance: float = 0.0
    audit: AuditReport | None = None
    n_searched: int = 1
    overfitting: Overfitting | None = None
    regimes: IntArray | None = None
    seed_sharpes: FloatArray | None = None
    holdout_reads: int = 0

    @property
    def trades_that_count(self) -> int:
        """The independent trades, or all where nothing is known of that."""
        return self.n_trades if self.n_independent_trades is None else self.n_independent_trades


def check_input(evidence: GateInput) -> GateInput:
    """The evidence with its series as arrays.

    Raises ConfigError ``CONFIG_PARAMETER`` where it contradicts itself: series that are none, regimes of another length
    than `returns`, fewer than one trial, a negative count. What is merely unknown or undefined is left to the checks.
    """
    whole("n_trades", evidence.n_trades, 0)
    if evidence.n_independent_trades is not None:
        whole("n_independent_trades", evidence.n_independent_trades, 0, evidence.n_trades)
    whole("n_trials", evidence.n_trials, 1)
    whole("n_searched", evidence.n_searched, 1)
    whole("holdout_reads", evidence.holdout_reads, 0)
    within("effective_trials", evidence.effective_trials, 1.0, LARGEST)
    within("bars_per_year", evidence.bars_per_year, SMALLEST, LARGEST)
    if evidence.trials_variance < 0:
        raise _wrong("trials_variance", evidence.trials_variance, "must be >= 0")
    returns = _series("returns", evidence.returns, None)
    regimes = evidence.regimes
    return replace(
        evidence,
        returns=returns,
        active_returns=_optional("active_returns", evidence.active_returns, len(returns)),
        stressed_returns=_series("stressed_returns", evidence.stressed_returns, None),
        shown_returns=_optional("shown_returns", evidence.shown_returns, None),
        seed_sharpes=_optional("seed_sharpes", evidence.seed_sharpes, None),
        regimes=None if regimes is None else _labels(regimes, len(returns)),
    )


def _optional(name: str, value: ArrayLike | None, rows: int | None) -> FloatArray | None:
    return None if value is None else _series(name, value, rows)


def _series(name: str, value: ArrayLike, rows: int | None) -> FloatArray:
    result = numbers(name, value)
    if result.ndim != 1 or (rows is not None and len(result) != rows):
        raise ConfigError(
            f"{name} have shape {result.shape}, ({'n' if rows is None else rows},) is needed",
            code="CONFIG_PARAMETER",
            field=name,
        )
    return result


def _labels(value: ArrayLike, rows: int) -> IntArray:
    result = _series("regimes", value, rows)
    if not (np.isfinite(result).all() and (result == np.floor(result)).all()):
        raise _wrong("regimes", value, "must be whole numbers, one a bar")
    return result.astype(np.int64)


def _wrong(name: str, value: object, wanted: str) -> ConfigError:
    return ConfigError(f"{name} is {printable(value)}, {wanted}", code="CONFIG_PARAMETER", field=name)


_CONTEXT = 48  # bars before the judged ones that a break is told by


def find_data_problems(bars: Bars, first: int, last: int) -> tuple[str, ...]:
    """Unresolved split suspects and changes of the volume's unit among bars that open in ``[first, last]`` (ms).

    A suspect is one that `assay.market.anomalies.splits` calls likely: a crash of the same size is doubtful and no
    problem. One on a bar that a data filter marks as unusable is resolved. O(n).
    """
    start = max(0, int(np.searchsorted(bars.timestamp, first)) - _CONTEXT)
    part = bars[start : int(np.searchsorted(bars.timestamp, last, side="right"))]
    quality = examine_quality(part)
    splits = [e for e in quality.splits if e.seen["verdict"] == "likely"]
    return (
        *(f"{bars.instrument} {e.time[:16]}: looks like a split {e.seen['split']}" for e in _open(splits, part, first)),
        *(
            f"{bars.instrument} {e.time[:16]}: the volume's unit changes, x{float(e.seen['factor']):.3g}"
            for e in _open(quality.volume_units, part, first)
        ),
    )


def _open(events: Iterable[Event], bars: Bars, first: int) -> list[Event]:
    """Those among the judged bars that nobody has marked."""
    unresolved = []
    for event in events:
        at = int(np.searchsorted(bars.timestamp, from_iso(event.time)))
        resolved = USABLE in bars.columns and bars.columns[USABLE][at] != 1
        if bars.timestamp[at] >= first and not resolved:
            unresolved.append(event)
    return unresolved
