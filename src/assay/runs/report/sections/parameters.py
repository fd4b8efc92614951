"""Section: maps of good parameters by pairs, or a profile of the only one."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.kernel.plural import amount
from assay.runs.report.components import Cell, Note, Part, Section, figure, table
from assay.runs.report.formatting import count, percent
from assay.runs.report.search_summary import Objective, objective
from assay.runs.report.sections.heatmap import Map, grid, legend
from assay.runs.report.sections.profile import profile
from assay.runs.report.trials import Trials, between, ranks, trials
from assay.runs.run_artifacts import RunArtifacts

_MAPS, _DOTS = 6, 60  # most maps; most windows whose best is drawn as a dot
_FULL = 0.95  # quantile of the better cells' gain at which the tint is full: plateaus matter, not how deep the rest is
_FEWEST, _FEW = 20, 100  # valid trials below which there is nothing to compare, or little
_ADDS = 0.01  # share that a pair must explain beyond the stronger of its two to be drawn


def section(evidence: RunArtifacts) -> Section | None:
    """Maps of the pairs that explain most; None where no trial was kept."""
    stored = trials(evidence)
    if stored is None or not stored.axes:
        return None
    document = evidence.document
    aim = objective(document["objective"])
    lead = (
        f"Trials are compared by their {aim.name} above or below the median trial of their own window, so that good "
        "and bad markets do not blur what a parameter does."
    )
    if not stored.valid.any():
        note = Note("Every trial was rejected: no region of the space can be called better than another.")
        return Section("parameters", "Parameters", lead, (note,))
    result = stored.sample()
    if (many := int(result.valid.sum())) < _FEWEST:
        text = f"Too few to map: {amount(many, 'trial')} to compare with another valid one of the same window."
        return Section("parameters", "Parameters", lead, (Note(text),))
    if result.flat:
        text = (
            f"Every valid trial of a window scored the same ({aim.name} {_only(result, aim)}): there is nothing to map."
        )
        return Section("parameters", "Parameters", lead, (Note(text),))
    shares, pairs = rank_axes(result)
    made = sum(w["trials"] for w in document["windows"] if w["number"] in result.window)
    if len(result.score) < made:
        lead += f" Of {count(made)} trials a fair sample of {count(len(result.score))} is looked at."
    if many < _FEW:
        lead += f" Compared are only {amount(many, 'valid trial')}: patterns of chance are likely."
    maps = _maps(result, pairs[:_MAPS], [w for w in document["windows"] if w["parameters"]], aim) if pairs else []
    strongest = sorted(range(len(shares)), key=lambda k: -shares[k])[: 1 + len(maps) % 2]  # an even number of halves
    if maps:
        lead += (
            " Colour is the median of a cell's trials: a broad blue area is a plateau, a lone blue cell likely luck."
        )
    profiles = [profile(result, result.axes[k], aim) for k in strongest]
    parts = (_shares(result, shares), *profiles, *maps)
    return Section("parameters", "Parameters", lead, parts)


def rank_axes(result: Trials) -> tuple[list[float], list[tuple[float, int, int]]]:
    """What each axis explains alone, and each pair of axes that says more than its stronger one, the largest first.

    Pairs are ``(share, axis, axis)``, equal shares in the order of the axes; the strongest one is there in any case.
    A pair that has no more trials than cells has share NaN and stands where the sum of its two does.
    """
    good = result.valid
    rank, axes = ranks(result.gain[good]), result.axes
    bins = [each.bins[good] + 1 for each in axes]  # 0: unknown
    alone = [float(np.nan_to_num(between(each, rank))) for each in bins]
    pairs = []
    for a, b in itertools.combinations(range(len(axes)), 2):
        share = between(bins[a] * (len(axes[b].edges) + 1) + bins[b], rank)
        pairs.append((alone[a] + alone[b] if np.isnan(share) else share, share, a, b))
    pairs.sort(key=lambda p: (-p[0], p[2], p[3]))
    stored = pairs[:1] + [p for p in pairs[1:] if p[0] >= max(alone[p[2]], alone[p[3]]) + _ADDS]
    return alone, [(share, a, b) for _, share, a, b in stored]


def _only(result: Trials, aim: Objective) -> str:
    scores = np.unique(np.round(result.score[result.valid], 12))
    return aim.write(scores[0]) if len(scores) == 1 else f"{aim.write(scores[0])} to {aim.write(scores[-1])}"


def _shares(result: Trials, shares: Sequence[float]) -> Part:
    most = max(shares) or 1.0
    named = sorted(zip(shares, (each.name for each in result.axes), strict=True), key=lambda s: (-s[0], s[1]))
    rows = [(name, Cell(percent(share), share / most)) for share, name in named]
    caption = "Alone, of the ranks of the valid trials' scores inside their windows, less what chance would explain."
    if len(shares) > 1:
        caption += " Maps: the pairs that explain most, where they say more than the stronger of the two alone."
    return table(
        "Share of the spread that each parameter explains",
        ("Parameter", "Share"),
        rows,
        caption=caption,
        half=True,
    )


def _maps(
    result: Trials, pairs: Sequence[tuple[float, int, int]], windows: Sequence[Mapping[str, Any]], aim: Objective
) -> list[Part]:
    grids = [grid(result, result.axes[a], result.axes[b]) for _, a, b in pairs]
    gains = np.concatenate([g.gain[np.isfinite(g.gain)] for g in grids])
    better = gains[gains > 0] if (gains > 0).any() else np.abs(gains)
    full = float(np.quantile(better, _FULL)) or 1.0
    parts: list[Part] = []
    for (share, a, b), cells in zip(pairs, grids, strict=True):
        each = Map(result.axes[a], result.axes[b], cells, tuple(windows[-_DOTS:]), aim, full)
        caption = f"The pair explains {percent(share)} of the spread of the scores' ranks."
        if np.isnan(share):
            caption = "About one trial a cell: what the pair explains cannot be told from chance."
        parts.append(figure(each.title, each.draw, caption=caption, legend=legend(each), half=True))
    return parts
