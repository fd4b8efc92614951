"""Replay of a user's own strategy and columns in closed processes, as part of the audit of a run.

The processes see ever longer panels, oldest first: what a file may have remembered is never later than what it is
asked about.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from assay.features import Feature, FeatureContext, FeatureFile, training_table
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.contracts import Model
from assay.kernel.decisions import Decisions
from assay.kernel.panel import Panel
from assay.kernel.spec import TrainSpec
from assay.kernel.user_source import UserCode
from assay.learn import RuleModel, Strategy
from assay.runs.user_files import probe_features, probe_rule
from assay.validate import (
    Attempt,
    AuditReport,
    ClosedProcess,
    Columns,
    Features,
    FileProbe,
    IsolatedFeatures,
    IsolatedStrategy,
    JudgedWalk,
    ReplaySources,
    per_symbol,
)


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
