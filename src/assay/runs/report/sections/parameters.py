"""Where in the space of parameters the good trials lie: maps of pairs, or a profile of the only one."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.runs.evidence import RunEvidence
from assay.runs.report.parts import Cell, Note, Part, Section, figure, table
from assay.runs.report.searched import Objective, objective
from assay.runs.report.sections.heatmap import Map, grid, legend
from assay.runs.report.sections.profile import profile
from assay.runs.report.trials import Trials, explained, trials
from assay.runs.report.wording import percent

_MAPS, _DOTS = 6, 60  # most maps; most windows whose best is drawn as a dot
_FULL = 0.95  # quantile of the cells' distance from 0 at which the tint is full


def section(evidence: RunEvidence) -> Section | None:
    """Maps of the pairs that explain most; None where no trial was kept."""
    found = trials(evidence)
    if found is None or not found.axes:
        return None
    document = evidence.document
    aim = objective(document["objective"])
    lead = (
        f"Colour is the median {aim.name} of the trials in a cell, above or below the median trial of their window, so "
        "that good and bad markets do not blur it. A broad blue area is a plateau; a lone blue cell is likely luck."
    )
    if not found.valid.any():
        note = Note("Every trial was rejected: no region of the space can be called better than another.")
        return Section("parameters", "Parameters", lead, (note,))
    if found.flat:
        text = (
            f"Every valid trial of a window scored the same ({aim.name} {_only(found, aim)}): there is nothing to map."
        )
        return Section("parameters", "Parameters", lead, (Note(text),))
    parts: list[Part] = [_shares(found)]
    parts += _maps(found, document["windows"], aim) if len(found.axes) > 1 else [profile(found, found.axes[0], aim)]
    return Section("parameters", "Parameters", lead, tuple(parts))


def ranked(found: Trials) -> list[tuple[float, int, int]]:
    """Share explained by each pair of axes, the largest first, then in the order of the axes."""
    good = found.valid
    pairs = []
    for a, b in itertools.combinations(range(len(found.axes)), 2):
        one, two = found.axes[a], found.axes[b]
        cell = one.bins[good] * len(two.edges) + two.bins[good]
        pairs.append((explained(cell, found.gain[good]), a, b))
    return sorted(pairs, key=lambda p: (-p[0], p[1], p[2]))


def _only(found: Trials, aim: Objective) -> str:
    scores = np.unique(np.round(found.score[found.valid], 12))
    return aim.write(scores[0]) if len(scores) == 1 else f"{aim.write(scores[0])} to {aim.write(scores[-1])}"


def _shares(found: Trials) -> Part:
    good = found.valid
    shares = [(explained(each.bins[good], found.gain[good]), each.name) for each in found.axes]
    most = max(share for share, _ in shares) or 1.0
    rows = [(name, Cell(percent(share), share / most)) for share, name in sorted(shares, key=lambda s: (-s[0], s[1]))]
    return table(
        "What each parameter explains alone",
        ("Parameter", "Share of the spread"),
        rows,
        caption="Of the ranks of the valid trials' scores inside their windows, less what chance would explain.",
        half=True,
    )


def _maps(found: Trials, windows: Sequence[Mapping[str, Any]], aim: Objective) -> list[Part]:
    pairs = ranked(found)[:_MAPS]
    grids = [grid(found, found.axes[a], found.axes[b]) for _, a, b in pairs]
    distances = np.abs(np.concatenate([g.gain[np.isfinite(g.gain)] for g in grids]))
    full = float(np.quantile(distances, _FULL)) or float(distances.max()) or 1.0
    parts: list[Part] = []
    for (share, a, b), cells in zip(pairs, grids, strict=True):
        each = Map(found.axes[a], found.axes[b], cells, tuple(windows[-_DOTS:]), aim, full)
        caption = f"The pair explains {percent(share)} of the spread of the scores' ranks."
        parts.append(figure(each.title, each.draw, caption=caption, legend=legend(each), half=True))
    return parts
