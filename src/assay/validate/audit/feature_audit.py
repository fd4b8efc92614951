"""Features alone, each by itself: does a column know the future, or more history than it declares?"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from assay.features import NO_USER_COLUMNS, Feature, FeatureContext, UserColumns, table
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, printable
from assay.kernel.seeding import generator
from assay.validate.audit.feature_probes import columns_probe, history_probe
from assay.validate.audit.perturbations import CUT_OFF, SCRAMBLES, perturb
from assay.validate.audit.pipeline import Columns, Pipeline, per_symbol
from assay.validate.audit.report import AuditReport
from assay.validate.audit.state import PROBES, AuditState
from assay.validate.splits import WalkForward

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
