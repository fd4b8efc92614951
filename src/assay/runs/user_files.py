"""Load and probe user files in closed processes, for searches, backtests and check commands."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.features import FEATURE_FILE_CODE, Feature, FeatureContext, FeatureFile, table
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, DataError, LeakError
from assay.kernel.instrument import Instrument
from assay.kernel.user_module import refusal
from assay.kernel.user_source import UserCode
from assay.learn import Strategy
from assay.market import synthetic
from assay.runs.context import Context
from assay.runs.run_artifacts import to_jsonable
from assay.validate import (
    PROBE_QUESTIONS,
    Columns,
    Confinement,
    FileProbe,
    isolated_feature_file,
    isolated_strategy,
    probe_feature_file,
    probe_strategy_file,
    source_gaps,
    user_source,
)

if TYPE_CHECKING:
    from assay.validate import AuditReport

_OFFERED = ("assay.features", "assay.learn.strategies", "assay.kernel")
SYNTHETIC_BARS, LEAST_BARS, ASKED_BARS = 5_000, 200, 2_000
MOST_ROWS = 50_000  # that a feature may look back


def own_strategy(file: Path) -> Strategy:
    """The strategy of a file of the user's own; all of it runs in a closed process.

    Raises LeakError ``LEAK_OUTSIDE`` for what it tries while it loads, and for an import of Assay's own judge; what
    `isolated_strategy` raises.
    """
    code = user_source(file, "strategy")
    _demand_imports(code)
    return isolated_strategy(file, code)


def own_features(file: Path, code: UserCode | None = None) -> FeatureFile:
    """The features of a file of the user's own, as `own_strategy`. code: the source, where it is not at that path."""
    source = user_source(file, "feature") if code is None else code
    _demand_imports(source)
    return isolated_feature_file(file, source)


def _demand_imports(code: UserCode) -> None:
    """Raise LeakError ``LEAK_OUTSIDE`` for a file that imports parts of Assay that judge it."""
    for each in code.imports:
        inside = each.module == "assay" or each.module.startswith("assay.")
        if inside and not any(f"{each.module}.".startswith(f"{name}.") for name in _OFFERED):
            raise LeakError(
                f"{each.file}:{each.line} imports {each.module}",
                code="LEAK_OUTSIDE",
                hint=f"A file of your own may import {', '.join(_OFFERED)}: what judges it is none of its business.",
                probe="outside",
            )


def probe_rule(
    rule: Strategy, bars: Bars, values: Mapping[str, Any], *, questions: int = PROBE_QUESTIONS, seed: int = 0,
    limits: Confinement | None = None,
) -> FileProbe | None:  # fmt: skip
    """Ask a strategy of the user's own whether it decides in a closed process as it does in this one.

    None for one of Assay's. Raises what `probe_strategy_file` raises. Cost: three processes of about a second each, and
    some 90 evaluations on these bars.
    """
    if rule.source is None:
        return None
    probe = probe_strategy_file(
        rule.source, bars, values, judged=rule.decisions(bars, values), questions=questions, seed=seed,
        lookback=rule.lookback(values, bars.instrument.timeframe), calendar=rule.calendar, name=rule.name,
        limits=limits,
    )  # fmt: skip
    return _sourced(probe, source_gaps(rule))


def probe_features(
    own: FeatureFile, bars: Bars, *, questions: int = PROBE_QUESTIONS, seed: int = 0,
    limits: Confinement | None = None,
) -> FileProbe:  # fmt: skip
    """Ask the features of a file whether they compute in a closed process what they do in this one.

    own: as `own_features` gives it; features that the bars cannot have are not asked.
    """
    assert own.code is not None
    made = table(bars, list(own.columns), levels=True, threads=1, own=own.columns)
    probe = probe_feature_file(
        own.code, bars, made.names, judged=Columns(made.values, made.names, made.lookback), questions=questions,
        seed=seed, lookback=made.lookback, calendar=[each.name for each in own.declared if each.calendar],
        limits=limits,
    )  # fmt: skip
    return _sourced(probe, source_gaps(own))


def check_probe(probe: FileProbe | None) -> None:
    """Raise LeakError with the first violation: ``LEAK_OUTSIDE``, ``LEAK_STATE``, ``LEAK_CALENDAR`` and so on."""
    if probe is None or probe.passed:
        return
    first = probe.violations[0]
    code, _, text = first.text.partition(": ")
    raise LeakError(
        text,
        code=code,
        hint=_HINTS.get(code, "use rows up to t only: no negative shift, no statistic of the whole series"),
        probe=first.probe,
        row=first.row,
        violations=[to_jsonable(asdict(each)) for each in probe.violations],
    )


