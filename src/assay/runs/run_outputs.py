"""Load a run's candles; persist its results."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from assay.features import FeatureFile, set_digest
from assay.kernel.bars import Bars
from assay.kernel.contracts import Model
from assay.kernel.instrument import Instrument
from assay.kernel.spec import TrainSpec
from assay.kernel.timeframe import current_ms
from assay.runs import run_inputs
from assay.runs.context import Context
from assay.runs.learners import LEARNERS, strategy_type
from assay.runs.provenance import capture, code_digest
from assay.runs.run_artifacts import VERDICT, RunArtifacts, audit_status, member_columns
from assay.runs.run_inputs import History
from assay.runs.user_files import facts_of
from assay.track import (
    Blobs,
    ModelFacts,
    Run,
    content_sha256,
    features_parts,
    golden_outputs,
    publish,
    read_parts,
    versions,
    write_files,
)
from assay.validate import thresholds_from_document

EVIDENCE = "evidence"
CONTENT = "content_sha256"
WithModel = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class RunRequest(Protocol):
    """What every spec says of a piece of work, a training's and a backtest's."""

    @property
    def learner(self) -> str: ...
    @property
    def exchange(self) -> str: ...
    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def timeframe(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def hash(self) -> str: ...
    def as_dict(self) -> dict[str, object]: ...


class Read(Protocol):
    """What a spec says of the candles that it reads."""

    @property
    def instruments(self) -> tuple[Instrument, ...]: ...
    @property
    def bars(self) -> int | None: ...
    @property
    def filter(self) -> Mapping[str, object] | None: ...


def candles(spec: Read, context: Context) -> tuple[list[Bars], dict[str, object]]:
    """The bars of every instrument, and by symbol what the spec's filter did to them. See `CandlePort.read`."""
    return context.ports.candles.read(spec, context)


def data_digest(bars: Sequence[Bars], spec: TrainSpec, own: FeatureFile | None = None) -> str:
    """SHA-256 over the digests of all candles, of the feature set's definition and of the user's file of features."""
    if own is None:
        parts = [*sorted(b.digest() for b in bars), set_digest(spec.features)]
    else:
        parts = [*sorted(b.digest() for b in bars), set_digest(spec.features, own=own.columns), own.digest]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def find_existing(spec: RunRequest, digest: str, context: Context) -> dict[str, Any] | None:
    """The document of the completed run of this spec on these data with this code, or None.

    One that was judged by other thresholds is none.
    """
    row = context.record.experiments.find_completed(spec.hash, digest)
    if row is None or row["metadata"].get("code_digest") != code_digest():
        return None
    result = document_of(row["id"], context)
    if result is None or "verdict" not in result:  # nothing was judged
        return result
    return result if thresholds_from_document(result.get("thresholds", {})) == context.limits else None


def document_of(run: int, context: Context) -> dict[str, Any] | None:
    """``run.json`` of a completed training; None for a run that left none."""
    evidence = evidence_of(run, context)
    return None if evidence is None else dict(evidence.document)


def evidence_of(run: int, context: Context) -> RunArtifacts | None:
    """The evidence that a run left, or None. Raises ArtifactError ``ARTIFACT_GONE`` if its files are not there."""
    for artifact in context.record.artifacts.read(run):
        if artifact["artifact_type"] == EVIDENCE:
            return RunArtifacts.read(Blobs(context.artifacts).path(artifact["metadata"]["blob"]))
    return None


@contextmanager
def track_run(
    spec: RunRequest, digest: str, bars: Sequence[Bars], context: Context, *, by: str = "", kind: str = "supervised",
    file: Path | None = None, features: FeatureFile | None = None, metadata: Mapping[str, Any] | None = None,
) -> Iterator[Run]:  # fmt: skip
    """A run in the record, with snapshots of its candles, kept alive by a heartbeat and ended as the block ends.

    by: what the run is named after; the learner when empty.   kind: the record's ``experiment_type``.
    file: of a strategy that is the user's own; its source is kept with the run.   features: the user's file of them, of
          which the same holds.   metadata: more of the run's metadata.
    """
    record, by, ports = context.record, by or spec.learner, context.ports
    name = f"{by} {' '.join(spec.symbols)} {spec.timeframe}"
    code = capture(context, file)
    identity = ports.ledger.identity(spec, bars, code_digest())
    ports.ledger.keep_markets(bars, context)
    run = record.experiments.start(
        ports.publisher.title(name)[:200],
        kind,
        spec=spec.as_dict(),
        spec_hash=spec.hash,
        data_digest=digest,
        seed=spec.seed,
        tags=[by, *spec.symbols],
        metadata={"code_digest": code_digest(), "model_type": spec.learner} | identity.columns | dict(metadata or {}),
        reproduces_id=ports.publisher.reproduces,
        **code.columns,
    )
    with record.experiments.keep_alive(run):
        code.keep(record, run.id, Blobs(context.artifacts))
        run_inputs.keep(bars, file, spec.as_dict(), run, context, features=features)
        yield run


def finish(
    spec: TrainSpec,
    context: Context,
    run: Run,
    model: Model,
    evidence: RunArtifacts,
    past: History,
    *,
    by: str = "",
    with_model: WithModel | None = None,
) -> dict[str, object]:
    """Publish the model and write everything about the run; the document, with the model's id in it.

    by: what the model and its trades are written down to; the learner when empty.   with_model: is called with the
    first model's row, to write rows that point to it; what it gives is added to the document.

    Files first, each whole or not at all; then one transaction with every row and the run's end. A crash before it
    leaves files that no row points to. A run that is reproduced publishes no model and no configuration: its document
    says what the model's ``content_sha256`` would have been.
    """
    by = by or spec.learner
    return context.ports.publisher.finish(spec, context, run, model, evidence, past, by=by, with_model=with_model)


