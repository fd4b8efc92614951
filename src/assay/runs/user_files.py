"""Load, probe and audit user files (strategies, features) in closed processes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.features import (
    FEATURE_FILE_CODE,
    Feature,
    FeatureContext,
    FeatureFile,
    check_features_file,
    find_imported_features,
    table,
    training_table,
)
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.contracts import Model
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ArtifactError, ConfigError, DataError, LeakError
from assay.kernel.instrument import Instrument
from assay.kernel.panel import Panel
from assay.kernel.spec import TrainSpec
from assay.kernel.user_source import UserCode, refusal
from assay.learn import RuleModel, Strategy
from assay.market import synthetic
from assay.runs.context import Context
from assay.runs.run_artifacts import to_jsonable
from assay.runs.run_inputs import features_of
from assay.track import VerifiedFiles, features_source
from assay.validate import (
    PROBE_QUESTIONS,
    Attempt,
    AuditReport,
    ClosedProcess,
    Columns,
    Confinement,
    Features,
    FileProbe,
    IsolatedFeatures,
    IsolatedStrategy,
    JudgedWalk,
    ReplaySources,
    isolated_feature_file,
    isolated_strategy,
    per_symbol,
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
    rule: Strategy, bars: Bars, values: Mapping[str, object], *, questions: int = PROBE_QUESTIONS, seed: int = 0,
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
    file: Path, bars: Bars, features: Mapping[str, object], report: "AuditReport", closed: FileProbe
) -> dict[str, object]:  # fmt: skip
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


def with_features(spec: TrainSpec, file: Path | None) -> tuple[TrainSpec, FeatureFile | None]:
    """The spec with the digest of the user's file in it, and the columns of that file; both as they are without a file.

    Columns that were imported into this process stand for a file where the spec's list names one of them and no file is
    given: an edited one is another spec. Of them nothing is kept, so such a run can not be executed again.

    Raises ConfigError ``CONFIG_FEATURE_FILE`` with both hashes where the spec names another file already, and where it
    names one and none is given; what `own_features` raises.
    """
    if file is not None:
        own: FeatureFile | None = own_features(file)
    else:
        own = None if isinstance(spec.features, str) else find_imported_features(spec.features)
    if own is not None and not spec.features_digest:
        spec = replace(spec, features_digest=own.digest)
    check_features_file(spec, own)
    return spec, own


def demand_none(spec: TrainSpec, file: Path | None) -> None:
    """Raise ConfigError ``CONFIG_FEATURE_FILE`` where a learner that reads no columns is given some."""
    if file is not None or spec.features_digest:
        raise ConfigError(
            f"learner {spec.learner} reads candles and no features; a file of features is given",
            code=FEATURE_FILE_CODE,
            hint="Leave --features-file out. A rule computes what it needs in its own strategy file.",
            field="features_file",
        )


def facts_of(own: FeatureFile, names: tuple[str, ...]) -> dict[str, object]:
    """What manifest and ``run.json`` say of a file: its name, digest, and those of its columns that are used."""
    return {"name": own.name, "sha256": own.digest, "columns": list(names)}


@contextmanager
def load_stored_features(run: int, spec: Mapping[str, object], context: Context) -> Iterator[FeatureFile | None]:
    """The file of features that a run kept, executed; None for a run without. Raises as `features_of`."""
    with features_of(run, spec, context) as path:
        yield None if path is None else own_features(path)


@contextmanager
def model_features(opened: VerifiedFiles, where: str) -> Iterator[FeatureFile | None]:
    """The file of features that a model carries, executed; None for a model that needs none.

    Its bytes are those that the manifest, and so the record, says. Raises ArtifactError ``ARTIFACT_FEATURES`` where the
    model needs a file and does not carry it, ConfigError as `load_feature_file`.
    """
    needed = opened.manifest.get("features_file")
    if needed is not None and not needed["name"]:
        raise ArtifactError(
            f"{where} reads columns that were imported where it was trained; their source was not kept",
            code="ARTIFACT_FEATURES",
            hint="Train it again with --features-file.",
        )
    code = features_source(opened.manifest, opened.parts, where)
    if code is None:
        yield None
        return
    yield own_features(Path(code.main.path), code)


@dataclass(frozen=True, slots=True, eq=False)
class ClosedRule:
    """A fitted rule whose strategy answers from a closed process. Implements `Model`; it is never saved."""

    model: RuleModel
    process: IsolatedStrategy

    @property
    def lookback(self) -> int:
        """As of the rule itself."""
        return self.model.lookback

    def decide(self, panel: Panel) -> Mapping[str, Decisions]:
        """See `Model`."""
        return {symbol: self._decided(window.bars) for symbol, window in panel}

    def _decided(self, bars: Bars) -> Decisions:
        return self.model.confine(self.process.decide(bars, self.model.values), bars)

    def save(self, folder: Path) -> None:
        """Save the rule itself."""
        self.model.save(folder)


@contextmanager
def isolate_replay(spec: TrainSpec, walked: JudgedWalk, own: FeatureFile | None) -> Iterator[ReplaySources | None]:
    """What answers in a replay in place of this process; None where a run has no code of the user's own."""
    code = _strategy_code(walked)
    if code is None and (own is None or own.code is None):
        yield None
        return
    with ExitStack() as stack:
        processes: list[ClosedProcess] = []
        model: Callable[[Model], Model] = _same
        features: Features | None = None
        if code is not None:
            rule = stack.enter_context(IsolatedStrategy(code))
            processes.append(rule)
            model = partial(_closed_rule, process=rule)
        if own is not None and own.code is not None:
            columns = stack.enter_context(IsolatedFeatures(own.code))
            processes.append(columns)
            features = per_symbol(partial(_columns, spec, _closed_file(own, columns)))
        yield ReplaySources(model, features, lambda: [_attempt_text(each) for p in processes for each in p.attempts])


