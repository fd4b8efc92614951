"""What an audit found."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that knew the future.

    probe: which question found it.   name: the column, target or stage.   cut: the last row that may have been known.
    row:   where the answer changed.   change: by how much.   text: the same as a sentence.
    """

    probe: str
    name: str
    cut: int
    row: int
    change: float
    text: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """`complete` unless the budget cut something off or a fit does not repeat; `checks` counts questions by probe."""

    complete: bool
    violations: tuple[Violation, ...]
    checks: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Complete, and nothing was found."""
        return self.complete and not self.violations
