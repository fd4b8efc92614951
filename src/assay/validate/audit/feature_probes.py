"""Probes of features and labels: the future, other instruments, more history than declared."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np

from assay.features import NO_USER_COLUMNS, Feature, FeatureContext, UserColumns, table
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, printable
from assay.kernel.seeding import generator
from assay.validate.audit.perturbations import CUT_OFF, SCRAMBLES, Difference, first_change, perturb
from assay.validate.audit.pipeline import AuditReport, Columns, Pipeline, Seen, per_symbol
from assay.validate.audit.replay import PROBES, AuditState, size
from assay.validate.splits import WalkForward

FORGOTTEN = 1e-5  # of the column's scale: what a recursion still remembers from before its lookback
_HISTORIES = (1, 2)  # times the lookback


def columns_probe(ground: AuditState, instant: int, how: str, other: Seen) -> None:
    """Rows known at `instant` (ms) are the same from the candles of `other`, whose future is another."""
    probe = "truncate" if how == CUT_OFF else "scramble"
    if not ground.ask(probe):
        return
    for symbol, (was, now) in enumerate(zip(ground.seen.columns, other.columns, strict=True)):
        cut = ground.cut_of(symbol, instant)
        if was.names != now.names:
            text = f"the features are {len(now.names)} instead of {len(was.names)} when bars after {cut} were {how}"
            ground.blame(probe, "names", text, symbol=symbol, cut=cut, row=cut, change=float("nan"))
            continue
        for result in _between(was, now, cut + 1):
            text = f"feature '{result.name}' at row {result.row} {size(result.change)} when bars after {cut} were {how}"
            ground.blame(
                probe, result.name, text, symbol=symbol, cut=cut, row=result.row, change=result.change,
                remark=result.remark,
            )  # fmt: skip


def _between(was: Columns, now: Columns, rows: int) -> list[Difference]:
    part = slice(0, max(0, rows))
    return first_change(was.names, was.values[part], now.values[part], tolerance=0.0)  # the same candles, the same bits


def label_probe(ground: AuditState, instant: int, how: str, other: Seen) -> None:
    """A label that is known at `instant` is the same; one that is not may change, and over all cuts one must."""
    if ground.pipeline.label is None or not ground.ask("label"):
        return
    for symbol, (was, now) in enumerate(zip(ground.seen.labels, other.labels, strict=True)):
        assert was is not None and now is not None  # both walks were labelled
        cut = ground.cut_of(symbol, instant)
        there = np.isfinite(was.y), np.isfinite(now.y)
        available = (there[0] & (was.known_at <= instant)) | (there[1] & (now.known_at <= instant))
        differs = ~((was.y == now.y) | ~(there[0] | there[1])) | (was.known_at != now.known_at)
        decided = ground.bars[symbol].known_at <= instant
        ground.label_moved |= bool((differs & ~available & decided).any())
        if not (available & differs).any():
            continue
        row = int(np.argmax(available & differs))
        change = float(abs(was.y[row] - now.y[row]))
        text = (
            f"label '{was.name}' at row {row} says that it is known at row {cut} or before, but {size(change)} "
            f"when bars after {cut} were {how}: its horizon is understated"
        )
        ground.blame("label", was.name, text, symbol=symbol, cut=cut, row=row, change=change)


def symbols_probe(ground: AuditState, symbol: int, how: str) -> None:
    """One instrument's columns are the same when all others are other candles from their second row on."""
    if len(ground.bars) < 2 or not ground.pipeline.alone or not ground.ask("symbols"):
        return
    others = [
        each if i == symbol else perturb([each], int(each.known_at[0]), how, seed=ground.seed)[0]
        for i, each in enumerate(ground.bars)
    ]
    now = ground.pipeline.view(others, labelled=False).columns[symbol]
    was, last = ground.seen.columns[symbol], len(ground.bars[symbol]) - 1
    for result in _between(was, now, last + 1):
        text = f"feature '{result.name}' at row {result.row} {size(result.change)} when all other symbols were {how}"
        ground.blame("symbols", result.name, text, symbol=symbol, cut=last, row=result.row, change=result.change)


def history_probe(ground: AuditState, symbol: int, row: int) -> None:
    """A row is the same from `lookback` rows of history, and from twice as many, as from all."""
    lookback = ground.seen.columns[symbol].lookback
    if not ground.seen.columns[symbol].names or row < lookback or not ground.ask("warm-up"):
        return
    for times in _HISTORIES:
        for result in _from(ground, symbol, row, times * lookback):
            text = (
                f"LEAK_WARMUP: feature '{result.name}' at row {row} {size(result.change)} when history began "
                f"{times * lookback} rows before; {_enough(ground, symbol, row, result.name, times * lookback)}"
            )
            ground.blame("warm-up", result.name, text, symbol=symbol, cut=row, row=row, change=result.change)


