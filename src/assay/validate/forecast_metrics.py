"""Forecast quality, apart from trading results."""

from collections.abc import Iterator, Sequence

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.panel import Labels, Panel
from assay.validate._walk_forward import FoldResult

_EDGE = 1e-15


def forecast_quality(outcomes: Sequence[FoldResult], panel: Panel) -> dict[str, float]:
    """Numbers of all labelled test rows; empty for models that do not forecast, NaN where undefined.

    ``auc`` (one against rest, mean over classes, weighted by count), ``log_loss`` (nats), ``base_log_loss`` (of the
    test rows' own class shares), ``brier`` (mean squared distance to the truth), ``accuracy``, ``forecast_rows``.
    """
    result = list(forecasts(outcomes, panel))
    if not result:
        return {}
    classes = result[0][2]
    p = np.concatenate([f for f, _, _ in result])
    y = np.concatenate([c for _, c, _ in result])
    if not len(y):
        return {"forecast_rows": 0.0}
    hit = np.eye(len(classes))[y]
    share = hit.mean(axis=0)
    seen = share[share > 0]
    return {
        "auc": _auc(p, y, share),
        "log_loss": float(-np.log(np.maximum(p[np.arange(len(y)), y], _EDGE)).mean()),
        "base_log_loss": float(-(seen * np.log(seen)).sum()),
        "brier": float(((p - hit) ** 2).sum(axis=1).mean()),
        "accuracy": float((p.argmax(axis=1) == y).mean()),
        "forecast_rows": float(len(y)),
    }


def forecasts(outcomes: Sequence[FoldResult], panel: Panel) -> Iterator[tuple[FloatArray, IntArray, tuple[float, ...]]]:
    """For each fold and instrument: probabilities ``(m, c)``, class index ``(m,)``, the classes, where y is known."""
    for outcome in outcomes:
        for symbol, tested in outcome.tested.items():
            labels = panel[symbol].labels
            if tested.forecast is None or labels is None:
                continue
            yield (*_labelled(tested.forecast, labels, slice(*tested.rows)), labels.classes)


def _labelled(forecast: FloatArray, labels: Labels, rows: slice) -> tuple[FloatArray, IntArray]:
    y = labels.y[rows]
    good = np.isfinite(y) & np.isfinite(forecast).all(axis=1)
    return forecast[good], np.searchsorted(np.asarray(labels.classes), y[good]).astype(np.int64)


def _auc(p: FloatArray, y: IntArray, share: FloatArray) -> float:
    """Area under the ROC curve by the rank sum (Hanley & McNeil 1982), one against rest, weighted by class share."""
    from scipy.stats import rankdata

    total, weight = 0.0, 0.0
    for j in range(p.shape[1]):
        own = y == j
        ones, zeros = int(own.sum()), int((~own).sum())
        if ones and zeros:
            rank_sum = rankdata(p[:, j])[own].sum()
            total += share[j] * (rank_sum - ones * (ones + 1) / 2) / (ones * zeros)
            weight += share[j]
    return float(total / weight) if weight else float("nan")
