"""The causality audit as part of a run, before its verdict."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from assay.features import FeatureFile
from assay.kernel.bars import Bars
from assay.kernel.contracts import Model, Report, Trainer
from assay.kernel.errors import TrainError
from assay.kernel.panel import Panel
from assay.kernel.spec import TrainSpec
from assay.learn import RuleTrainer
from assay.runs.context import AUDITS, Context
from assay.runs.judged_again import walk_trainer
from assay.runs.rule_search import RuleSearch
from assay.runs.run_artifacts import to_jsonable
from assay.runs.user_file_replay import audit_user_files, isolate_replay
from assay.validate import FULL as EVERY
from assay.validate import QUICK, AuditReport, Coverage, JudgedWalk, Search, Violation, audit_trainer

OFF, _, FULL = AUDITS
CANDIDATES = 5  # of an audited search
_NO_SOURCE = "columns were imported where the training ran: their source is not known, and was not asked by itself"


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit of a run said. `report` is None where somebody wished for none."""

    mode: str
    report: AuditReport | None
    seconds: float

    @property
    def document(self) -> dict[str, Any] | None:
        """Plain and JSON-able: mode, passed, complete, violations, checks, notes; None without an audit."""
        if self.report is None:
            return None
        result = {"mode": self.mode, "passed": self.report.passed} | asdict(self.report)
        if self.report.coverage is None:  # of an audit of before it was kept
            del result["coverage"]
        return dict(to_jsonable(result))


def audit_walk(
    trainer: Trainer, spec: TrainSpec, bars: Sequence[Bars], context: Context, *, models: Sequence[Model] = (),
    walked: JudgedWalk | None = None, own: FeatureFile | None = None,
) -> Audited:  # fmt: skip
    """Audit what a run has fitted, as `Context.audit` says. models: that it came to, which decide beside refits.

    walked: the walk whose decisions are judged; None: the trainer is walked again.   own: the user's file of features
    that the spec names. Files of the user's own answer from closed processes.

    ``quick`` and ``full`` ask a number of questions that depends on the spec alone. A run that is reproduced keeps the
    audit of the run that it repeats.
    """
    if context.again is not None:
        return _stored_audit(context.again.audit)
    if context.audit == OFF:
        return Audited(OFF, None, 0.0)
    context.listener(0.9, "causality audit")
    began = time.monotonic()
    questions = EVERY if context.audit == FULL else QUICK
    if walked is None:
        walked = walk_trainer(trainer, spec, bars, context, own)
    with isolate_replay(spec, walked, own) as online:
        report = audit_trainer(
            trainer, bars, spec=spec, seed=spec.seed, questions=questions, models=models, walked=walked, own=own,
            online=online,
        )  # fmt: skip
    report = audit_user_files(report, spec, bars, walked, own, seed=spec.seed)
    if own is not None and own.code is None:
        report = replace(report, complete=False, notes=(*report.notes, _NO_SOURCE))
    return Audited(context.audit, report, time.monotonic() - began)


def report_of(document: Mapping[str, Any]) -> AuditReport:
    """Inverse of `Audited.document`."""
    result = [{**v, "change": float("nan") if v["change"] is None else v["change"]} for v in document["violations"]]
    violations = tuple(Violation(**each) for each in result)
    covered = document.get("coverage")  # audits of before had none
    share = float("nan") if covered is None or covered["profit_share"] is None else covered["profit_share"]
    coverage = None if covered is None else Coverage(covered["rows_judged"], covered["rows_asked"], share)
    return AuditReport(document["complete"], violations, document["checks"], tuple(document["notes"]), coverage)


def _stored_audit(document: Mapping[str, Any] | None) -> Audited:
    if document is None:
        return Audited(OFF, None, 0.0)
    return Audited(document["mode"], report_of(document), 0.0)


@dataclass(frozen=True, slots=True)
class FewCandidates:
    """A search as an audit fits it: few candidates, and where none of them is valid the rule at given parameters."""

    name: ClassVar[str] = "rules"
    search: Search
    otherwise: RuleTrainer

    def fit(self, train: Panel, *, seed: int, report: Report) -> Model:
        """See `Trainer`."""
        try:
            return self.search.fit(train, seed=seed, report=report)
        except TrainError as error:
            if error.code != "TRAIN_NO_VALID_TRIAL":
                raise
            return self.otherwise.fit(train, seed=seed, report=report)


def few_candidates(spec: TrainSpec, file: Path | None, best: Mapping[str, Any]) -> FewCandidates:
    """The audited form of a parameter search. best: parameters that the run came to, beside those of the spec."""
    few = {**spec.params, "method": "random", "trials": CANDIDATES}
    request = RuleSearch(replace(spec, params=few), file)
    rule = RuleTrainer(request.rule, {**request.base, **best}, regime=request.params.regime)
    return FewCandidates(request.search(spec.costs, counted=0, digest=""), rule)
