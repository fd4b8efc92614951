"""The same bars in other years, and the clocks that a closed process cannot move."""

import ast
from dataclasses import replace

from assay.kernel.bars import Bars, Joined
from assay.kernel.timeframe import DAY_MS
from assay.kernel.user_source import UserCode

SHIFT_DAYS = 10_227
"""28 years with seven leap days: the same date, weekday and daylight-saving rule, from 1901 to 2099."""

_MOMENTS = ("now", "today")
_MAKERS = ("datetime64", "Timestamp", "to_datetime", "Period", "DatetimeIndex", "array", "asarray")


def move_bars(bars: Bars, days: int = SHIFT_DAYS) -> Bars:
    """The same bars, `days` later: open times, and both times of joined series."""
    by = days * DAY_MS
    joined = {name: Joined(s.value_time + by, s.known_at + by, s.value) for name, s in bars.joined.items()}
    return replace(bars, timestamp=bars.timestamp + by, joined=joined)


def clock_reads(code: UserCode) -> tuple[tuple[str, str, int], ...]:
    """Where the source reads a clock that native code keeps, such as ``np.datetime64("now")``: what, file and line."""
    reads = []
    for file in code.files:
        try:
            tree = ast.parse(file.text, file.path)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            what = _clock(node)
            if what and isinstance(node, ast.Call):
                reads.append((what, file.path, node.lineno))
    return tuple(reads)


def _clock(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    name = _name(node.func)
    first = node.args[0] if node.args else None
    if name in _MAKERS and isinstance(first, ast.Constant) and first.value in _MOMENTS:
        return f"{name}({first.value!r})"
    if isinstance(node.func, ast.Attribute) and name in (*_MOMENTS, "utcnow") and _name(node.func.value) == "Timestamp":
        return f"Timestamp.{name}()"
    return ""


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