def _from(ground: AuditState, symbol: int, row: int, rows: int) -> list[Difference]:
    """Columns whose value in `row` is another when only so many rows stand before it."""
    first = int(ground.bars[symbol].known_at[max(0, row - rows)])
    bars = [each[int(np.searchsorted(each.known_at, first)) :] for each in ground.bars]  # the future stays as it is
    now, was = ground.pipeline.view(bars, labelled=False).columns[symbol], ground.seen.columns[symbol]
    if now.names != was.names:
        return [Difference("names", row, float("nan"))]
    at = row - max(0, row - rows)
    one, other = was.values[row : row + 1], now.values[at : at + 1]
    result = first_change(was.names, one, other, tolerance=FORGOTTEN, scale=ground.scales[symbol])
    return [replace(each, row=row) for each in result]


def _enough(ground: AuditState, symbol: int, row: int, name: str, rows: int) -> str:
    tried = max(1, rows)
    while tried < row:
        tried *= 2
        if all(result.name != name for result in _from(ground, symbol, row, tried)):
            return f"{min(tried, row)} rows would do"
    return "no number of rows would do"


_WARM_CUTS = 5


def audit_features(
    features: Sequence[Feature], bars: Bars, *, seed: int, cuts: int = 20, own: UserColumns = NO_USER_COLUMNS
) -> AuditReport:
    """Ask each column by itself: its future taken away, and made three others, at every cut; and less history.

    own: columns by name that are found before Assay's own, such as those of a file.
    Columns that these bars cannot have are not asked, and one that gives no finite number on them answers nothing:
    either stands in `notes` and makes the report incomplete.
    Raises ConfigError ``CONFIG_FEATURE`` for one that gives no number a bar, an infinity, another answer when it is
    asked again, or writes into the bars; and whatever the functions raise. Cost: about 100 evaluations a column.
    """
    checks: Counter[str] = Counter()
    reports, notes = [], []
    for each in features:
        absent = table(bars[:0], [each.name], levels=True, own=own).absent
        if absent:
            notes.append(f"feature '{each.name}' was not asked: {absent[each.name]}")
            continue
        with np.errstate(all="ignore"):  # a market that is held at one price divides by zero where no real one does
            rows = FeatureContext(bars).rows(each)
            if not np.isfinite(_sound(each, bars, own)[rows:]).any():
                notes.append(
                    f"feature '{each.name}' gives no finite number in {len(bars) - rows:,} bars: nothing to ask"
                )
            reports.append(_audit_feature(each, bars, seed, cuts, own))
        checks.update(reports[-1].checks)
    result = tuple(v for probe in PROBES for r in reports for v in r.violations if v.probe == probe)
    return AuditReport(not notes and all(r.complete for r in reports), result, dict(checks), tuple(notes))


def _audit_feature(each: Feature, bars: Bars, seed: int, cuts: int, own: UserColumns) -> AuditReport:
    pipeline = Pipeline(
        features=per_symbol(partial(_column, each.name, own)),
        plan=lambda panel: WalkForward(len(panel.times) // 2, len(panel.times) // 4),  # no fold is asked about
    )
    ground = AuditState.of(pipeline, [bars], seed, PROBES)
    for i, instant in enumerate(_instants(ground, cuts)):
        for how in (CUT_OFF, *SCRAMBLES):
            other = pipeline.view(perturb([bars], instant, how, seed=seed), labelled=False)
            columns_probe(ground, instant, how, other)
        if i < _WARM_CUTS:
            history_probe(ground, 0, ground.cut_of(0, instant))
    return ground.report()


def _column(name: str, own: UserColumns, bars: Bars) -> Columns:
    made = table(bars, [name], levels=True, threads=1, own=own)
    return Columns(made.values, made.names, made.lookback)


def _instants(ground: AuditState, cuts: int) -> list[int]:
    """One drawn from each of as many stretches after the warm-up."""
    draw, times = generator(ground.seed, "audit cuts"), ground.panel.times
    edges = np.linspace(0, len(times) - 1, cuts + 1).astype(np.int64)
    return [int(times[draw.integers(a, max(a + 1, b))]) for a, b in draw.permutation(list(pairwise(edges)))]


def _sound(each: Feature, bars: Bars, own: UserColumns) -> FloatArray:
    was = bars.digest()
    first = _numbers(each, each.compute(FeatureContext(bars, own=own)), len(bars))
    if bars.digest() != was:
        raise _refused(each, "writes into the bars that it is given; it must leave them as they are")
    wild = np.flatnonzero(np.isinf(first[each.lookback :]))
    if wild.size:
        raise _refused(each, f"is infinite at row {each.lookback + wild[0]}; a zero denominator gives NaN")
    again = _numbers(each, each.compute(FeatureContext(bars, own=own)), len(bars))
    if not np.array_equal(first, again, equal_nan=True):
        row = int(np.argmax(~((first == again) | (np.isnan(first) & np.isnan(again)))))
        raise _refused(each, f"gives another value at row {row} when it is asked again")
    return first


def _numbers(each: Feature, value: object, n: int) -> FloatArray:
    try:
        values = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise _refused(each, f"gives {printable(value)}, no array of numbers") from error
    if values.shape != (n,):
        raise _refused(each, f"gives shape {values.shape} for {n} bars, must be ({n},)")
    return values


def _refused(each: Feature, why: str) -> ConfigError:
    return ConfigError(f"feature {each.name} {why}", code="CONFIG_FEATURE", feature=each.name)
