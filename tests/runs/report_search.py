"""A search's evidence: the walk of `report_evidence`, with made-up trials whose good region is known."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.runs.run_artifacts import RunArtifacts

from .report_evidence import evidence_of

SPACE: dict[str, dict[str, Any]] = {
    "pierce_depth": {"type": "float", "low": 0.0005, "high": 0.005},
    "volume_spike_threshold": {"type": "float", "low": 1.5, "high": 5.0},
    "min_distance_from_level": {"type": "float", "low": 0.0001, "high": 0.01, "log": True},
    "reversal_candles": {"type": "choice", "values": [1, 2, 3, 4, 5]},
    "key_level_lookback": {"type": "int", "low": 20, "high": 200},
    "allow_short": {"type": "choice", "values": [True, False]},
    "htf": {"type": "choice", "values": ["1h", "4h", "1d"]},
    "atr_multiplier_sl": {"type": "float", "low": 1.0, "high": 3.0},
}


def search_of(
    candles: Mapping[str, Bars],
    *,
    windows: int = 6,
    trials: int = 200,
    left_out: tuple[int, ...] = (),
    rejected: tuple[int, ...] = (),
    space: Mapping[str, Mapping[str, Any]] = SPACE,
    constant: bool = False,
    walked: RunArtifacts | None = None,
) -> RunArtifacts:
    """The evidence of a search; in windows that are left out, or `rejected`, no trial was valid.

    walked: the walk to hang it on, with as many folds as windows; made from the candles if not given.
    """
    evidence = walked or evidence_of(candles, folds=windows, left_out=left_out, forecasts=False)
    tables = [_trials(k, trials, space, k in left_out + rejected, constant) for k in range(windows)]
    folds = evidence.document["folds"]
    made = [_window(fold, table, list(space)) for fold, table in zip(folds, tables, strict=True)]
    every = pl.concat(tables)
    document = {**evidence.document, **_document(made, space, every)}
    return replace(evidence, document=document, trials=every)


def score_of(points: Mapping[str, np.ndarray[Any, Any]]) -> FloatArray:
    """A hill at a pierce of 0.002 and a stop of 2 ATR; three reversal candles are best; the rest does nothing."""
    found = np.zeros(len(next(iter(points.values()))))
    if "pierce_depth" in points:
        found -= 0.5 * ((points["pierce_depth"] - 0.002) / 0.001) ** 2
    if "atr_multiplier_sl" in points:
        found -= 1.5 * (points["atr_multiplier_sl"] - 2.0) ** 2
    if "reversal_candles" in points:
        found -= 0.3 * np.abs(points["reversal_candles"] - 3)
    return found


def _trials(
    window: int, n: int, space: Mapping[str, Mapping[str, Any]], rejected: bool, constant: bool
) -> pl.DataFrame:
    random = np.random.default_rng(100 + window)
    points = {name: _draw(each, n, random) for name, each in space.items()}
    score = score_of(points) + random.normal(0, 0.35, n) + 2.2 + np.sin(window)
    score = np.full(n, 0.53) if constant else score
    valid = np.zeros(n, bool) if rejected else random.random(n) > 0.2
    return pl.DataFrame(
        {
            "window": np.full(n, window, np.int32),
            "number": np.arange(n),
            **{f"p_{name}": values for name, values in points.items()},
            "score": [s if ok else None for s, ok in zip(score.tolist(), valid.tolist(), strict=True)],
            "valid": valid,
            "reason": np.where(valid, "", "rejected: too_few_trades"),
            "trades": random.integers(5, 80, n),
            "sharpe": score / 90,
            "sharpe_annual": score,
            "net_profit": score / 20,
            "max_drawdown": -random.random(n) / 4,
            "win_rate": random.random(n),
        },
        schema_overrides={"score": pl.Float64},
    )


def _draw(each: Mapping[str, Any], n: int, random: np.random.Generator) -> np.ndarray[Any, Any]:
    if each["type"] == "choice":
        return np.array(each["values"])[random.integers(0, len(each["values"]), n)]
    if each["type"] == "int":
        return random.integers(each["low"], each["high"] + 1, n)
    if each.get("log"):
        return np.exp(random.uniform(np.log(each["low"]), np.log(each["high"]), n)).round(6)
    return random.uniform(each["low"], each["high"], n).round(6)


def _window(fold: Mapping[str, Any], table: pl.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    best = table.filter("valid").sort("score").tail(1).to_dicts()
    spans = {k: fold[k] for k in ("number", "train_from", "train_to", "test_from", "test_to")}
    counts = {"trials": len(table), "valid_trials": int(table["valid"].sum()), "note": ""}
    so_far = table["score"].cum_max().fill_null(strategy="forward")
    at = np.unique(np.linspace(0, len(so_far) - 1, 200).astype(int))
    if not best:
        none = {"parameters": {}, "score": None, "plateau": None, "curve": [None] * len(at), "train": {}, "test": {}}
        return {**spans, **counts, **none, "note": f"0 of {len(table)} trials had 10 trades or more"}
    (row,) = best
    train = {"sharpe_annual": row["sharpe_annual"], "net_profit": row["net_profit"], "win_rate": 0.61}
    return {
        **spans,
        **counts,
        "parameters": {n: row[f"p_{n}"] for n in names},
        "score": row["score"],
        "plateau": 0.8,
        "curve": so_far.gather(at).to_list(),
        "train": {**train, "total_trades": row["trades"]},
        "test": fold["metrics"],
    }


def _document(
    windows: list[dict[str, Any]], space: Mapping[str, Mapping[str, Any]], trials: pl.DataFrame
) -> dict[str, Any]:
    newest = next((w for w in reversed(windows) if w["parameters"]), windows[-1])
    regimes = {"sideways": 41, "volatile": 7, "bull": 12}
    best = {**newest["parameters"], "sizing": "risk", "risk_per_trade": 0.02} if newest["parameters"] else {}
    return {
        "kind": "optimize",
        "name": "liquidity_sweep on GOLD/USDT 1h",
        "strategy": "liquidity_sweep",
        "origin": "",
        "method": "bayesian",
        "sampler": "tpe",
        "objective": "sharpe_ratio",
        "min_trades": 10,
        "mode": "refit",
        "walk_forward": "standard",
        "regime_filter": None,
        "space": dict(space),
        "constraints": ["atr_multiplier_sl < 2.9"],
        "best_parameters": best,
        "searched": list(space),
        "best_score": newest["score"],
        "best_metrics": newest["train"],
        "trials": sum(w["trials"] for w in windows),
        "valid_trials": sum(w["valid_trials"] for w in windows),
        "trials_shown": len(trials),
        "seconds": 12.5,
        "engine_seconds": 4.0,
        "windows": windows,
        "overfit": {
            "detected": True,
            "reasons": [
                {
                    "code": "SHARPE_DROP",
                    "text": "mean test Sharpe 0.41 is less than 0.7 of the mean train Sharpe 2.98",
                    "value": 0.1376,
                    "limit": 0.7,
                },
                {
                    "code": "UNSTABLE",
                    "text": "test Sharpe ratios scatter by 2.31, more than 1.5",
                    "value": 2.31,
                    "limit": 1.5,
                },
            ],
            "stability_score": 0.4321,
            "train_sharpe_std": 0.654,
            "parameter_stability": 0.7891,
            "plateau_score": 0.8123,
            "verdict": "REJECT",
        },
        "config_id": "LIQUIDITY_SWEEP_V3_20260101_120000_a1b2c3",
        "stage": "PAPER",
        "by_regime": {
            r: {"total_trades": n, "win_rate": 0.4 + n / 200, "net_profit": n / 1000, "sharpe_annual": n / 30}
            for r, n in regimes.items()
        },
        "importance": [],
        "labels": {},
        "absent": {},
    }
