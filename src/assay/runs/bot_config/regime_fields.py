"""Regime fields of a configuration: the regime it was judged in, and the present one."""

from typing import Any

import numpy as np

from assay.features import REGIME_LOOKBACK, REGIME_NAMES, regime_codes
from assay.kernel.arrays import IntArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError
from assay.market import check_multiple, resample

_RECENT = 100
_MEMBERS = ("1h", "4h", "1d")
_VOLATILE: int = REGIME_NAMES.index("volatile")


def most_frequent(bars: Bars, judged: IntArray) -> str | None:
    """The label that most of the judged bars carry at their close; None where none of them has a label.

    judged: ``(m,)`` opens in ms. Of equally frequent labels the first of `REGIME_NAMES`.
    """
    if not len(judged):
        return None
    first = max(int(np.searchsorted(bars.timestamp, judged.min())) - REGIME_LOOKBACK, 0)
    result = regime_codes(bars[first:])[np.isin(bars.timestamp[first:], judged)]
    result = result[result >= 0]
    return REGIME_NAMES[int(np.bincount(result).argmax())] if result.size else None


def ensemble(bars: Bars) -> dict[str, Any]:
    """The block ``ensemble_regime_classification`` at the last bar.

    A member is the regime rule on bars of 1h, 4h or 1d, made of the traded ones; its prediction is its newest label. It
    weighs as many labels as it has among its last 100 (the rule needs 513 bars before the first), so a member that the
    traded bars cannot be made into, or with too short a history, has weight 0 and predicts null. ``model_volatility``
    is the ATR rule alone on the traded bars; its weight is 0, for every label holds it already.

    Final probabilities are the members' shares of (bull or bear), sideways and volatile among their last 100 labels, by
    weight; null without a member. Transition probability: label changes among the last 100 labels of the traded bars.
    """
    members = {timeframe: _labels(bars, timeframe) for timeframe in _MEMBERS}
    total = sum(len(labels) for labels in members.values())
    own = _recent(bars)
    changes = float(np.mean(own[1:] != own[:-1])) if len(own) > 1 else None
    return {
        "regime_models": {
            **{f"model_{t}": {"timeframe": t, **_member(labels, total)} for t, labels in members.items()},
            "model_volatility": {"type": "atr_ratio", "weight": 0.0, "prediction": _volatility(own)},
        },
        "final_regime_probability": _probability(members, total),
        "regime_transition_probability": changes,
        "regime_stability_score": None if changes is None else 1.0 - changes,
    }


def _labels(bars: Bars, timeframe: str) -> IntArray:
    """The last 100 labels on bars of this length; empty where there are none."""
    if timeframe == bars.instrument.timeframe:
        return _recent(bars)
    try:
        check_multiple(bars.instrument.timeframe, timeframe)
    except ConfigError:
        return np.empty(0, np.int64)
    return _recent(resample(bars, timeframe))


def _recent(bars: Bars) -> IntArray:
    """The last 100 labels of these bars; fewer, or none, where the rule has too little history."""
    return (
        regime_codes(bars[-(REGIME_LOOKBACK + _RECENT) :])[REGIME_LOOKBACK:]
        if len(bars) > REGIME_LOOKBACK
        else np.empty(0, np.int64)
    )


def _member(labels: IntArray, total: int) -> dict[str, Any]:
    if not len(labels):
        return {"weight": 0.0, "prediction": None}
    return {"weight": len(labels) / total, "prediction": REGIME_NAMES[labels[-1]]}


def _volatility(own: IntArray) -> str | None:
    if not len(own):
        return None
    return "volatile" if own[-1] == _VOLATILE else "calm"


def _probability(members: dict[str, IntArray], total: int) -> dict[str, float | None]:
    names = ("trending", "ranging", "volatile")
    if not total:
        return dict.fromkeys(names)
    every = np.concatenate(
        list(members.values())
    )  # weights are counts of labels, so the pooled share is the weighted one
    counts = np.bincount(every, minlength=len(REGIME_NAMES))
    sideways, bull, bear, volatile = (
        int(counts[REGIME_NAMES.index(n)]) for n in ("sideways", "bull", "bear", "volatile")
    )
    return dict(zip(names, ((bull + bear) / total, sideways / total, volatile / total), strict=True))
