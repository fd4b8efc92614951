"""Section: feature importance in each fold's model."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.runs.report.components import Note, Part, Section, figure, table
from assay.runs.report.formatting import number, percent
from assay.runs.report.svg import Canvas
from assay.runs.run_artifacts import RunArtifacts

_MOST, _FOLDS = 20, 60
_LETTER = 6.9


def section(evidence: RunArtifacts) -> Section | None:
    """Heat map of the largest shares; a note for models that cannot say, None where no model learnt anything."""
    if evidence.is_backtest:
        return None
    lead = "Share of a model's gain that it owes to a feature, on its own train rows; a fold's shares add up to 100 %."
    result = evidence.document["importance"]
    absent = evidence.document["absent"]
    parts: list[Part] = []
    own = set(evidence.document.get("own_features", {}).get("columns", ()))
    if any(each["shares"] for each in result):
        names, shares = strongest(result)
        names = [f"{name} (own)" if name in own else name for name in names]
        folds = [int(each["fold"]) + 1 for each in result]
        total = len({name for each in result for name in each["shares"]})
        caption = (
            f"The {len(names)} strongest of {total} features by mean share. A feature that matters in one fold only is "
            "likely an accident of that fold."
        )
        if len(folds) > _FOLDS:
            caption += f" Drawn are the newest {_FOLDS} of {len(folds)} folds; the mean is of all."
        parts.append(figure("Feature importance per fold", lambda w: _draw(names, shares, folds, w), caption=caption))
        parts += _own(evidence.document, result)
    else:
        parts.append(Note("This kind of model does not say which features it leans on."))
    if absent:
        parts.append(table("Features left out", ("Feature", "Reason"), sorted(absent.items()), words=True))
    return Section("importance", "Feature importance", lead, tuple(parts))


def _own(document: Mapping[str, Any], result: list[Mapping[str, Any]]) -> list[Part]:
    """The columns of the user's own file, each with its mean share over the folds; nothing where there was no file."""
    own = document.get("own_features")
    if own is None:
        return []
    mean = {n: np.mean([number(each["shares"].get(n, 0.0)) for each in result]) for n in own["columns"]}
    rows = [(name, percent(share, 2)) for name, share in sorted(mean.items(), key=lambda pair: (-pair[1], pair[0]))]
    of = f"{own['name']} with hash {own['sha256'][:12]}" if own["name"] else "imported code, which was not kept"
    return [table("Columns of your own", ("Feature", "Mean share"), rows, caption=f"Computed by {of}.", words=True)]


def strongest(result: list[Mapping[str, Any]]) -> tuple[list[str], FloatArray]:
    """Up to 20 names, largest mean share first (then by name), and ``(names, folds)`` shares, NaN where not used."""
    names = sorted({name for each in result for name in each["shares"]})
    shares = np.array([[number(each["shares"].get(name)) for each in result] for name in names])
    mean = np.nan_to_num(shares).mean(axis=1)
    order = sorted(range(len(names)), key=lambda i: (-mean[i], names[i]))[:_MOST]
    return [names[i] for i in order], shares[order]


def _draw(names: list[str], shares: FloatArray, folds: list[int], width: float) -> Canvas:
    small = width < 500
    letters = 16 if small else 34
    left = min(max(len(n) for n in names), letters) * (_LETTER - (0.6 if small else 0.0)) + 14
    mean_width = 40.0 if small else 56.0
    row, top = 21.0, 24.0
    cell = (width - left - mean_width - 6) / min(len(folds), _FOLDS)
    most = float(np.nanmax(shares)) if np.isfinite(shares).any() else 1.0
    canvas = Canvas(width, top + row * len(names) + 6, f"Importance of {len(names)} features in {len(folds)} folds")
    folds = folds[-_FOLDS:]
    every = max(1, round((26 if small else 22) / cell))
    for k, fold in enumerate(folds):
        if k % every == 0:
            canvas.text(left + cell * (k + 0.5), top - 9, str(fold), anchor="middle")
    canvas.text(left - 8, top - 9, "fold", "unit", "end")
    canvas.text(width - 4, top - 9, "mean", "unit", "end")
    for i, name in enumerate(names):
        y = top + row * i
        canvas.text(left - 8, y + 14, _cut(name, letters), "tick", "end")
        for k, share in enumerate(shares[i, -_FOLDS:].tolist()):
            tip = f"{name}, fold {folds[k]}: {percent(share, 2)}"
            heat = str(round(0.05 + 0.95 * share / most, 3)) if np.isfinite(share) and most > 0 else "0.02"
            gap = min(1.0, cell / 6)
            places = {"x": left + cell * k + gap, "y": y + 1, "width": cell - 2 * gap, "height": row - 2}
            canvas.add("rect", "heat", tip, **places, fill_opacity=heat)
        canvas.text(width - 4, y + 14, percent(np.nan_to_num(shares[i]).mean(), 1), "tick", "end")
    return canvas


def _cut(name: str, letters: int) -> str:
    # names of one family differ at their end
    tail = letters // 2
    return name if len(name) <= letters else name[: letters - tail - 1] + "…" + name[-tail:]