_HINTS = {
    "LEAK_OUTSIDE": "A file of your own may read the bars that it is given, and nothing else.",
    "LEAK_STATE": "The same bars must give the same answer: no memory between calls, no clock, no unseeded random.",
    "LEAK_CALENDAR": "A rule that needs dates declares calendar=True, and is judged with that in mind.",
}


def probe_document(probe: FileProbe) -> dict[str, Any]:
    """Plain and JSON-able: passed, checks, notes, violations, landlock, source_complete."""
    return {"passed": probe.passed} | dict(to_jsonable(asdict(probe)))


def check_features(
    file: Path, context: Context, exchange: str | None, symbol: str | None, timeframe: str
) -> dict[str, Any]:  # fmt: skip
    """Hold the features of a file to their contract: on all stored bars of a market, or on synthetic ones.

    Each column by itself on the newest bars (future, lookback, numbers), then all in closed processes at full length.
    ``violations`` are those of both. Raises what `own_features` and `audit_features` raise; ConfigError
    ``CONFIG_FEATURE_FILE`` for a lookback above `MOST_ROWS`; DataError ``DATA_TOO_FEW``.
    """
    from assay.validate import audit_features

    own = own_features(file)
    longest = max(_rows(each, file, timeframe) for each in own.declared)
    bars = candles_for_check(context, exchange, symbol, timeframe, max(SYNTHETIC_BARS, 3 * longest))
    need = max(LEAST_BARS, 3 * longest)
    if len(bars) < need:
        text = f"{bars.instrument} has {len(bars)} bars; a check of {file.name} needs {need}"
        raise DataError(text, code="DATA_TOO_FEW", have=len(bars), need=need)
    report = audit_features(own.declared, bars[-(ASKED_BARS + 3 * longest) :], seed=1, own=own.columns)
    closed = probe_features(own, bars, questions=40 * PROBE_QUESTIONS, seed=1)
    features = {each.name: {"lookback": each.lookback, "unit": each.unit} for each in own.declared}
    return _check_document(file, bars, features, report, closed)


def _check_document(
    file: Path, bars: Bars, features: Mapping[str, Any], report: "AuditReport", closed: FileProbe
) -> dict[str, Any]:  # fmt: skip
    checks = dict(report.checks)
    for probe, number in closed.checks.items():
        checks[probe] = checks.get(probe, 0) + number
    return {
        "file": file.name,
        "market": str(bars.instrument),
        "bars": len(bars),
        "features": features,
        "passed": report.passed and closed.passed,
        "complete": report.complete,
        "checks": checks,
        "notes": [*report.notes, *closed.notes],
        "violations": [to_jsonable(asdict(each)) for each in (*report.violations, *closed.violations)],
        "landlock": closed.landlock,
        "source_complete": closed.source_complete,
    }


def candles_for_check(context: Context, exchange: str | None, symbol: str | None, timeframe: str, most: int) -> Bars:
    """All stored bars of a market; without one `most` synthetic bars."""
    if (exchange is None) != (symbol is None):
        raise ConfigError(
            "a stored market needs --exchange and --symbol together", hint="Without both: synthetic bars."
        )
    if exchange is None or symbol is None:
        return synthetic(bars=most, seed=1, timeframe=timeframe, symbol="GOLD/USDT:USDT")
    return context.candles.read(Instrument(exchange, symbol, timeframe))


def _rows(each: Feature, file: Path, timeframe: str) -> int:
    rows = FeatureContext(synthetic(bars=1, seed=1, timeframe=timeframe)).rows(each)
    if rows > MOST_ROWS:
        why = f"declares feature {each.name}, whose lookback is {rows:,} bars of {timeframe}; at most {MOST_ROWS:,} do"
        hint = "Let it read fewer, or bars of a longer --timeframe."
        raise refusal(file, why, kind="feature", code=FEATURE_FILE_CODE, hint=hint, feature=each.name)
    return rows


def _sourced(probe: FileProbe, gaps: tuple[str, ...]) -> FileProbe:
    return replace(probe, notes=(*probe.notes, *gaps), source_complete=False) if gaps else probe
