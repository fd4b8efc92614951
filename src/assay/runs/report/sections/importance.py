"""Sections of feature importance: columns, clusters, pattern candidates, rank stability, drift."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.features import (
    CLUSTER_CUT,
    DRIFT_PSI,
    STABLE_PSI,
    FeatureScore,
    ImportanceReport,
    PatternCandidate,
    cluster_order,
)
from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.runs.report.components import Key, Note, Part, Section, count, figure, number, percent, ratio, table
from assay.runs.report.svg import Canvas, Scale, line, ticks
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


_COLUMN_HEAD = (
    "Column", "Verdict", "Rank", "± folds", "Gain", "Permuted", "± again", "SHAP", "Selected", "PSI",
    "Lookback", "Group",
)  # fmt: skip


def columns_section(report: ImportanceReport) -> Section:
    """The table, the warnings, and what the screen dropped."""
    parts: list[Part] = [Note(text[0].upper() + text[1:] + ".") for text in report.warnings]
    parts.append(
        table("Columns by mean rank", _COLUMN_HEAD, [_column_row(row) for row in report.rows], caption=_CAPTION)
    )
    dropped = [(row.name, row.dropped) for row in report.rows if row.dropped]
    if dropped:
        parts.append(table("Dropped by the screen", ("Column", "Newest reason"), sorted(dropped), words=True))
    lead = "Measured inside each train fold; no test row took part in any number but PSI, and PSI selects nothing."
    return Section("columns", "Columns and verdicts", lead, tuple(parts))


_CAPTION = (
    "Rank: of the column's cluster, mean of its ranks by gain, permutation and SHAP, 1 is best. Permuted: what the "
    "score loses when the column's cluster is shuffled in blocks as long as a label. Selected: share of the folds. "
    "Redundant: another column of its cluster stands for it, see the clusters below. Unstable: selected in fewer than "
    "half of the folds. Drifting: PSI above 0.25 between some train fold and its test fold."
)


def _column_row(row: FeatureScore) -> tuple[str, ...]:
    return (
        row.name, row.verdict, ratio(row.rank_mean, 1), ratio(row.rank_std, 1), percent(row.gain_share),
        ratio(round(row.perm_mean, 4), 4), ratio(round(row.perm_std, 4), 4), percent(row.shap_share),
        percent(row.selection_frequency, 0), ratio(round(row.psi_max, 2)), str(row.lookback), row.group,
    )  # fmt: skip


_CLUSTER_LETTER = 6.3


def clusters_section(report: ImportanceReport) -> Section:
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
            lambda width: _draw_clusters(names, rho, blocks, width),
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


def _draw_clusters(names: list[str], rho: FloatArray, blocks: list[list[int]], width: float) -> Canvas:
    letters = 14 if width < 500 else 30
    left = min(max(len(name) for name in names), letters) * _CLUSTER_LETTER + 12
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


_CANDIDATE_HEAD = ("Column", "Verdict", "Rate", "Lowest fold", "Highest fold", "Events in the thinnest fold", "PSI")


def candidates_section(report: ImportanceReport) -> Section | None:
    """The table; None where there are none."""
    if not report.candidates:
        return None
    lead = (
        "They say what a swing has come to at a bar. They may be learnt some bars ahead and never stand among the "
        "columns that a model learns from; their lags may."
    )
    rows = [_candidate_row(each) for each in report.candidates]
    caption = "Rare: below 1 % in some train fold. Constant: only one value in some train fold."
    return Section(
        "targets", "Candidates for a target", lead, (table("Pattern columns", _CANDIDATE_HEAD, rows, caption=caption),)
    )


def _candidate_row(each: PatternCandidate) -> tuple[str, ...]:
    return (
        each.name, each.verdict, percent(each.rate, 2), percent(each.lowest, 2), percent(each.highest, 2),
        count(each.events), ratio(each.psi_max),
    )  # fmt: skip


_MOST_STEADY, _STEADY_FOLDS = 40, 60


def steadiness_section(report: ImportanceReport) -> Section:
    """Heat map of the ranks, best column first; a dot where a fold selected it."""
    at = {name: j for j, name in enumerate(report.names)}
    names = [row.name for row in report.rows[:_MOST_STEADY]]
    columns = [at[name] for name in names]
    ranks, chosen = report.ranks[-_STEADY_FOLDS:, columns].T, report.selected[-_STEADY_FOLDS:, columns].T
    first = len(report.folds) - ranks.shape[1]
    caption = f"The {len(names)} best of {len(report.names)} columns by mean rank; full tint is rank 1."
    if first:
        caption += f" Drawn are the newest {_STEADY_FOLDS} of {len(report.folds)} folds."
    drawn = figure(
        "Rank in each fold",
        lambda width: _draw_steadiness(report.rows[:_MOST_STEADY], ranks, chosen, first, width),
        caption=caption,
        legend=(Key("s-bests", "Selected in this fold"),),
    )
    lead = (
        f"The folds' choices have a stability of {ratio(report.nogueira)} (Nogueira: 1 is always the same choice, 0 is "
        f"chance), their ranks a mean correlation of {ratio(report.rank_corr)}."
    )
    return Section("stability", "Stability", lead, (drawn,))


def _draw_steadiness(
    rows: Sequence[FeatureScore], ranks: FloatArray, chosen: BoolArray, first: int, width: float
) -> Canvas:
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


_PENS = ("model", "hold", "normal", "stress", "ideal")
_MOST_DRIFTING = len(_PENS)


def drift_section(report: ImportanceReport) -> Section:
    """Lines of the columns that moved most, a pale one for each other; a note where there is but one fold."""
    lead = (
        f"Population stability index between a train fold and its test fold: below {STABLE_PSI:g} "
        f"stable, above {DRIFT_PSI:g} "
        "drifting. It is reported and selects nothing. Columns of the calendar move where a test fold is shorter than "
        "their cycle."
    )
    times = np.array([t.test_from for t in report.times])
    if len(times) < 2:
        return Section("drift", "Drift", lead, (Note("One fold has no course over time; PSI stands in the table."),))
    largest = np.where(np.isnan(report.psi), -1.0, report.psi).max(axis=0)
    order = sorted(range(len(report.names)), key=lambda j: (-largest[j], report.names[j]))
    names = [report.names[j] for j in order]
    values = report.psi[:, order].T
    legend = [Key(f"s-{pen}", name) for pen, name in zip(_PENS, names, strict=False)]
    drawn = figure(
        "Drift over time",
        lambda width: _draw_drift(names, times, values, width),
        caption=f"The {min(_MOST_DRIFTING, len(names))} columns that moved most, by start of the test fold; "
        "the others pale. "
        "Rest a pointer on a line for its name.",
        legend=legend,
    )
    return Section("drift", "Drift", lead, (drawn,))


def _draw_drift(names: list[str], times: IntArray, values: FloatArray, width: float) -> Canvas:
    left, right, top, bottom = 48.0, width - 12.0, 14.0, 300.0
    high = max(float(np.nanmax(values)) if np.isfinite(values).any() else 0.0, DRIFT_PSI) * 1.05
    x, y = Scale(float(times[0]), float(times[-1]), left, right), Scale(0.0, high, bottom, top)
    canvas = Canvas(width, bottom + 30, f"Drift of {len(names)} columns over {len(times)} folds")
    canvas.rows(y, [(v, ratio(v)) for v in ticks(0.0, high, 5)], left, right)
    canvas.clock(x, bottom)
    for limit in (STABLE_PSI, DRIFT_PSI):
        canvas.add("line", "zero", f"PSI {limit:g}", x1=left, x2=right, y1=y.at(limit), y2=y.at(limit))
    places = x(times)
    for i in reversed(range(len(names))):
        css = f"line {_PENS[i]}" if i < _MOST_DRIFTING else "line ideal pale"
        message = f"{names[i]}: PSI up to {ratio(np.nanmax(values[i])) if np.isfinite(values[i]).any() else '—'}"
        canvas.path(line(places, y(values[i])), css, message)
    return canvas
