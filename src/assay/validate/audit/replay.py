"""Online replay: judged decisions, decided again by a model that sees nothing after them.

The panel of a question begins where the judged panel began and ends at the row that is asked about, as the panel of a
bot would. A decision that used a later bar, in whatever way the model came to it, has no such bar here.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.contracts import Fold, Model
from assay.kernel.decisions import Decisions
from assay.kernel.panel import Panel, Window, span
from assay.kernel.seeding import generator
from assay.kernel.timeframe import iso
from assay.validate._walk_forward import FoldResult, SymbolResult, mask_filtered_bars
from assay.validate.audit.perturbations import Difference, first_change, first_changed_decision, scale_of
from assay.validate.audit.pipeline import AuditReport, Columns, Coverage, Features, Pipeline, Seen, Violation

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


PROBE, REPEAT, OUTSIDE = "replay", "repeat", "outside"


@dataclass(frozen=True, slots=True, eq=False)
class JudgedWalk:
    """A walk-forward that was judged.

    panel:    that was walked.   outcomes: one a fold.
    refit:    whether the audited trainer is the one that fitted them, with the audit's seed: then a fit of the walk
              stands for the audit's first one.
    """

    panel: Panel
    outcomes: Sequence[FoldResult]
    refit: bool = True

    @property
    def judged(self) -> list[tuple[FoldResult, str, SymbolResult]]:
        """Every fold and instrument that has a record."""
        return [(o, s, t) for o in self.outcomes if o.model is not None for s, t in o.tested.items()]


@dataclass(frozen=True, slots=True, eq=False)
class ReplaySources:
    """Who answers in a replay: closed processes, where a file of the user's own decides or computes.

    model:    the one that is asked in place of a judged fold's model.   features: columns; None: those of the pipeline.
    attempts: what the processes refused so far, each as a place and a sentence.
    """

    model: Callable[[Model], Model]
    features: Features | None
    attempts: Callable[[], Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True, order=True)
class Question:
    """One row to decide again. row: of the fold's judged rows, from 0.   gain: what followed a change there."""

    fold: int
    symbol: str
    row: int
    gain: float = 0.0


