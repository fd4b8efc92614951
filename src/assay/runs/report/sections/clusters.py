"""Section: feature clusters by rank correlation in the newest train fold."""

import numpy as np

from assay.features import CLUSTER_CUT, ImportanceReport, cluster_order
from assay.kernel.arrays import FloatArray
from assay.runs.report.components import Key, Part, Section, figure, table
from assay.runs.report.formatting import ratio
from assay.runs.report.svg import Canvas

_LETTER = 6.3


def section(report: ImportanceReport) -> Section:
    """The map and the clusters of more than one column."""
    newest = report.folds[-1]
    stored = np.flatnonzero(np.isfinite(np.diag(newest.correlation)))
    order = stored[cluster_order(newest.correlation[np.ix_(stored, stored)])]
    names = [report.names[j] for j in order]
    rho = newest.correlation[np.ix_(order, order)]
    at = {int(j): place for place, j in enumerate(order)}
    blocks = [sorted(at[j] for j in group) for group in newest.clusters if len(group) > 1]
    parts: list[Part] = [
        figure(
            "Cluster map",
            lambda width: _draw(names, rho, blocks, width),
            caption="Modulus of Spearman's rank correlation of the newest train fold, full tint is 1; the order is "
            "that of the clusters' tree.",
            legend=(Key("s-chosen", "A cluster"),) if blocks else (),
        )
    ]
    rows = [
        (report.names[first], ", ".join(report.names[j] for j in group if j != first))
        for group, first in zip(newest.clusters, newest.representatives, strict=True)
        if len(group) > 1
    ]
    if rows:
        parts.append(table("Clusters", ("Stands for its cluster", "Says the same"), rows, words=True))
    lead = (
        f"Columns with a mean rank correlation above {ratio(1 - CLUSTER_CUT, 1)} are one cluster: "
        "they are permuted together, "
        "and one of them, the one with the highest gain, may be selected."
    )
    return Section("clusters", "Clusters", lead, tuple(parts))


def _draw(names: list[str], rho: FloatArray, blocks: list[list[int]], width: float) -> Canvas:
    letters = 14 if width < 500 else 30
    left = min(max(len(name) for name in names), letters) * _LETTER + 12
    cell = (width - left - 4) / len(names)
    canvas = Canvas(width, cell * len(names) + 8, f"Rank correlations of {len(names)} columns")
    every = max(1, int(np.ceil(12 / cell)))
    for i, name in enumerate(names):
        y = 4 + cell * i
        if i % every == 0:
            canvas.text(left - 6, y + cell / 2 + 4, name if len(name) <= letters else name[: letters - 1] + "…", "tick",
                        "end")  # fmt: skip
        for j in range(len(names)):
            value = float(rho[i, j])
            if value >= 0.1:  # paler than this is no tint
                places = {"x": left + cell * j, "y": y, "width": cell, "height": cell}
                canvas.add("rect", "heat", f"{name}, {names[j]}: {ratio(value)}", **places, fill_opacity=f"{value:.2f}")
    for block in blocks:
        first, size = block[0], cell * len(block)
        canvas.add("rect", "chosen ring", x=left + cell * first, y=4 + cell * first, width=size, height=size)
    return canvas
