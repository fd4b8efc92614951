"""Probe a user file in fresh closed processes: does it decide by its candles alone?

One implementation for trainings, ``audit``, ``strategies check`` and ``features check``. Each question is a panel from
the first bar on, at the length that was judged, so that a file which behaves on short panels is asked on long ones.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Decisions
from assay.kernel.errors import AssayError, DataError
from assay.kernel.seeding import generator
from assay.kernel.timeframe import iso
from assay.kernel.user_source import UserCode
from assay.market import scramble_future
from assay.validate.audit.perturbations import ROUNDING_REMARK, at_rounding
from assay.validate.audit.pipeline import Columns, Violation
from assay.validate.isolation.environment import SHIFT_DAYS, clock_reads, move_bars
from assay.validate.isolation.process import Attempt, ClosedProcess, Confinement
from assay.validate.isolation.user_files import IsolatedFeatures, IsolatedStrategy

REPEATS = 700
"""Times that a short panel is asked before the whole one is asked again: for code that waits before it peeks."""
PROBE_QUESTIONS = 24
_SHORT_ROWS, _FUTURES, _GAIN_ROWS, _AGAIN = 64, 4, 24, 10
_FIELDS = ("target", "stop", "take", "hold")
_MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class FileProbe:
    """What was found of a file. checks: questions by probe.   notes: what a reader should know, no alarm.

    landlock: version of Landlock that closed the process; 0 where the import allow-list took its place.
    source_complete: whether every line that can run is part of the digest; where not, a note says why.
    """

    violations: tuple[Violation, ...]
    checks: Mapping[str, int]
    notes: tuple[str, ...] = ()
    landlock: int = 0
    source_complete: bool = True

    @property
    def passed(self) -> bool:
        """Nothing was found."""
        return not self.violations


def probe_strategy_file(
    code: UserCode, bars: Bars, values: Mapping[str, object], *, judged: Decisions | None = None,
    questions: int = PROBE_QUESTIONS, seed: int = 0, lookback: int = 0, calendar: bool = False, name: str = "",
    limits: Confinement | None = None,
) -> FileProbe:  # fmt: skip
    """Ask a strategy file in three fresh processes.

    values: all parameters, as `Strategy.resolve` gives them.   judged: what `Strategy.decisions` gave for these bars.
    questions: cuts at which the future is taken away, in each of two processes.   lookback: in rows, at these values.
    calendar: whether the rule declares that it holds dates.   name: of the rule, for the texts.

    Gives violations of the probes ``outside``, ``state``, ``calendar``, ``truncate`` and ``scramble``; their texts
    begin with ``LEAK_OUTSIDE``, ``LEAK_STATE``, ``LEAK_CALENDAR`` or ``LEAK_STRATEGY``. Raises what `ClosedProcess`
    raises for a file that fails without having tried anything forbidden; DataError ``DATA_SCHEMA`` where `judged` has
    another length than the bars.
    """

    def ask(process: ClosedProcess, part: Bars) -> FloatArray:
        assert isinstance(process, IsolatedStrategy)
        return _stacked(process.decide(part, values))

    def start(number: int) -> ClosedProcess:
        return IsolatedStrategy(code, number=number, limits=limits)

    if judged is not None and len(judged) != len(bars):
        text = f"{bars.instrument}: {len(judged)} decisions were judged on {len(bars)} bars"
        raise DataError(text, code="DATA_SCHEMA")
    what = f"strategy {name or code.main.path}"
    expected = None if judged is None else _stacked(judged)
    return _Interview(
        code, bars, what, "LEAK_STRATEGY", _FIELDS, ask, start, expected, questions, seed, lookback, calendar
    ).run()  # fmt: skip


def probe_feature_file(
    code: UserCode, bars: Bars, names: Sequence[str] = (), *, judged: Columns | None = None,
    questions: int = PROBE_QUESTIONS, seed: int = 0, lookback: int = 0, calendar: Sequence[str] = (),
    limits: Confinement | None = None,
) -> FileProbe:  # fmt: skip
    """Ask a features file in three fresh processes, as `probe_strategy_file` does; texts name the column.

    names: columns to ask for, by default those of `judged`, else all that the file declares.   judged: those columns
    as a run computed them; lags and relative forms have names too.   calendar: columns that declare that they hold
    dates.
    Everything is compared bit for bit.
    """
    wanted = tuple(names) or (() if judged is None else judged.names)
    columns = list(wanted)

    def ask(process: ClosedProcess, part: Bars) -> FloatArray:
        assert isinstance(process, IsolatedFeatures)
        made = process.compute(part, wanted)
        columns[:] = made.names
        return made.values

    def start(number: int) -> ClosedProcess:
        return IsolatedFeatures(code, number=number, limits=limits)

    expected = None if judged is None else judged.values
    return _Interview(
        code, bars, "feature", "LEAK_FEATURE", columns, ask, start, expected, questions, seed, lookback, calendar,
    ).run()  # fmt: skip


@dataclass
class _Interview:
    """The questions to one file, and what they found. A context for the probes' shared state."""

    code: UserCode
    bars: Bars
    what: str
    peeks: str
    names: Sequence[str]
    ask: Callable[[ClosedProcess, Bars], FloatArray]
    start: Callable[[int], ClosedProcess]
    judged: FloatArray | None
    questions: int
    seed: int
    lookback: int
    calendar: bool | Sequence[str]
    findings: dict[tuple[str, str], Violation] = field(default_factory=dict)
    checks: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    landlock: int = 0
    whole: FloatArray = field(default_factory=lambda: np.empty((0, 0)))

    def run(self) -> FileProbe:
        """Ask everything; what was found."""
        with ExitStack() as stack:
            processes = [stack.enter_context(_Listening(self.start(number), self)) for number in range(3)]
            try:
                self._ask_all(processes)
            except AssayError:
                if not any(each.attempts for each in processes):
                    raise
        self._outside()
        self._clocks()
        self.notes += [f"not all of its source is known: {gap}" for gap in self.code.gaps[:_MOST_TOLD]]
        if not self.landlock:
            self.notes.append("this kernel has no Landlock: only imports from the list of harmless modules were run")
        return FileProbe(
            tuple(self.findings.values()),
            dict(self.checks),
            tuple(self.notes),
            self.landlock,
            self.code.source_complete,
        )

    def _ask_all(self, processes: Sequence[ClosedProcess]) -> None:
        """All questions, until something is found; the others start while the first is asked."""
        first, second, third = processes
        for ask in (self._repeats, self._futures):
            ask(first)
            if self.findings or first.attempts:
                return
        second.start()
        third.start()
        for ask, process in ((self._counts, first), (self._remembers, second), (self._calendar, third)):
            ask(process)
            if self.findings or process.attempts:
                return

    def _repeats(self, process: ClosedProcess) -> None:
        """The whole, twice; and what the run decided."""
        self.whole = self._answer(process, self.bars, "state")
        if self.judged is not None:
            self._same(self.judged, self.whole, "the run and a fresh process")
        self._same(self.whole, self._answer(process, self.bars, "state"), "the first and the second call")

    def _futures(self, process: ClosedProcess) -> None:
        """A process that saw the whole first sees less and less of it, and other futures."""
        for cut in sorted(self._cuts(), reverse=True):
            self._peeks(process, cut, "truncate", self.bars[: cut + 1], "cut off")
        for cut in self._cuts()[:_FUTURES]:
            other = scramble_future(self.bars, cut + 1, seed=self.seed, factor=3.0)
            self._peeks(process, cut, "scramble", other, "made others")
        for _ in range(_AGAIN if self.findings else 0):  # is it the future, or does no answer repeat itself?
            self._same(self.whole, self._answer(process, self.bars, "state"), "an early and a late call")

    def _remembers(self, process: ClosedProcess) -> None:
        """A process that has not seen what comes after any cut: memory cannot help it."""
        for cut in sorted(self._cuts()):
            now = self._answer(process, self.bars[: cut + 1], "state")
            self._same(
                self.whole[: cut + 1], now, "a process that had seen later bars and one that had not",
                cut=cut,
            )  # fmt: skip
        now = self._answer(process, self.bars, "state")
        self._same(self.whole, now, "two processes with other clocks, process numbers and hash seeds")

    def _calendar(self, process: ClosedProcess) -> None:
        """A process that lives 28 years later."""
        now = self._answer(process, move_bars(self.bars), "calendar")
        if self._differences(self.whole, now):  # is it the calendar, or does this process decide otherwise?
            same = self._answer(process, self.bars, "state")
            self._same(self.whole, same, "two processes with other clocks, process numbers and hash seeds")
            if self.findings:
                return
        for at in self._differences(self.whole, now):
            row, name = at
            text = (
                f"{self._named(name)} differs in row {row}{self._bar(row)} when all bars are {SHIFT_DAYS:,} days later"
            )
            if self._may_know_dates(name):
                self.notes.append(f"{text}, as it declares (calendar=True): it may hold dates of the past")
            else:
                hint = "it knows the dates; declare calendar=True if it must"
                self._blame("calendar", name, row, len(self.bars) - 1, f"LEAK_CALENDAR: {text}: {hint}")

    def _peeks(self, process: ClosedProcess, cut: int, probe: str, bars: Bars, how: str) -> None:
        now = self._answer(process, bars, probe)
        was, now = self.whole[: cut + 1], now[: cut + 1]
        for row, name in self._differences(was, now):
            text = f"{self.peeks}: {self._named(name)} in row {row}{self._bar(row)} changed when the bars after row"
            self._blame(probe, name, row, cut, f"{text} {cut} were {how}{self._remark(was, now, name)}")

    def _counts(self, process: ClosedProcess) -> None:
        """The same short panel, many times, and the whole once more."""
        short = self.bars[-(self.lookback + _SHORT_ROWS) :]
        first = self._answer(process, short, "state")
        for number in range(1, REPEATS):
            now = self._answer(process, short, "state")
            at = self._differences(first, now)
            if at:
                row, name = at[0]
                text = f"{self._named(name)} in row {row} of the same {len(short)} bars is another in call {number + 1}"
                self._blame("state", name, row, len(short) - 1, f"LEAK_STATE: {text}: it counts or remembers")
                return
        self._same(self.whole, self._answer(process, self.bars, "state"), "an early and a late call")

    def _same(
        self, one: FloatArray, other: FloatArray, which: str, *, cut: int | None = None
    ) -> None:  # fmt: skip
        for row, name in self._differences(one, other):
            k = list(self.names).index(name)
            text = f"{self._named(name)} in row {row}{self._bar(row)} is {one[row, k]:g} and {other[row, k]:g}: {which}"
            last = len(self.bars) - 1 if cut is None else cut
            after = "" if cut is None else f", asked for the bars up to row {cut}"
            remark = "" if cut is None else self._remark(one, other, name)
            self._blame("state", name, row, last, f"LEAK_STATE: {text}{after} differ{remark}")

    def _differences(self, one: FloatArray, other: FloatArray) -> list[tuple[int, str]]:
        """First row of each column in which two answers differ, and its name; in order of the rows."""
        if one.shape != other.shape:
            return [(0, self.names[0] if self.names else "")]
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        late = np.flatnonzero(~same.all(axis=0))
        return sorted((int(np.argmin(same[:, k])), self.names[int(k)]) for k in late)

    def _remark(self, was: FloatArray, now: FloatArray, name: str) -> str:
        """What is said of two answers that part by rounding only, of a decision in all its fields; else empty."""
        if was.shape != now.shape:
            return ""
        tiny = at_rounding(was, now)
        rounded = tiny[list(self.names).index(name)] if self.what == "feature" else tiny.all()
        return ROUNDING_REMARK if rounded else ""

    def _named(self, name: str) -> str:
        return f"{self.what}: {name}" if self.what != "feature" else f"feature '{name}'"

    def _bar(self, row: int) -> str:
        return f" (bar of {iso(int(self.bars.timestamp[row]))})" if row < len(self.bars) else ""

    def _may_know_dates(self, name: str) -> bool:
        if isinstance(self.calendar, bool):
            return self.calendar
        return any(name == each or name.startswith((f"{each}_lag_", f"{each}_rel")) for each in self.calendar)

    def _blame(self, probe: str, name: str, row: int, cut: int, text: str) -> None:
        own = name if self.what == "feature" else self.what.removeprefix("strategy ")
        self.findings.setdefault((probe, own), Violation(probe, own, cut, row, float("nan"), text))

    def _answer(self, process: ClosedProcess, bars: Bars, probe: str) -> FloatArray:
        self.checks[probe] += 1
        return self.ask(process, bars)

    def _cuts(self) -> list[int]:
        """Rows after which the future is taken away: half before the largest gains of what was decided, the rest drawn.

        Of columns a quarter before the largest gains, and a quarter where a column moves most for its own measure.
        """
        rows = np.arange(self.lookback, len(self.bars) - 1)
        if not len(rows):
            return []
        expected = self.whole if self.judged is None else self.judged
        spoken = rows[self._speaks(expected)[rows]]
        close = self.bars.close
        gain = np.abs(close[np.minimum(spoken + _GAIN_ROWS, len(close) - 1)] / close[spoken] - 1)
        best = spoken[np.argsort(-gain, kind="stable")][: self.questions // 2]
        if self.what == "feature":  # half of these where the columns themselves move most
            moved = spoken[np.argsort(-_moves(expected)[spoken], kind="stable")][: self.questions // 4]
            best = np.array(list(dict.fromkeys((*moved.tolist(), *best.tolist()))), np.int64)[: self.questions // 2]
        draw = generator(self.seed, "isolation.cuts")
        pool = np.setdiff1d(spoken if len(spoken) >= self.questions else rows, best)
        rest = draw.permutation(pool)[: self.questions - len(best)]
        return [int(row) for row in (*best, *rest)]

    def _speaks(self, expected: FloatArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Rows in which a decision is made that differs from the row before; of columns all rows with a value."""
        first: FloatArray = expected[:, 0]
        if self.what == "feature":
            return np.asarray(np.isfinite(expected).any(axis=1))
        before = np.r_[np.nan, first[:-1]]
        return np.isfinite(first) & (first != before)

    def _outside(self) -> None:
        self.checks["outside"] += 1
        for each in dict.fromkeys(self.attempts):
            key = f"{each.file}:{each.line}"
            violation = Violation("outside", key, -1, -1, float("nan"), f"LEAK_OUTSIDE: {each}")
            self.findings.setdefault(("outside", key), violation)

    def _clocks(self) -> None:
        for what, file, line in clock_reads(self.code)[:_MOST_TOLD]:
            key = f"{file}:{line}"
            text = f"LEAK_STATE: {key} reads the clock ({what})"
            self.findings.setdefault(("state", key), Violation("state", key, -1, -1, float("nan"), text))


@dataclass
class _Listening:
    """A closed process whose attempts reach the interview, however it ends."""

    process: ClosedProcess
    interview: _Interview

    def __enter__(self) -> ClosedProcess:
        return self.process

    def __exit__(self, *_: object) -> None:
        self.interview.attempts += self.process.attempts
        self.interview.landlock = max(self.interview.landlock, self.process.limits.landlock)
        self.process.close()


def _moves(columns: FloatArray) -> FloatArray:
    """``(n,)``: the largest step of any column from the row before, in that column's typical steps; 0 for none."""
    steps = np.abs(np.diff(columns, axis=0, prepend=np.nan))
    steps[~np.isfinite(steps)] = 0.0
    typical = steps.mean(axis=0)
    return np.asarray((steps / np.where(typical > 0.0, typical, 1.0)).max(axis=1, initial=0.0))


def _stacked(made: Decisions) -> FloatArray:
    return np.column_stack([np.asarray(getattr(made, name), np.float64) for name in _FIELDS])
