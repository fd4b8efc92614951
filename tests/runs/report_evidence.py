"""A run's evidence on a synthetic market: hand-made decisions, the real simulator, judge and tables."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.contracts import Fold
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.panel import Labels, Panel, Window
from assay.kernel.spec import TrainSpec
from assay.market.quality import examine_quality
from assay.market.sources.synthetic import synthetic
from assay.runs.evaluation import evaluate_walk
from assay.runs.evaluation import evidence_of as given_of
from assay.runs.gate_decision import advice
from assay.runs.run_artifacts import RunArtifacts, labels_summary, tables, to_jsonable, verdict_summary
from assay.runs.run_inputs import History
from assay.simulate.engine import simulate
from assay.validate._walk_forward import FoldResult, SymbolResult
from assay.validate.gate import evaluate_gate

SYMBOL = "GOLD/USDT"
_HORIZON = 12
_SHOWN_FEATURES = 26


def market(
    n: int = 2_000, symbols: tuple[str, ...] = (SYMBOL,), timeframe: str = "1h", ic: float = 0.12
) -> dict[str, Bars]:
    """Candles with a planted edge."""
    return {s: synthetic(bars=n, seed=5, ic=ic, symbol=s, timeframe=timeframe) for s in symbols}


def labelled(bars: Bars) -> Labels:
    """Whether the close is higher `_HORIZON` bars later."""
    n = len(bars)
    later = np.minimum(np.arange(n) + _HORIZON, n - 1)
    y = np.where(np.arange(n) + _HORIZON < n, (bars.close[later] > bars.close).astype(float), np.nan)
    end = np.where(np.isfinite(y), later, np.arange(n))
    return Labels(y, bars.known_at[end], end, "higher", _HORIZON, (0.0, 1.0), 1, (("tail", _HORIZON),))


def decided(bars: Bars, *, trade: bool = True) -> tuple[Decisions, np.ndarray[Any, np.dtype[np.float64]]]:
    """Follow a day's momentum with stops, and a forecast that leans the same way."""
    n = len(bars)
    momentum = np.zeros(n)
    momentum[24:] = np.log(bars.close[24:] / bars.close[:-24])
    change = np.flatnonzero(np.diff(np.sign(momentum), prepend=0.0) != 0)
    target, level = np.full(n, np.nan), np.full(n, np.nan)
    if trade:
        target[change] = np.sign(momentum[change])
        level[change] = bars.close[change] * 0.03
    decisions = Decisions(target, level, 2 * level, np.full(n, 96, np.int32))
    noise = np.random.default_rng(3).normal(size=n)
    up = 1 / (1 + np.exp(-(12 * momentum + 0.5 * noise)))
    return decisions, np.column_stack([1 - up, up])


def evidence_of(
    candles: Mapping[str, Bars],
    *,
    folds: int = 6,
    left_out: tuple[int, ...] = (),
    trade: bool = True,
    forecasts: bool = True,
    name: str = "ensemble on a synthetic market",
) -> RunArtifacts:
    """The evidence of a walk over `candles` whose models all decide by `decided`."""
    panel = Panel({s: Window(b, np.empty((len(b), 0)), (), labelled(b)) for s, b in candles.items()})
    past = History(panel, candles, 0, {"funding_rate": "no funding is stored"}, None)  # type: ignore[arg-type]
    outcomes = [_outcome(k, panel, folds, k in left_out, trade, forecasts) for k in range(folds)]
    found = evaluate_walk(outcomes, past, Costs(fee=0.0004, slippage_bps=1.0), seed=1)
    word = evaluate_gate(given_of(found, past, n_trials=7, counted=True))
    document = _document(candles, name) | {
        "bars_per_year": found.bars_per_year,
        "metrics": to_jsonable(found.metrics),
        "by_symbol": to_jsonable(found.by_symbol),
        "folds": to_jsonable([{**f, "seconds": 1.5} for f in found.folds]),
        "importance": _importance(folds) if forecasts else [],
        "labels": {s: labels_summary(w.labels) for s, w in panel if w.labels is not None},
        **verdict_summary(word),
        "advice": advice(word, found.metrics, bars_per_year=found.bars_per_year),
    }
    return RunArtifacts(document, *tables(found, outcomes, past))


def _outcome(k: int, panel: Panel, folds: int, out: bool, trade: bool, forecasts: bool) -> FoldResult:
    n = len(panel.times)
    size = n // (folds + 2)
    start = n - size * (folds - k)
    train = np.arange(start - 2 * size, start - _HORIZON - 1)
    fold = Fold(train, np.arange(start, start + size), panel.times, panel.known_at)
    if out:
        return FoldResult(k, fold, None, {}, 1.0, "the train rows hold one class only")
    tested = {}
    for symbol, window in panel:
        bars = window.bars[start : start + size]
        decisions, p = decided(bars, trade=trade)
        record = simulate(bars, decisions, Costs(fee=0.0004, slippage_bps=1.0))
        tested[symbol] = SymbolResult((start, start + size), 0, decisions, record, p if forecasts else None)
    return FoldResult(k, fold, None, tested, 1.0)


def _importance(folds: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(8)
    found = []
    for k in range(folds):
        raw = random.gamma(0.6, size=_SHOWN_FEATURES) / np.arange(1, _SHOWN_FEATURES + 1)
        names = [
            f"rolling_volatility_{2**i if i < 9 else i}" if i % 3 else f"momentum_{i + 2}" for i in range(len(raw))
        ]
        found.append({"fold": k, "shares": dict(zip(names, (raw / raw.sum()).tolist(), strict=True))})
    return found


def _document(candles: Mapping[str, Bars], name: str) -> dict[str, Any]:
    first = next(iter(candles.values())).instrument
    spec = TrainSpec(
        exchange=first.exchange,
        symbols=tuple(candles),
        timeframe=first.timeframe,
        costs=replace(Costs(), fee=0.0004, slippage_bps=1.0),
    )
    return {
        "format_version": 1,
        "run_id": "6c1a7cf0-8c0e-4a3e-9d0a-2a3c5a8d4c11",
        "experiment_id": 1,
        "model_id": None,
        "name": name,
        "created": "2026-01-02T03:04:05.000Z",
        "spec": spec.as_dict(),
        "spec_hash": spec.hash,
        "data_digest": "d" * 64,
        "code_digest": "c" * 64,
        "seconds": 12.3,
        "warm_up": 0,
        "n_trials": 7,
        "quality": {s: to_jsonable(examine_quality(b).as_dict()) for s, b in candles.items()},
        "absent": {"funding_rate": "no funding is stored for this symbol"},
        "environment": {"python": "3.12.1", "platform": "Linux", "threads": 1, "libraries": {"numpy": "2.4.0"}},
        "snapshots": {s: b.digest() for s, b in candles.items()},
    }
