"""Summary of a search: objective, windows, and where its parameters lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.runs.advice import cost_words
from assay.runs.report.formatting import alike, number, percent, ratio
from assay.runs.run_artifacts import RunArtifacts
from assay.validate import thresholds_from_document

_THIN = "\u202f"
_ROUNDING = 1.000001


@dataclass(frozen=True, slots=True)
class Objective:
    """A score's name and form.   name: for an axis, with its unit.   fraction: written in percent."""

    name: str
    fraction: bool = False

    def write(self, value: Any, *, sign: bool = False) -> str:
        """One score, or a difference of two (`sign`)."""
        return percent(value, 2, sign=sign) if self.fraction else ratio(value, 2, sign=sign)

    def marks(self, values: Sequence[float], *, sign: bool = False) -> list[tuple[float, str]]:
        """Labels of an axis."""
        written = alike([v * 100 for v in values] if self.fraction else values)
        unit = _THIN + "%" if self.fraction else ""
        return [(v, ("+" if sign and v > 0 else "") + text + unit) for v, text in zip(values, written, strict=True)]


_NOTES = {
    "sharpe_ratio": Objective("Sharpe ratio a year"),
    "net_profit": Objective("net profit", fraction=True),
    "sortino": Objective("Sortino ratio a year"),
    "calmar": Objective("Calmar ratio"),
    "profit_factor": Objective("profit factor"),
    "deflated": Objective("deflated Sharpe probability"),
}


def objective(name: str) -> Objective:
    """By the name that the document carries; one without an entry is written plainly."""
    return _NOTES.get(name, Objective(name.replace("_", " ")))


def stress_text(evidence: RunArtifacts) -> str:
    """The costs of the stressed curve in words; a backtest is stressed by the default."""
    sides = (evidence.document.get("evidence") or {}).get("cost_sides") or []
    factor = thresholds_from_document(evidence.document.get("thresholds", {})).cost_factor
    if any(side["stressed"] > factor * side["assumed"] * _ROUNDING for side in sides):
        mean = sum(side["stressed"] for side in sides) / len(sides)
        return f"{mean * 1e4:.1f} basis points a side"
    return cost_words(factor)


def has_unseen_window(document: Mapping[str, Any]) -> bool:
    """Whether any window was judged on bars that its search had not seen."""
    return any(w["test"] for w in document["windows"])


def newest(windows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The last window whose parameters are traded on; None if none found any."""
    return next((w for w in reversed(windows) if w["parameters"]), None)


def part(window: Mapping[str, Any], which: str, name: str) -> Any:
    """A metric of a window's train or test part; None where it has none."""
    return (window[which] or {}).get(name)


def place_in_range(space: Mapping[str, Any], value: Any) -> float:
    """Where a value lies in its searched range, 0 the low end and 1 the high; NaN for what has no order."""
    if space.get("type") == "choice":
        values = [number(v) for v in space["values"]]
        at = number(value)
        if not np.isfinite([*values, at]).all() or at not in values or len(values) < 2:
            return float("nan")
        return sorted(values).index(at) / (len(values) - 1)
    low, high, at = number(space.get("low")), number(space.get("high")), number(value)
    if space.get("log") and min(low, high, at) > 0:
        low, high, at = (float(np.log(v)) for v in (low, high, at))
    return (at - low) / (high - low) if high > low else float("nan")
