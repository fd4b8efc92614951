"""Records of hand-made rules on made-up markets, handed to the gate as a run hands them."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.contracts import Fold
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.instrument import Instrument
from assay.kernel.panel import Panel, Window
from assay.runs.evaluation import OutOfSampleResult, evaluate_walk, evidence_of
from assay.runs.run_inputs import bare
from assay.simulate.engine import simulate
from assay.validate._walk_forward import FoldResult, SymbolResult
from assay.validate.audit.pipeline import AuditReport
from assay.validate.gate_input import GateInput

HOUR = 3_600_000
CLEAN = AuditReport(True, (), {"truncate": 40, "fit": 3})
FOLDS = 5
Rule = Callable[[Bars], Decisions]


def market(
    close: np.ndarray, *, volume: np.ndarray | None = None, opens: np.ndarray | None = None, wick: float = 0.0005,
    symbol: str = "BTC/USDT",
) -> Bars:  # fmt: skip
    """Hourly candles that open at the close before, unless told, with wicks."""
    n = len(close)
    first = np.r_[close[0], close[:-1]] if opens is None else opens
    amount = np.full(n, 1e6) if volume is None else volume
    high, low = np.maximum(first, close) * (1 + wick), np.minimum(first, close) * (1 - wick)
    return Bars(Instrument("binance", symbol, "1h"), np.arange(n) * HOUR, first, high, low, close, amount)


def weights(target: np.ndarray) -> Decisions:
    """Weights without levels."""
    n = len(target)
    return Decisions(target, np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, np.int32))


def walked(candles: Mapping[str, Bars], rule: Rule, costs: Costs) -> tuple[OutOfSampleResult, GateInput]:
    """The record of a rule over `FOLDS` folds that cover the newest five sixths, and what the gate is given of it."""
    past = bare(list(candles.values()))
    panel, n = past.panel, len(next(iter(candles.values())))
    size = n // (FOLDS + 1)
    outcomes = [_fold(k, panel, size * (k + 1), size, rule, costs) for k in range(FOLDS)]
    found = evaluate_walk(outcomes, past, costs, seed=1)
    given = evidence_of(found, past, n_trials=1, counted=True, audit=CLEAN)
    return found, replace(given, regimes=np.arange(len(given.returns)) % 2)


def _fold(k: int, panel: Panel, start: int, size: int, rule: Rule, costs: Costs) -> FoldResult:
    fold = Fold(np.arange(start - 50), np.arange(start, start + size), panel.times, panel.known_at)
    tested = {symbol: _tested(window, start, size, rule, costs) for symbol, window in panel}
    return FoldResult(k, fold, None, tested, 1.0)


def _tested(window: Window, start: int, size: int, rule: Rule, costs: Costs) -> SymbolResult:
    rows = slice(start, start + size)
    decisions = rule(window.bars)[rows]
    return SymbolResult((start, start + size), 0, decisions, simulate(window.bars[rows], decisions, costs), None)
