"""The holdout vault: the last stretch of a market is locked away, and read by one run once, counted for ever."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from assay.kernel.arrays import IntArray
from assay.kernel.bars import Bars
from assay.kernel.contracts import Fold, Trial
from assay.kernel.errors import ArtifactError, ConfigError, DataError, LeakError, StoreError, printable
from assay.kernel.parse import parse
from assay.kernel.spec import TrainSpec
from assay.kernel.timeframe import DAY_MS, current_ms, iso
from assay.runs import run_inputs, run_outputs
from assay.runs.audits import report_of
from assay.runs.context import Context, Recording
from assay.runs.documents import trial
from assay.runs.evaluation import OutOfSampleResult, evaluate_walk, evidence_of
from assay.runs.ingest import instant_of
from assay.runs.learners import LEARNERS
from assay.runs.run_artifacts import to_jsonable, verdict_summary
from assay.runs.run_inputs import History, bare, load_history
from assay.runs.run_views import AUDIT, keep_beside, load_documents
from assay.runs.user_files import load_stored_features
from assay.track import HOLDOUT, HoldoutLock, Row, load_model, not_audited
from assay.validate import FoldResult, GateInput, evaluate_gate, gate_input_document, judge_model

_LAST = re.compile(r"([1-9]\d{0,4})d")
_LEAST = 2  # judged bars, for there to be a Sharpe ratio


def lock_holdout(
    context: Context, exchange: str, symbol: str, *, by: str, last: str | None = None, since: str | None = None
) -> dict[str, object]:  # fmt: skip
    """Lock a market from a date on, or its newest so many days (``90d``), bars to come included.

    Raises ConfigError ``CONFIG_FIELD`` for none of both, both, or a text that is none; DataError ``DATA_NOT_FOUND``
    for a market without candles, ``DATA_TOO_FEW`` where nothing would be left to work with; StoreError as `Vault.lock`.
    """
    holding = [
        h for h in context.stored.instruments() if (h.instrument.exchange, h.instrument.symbol) == (exchange, symbol)
    ]
    if not holding:
        raise DataError(f"the store has no candles of {exchange} {symbol}", code="DATA_NOT_FOUND")
    if (last is None) == (since is None):
        raise ConfigError("name --last or --from, one of the two", code="CONFIG_FIELD", field="from")
    newest = max(h.last + h.instrument.bar.ms for h in holding)
    begins = newest - _days(last) * DAY_MS if last is not None else instant_of("--from", since or "")
    if begins >= newest:
        raise ConfigError(
            f"{exchange} {symbol} ends {iso(newest)}: from {iso(begins)} on there is nothing to hide",
            code="CONFIG_FIELD",
            field="from",
        )
    if not any(h.first + h.instrument.bar.ms <= begins for h in holding):
        raise DataError(
            f"{exchange} {symbol} begins {iso(min(h.first for h in holding))}: nothing would be left before "
            f"{iso(begins)}",
            code="DATA_TOO_FEW",
            hint="Lock a shorter stretch (--last or --from), or import more history first.",
        )
    for each in holding:  # so that what was scored on the same candles under another name counts
        context.record.markets.keep(context.stored.read(each.instrument))
    return _lock_document(context.record.vault.lock(exchange, symbol, begins, by=by), context)


def unlock_holdout(context: Context, exchange: str, symbol: str, *, by: str, why: str) -> dict[str, Any]:
    """Open it to all work again. Raises as `Vault.unlock`."""
    result = context.record.vault.unlock(exchange, symbol, by=by, why=why)
    return _lock_document(result, context) | {"unlocked_by": by.strip(), "why": why.strip()}


def list_locks(context: Context) -> dict[str, object]:
    """``locks``: markets that are locked.   events: all that was locked, read and unlocked, with who and why."""
    vault = context.record.vault
    events = [
        {"time": iso(round(e["timestamp"].timestamp() * 1000)), "by": e["actor"], "action": e["action"]} | e["details"]
        for e in vault.events()
    ]
    told_events = [{**e, "since": iso(e["since"])} for e in events]
    return {"locks": [_lock_document(each, context) for each in vault.locks()], "events": told_events}


def read_holdout(run: int | str, context: Context, *, by: str) -> dict[str, object]:
    """Let the model that a run left decide on the locked stretch of its markets, once, and judge what it earns.

    Before anybody sees the score it is a row of the trial ledger, an event, and a file of the run. The verdict counts
    as trials what was scored on the stretch, every reading of it, this one included, and every time that it was
    unlocked (`Vault.looks`; of a panel's markets the one with the most); the word of the run and of its model stays.

    Raises ArtifactError ``ARTIFACT_GONE`` for a run without a model, and as `load_model`; LeakError
    ``LEAK_NOT_AUDITED`` and ``LEAK_AUDIT``; StoreError ``STORE_NOT_FOUND`` for a market that is not locked,
    ``STORE_CONFLICT`` for a run that has seen the stretch, or has read it; DataError ``DATA_TOO_FEW`` for a stretch
    without two bars.
    """
    row = context.record.experiments.get(run)
    document, model_row = _left(row, context)
    spec = parse(TrainSpec, row["spec"], path="spec")
    locks = _locks(spec, context)
    audit = _audit(row["id"], document, model_row, context)
    _demand_unseen(row["id"], spec, locks, context)
    context.ports.ledger.verify([spec.market_key], context)
    result, past, counted = _earned(row, model_row, spec, locks, context)
    with context.record.together():
        number = Recording(context, row["id"], "reading the holdout").trial(counted)
        reads = max(len(context.record.vault.readings(each.exchange, each.symbol)) for each in locks)
        evidence = evidence_of(
            result,
            past,
            n_trials=max(map(context.record.vault.looks, locks)),
            counted=True,
            audit=audit,
            holdout_reads=reads,
        )
        of = {"run": row["id"], "run_id": row["run_id"], "model_id": model_row["model_id"], "market": spec.market_key}
        message = of | {"number": number, "by": by.strip()} | _reading_document(result, evidence, locks, context)
        keep_beside(row["id"], HOLDOUT, message, context)
        context.record.vault.read(row["id"], by, locks, {"verdict": message["verdict"], "number": number})
    return message


def _earned(
    row: Mapping[str, Any],
    model_row: Mapping[str, object],
    spec: TrainSpec,
    locks: Sequence[HoldoutLock],
    context: Context,
) -> tuple[OutOfSampleResult, History, Trial]:
    """The run's published model on the locked bars; history before them is its warm-up."""
    began = time.monotonic()
    with (
        run_inputs.source_of(row["id"], row["spec"], context) as file,
        load_stored_features(row["id"], row["spec"], context) as own,
    ):
        model = load_model(model_row, context.places, strategy=file)
        bars, _ = run_outputs.candles(replace(spec, bars=None), context.with_holdout())
        past = load_history(spec, bars, own) if LEARNERS[spec.learner].uses_features else bare(bars)
        fold = _fold(past, max(each.since for each in locks), bars)
        tested = judge_model(model, past.panel, fold.test, spec.costs)
    outcome = FoldResult(0, fold, model, tested, time.monotonic() - began)
    result = evaluate_walk([outcome], past, spec.costs, seed=spec.seed, limits=context.limits)
    digest, seconds = run_outputs.data_digest(bars, spec, own), time.monotonic() - began
    return result, past, _trial(spec, result, digest, row, locks, seconds)


def _reading_document(
    result: OutOfSampleResult, evidence: GateInput, locks: Sequence[HoldoutLock], context: Context
) -> dict[str, object]:
    return {
        "time": iso(current_ms()),
        "from": iso(int(result.whole.timestamp[0])),
        "to": iso(int(result.whole.timestamp[-1])),
        **verdict_summary(evaluate_gate(evidence, context.limits)),
        "thresholds": asdict(context.limits),
        "evidence": to_jsonable(gate_input_document(evidence)),
        "metrics": to_jsonable(dict(result.metrics)),
        "locks": [_lock_document(each, context) for each in locks],
    }


def _days(text: str) -> int:
    result = _LAST.fullmatch(text)
    if result is None:
        raise ConfigError(f"--last is {printable(text)}; write days: 90d", code="CONFIG_FIELD", field="last")
    return int(result[1])


def _lock_document(each: HoldoutLock, context: Context) -> dict[str, Any]:
    reads = context.record.vault.readings(each.exchange, each.symbol)
    return each.document | {"readings": len(reads)}


def _left(row: Mapping[str, Any], context: Context) -> tuple[Mapping[str, object], Mapping[str, object]]:
    document = run_outputs.document_of(row["id"], context)
    models = [m for m in context.record.models.recent(row["id"], limit=1) if m["manifest_sha256"] is not None]
    if document is None or not models:
        raise ArtifactError(
            f"run {row['id']} left no model that could read the holdout",
            code="ARTIFACT_GONE",
            hint="Completed runs of assay train and assay optimize leave one; assay runs list shows them.",
        )
    return document, models[0]


def _locks(spec: TrainSpec, context: Context) -> list[HoldoutLock]:
    result = {each: context.record.vault.of(each.exchange, each.symbol) for each in spec.instruments}
    open_ = [f"{each.exchange} {each.symbol}" for each, available in result.items() if available is None]
    if open_:
        raise StoreError(
            f"no stretch of {', '.join(open_)} is locked: there is no holdout to read",
            code="STORE_NOT_FOUND",
            hint="assay vault lock, before the training.",
        )
    return [available for available in result.values() if available is not None]


def _audit(run: int, document: Mapping[str, Any], model: Mapping[str, Any], context: Context) -> Any:
    """The newest audit of a run whose model passed it."""
    text = f"the causality audit of run {run} is {model['audit_status']}: it may not read the holdout"
    if model["audit_status"] == "failed":
        raise LeakError(text, code="LEAK_AUDIT", hint="It may rest on bars that it could not know.")
    message = [*([document["audit"]] if document.get("audit") else []), *load_documents(run, AUDIT, context)]
    if model["audit_status"] != "passed" or not message:
        raise not_audited(text, run)
    return report_of(message[-1])


def _demand_unseen(run: int, spec: TrainSpec, locks: Sequence[HoldoutLock], context: Context) -> None:
    bars = run_inputs.bars_of(run, context)
    for instrument, each in zip(spec.instruments, locks, strict=True):
        ends = int(bars[instrument.symbol].known_at[-1])
        if ends > each.since:
            raise StoreError(
                f"run {run} was made of {instrument} up to {iso(ends)}, and the locked stretch begins "
                f"{iso(each.since)}: it has seen it",
                code="STORE_CONFLICT",
                hint="Train again: what is locked now is hidden from it.",
            )
        again = [row for row in _readings(each, context) if row["experiment_id"] == run]
        if again:
            raise StoreError(
                f"run {run} has read this holdout: number {again[0]['seq']} of {again[0]['market_key']}",
                code="STORE_CONFLICT",
                hint=f"assay runs show {run} has what it earned; a second look would be no holdout.",
            )


def _fold(past: History, since: int, bars: Sequence[Bars]) -> Fold:
    """The bars that open in the stretch, after all whose label was known before it."""
    times, available = past.panel.times, past.panel.known_at
    test: IntArray = np.flatnonzero(times - bars[0].instrument.bar.ms >= since)
    if len(test) < _LEAST:
        raise DataError(
            f"the locked stretch from {iso(since)} on holds {len(test)} bars, {_LEAST} are needed",
            code="DATA_TOO_FEW",
            hint="Wait until the stretch holds more bars, or import them; its lock covers them, too.",
            have=len(test),
            need=_LEAST,
        )
    return Fold(np.flatnonzero(available < times[test[0]]), test, times, available)


def _trial(
    spec: TrainSpec, result: OutOfSampleResult, digest: str, row: Mapping[str, object],
    locks: Sequence[HoldoutLock], seconds: float
) -> Trial:  # fmt: skip
    made = trial(spec, result, digest, seconds, strategy=str(spec.params.get("strategy", "")))
    context = {"run": row["run_id"], "locks": [each.id for each in locks], "from": [iso(each.since) for each in locks]}
    return replace(made, params={**made.params, HOLDOUT: context}, objective=HOLDOUT, tuning_method="manual")


def _readings(each: HoldoutLock, context: Context) -> list[Row]:
    """Those under this very lock; those of before it are among the trials before."""
    reads = context.record.vault.readings(each.exchange, each.symbol)
    return [row for row in reads if each.id in row["params"][HOLDOUT]["locks"]]
