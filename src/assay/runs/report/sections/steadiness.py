"""Section: each feature's rank and selection in each fold."""

from collections.abc import Sequence

import numpy as np

from assay.features import FeatureScore, ImportanceReport
from assay.kernel.arrays import BoolArray, FloatArray
from assay.runs.report.components import Key, Section, figure
from assay.runs.report.formatting import percent, ratio
from assay.runs.report.svg import Canvas

_MOST, _FOLDS = 40, 60
_LETTER = 6.9


def section(report: ImportanceReport) -> Section:
    """Heat map of the ranks, best column first; a dot where a fold selected it."""
    at = {name: j for j, name in enumerate(report.names)}
    names = [row.name for row in report.rows[:_MOST]]
    columns = [at[name] for name in names]
    ranks, chosen = report.ranks[-_FOLDS:, columns].T, report.selected[-_FOLDS:, columns].T
    first = len(report.folds) - ranks.shape[1]
    caption = f"The {len(names)} best of {len(report.names)} columns by mean rank; full tint is rank 1."
    if first:
        caption += f" Drawn are the newest {_FOLDS} of {len(report.folds)} folds."
    drawn = figure(
        "Rank in each fold",
        lambda width: _draw(report.rows[:_MOST], ranks, chosen, first, width),
        caption=caption,
        legend=(Key("s-bests", "Selected in this fold"),),
    )
    lead = (
        f"The folds' choices have a stability of {ratio(report.nogueira)} (Nogueira: 1 is always the same choice, 0 is "
        f"chance), their ranks a mean correlation of {ratio(report.rank_corr)}."
    )
    return Section("stability", "Stability", lead, (drawn,))


def _draw(rows: Sequence[FeatureScore], ranks: FloatArray, chosen: BoolArray, first: int, width: float) -> Canvas:
    names = [row.name for row in rows]
    letters = 16 if width < 500 else 34
    left = min(max(len(name) for name in names), letters) * _LETTER + 14
    row, top, right = 19.0, 24.0, 56.0
    cell = (width - left - right) / ranks.shape[1]
    worst = float(ranks.max())
    canvas = Canvas(width, top + row * len(names) + 6, f"Ranks of {len(names)} columns in {ranks.shape[1]} folds")
    every = max(1, int(np.ceil(24 / cell)))
    for k in range(0, ranks.shape[1], every):
        canvas.text(left + cell * (k + 0.5), top - 9, str(first + k + 1), anchor="middle")
    canvas.text(left - 8, top - 9, "fold", "unit", "end")
    canvas.text(width - 4, top - 9, "sel.", "unit", "end")
    for i, name in enumerate(names):
        y = top + row * i
        canvas.text(left - 8, y + 14, name if len(name) <= letters else name[: letters - 1] + "…", "tick", "end")
        for k, rank in enumerate(ranks[i].tolist()):
            message = f"{name}, fold {first + k + 1}: rank {ratio(rank, 1)}{', selected' if chosen[i, k] else ''}"
            heat = 0.04 + 0.9 * (worst - rank) / max(worst - 1.0, 1.0)
            places = {"x": left + cell * k + 0.5, "y": y + 1, "width": cell - 1, "height": row - 2}
            canvas.add("rect", "heat", message, **places, fill_opacity=f"{heat:.2f}")
            if chosen[i, k]:
                canvas.add("circle", "chosen", message, cx=left + cell * (k + 0.5), cy=y + row / 2, r=2.6)
        canvas.text(width - 4, y + 14, percent(rows[i].selection_frequency, 0), "tick", "end")
    return canvas