def choose_rows(walked: JudgedWalk, *, most: int, seed: int) -> list[Question]:
    """Up to `most` rows, by fold, instrument and row; the walk and the seed alone decide which.

    Half are rows at which the judged position changed (it began, ended by decision or was resized): of these half are
    followed by the largest gains, the others are drawn. Of the rest half lie before the largest moves of the market and
    half are drawn from all judged rows. What one group does not use, the others may.
    """
    draw = generator(seed, "audit replay")
    changes = [each for part in walked.judged for each in _changes(*part)]
    moves = [each for part in walked.judged for each in _moves(walked.panel, *part)]
    quarter = max(1, most // 4)
    chosen: dict[tuple[int, str, int], Question] = {}
    _add(chosen, sorted(changes, key=lambda q: -q.gain), quarter, most)
    _add(chosen, _drawn(changes, draw), quarter, most)
    _add(chosen, sorted(moves, key=lambda q: -q.gain), quarter, most)
    _add(chosen, _drawn(moves, draw), most - len(chosen), most)
    return sorted(chosen.values())


def coverage(walked: JudgedWalk, request: Sequence[Question]) -> Coverage:
    """Rows judged, rows asked again, and the share of all gains that began at a row that was asked."""
    changes = [each for part in walked.judged for each in _changes(*part)]
    total = sum(max(0.0, each.gain) for each in changes)
    there = {(q.fold, q.symbol, q.row) for q in request}
    seen = sum(max(0.0, q.gain) for q in changes if (q.fold, q.symbol, q.row) in there)
    rows = sum(len(tested.decisions) for _, _, tested in walked.judged)
    return Coverage(rows, len(there), seen / total if total > 0 else float("nan"))


def replay_probe(
    ground: AuditState, walked: JudgedWalk, question: Question, *, recompute: bool, online: ReplaySources | None = None
) -> None:  # fmt: skip
    """The judged decision of a row, and all of its fold before it, from a panel that ends there. Bit for bit.

    recompute: columns are made anew from candles that end there, as they are online, and must be those of the walk.
    """
    outcome = next(o for o in walked.outcomes if o.number == question.fold)
    if outcome.model is None or not ground.ask(PROBE):
        return
    view = _cut(walked.panel, outcome, outcome.model, question)
    features = None if online is None else online.features
    if recompute and _columns_differ(ground, view, features or ground.pipeline.features):
        return
    again = (outcome.model if online is None else online.model(outcome.model)).decide(view)
    for symbol, window in view:
        tested = outcome.tested.get(symbol)
        if tested is None:
            continue
        rows = len(window) - tested.start
        if rows <= 0:
            continue
        now = mask_filtered_bars(again[symbol][tested.start :], window.bars[tested.start :])
        difference = first_changed_decision(tested.decisions[:rows], now, tolerance=0.0)
        if difference is not None:
            _blame(ground, walked, question, symbol, tested, difference)


def repeat_probe(ground: AuditState, walked: JudgedWalk) -> None:
    """The columns that were judged on are those that the same candles give when they are computed again."""
    if not any(window.names for _, window in walked.panel) or not ground.ask(REPEAT):
        return
    again = ground.pipeline.view(ground.bars, labelled=False).panel(ground.warm_up)
    for symbol, window in walked.panel:
        now = again.windows.get(symbol)
        if now is None or now.names != window.names or len(now) != len(window):
            text = f"LEAK_STATE: the columns of {symbol} are others when the same candles are computed again"
            number = _number(ground, symbol)
            ground.blame(REPEAT, "names", text, symbol=number, cut=0, row=0, change=float("nan"))
            continue
        _blame_columns(ground, REPEAT, window, now, "the same candles were computed again", code="LEAK_STATE")


def _blame_columns(ground: AuditState, probe: str, was: Window, now: Window, when: str, *, code: str) -> bool:
    """Blame each column that differs between two windows of the same bars; whether one does."""
    number = _number(ground, was.bars.instrument.symbol)
    cut = _row(ground, number, int(was.bars.timestamp[-1]))
    differences = first_change(was.names, was.features, now.features, tolerance=0.0)
    for each in differences:
        row = _row(ground, number, int(was.bars.timestamp[each.row]))
        text = f"{code}: feature '{each.name}' at row {row} {size(each.change)} when {when}"
        ground.blame(
            probe, each.name, text, symbol=number, cut=cut, row=row, change=each.change, remark=each.remark
        )  # fmt: skip
    return bool(differences)


def _blame(
    ground: AuditState, walked: JudgedWalk, question: Question, symbol: str,
    tested: SymbolResult, difference: Difference
) -> None:  # fmt: skip
    number = _number(ground, symbol)
    bars = walked.panel[symbol].bars[slice(*tested.rows)]
    row = _row(ground, number, int(bars.timestamp[min(difference.row, len(bars) - 1)]))
    cut = _row(ground, number, int(bars.timestamp[min(question.row, len(bars) - 1)]))
    name = ground.trainer
    text = (
        f"LEAK_ONLINE: the judged decision of '{name}' at row {row} (fold {question.fold}): {difference.name} "
        f"{size(difference.change)} when it was decided from bars up to row {cut} only"
    )
    ground.blame(
        PROBE, name, text, symbol=number, cut=cut, row=row, change=difference.change, remark=difference.remark
    )  # fmt: skip


def _changes(outcome: FoldResult, symbol: str, tested: SymbolResult) -> Iterator[Question]:
    """Rows whose decision changed the judged position, each with the log growth until the next change."""
    rows = _change_rows(tested.decisions, tested)
    if not len(rows):
        return
    with np.errstate(divide="ignore"):
        growth = np.log(tested.record.equity / tested.record.initial)
    ends = np.r_[rows[1:], len(growth) - 1]
    for row, end in zip(rows.tolist(), ends.tolist(), strict=True):
        gain = float(growth[end] - growth[row])
        yield Question(outcome.number, symbol, row, gain if np.isfinite(gain) else 0.0)


def _change_rows(decisions: Decisions, tested: SymbolResult) -> IntArray:
    """``(k,)`` rows before an entry or an exit by decision, and rows of a weight that differs from the last one."""
    trades, n = tested.record.trades, len(decisions)
    entries = trades.entry_row - tested.start - 1
    exits = trades.exit_row[np.isin(trades.reasons, ("SIGNAL", "MAX_HOLD"))] - tested.start - 1
    spoken = np.flatnonzero(np.isfinite(decisions.target))
    turned = spoken[np.diff(decisions.target[spoken], prepend=0.0) != 0.0]
    rows = np.unique(np.concatenate([entries, exits, turned])).astype(np.int64)
    return rows[(rows >= 0) & (rows < n - 1)]


def _moves(panel: Panel, outcome: FoldResult, symbol: str, tested: SymbolResult) -> Iterator[Question]:
    """Every judged row but the last, with the size of the market's next move."""
    close = panel[symbol].bars.close[slice(*tested.rows)]
    for row, move in enumerate(np.abs(np.diff(np.log(close))).tolist()):
        yield Question(outcome.number, symbol, row, move)


def _drawn(questions: Sequence[Question], draw: np.random.Generator) -> list[Question]:
    return [questions[i] for i in draw.permutation(len(questions))]


def _add(
    chosen: dict[tuple[int, str, int], Question], candidates: Sequence[Question], count: int, most: int
) -> None:  # fmt: skip
    """Add the first `count` candidates that are not chosen yet."""
    for each in candidates:
        if count <= 0 or len(chosen) >= most:
            return
        place = (each.fold, each.symbol, each.row)
        if place not in chosen:
            chosen[place] = each
            count -= 1


def _cut(panel: Panel, outcome: FoldResult, model: Model, question: Question) -> Panel:
    """The panel of a fold as the walk gave it to the model, without anything after the row that is asked about."""
    view = panel.predict_view(outcome.fold.test, lookback=model.lookback)
    first = outcome.tested[question.symbol].rows[0]
    instant = int(panel[question.symbol].bars.known_at[first + question.row])
    parts = {s: w[: span(w, 0, instant)[1]] for s, w in view}
    return Panel({s: _copied(w) for s, w in parts.items() if len(w)})


def _copied(window: Window) -> Window:
    """The window in arrays of its own: a view would lead to the array that it was cut from, later rows included."""
    return replace(window, bars=window.bars.copy(), features=window.features.copy())


def _columns_differ(ground: AuditState, view: Panel, features: Features) -> bool:
    """Whether candles that end where the view ends give other columns; blames them."""
    last = int(view.times[-1])
    bars = [b[: int(np.searchsorted(b.known_at, last, side="right"))].copy() for b in ground.bars]
    there = [b for b in bars if len(b)]
    columns = dict(zip((b.instrument.symbol for b in there), features(there), strict=True))
    when = "its row was computed from earlier bars only"
    return any(
        [_blame_columns(ground, PROBE, w, _with_columns(w, columns[s]), when, code="LEAK_ONLINE") for s, w in view]
    )


def _with_columns(window: Window, columns: Columns) -> Window:
    """The window with the last rows of these columns; a name that they lack is NaN."""
    last = columns.values[len(columns.values) - len(window) :]
    features = np.full(window.features.shape, np.nan)
    for k, name in enumerate(window.names):
        if name in columns.names:
            features[:, k] = last[:, columns.names.index(name)]
    return replace(window, features=features)


def _number(ground: AuditState, symbol: str) -> int:
    return [b.instrument.symbol for b in ground.bars].index(symbol)


def _row(ground: AuditState, number: int, timestamp: int) -> int:
    """The row of the instrument's candles that opens at this instant (ms)."""
    return int(np.searchsorted(ground.bars[number].timestamp, timestamp))
