"""Causality audits: of a trained run while it is judged, and in full for a run, strategy or feature file."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from assay.features import FeatureFile
from assay.kernel.bars import Bars
from assay.kernel.contracts import Model, Report, Trainer
from assay.kernel.errors import ArtifactError, ConfigError, TrainError
from assay.kernel.panel import Panel
from assay.kernel.parse import parse
from assay.kernel.spec import SplitSpec, TrainSpec
from assay.kernel.timeframe import current_ms, iso
from assay.learn import RuleTrainer
from assay.runs import run_inputs, run_outputs
from assay.runs.context import AUDITS, Context
from assay.runs.learners import trainer_of
from assay.runs.provenance import code_digest
from assay.runs.rule_search import RuleSearch, first_other_decision, search_walked_again, walk_trainer
from assay.runs.run_artifacts import audit_status, to_jsonable
from assay.runs.run_views import AUDIT, keep_beside, load_documents, usual, write_run_page
from assay.runs.strategies import check_enough_bars, load_strategy, name_user_line
from assay.runs.user_files import (
    SYNTHETIC_BARS,
    audit_user_files,
    candles_for_check,
    check_features,
    isolate_replay,
    load_stored_features,
)
from assay.track import load_model, record_audit
from assay.validate import FULL as EVERY
from assay.validate import QUICK, AuditReport, Coverage, JudgedWalk, Search, Violation, audit_reason, audit_trainer

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
    def document(self) -> dict[str, object] | None:
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
    return context.ports.ledger.audit(lambda: _ask(trainer, spec, bars, context, models, walked, own))


def _ask(
    trainer: Trainer, spec: TrainSpec, bars: Sequence[Bars], context: Context, models: Sequence[Model],
    walked: JudgedWalk | None, own: FeatureFile | None,
) -> Audited:  # fmt: skip
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


def read_audit(document: Mapping[str, Any] | None) -> Audited:
    """Inverse of `Audited.document`, the seconds apart."""
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


def few_candidates(spec: TrainSpec, file: Path | None, best: Mapping[str, object]) -> FewCandidates:
    """The audited form of a parameter search. best: parameters that the run came to, beside those of the spec."""
    few = {**spec.params, "method": "random", "trials": CANDIDATES}
    request = RuleSearch(replace(spec, params=few), file)
    rule = RuleTrainer(request.rule, {**request.base, **best}, regime=request.params.regime)
    return FewCandidates(request.search(spec.costs, counted=0, digest=""), rule)


_TRAIN_SHARE = 0.7  # of the bars on which a strategy file is asked


def audit_run(run: int | str, context: Context) -> dict[str, object]:
    """Audit a completed training or search again, on its snapshots, until all is asked; its models decide beside.

    What is found is kept with the run (`audits_of`) and settled with its models: see
    `assay.track.registry.integrity`. The run's page, where it lies in its usual place, is written again.
    Of them stands in ``models`` what they are then, and in ``active`` which configurations of the run are switched on.
    Raises StoreError ``STORE_NOT_FOUND``; ArtifactError ``ARTIFACT_GONE`` for a run that has no such spec or candles,
    or a published model that does not load.
    """
    row = context.record.experiments.get(run)
    left = run_outputs.document_of(row["id"], context)
    if left is None or left.get("kind") == "backtest":
        raise ArtifactError(
            f"run {row['id']} left nothing to audit: it is no completed training or search",
            code="ARTIFACT_GONE",
            hint="assay audit --strategy-file asks a rule; assay runs list shows what there is.",
        )
    spec = parse(TrainSpec, row["spec"], path="spec")
    bars = run_inputs.bars_of(row["id"], context)
    with (
        run_inputs.source_of(row["id"], row["spec"], context) as file,
        load_stored_features(row["id"], row["spec"], context) as own,
    ):
        series = [bars[s] for s in spec.symbols]
        searched = left.get("kind") == "optimize"
        trainer = few_candidates(spec, file, left["best_parameters"]) if searched else trainer_of(spec)
        walked = (
            search_walked_again(spec, file, series, left["windows"])
            if searched
            else walk_trainer(trainer, spec, series, context, own)
        )
        models = _published(row["id"], context, file)
        result = audit_walk(trainer, spec, series, replace(context, audit=FULL), models=models, walked=walked, own=own)
        result = _compared(result, walked, row["id"], context)
    document = {"run": row["id"], "name": left["name"], "seconds": result.seconds} | (result.document or {})
    document |= _settled(row["id"], result, context)
    if usual(row["id"], context).exists():
        write_run_page(row["id"], context)
    return document


def audits_of(run: int, context: Context) -> list[dict[str, object]]:
    """What `audit_run` found of a run each time, oldest first: the document of the audit, with ``time``."""
    return load_documents(run, AUDIT, context)


def _compared(result: Audited, walked: JudgedWalk, run: int, context: Context) -> Audited:
    """The audit is not complete where the decisions that it replayed are not those that the run was judged by."""
    evidence = run_outputs.evidence_of(run, context)
    if result.report is None or evidence is None:
        return result
    other = first_other_decision(walked, evidence.decisions)
    if not other:
        return result
    note = f"the run's decisions could not be made again here: {other}; assay runs reproduce {run} says more"
    report = replace(result.report, complete=False, notes=(*result.report.notes, note))
    return replace(result, report=report)


def _published(run: int, context: Context, file: Path | None) -> list[Model]:
    """The model that a run published; of one that serves many symbols one row's, since all hold the same bytes."""
    result = [row for row in context.record.models.recent(run, limit=1) if row["manifest_sha256"] is not None]
    return [load_model(row, context.places, strategy=file) for row in result]


