"""Sections: parameters of a search by pairs (heat map), in parallel coordinates, or as a profile."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.errors import amount
from assay.runs.report.components import NARROW, Cell, Key, Note, Part, Section, count, figure, floats, percent, table
from assay.runs.report.search_summary import Axis, Objective, Trials, between, objective, ranks, trials
from assay.runs.report.sections.folds import profile
from assay.runs.report.svg import CHAR, Canvas, Scale, drop_crowded, line, pad_range, ticks
from assay.runs.run_artifacts import RunArtifacts

_LINES, _BEST, _LABELLED = 300, 30, 15  # at most drawn; of these the best; of these told one by one
_CLASSES = 4  # tints of the sample: quarters of its ranks
_NAME, _CHOICE = 32, 12  # letters of a parameter's and of a choice's name
_ROOM = 0.55  # of a choice's slot over which its lines are spread


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The trials of one window that are drawn.

    rows: ``(m,)`` rows of the table, the worst first.   tint: ``(m,)`` 0 the lowest quarter to 3 the highest, 4 a best.
    """

    number: int
    rows: IntArray
    tint: IntArray


def draw_trials(result: Trials) -> Drawn:
    """The best trials of the newest window that has valid ones, over others taken evenly from all ranks."""
    number = int(result.window[result.valid].max())
    mine = np.flatnonzero(result.valid & (result.window == number))
    order = mine[np.lexsort((-mine, result.score[mine]))]
    best = order[-min(_BEST, max(1, len(order) // 10)) :]
    rest = order[: len(order) - len(best)]
    rest = rest[result.fair[rest]]
    taken = np.unique(np.linspace(0, len(rest) - 1, min(len(rest), _LINES - len(best))).astype(np.int64))
    tint = taken * _CLASSES // max(len(rest), 1)
    return Drawn(number, np.concatenate([rest[taken], best]), np.append(tint, np.full(len(best), _CLASSES)))


def parallel(result: Trials, windows: Sequence[Mapping[str, object]], aim: Objective) -> Part:
    """The combinations of the newest window and what they scored."""
    shown = draw_trials(result)
    bests = int((shown.tint == _CLASSES).sum())
    legend = [Key("s-chosen", "Best")] + ([Key("s-tint4", f"Best {count(bests)}")] if bests > 1 else [])
    if len(shown.rows) > bests:
        legend.append(Key("s-tints", "The others, from bad to good"))
    valid = next(w["valid_trials"] for w in windows if w["number"] == shown.number)
    all_of_them = len(shown.rows) == valid
    which = f"All {count(valid)}" if all_of_them else f"{count(len(shown.rows))} of the {count(valid)}"
    caption = (
        f"{which} valid trials of window {shown.number + 1}, one line each. Lines that run together at a value of a "
        "parameter and end far right say that the value matters."
    )
    if not all_of_them:
        caption += f" Drawn are the best {count(bests)} and an even sample of all other ranks."
    title = "Combinations and their scores"
    return figure(title, lambda w: _draw(result, shown, aim, w, title), caption=caption, legend=legend)


def _draw(result: Trials, shown: Drawn, aim: Objective, width: float, title: str) -> Canvas:
    small = width <= NARROW
    names = [_cut(each.name, _NAME) for each in result.axes] + [aim.name]
    left = 16.0 if small else 24.0 + CHAR * max(len(n) for n in names)
    right, row, top = width - (16 if small else 28), 60.0 if small else 54.0, 30.0 if small else 18.0
    canvas = Canvas(width, top + row * len(result.axes) + 34, title)
    score = result.score[shown.rows]
    low, high = pad_range(score, share=0.02)
    last = Scale(low, high, left, right)
    y = top + row * np.arange(len(names), dtype=np.float64)
    x = np.column_stack([_across(each, shown.rows, left, right) for each in result.axes] + [last(score)])
    _lines(canvas, result, shown, aim, x, y)
    for k, name in enumerate(names):
        axis = result.axes[k] if k < len(result.axes) else None
        scale = axis.scale(left, right) if axis else last
        about = 4 if small else 9
        marks = axis.marks(about) if axis else aim.marks(ticks(low, high, about))
        canvas.add("line", "axis", x1=left, x2=right, y1=y[k], y2=y[k])
        for value, words in drop_crowded([(v, _cut(w, _CHOICE)) for v, w in marks], scale, CHAR):
            canvas.add("line", "axis", x1=scale.at(value), x2=scale.at(value), y1=y[k], y2=y[k] + 4)
            canvas.text(scale.at(value), y[k] + 17, words, "tick halo", "middle")
        css = "value halo" if axis is None else "unit halo"
        canvas.text(2 if small else left - 14, y[k] - 8 if small else y[k] + 4, name, css, "start" if small else "end")
    return canvas


def _across(axis: Axis, rows: IntArray, left: float, right: float) -> FloatArray:
    """Places on one row; on a choice the lines are spread over its slot."""
    at = axis.at[rows]
    if axis.labels:
        at = at + ((np.arange(len(rows), 0, -1) * 0.618034 + 0.381966 + 0.5) % 1.0 - 0.5) * _ROOM
    return axis.scale(left, right)(at)


def _lines(canvas: Canvas, result: Trials, shown: Drawn, aim: Objective, x: FloatArray, y: FloatArray) -> None:
    for tint in range(_CLASSES):
        mine = x[shown.tint == tint]
        canvas.path("".join(line(each, y) for each in mine), f"combination tint{tint}")
    bests = np.flatnonzero(shown.tint == _CLASSES)
    canvas.path("".join(line(x[k], y) for k in bests[:-_LABELLED]), f"combination tint{_CLASSES}")
    for k in bests[-_LABELLED:].tolist():
        row = int(shown.rows[k])
        document = ", ".join(f"{each.name} {_axis_label(each, row)}" for each in result.axes)
        css = "combination chosen" if k == bests[-1] else f"combination tint{_CLASSES}"
        canvas.path(line(x[k], y), css, f"{aim.name} {aim.write(result.score[row])}: {document}")


def _axis_label(axis: Axis, row: int) -> str:
    at = axis.at[row]
    if not np.isfinite(at):
        return "—"
    return axis.labels[int(at)] if axis.labels else f"{at:.5g}"


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"


_LETTERS = 9  # of a choice's name beside a map


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Cells of two parameters: trials, those that are valid, their median gain and best score; NaN without one."""

    searched_values: IntArray
    valid: IntArray
    gain: FloatArray
    best: FloatArray


def grid(result: Trials, one: Axis, two: Axis) -> Grid:
    """The cells of two axes, ``(bins of one, bins of two)``."""
    shape = len(one.edges) - 1, len(two.edges) - 1
    available = (one.bins >= 0) & (two.bins >= 0)
    frame = pl.DataFrame(
        {
            "cell": one.bins[available] * shape[1] + two.bins[available],
            "gain": result.gain[available],
            "score": result.score[available],
        }
    ).with_columns(pl.col("gain", "score").fill_nan(None))
    per = frame.group_by("cell").agg(
        asked=pl.len(), valid=pl.col("score").count(), gain=pl.col("gain").median(), best=pl.col("score").max()
    )
    at = per["cell"].to_numpy()
    cells = shape[0] * shape[1]
    request, valid = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
    gain, best = np.full(cells, np.nan), np.full(cells, np.nan)
    request[at], valid[at] = per["asked"].to_numpy(), per["valid"].to_numpy()
    gain[at], best[at] = floats(per, "gain"), floats(per, "best")
    return Grid(request.reshape(shape), valid.reshape(shape), gain.reshape(shape), best.reshape(shape))


def legend(drawn: "Map") -> list[Key]:
    """What is on a map besides its colours."""
    shown = [bool(np.isfinite(drawn.place(w)).all()) for w in drawn.windows]
    keys = [Key("s-best", "Best of the newest window")] if shown and shown[-1] else []
    if any(shown[:-1]):
        keys.append(Key("s-bests", "Of earlier windows"))
    if ((drawn.cells.searched_values > 0) & (drawn.cells.valid == 0)).any():
        keys.append(Key("s-hole", "All rejected"))
    return keys


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """One heat map: `across` along x, `up` along y; the tint is full at `full`."""

    across: Axis
    up: Axis
    cells: Grid
    windows: tuple[Mapping[str, Any], ...]
    aim: Objective
    full: float

    @property
    def title(self) -> str:
        return f"{self.up.name} against {self.across.name}"

    def place(self, window: Mapping[str, Any]) -> tuple[float, float]:
        """Where a window's best lies on the two axes, NaN where it does not."""
        value = window["parameters"]
        return self.across.place(value.get(self.across.name)), self.up.place(value.get(self.up.name))

    def draw(self, width: float) -> Canvas:
        """The map with its colour bar below."""
        words = [text for _, text in self.up.marks(6)]
        left = 22.0 + min(max((len(w) for w in words), default=1), _LETTERS) * CHAR
        right, top, bottom = width - 8, 26.0, 284.0
        x, y = self.across.scale(left, right), self.up.scale(bottom, top)
        canvas = Canvas(width, bottom + 88, f"Heat map of {self.title}, {self.aim.name}")
        canvas.text(2, 10, _cut(self.up.name, int(width / CHAR)), "unit")
        self._cells(canvas, x, y)
        for value, text in drop_crowded_rows(self.up.marks(6), y):
            canvas.text(left - 7, y.at(value) + 4, _cut(text, _LETTERS), anchor="end")
        marks = [(v, _cut(t, _LETTERS)) for v, t in self.across.marks(5 if width > 400 else 4)]
        canvas.columns(x, marks, bottom)
        canvas.text((left + right) / 2, bottom + 38, self.across.name, "unit", "middle")
        self._bests(canvas, x, y)
        _bar(canvas, left, right, bottom + 54, self.full, self.aim)
        return canvas

    def _cells(self, canvas: Canvas, x: Scale, y: Scale) -> None:
        across, up = x(self.across.edges), y(self.up.edges)
        for i, j in np.argwhere(self.cells.searched_values > 0).tolist():
            gain, valid = float(self.cells.gain[i, j]), int(self.cells.valid[i, j])
            tip = f"{self.across.name} {self.across.span(i)}, {self.up.name} {self.up.span(j)}: "
            places = {"x": across[i] + 0.5, "y": up[j + 1] + 0.5}
            places |= {"width": across[i + 1] - across[i] - 1, "height": up[j] - up[j + 1] - 1}
            if not valid:
                canvas.add(
                    "rect",
                    "out",
                    f"{tip}rejected: all of {amount(self.cells.searched_values[i, j], 'trial')}",
                    **places,
                )
                continue
            tip += f"median {self.aim.write(gain, sign=True)}, best score {self.aim.write(self.cells.best[i, j])}, "
            tip += f"valid: {count(valid)} of {amount(self.cells.searched_values[i, j], 'trial')}"
            canvas.add("rect", _side(gain), tip, **places, fill_opacity=_tint(gain, self.full))

    def _bests(self, canvas: Canvas, x: Scale, y: Scale) -> None:
        """Each window's best; on choices they lie beside each other, so that equal ones are seen."""
        for k, window in enumerate(self.windows):
            newest = k == len(self.windows) - 1
            a, b = self.place(window)
            if not (np.isfinite(a) and np.isfinite(b)):
                continue
            shift = 0.0 if newest else (k * 0.618034) % 1.0 - 0.5
            tip = f"Window {window['number'] + 1}: score {self.aim.write(window['score'])}"
            a += shift * 0.6 if self.across.labels else 0.0
            b += ((k * 0.754878) % 1.0 - 0.5) * 0.6 if self.up.labels and not newest else 0.0
            canvas.add(
                "circle", "chosen ring" if newest else "chosen", tip, cx=x.at(a), cy=y.at(b), r=6 if newest else 2.6
            )


def _side(gain: float) -> str:
    return "cell gain" if gain >= 0 else "cell loss"


def _tint(gain: float, full: float) -> str:
    return f"{0.06 + 0.84 * min(abs(gain) / full, 1.0):.2f}"


def _bar(canvas: Canvas, left: float, right: float, y: float, full: float, aim: Objective) -> None:
    """The colour bar: from as bad as drawn to as good as drawn."""
    steps = 11
    wide = (right - left) / steps
    for k in range(steps):
        gain = (2 * (k + 0.5) / steps - 1) * full
        gain = 0.0 if abs(gain) < full / steps else gain
        places = {"x": left + wide * k, "y": y, "width": wide, "height": 8.0}
        canvas.add("rect", _side(gain), "", **places, fill_opacity=_tint(gain, full))
    canvas.text(left, y + 24, f"{aim.write(-full, sign=True)} or less", "tick", "start")
    canvas.text((left + right) / 2, y + 24, "median trial", "tick", "middle")
    canvas.text(right, y + 24, f"{aim.write(full, sign=True)} or more", "tick", "end")


def drop_crowded_rows(marks: list[tuple[float, str]], y: Scale) -> list[tuple[float, str]]:
    """Marks of a vertical axis that do not touch each other."""
    stored: list[tuple[float, str]] = []
    for value, text in marks:
        if not stored or abs(y.at(value) - y.at(stored[-1][0])) >= 14:
            stored.append((value, text))
    return stored


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