def publish_run(
    spec: TrainSpec, context: Context, run: Run, model: Model, evidence: RunArtifacts, past: History, *, by: str,
    with_model: WithModel | None,
) -> dict[str, object]:  # fmt: skip
    """`finish` of a run of its own: the model's files, then one transaction."""
    record = context.record
    written = _model_files(spec, context, model, evidence, past, by)
    with record.together():
        columns = _model_columns(spec, evidence)
        members = member_columns(evidence.document, columns["verdict"])
        rows = publish(record, run.id, written, by_symbol=members, **columns)
        ids = {row["symbol"]: row["model_id"] for row in rows}
        document = dict(evidence.document) | {"model_id": next(iter(ids.values())), "model_ids": ids}
        document |= {} if with_model is None else with_model(rows[0])
        leave(spec, context, run, replace(evidence, document=document), by=by)
    return document


def leave_unpublished(
    spec: TrainSpec, context: Context, run: Run, model: Model, evidence: RunArtifacts, past: History, *, by: str
) -> dict[str, object]:
    """`finish` of a run that is repeated: no model, and what its ``content_sha256`` would have been."""
    with Blobs(context.artifacts).staging() as parts:
        _saved(model, past, parts)
        content = content_sha256(read_parts(parts))
    document = dict(evidence.document) | {"model_id": None, "model_ids": {}, "config_id": None, CONTENT: content}
    leave(spec, context, run, replace(evidence, document=document), by=by)
    return document


def leave(spec: RunRequest, context: Context, run: Run, evidence: RunArtifacts, *, by: str) -> None:
    """Evidence, settings, metrics and trades of a run, and its end, in one transaction; the files come first.

    by: strategy or learner that the trades are written down to.
    """
    record, blobs = context.record, Blobs(context.artifacts)
    shared = {"strategy_name": by, "exchange": spec.exchange, "timeframe": spec.timeframe}
    with record.together():
        blob = _settled(evidence, blobs)
        record.artifacts.add(run.id, EVIDENCE, blobs.path(blob) / "run.json", name="evidence", metadata={"blob": blob})
        record.hyperparameters.log(run.id, _flat(spec.as_dict()))
        _metrics(run, evidence.document, context)
        record.trades.add(run.id, evidence.trades.drop("regime").to_dicts(), **shared)
        record.experiments.finish(run)


def _model_files(
    spec: TrainSpec, context: Context, model: Model, evidence: RunArtifacts, past: History, by: str
) -> list[Any]:
    blobs = Blobs(context.artifacts)
    window = next(iter(past.panel.windows.values()))
    with blobs.staging() as parts:
        _saved(model, past, parts)
        return [
            write_files(
                parts,
                ModelFacts(
                    strategy_type=strategy_type(by),
                    exchange=spec.exchange,
                    symbol=symbol,
                    timeframe=spec.timeframe,
                    features=window.names,
                    features_file=None if past.own is None else facts_of(past.own, past.own_columns),
                    lookback=past.warm_up + model.lookback,
                    spec_hash=spec.hash,
                    data_digest=evidence.document["data_digest"],
                    created_at=current_ms(),
                    target=None if window.labels is None else window.labels.name,
                    versions=versions(),
                    self_test=golden_outputs(model, past.panel[symbol]),
                    ledger_head=evidence.document.get("head"),
                ),
                artifacts=blobs,
                models=context.models,
                keys=context.keys,
                shared=context.places.shared,
            )
            for symbol in past.panel.windows
        ]


def _saved(model: Model, past: History, folder: Path) -> None:
    """The model's parts, and with them the user's file that computes the columns it reads."""
    model.save(folder)
    code = None if past.own is None else past.own.code
    for name, text in {} if code is None else features_parts(code).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)


def _model_columns(spec: TrainSpec, evidence: RunArtifacts) -> dict[str, Any]:
    document = evidence.document
    return {
        "architecture_type": spec.learner,
        "hyperparameters": spec.as_dict()["params"],
        "performance_metrics": document["metrics"],
        "val_metric": document["metrics"].get("sharpe_annual"),
        "lifecycle_stage": document["stage"],
        "audit_status": audit_status(document.get("audit")),
        "verdict": {"word": document["verdict"]} | {k: document[k] for k in VERDICT if k in document},
        "format": LEARNERS[spec.learner].model_format,
    }


def _settled(evidence: RunArtifacts, blobs: Blobs) -> str:
    """Keep the evidence's files under the hash of their hashes."""
    with blobs.staging() as stage:
        evidence.write(stage)
        name = evidence_sha256(stage)
        blobs.settle(stage, name)
    return name


def evidence_sha256(folder: Path) -> str:
    """SHA-256 over names and bytes of the files that a run left: the name of their blob."""
    sha = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        sha.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()


def _metrics(run: Run, document: Mapping[str, Any], context: Context) -> None:
    log = context.record.metrics.log
    log(run.id, _numbers(document["metrics"]), split="test", phase="evaluation")
    for fold in document["folds"]:
        log(run.id, _numbers(fold["metrics"]), step=fold["number"], split="fold", phase="evaluation")


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float("nan") if value is None else float(value) for name, value in values.items()}


def _flat(document: Mapping[str, Any], path: str = "") -> dict[str, object]:
    """Dotted names for a nested table; lists as JSON text."""
    result: dict[str, object] = {}
    for key, value in document.items():
        name = f"{path}{key}"
        if isinstance(value, Mapping):
            result |= _flat(value, f"{name}.")
        else:
            result[name] = json.dumps(value) if isinstance(value, list) else value
    return result
