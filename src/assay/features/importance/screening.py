"""The screen: the first and cheapest step of choosing columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.stats import rankdata

from assay.features.patterns import parse_name
from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.errors import DataError, LeakError, printable

Single = np.ndarray[tuple[int, int], np.dtype[np.float32]]
_GLANCE = 2_000
_ROWS = 20_000  # for the rank correlation, evenly spaced


@dataclass(frozen=True, slots=True)
class Screen:
    """Columns that a fold's train rows leave over.

    retained:    their positions, increasing.
    dropped: name -> reason, with the value that decided.
    """

    retained: tuple[int, ...]
    dropped: Mapping[str, str]

    def apply(self, x: FloatArray) -> FloatArray:
        """The kept columns of ``(n, k)``, as a copy."""
        return np.ascontiguousarray(x[:, self.retained])


def screen_columns(
    x: FloatArray | Single,
    names: Sequence[str],
    y: FloatArray | None = None,
    *,
    warm_up: int = 0,
    most_nan: float = 0.2,
    most_frequent: float = 0.995,
    most_like_y: float = 0.95,
) -> Screen:
    """Drop constant and near-constant columns and those with many NaN, by the rows given and no others.

    x: ``(n, k)``, double or single, rows of the train fold.
    y: ``(n,)`` its labels, NaN where there is none; warm_up: first rows that do
    not count. A column's most frequent value counts among its finite rows.
    Raises LeakError ``LEAK_COLUMN`` for names that speak of the future, ``LEAK_SUSPECT`` for a column whose rank
    correlation with y exceeds `most_like_y` in modulus; DataError ``DATA_SCHEMA`` for shapes, ``DATA_DEGENERATE`` if
    nothing is left. Cost: O(n k).
    """
    if x.ndim != 2 or x.shape[1] != len(names) or (y is not None and len(y) != len(x)):
        raise DataError(f"x has shape {x.shape} for {len(names)} names", code="DATA_SCHEMA")
    _refuse_names(names)
    rows: FloatArray | Single = np.ascontiguousarray(x[warm_up:])  # type: ignore[assignment]  # keeps its dtype
    finite, first_same = _counts(rows)
    dropped: dict[str, str] = {}
    for j, name in enumerate(names):
        reason = _reason(rows, j, finite[j], first_same[j], most_nan, most_frequent)
        if reason:
            dropped[name] = reason
    stored = tuple(j for j, name in enumerate(names) if name not in dropped)
    if not stored:
        raise DataError(
            f"no column of {len(names)} is left: " + "; ".join(f"{n} {r}" for n, r in list(dropped.items())[:3]),
            code="DATA_DEGENERATE",
        )
    if y is not None:
        _refuse_answers(rows, names, stored, y[warm_up:], most_like_y)
    return Screen(stored, dropped)


def _refuse_names(names: Sequence[str]) -> None:
    for name in names:
        pattern = parse_name(name)
        if name.startswith(("future_", "target_", "base_")) or (pattern is not None and not pattern.lag):
            raise LeakError(
                f"column {printable(name)} speaks of what a model has to find out and may not be a feature",
                code="LEAK_COLUMN",
                column=name[:64],
            )


@njit(cache=True, nogil=True)
def _counts(x: FloatArray | Single) -> tuple[IntArray, IntArray]:
    """By column: finite values, and how many of them equal the winner of a majority vote (Boyer & Moore 1981)."""
    n, k = x.shape
    finite = np.zeros(k, np.int64)
    vote = np.zeros(k)
    lead = np.zeros(k, np.int64)
    for i in range(n):
        for j in range(k):
            v = x[i, j]
            if not np.isfinite(v):
                continue
            finite[j] += 1
            if lead[j] == 0:
                vote[j] = v
            lead[j] += 1 if v == vote[j] else -1
    same = np.zeros(k, np.int64)
    for i in range(n):
        for j in range(k):
            same[j] += x[i, j] == vote[j]
    return finite, same


def _reason(x: FloatArray | Single, j: int, finite: int, same: int, most_nan: float, most_frequent: float) -> str:
    n = len(x)
    if n == 0 or finite == 0:
        return "has no finite value"
    if same == finite:
        return f"constant ({x[np.argmax(np.isfinite(x[:, j])), j]:g})"
    if 1 - finite / n > most_nan:
        return f"NaN share {1 - finite / n:.3f} > {most_nan:g}"
    if same / finite > most_frequent:
        return f"near-constant (one value in {same / finite:.4f} of rows > {most_frequent:g})"
    return ""


def _refuse_answers(
    x: FloatArray | Single, names: Sequence[str], stored: tuple[int, ...], y: FloatArray, limit: float
) -> None:
    labelled = np.flatnonzero(np.isfinite(y))
    few, many = pick_evenly(labelled, _GLANCE), pick_evenly(labelled, _ROWS)
    for j in stored:
        # A glance settles all honest columns: a sample of 2,000 does not miss 0.95 by 0.15.
        if abs(_rank_correlation(x[few, j], y[few])) <= limit - 0.15:
            continue
        rho = _rank_correlation(x[many, j], y[many])
        if abs(rho) > limit:
            raise LeakError(
                f"column {printable(names[j])} and the target have a rank correlation of {rho:.3f} > {limit:g}: "
                "no honest feature knows that much",
                code="LEAK_SUSPECT",
                hint="Look for a shift or a join that lets the future in.",
                column=names[j][:64],
                rho=rho,
            )


def pick_evenly(rows: IntArray, most: int) -> IntArray:
    """At most so many of the rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _rank_correlation(column: "FloatArray | np.ndarray[tuple[int], np.dtype[np.float32]]", y: FloatArray) -> float:
    """Spearman over the rows where the column is finite; 0 for fewer than ten."""
    there = np.isfinite(column)
    if there.sum() < 10:
        return 0.0
    return float(_ranked(column[there]) @ _ranked(y[there]))


def _ranked(values: "FloatArray | np.ndarray[tuple[int], np.dtype[np.float32]]") -> FloatArray:
    """Ranks, centred and of length 1; zeros where all are equal."""
    ranks = rankdata(values) - (len(values) + 1) / 2
    size = float(np.sqrt(ranks @ ranks))
    return np.asarray(ranks / size if size > 0 else ranks)