def _settled(run: int, result: Audited, context: Context) -> dict[str, object]:
    assert result.report is not None  # the mode is full
    document = {**(result.document or {}), "time": iso(current_ms()), "code_digest": code_digest()}
    record = context.record
    first = result.report.violations[0].text if result.report.violations else None
    message = {"passed": result.report.passed, "complete": result.report.complete, "first": first}
    with record.together():
        keep_beside(run, AUDIT, document, context)
        reason = to_jsonable(asdict(audit_reason(result.report)))
        models = record_audit(record, run, audit_status(result.document), reason, message)
    active = [c["config_id"] for c in record.configurations.list(active=True) if c["experiment_id"] == run]
    return {"models": models, "active": active}


def audit_strategy(
    file: Path, context: Context, exchange: str | None, symbol: str | None, timeframe: str
) -> dict[str, Any]:  # fmt: skip
    """Audit a strategy of the user's own at its defaults, on all stored bars of a market or on synthetic ones."""
    _demand_market(exchange, symbol)
    with name_user_line(file):
        rule = load_strategy("", file)
        bars = candles_for_check(
            context, exchange, symbol, timeframe, max(SYNTHETIC_BARS, 3 * rule.lookback(rule.defaults, timeframe))
        )  # fmt: skip
        check_enough_bars(rule, bars)
        market = bars.instrument
        spec = TrainSpec(
            exchange=market.exchange, symbols=(market.symbol,), timeframe=timeframe, learner="rules", features=(),
            folds=SplitSpec(train_share=_TRAIN_SHARE),
        )  # fmt: skip
        result = audit_walk(RuleTrainer(rule), spec, [bars], replace(context, audit=FULL))
    return {"strategy": rule.name, "name": f"{rule.name} on {market}", "seconds": result.seconds} | (
        result.document or {}
    )


def audit_features_file(
    file: Path, context: Context, exchange: str | None, symbol: str | None, timeframe: str
) -> dict[str, Any]:  # fmt: skip
    """Audit each feature of the user's own file, on all stored bars of a market or on synthetic ones.

    ``features`` says by name what each declares. Raises what `check_features` raises; TrainError ``TRAIN_FEATURE`` for
    what a function itself raises.
    """
    began = time.monotonic()
    _demand_market(exchange, symbol)
    with name_user_line(file):
        result = check_features(file, context, exchange, symbol, timeframe)
    name = f"{file.name} on {result['market']}"
    return {"name": name, "mode": FULL, "seconds": time.monotonic() - began} | result


def _demand_market(exchange: str | None, symbol: str | None) -> None:
    if (exchange is None) != (symbol is None):
        raise ConfigError("a stored market needs --exchange and --symbol together", code="CONFIG_AUDIT")
