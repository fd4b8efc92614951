"""State shared by all probes of one audit."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.fold import Fold
from assay.kernel.panel import Panel
from assay.kernel.timestamps import iso
from assay.validate.audit.perturbations import scale_of
from assay.validate.audit.pipeline import Pipeline, Seen
from assay.validate.audit.report import AuditReport, Coverage, Violation

FILE_PROBES = ("outside", "state", "calendar")
"""Of files of the user's own, in closed processes; see `assay.validate.isolation`."""
PROBES = ("repeat", "truncate", "scramble", "symbols", "label", "fit", "decide", "replay", "simulate", "warm-up")
"""In the order in which a candle meets them: what an earlier one finds, later ones may only pass on."""


@dataclass
class AuditState:
    """Candles as they are, walked once; and the findings.

    seen:  of all candles, unchanged.   panel: of it, from row `warm_up` on.   scales: ``(k,)`` an instrument.
    questions: the probes that are on.   trainer: its name.   coverage: of the replay, once it is done.
    """

    pipeline: Pipeline
    bars: Sequence[Bars]
    seed: int
    questions: Collection[str]
    seen: Seen
    panel: Panel
    folds: list[Fold]
    scales: list[FloatArray]
    checks: Counter[str] = field(default_factory=Counter)
    violations: dict[tuple[str, str], Violation] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    complete: bool = True
    label_moved: bool = False
    trainer: str = "model"
    coverage: Coverage | None = None

    @classmethod
    def of(cls, pipeline: Pipeline, bars: Sequence[Bars], seed: int, request: Collection[str]) -> "AuditState":
        """Walk the candles as they are."""
        seen = pipeline.view(bars, labelled=True)
        panel = seen.panel(seen.warm_up)
        folds = list(pipeline.plan(panel).folds(panel.known_at, panel.times))
        return cls(pipeline, bars, seed, request, seen, panel, folds, [scale_of(c.values) for c in seen.columns])

    @property
    def warm_up(self) -> int:
        """Rows at the start of each instrument that no learner sees."""
        return self.seen.warm_up

    def cut_of(self, symbol: int, instant: int) -> int:
        """Last row of that instrument which is known at `instant` (ms)."""
        return int(np.searchsorted(self.bars[symbol].known_at, instant, side="right")) - 1

    def ask(self, probe: str) -> bool:
        """Count a question; False where the probe is off."""
        if probe not in self.questions:
            return False
        self.checks[probe] += 1
        return True

    def blame(
        self, probe: str, name: str, text: str, *, symbol: int, cut: int, row: int, change: float, remark: str = ""
    ) -> None:  # fmt: skip
        """Keep the first finding of a probe about a name. text, remark: what is said before and after the bar."""
        bars = self.bars[symbol]
        where = f" ({bars.instrument.symbol}, bar of {iso(int(bars.timestamp[row]))})" if 0 <= row < len(bars) else ""
        self.violations.setdefault((probe, name), Violation(probe, name, cut, row, change, text + where + remark))

    def apart(self) -> "AuditState":
        """The same candles with findings of its own, for questions that are asked on another thread."""
        return replace(self, checks=Counter(), violations={}, notes=[])

    def absorb(self, other: "AuditState") -> None:
        """Add what was found on another thread."""
        self.checks.update(other.checks)
        self.violations = other.violations | self.violations
        self.notes.extend(other.notes)
        self.complete &= other.complete

    def report(self) -> AuditReport:
        """All findings in the order of the walk, but for those of warm-up about a column that knows the future."""
        early = {name for probe, name in self.violations if probe in ("truncate", "scramble")}
        stored = [v for (probe, name), v in self.violations.items() if probe != "warm-up" or name not in early]
        stored.sort(key=lambda v: (*FILE_PROBES, *PROBES).index(v.probe))
        return AuditReport(self.complete, tuple(stored), dict(self.checks), tuple(self.notes), self.coverage)


def size(change: float) -> str:
    """How an answer changed, as a sentence ends."""
    return "appeared or went" if np.isnan(change) else f"changed by {change:.3g}"