def audit_user_files(
    report: AuditReport,
    spec: TrainSpec,
    bars: Sequence[Bars],
    walked: JudgedWalk,
    own: FeatureFile | None,
    *,
    seed: int,
) -> AuditReport:
    """The report with what closed processes say of the run's own files, on all candles of each instrument.

    A file of which not every line is known leaves the report incomplete: its digest does not name what ran.
    """
    result: list[FileProbe] = []
    last = _last_rule(walked)
    for series in bars:
        if last is not None:
            probe = probe_rule(last.strategy, series, last.values, seed=seed)
            result += [] if probe is None else [probe]
        if own is not None and own.code is not None:
            result.append(probe_features(own, series, seed=seed))
    for each in result:
        checks = {name: report.checks.get(name, 0) + n for name, n in each.checks.items()}
        report = replace(
            report, violations=(*each.violations, *report.violations), checks={**report.checks, **checks},
            notes=tuple(dict.fromkeys((*report.notes, *each.notes))), complete=report.complete and each.source_complete,
        )  # fmt: skip
    return report


def _same(model: Model) -> Model:
    return model


def _closed_rule(model: Model, *, process: IsolatedStrategy) -> Model:
    return ClosedRule(model, process) if isinstance(model, RuleModel) else model


def _columns(spec: TrainSpec, own: FeatureFile, bars: Bars) -> Columns:
    made = training_table(spec, bars, own)
    return Columns(made.values, made.names, made.lookback)


def _attempt_text(attempt: Attempt) -> tuple[str, str]:
    return f"{attempt.file}:{attempt.line}", f"LEAK_OUTSIDE: {attempt}"


def _last_rule(walked: JudgedWalk) -> RuleModel | None:
    rules = [o.model for o in walked.outcomes if isinstance(o.model, RuleModel)]
    return rules[-1] if rules and rules[-1].strategy.source is not None else None


def _strategy_code(walked: JudgedWalk) -> UserCode | None:
    last = _last_rule(walked)
    strategy: Strategy | None = None if last is None else last.strategy
    return None if strategy is None else strategy.source


def _closed_file(own: FeatureFile, process: IsolatedFeatures) -> FeatureFile:
    """The file with columns that are computed in the closed process, all of them in one question."""
    names = [each.name for each in own.declared]

    def column(entry: Feature) -> Feature:
        def compute(study: FeatureContext) -> FloatArray:
            made = study.once("columns of a closed process", lambda: process.compute(study.bars, names))
            return made.values[:, made.names.index(entry.name)]

        return replace(entry, compute=compute)

    return replace(own, declared=tuple(column(each) for each in own.declared))
