"""Report of an audit."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite


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
class Coverage:
    """How much of a judged record was decided again.

    rows_judged: decisions that were judged.   rows_asked: of them decided again from bars that end there.
    profit_share: of all gains between two changes of the position, the share that began at a row that was decided
    again; NaN where nothing was gained.
    """

    rows_judged: int
    rows_asked: int
    profit_share: float

    @property
    def text(self) -> str:
        """As a sentence ends."""
        gains = f" ({self.profit_share:.0%} of the gains began at these)" if isfinite(self.profit_share) else ""
        rows = f"{self.rows_asked:,} of {self.rows_judged:,} judged decisions"
        return f"{rows} were made again from earlier bars only{gains}"


@dataclass(frozen=True, slots=True)
class AuditReport:
    """`complete` unless a fit does not repeat or something could not be asked; `checks` counts questions by probe.

    coverage: of the judged record; None where none was replayed.
    """

    complete: bool
    violations: tuple[Violation, ...]
    checks: Mapping[str, int]
    notes: tuple[str, ...] = ()
    coverage: Coverage | None = None

    @property
    def passed(self) -> bool:
        """Complete, and nothing was found."""
        return self.complete and not self.violations
