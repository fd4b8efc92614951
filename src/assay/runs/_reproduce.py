"""Execute a run again from its stored inputs and compare the results bit by bit."""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from assay.kernel.bars import Bars
from assay.kernel.contracts import Model, Trial
from assay.kernel.errors import ArtifactError, ConfigError, StoreError
from assay.kernel.parse import parse
from assay.kernel.spec import TrainSpec, canonical
from assay.runs import run_inputs, run_outputs
from assay.runs._backtest import KIND as BACKTEST
from assay.runs._backtest import BacktestSpec, run_backtest
from assay.runs.audits import Audited, read_audit
from assay.runs.context import Context, Identity, Ports, Specified, identity_from_metadata
from assay.runs.learners import execute_spec
from assay.runs.provenance import current_environment, provenance_differences, stored_environment
from assay.runs.run_artifacts import RunArtifacts
from assay.runs.run_inputs import History
from assay.runs.run_outputs import Read, WithModel, leave_unpublished
from assay.runs.run_views import Compared, documents, tables
from assay.runs.strategies import load_strategy
from assay.runs.trial_counts import UNKNOWN_HEAD, Chain, LookRequest, Looks, LookSource, MarketLooks, looks_from
from assay.track import Blobs, Run, read_head
from assay.validate import Thresholds, thresholds_from_document


@dataclass(frozen=True, slots=True, eq=False)
class ReproductionInputs:
    """A run that is executed again. It reads no candle store, publishes nothing and adds nothing to the ledger.

    run:      id of the run that is reproduced.
    bars:     by symbol, as they were after the data filter.   filtered: what the filter said then.
    counted:  configurations that the ledger held when the run began.   n_trials: when it was judged.
    audit:    what the run's causality audit said, None where it had none.   thresholds: that it was judged by.
    holdout:  what it said of the vault.   looks, head: which trials counted, and what the ledger held; empty of a run
              of before they were kept.   identity: of the run.   effective: independent trials that it was judged with.
    uncounted: grows by a name for each trial that the ledger does not hold already.
    """

    run: int
    bars: Mapping[str, Bars]
    filtered: Mapping[str, Any]
    counted: int
    n_trials: int
    audit: Mapping[str, Any] | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    holdout: Mapping[str, Any] = field(default_factory=dict)
    looks: Mapping[str, Any] = field(default_factory=dict)
    head: Mapping[str, Any] = field(default_factory=dict)
    identity: Identity = field(default_factory=Identity)
    effective: float | None = None
    uncounted: list[str] = field(default_factory=list)

    def ports(self) -> Ports:
        """The ports of its execution."""
        return Ports(SnapshotCandles(self), PastLedger(self), Comparison(self))


@dataclass(frozen=True, slots=True)
class SnapshotCandles:
    """Candles of the run that is repeated, filtered already. See `CandlePort`."""

    inputs: ReproductionInputs

    def read(self, spec: Read, context: Context) -> tuple[list[Bars], dict[str, object]]:
        """See `CandlePort.read`."""
        return [self.inputs.bars[i.symbol] for i in spec.instruments], dict(self.inputs.filtered)

    def locks(self, spec: TrainSpec, context: Context) -> dict[str, object]:
        """As the run said; see `CandlePort.locks`."""
        return {"locks": [], "readings": []} | dict(self.inputs.holdout)

    def locked_from(self, exchange: str, symbol: str, context: Context) -> int | None:
        """None: snapshots end before what was locked. See `CandlePort.locked_from`."""
        return None


@dataclass(frozen=True, slots=True)
class PastLedger:
    """The ledger as it was when the run was judged; nothing is added to it. See `LedgerPort`."""

    inputs: ReproductionInputs

    def identity(self, spec: Specified, bars: Sequence[Bars], code: str) -> Identity:
        """The run's; see `LedgerPort.identity`."""
        return self.inputs.identity

    def identity_of(self, run: int, context: Context) -> Identity:
        """The run's; see `LedgerPort.identity_of`."""
        return self.inputs.identity

    def keep_markets(self, bars: Sequence[Bars], context: Context) -> None:
        """Nothing: they were kept when the run began. See `LedgerPort.keep_markets`."""

    def append(self, trial: Trial, run: int, context: Context) -> int:
        """Nothing is added; the number that the trial has. See `LedgerPort.append`."""
        number = context.record.ledger.find(trial)
        if number is None:
            self.inputs.uncounted.append(f"{trial.strategy} on {trial.market_key}")
        return number or 0

    def trials_before(self, market_key: str, bars: Collection[Bars], context: Context) -> int:
        """As many as the run counted then; see `LedgerPort.trials_before`."""
        return self.inputs.counted

    def verify(self, market_keys: Sequence[str], context: Context) -> None:
        """Nothing: what is repeated was judged before. See `LedgerPort.verify`."""

    def looks(self, request: LookRequest, context: Context, *, verified: bool) -> Looks:
        """Those up to the run's head; see `LedgerPort.looks`."""
        stored = self.inputs.looks
        if not stored:
            return self._number_alone(request)
        lost = {m["market_key"]: int(m["missing"]) for m in stored["markets"]}
        source = LookSource(
            [Chain(m["market_key"], tuple(m["moved_ms"]), str(m["known_by"])) for m in stored["markets"]],
            read_head(self.inputs.head) or UNKNOWN_HEAD,
            lost.__getitem__,
            lambda _: int(stored["markets_tried"]),
            identity=self.inputs.identity.identity,
            counted=True,
        )
        return looks_from(source, request, context)

    def _number_alone(self, request: LookRequest) -> Looks:
        """What a run of before looks were kept was judged with."""
        n = self.inputs.n_trials
        effective = float(n) if self.inputs.effective is None else float(self.inputs.effective)
        return Looks(
            n=n, effective=effective, own=1, others=(MarketLooks(request.market_key, n - 1),), candidates=0,
            judged_before=0, unknown_rows=n - 1, missing=0, markets_tried=1, head=UNKNOWN_HEAD, counted=True,
        )  # fmt: skip

    def audit(self, ask: Callable[[], Audited]) -> Audited:
        """What the run's audit said; see `LedgerPort.audit`."""
        return read_audit(self.inputs.audit)

    def thresholds(self, context: Context) -> Thresholds:
        """Those that the run was judged by; see `LedgerPort.thresholds`."""
        return self.inputs.thresholds


@dataclass(frozen=True, slots=True)
class Comparison:
    """Publishes nothing: what the run leaves is compared with what it left before. See `PublisherPort`."""

    inputs: ReproductionInputs

    @property
    def reproduces(self) -> int | None:
        """Id of the run that is repeated."""
        return self.inputs.run

    def title(self, name: str) -> str:
        """See `PublisherPort.title`."""
        return f"run {self.inputs.run} again: {name}"

    def finish(
        self, spec: TrainSpec, context: Context, run: Run, model: Model, evidence: RunArtifacts, past: History, *,
        by: str, with_model: WithModel | None,
    ) -> dict[str, object]:  # fmt: skip
        """No model and no configuration; see `PublisherPort.finish`."""
        return leave_unpublished(spec, context, run, model, evidence, past, by=by)

    def journal(self, name: str, context: Context) -> Path | None:
        """None; see `PublisherPort.journal`."""
        return None


_CHANGES = {
    "run_id", "experiment_id", "config_id", "model_id", "model_ids", "created", "seconds", "engine_seconds",
    "environment", "code_digest", "stage", run_outputs.CONTENT,
}  # fmt: skip
_SAID_ELSEWHERE = {"spec", "spec_hash", "data_digest"}
_SAID_LATER = {
    "thresholds",
    "evidence",
    "information",
    "holdout",
    "looks",
    "head",
    "members",
}  # what a run says that did not say it always
_COLUMNS_SINCE = {"exposure", "active_return"}  # of tables of runs that were judged by a later gate
_BY_GATE = {
    "verdict", "stage", "reasons", "bars_needed", "advice", "gate_version", "nature", "thresholds", "evidence",
    "information", "n_trials",
}  # fmt: skip
_SENTENCES = {"advice", "text", "notes"}
"""Keys whose values are written for people: their wording may change from one version to the next."""
Spec = TrainSpec | BacktestSpec
TRAIN = "train"


def _train_again(spec: Spec, context: Context, file: Path | None, features: Path | None) -> Mapping[str, object]:
    assert isinstance(spec, TrainSpec)
    return execute_spec(spec, context, file=file, features_file=features, force=True).document


def _backtest_again(spec: Spec, context: Context, file: Path | None, features: Path | None) -> Mapping[str, object]:
    assert isinstance(spec, BacktestSpec)
    return run_backtest(spec, load_strategy(spec.strategy, file), context, file=file, force=True).document


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of work: the type of its spec, and how it is carried out again; the document that it comes to.

    execute: spec, context, the user's strategy file, the user's features file.
    """

    spec: type[Spec]
    execute: Callable[[Spec, Context, Path | None, Path | None], Mapping[str, Any]]


KINDS: Mapping[str, Kind] = {
    TRAIN: Kind(TrainSpec, _train_again),
    BACKTEST: Kind(BacktestSpec, _backtest_again),
}
"""By the ``kind`` of a stored spec; a spec without one is of a training."""


def _kind_of(spec: Spec) -> Kind:
    return next(kind for kind in KINDS.values() if isinstance(spec, kind.spec))


@dataclass(frozen=True, slots=True, eq=False)
class _StoredRun:
    """A completed run, opened and checked."""

    row: Mapping[str, Any]
    spec: Spec
    evidence: RunArtifacts


def reproduce(run: int | str, context: Context, *, strict: bool = False) -> dict[str, object]:
    """Execute a run again as a new one with ``reproduces_id``, and compare all that both left.

    Spec, candles and a user's own strategy or features come from what the run kept: neither candle store nor file is
    read, nothing is added to the ledger, no model or configuration is published. `equal` says whether decisions,
    trades, accounts, metrics and the model's ``content_sha256`` are the same to the last bit; `first` is the first
    difference, `compared` all of them, `differs` what surrounds the two: commit, lock, versions, machine.

    strict: different code, lock or versions are StoreError ``STORE_SURROUNDINGS``, and nothing runs.

    Raises StoreError ``STORE_NOT_FOUND``; ArtifactError ``ARTIFACT_GONE`` where the run did not complete, or its spec,
    snapshot, source or evidence is missing, ``ARTIFACT_CORRUPT`` where one was changed; and what the run itself raises.
    """
    began = time.monotonic()
    stored = _opened(run, context)
    number, document = stored.row["id"], stored.evidence.document
    differs = list(provenance_differences(stored_environment(stored.row), current_environment(context)))
    if strict:
        _demand_same(number, differs)
    again = ReproductionInputs(
        run=number,
        bars=run_inputs.bars_of(number, context),
        filtered=document.get("filter") or {},
        counted=int(stored.row["metadata"].get("counted", document["n_trials"])),
        n_trials=int(document["n_trials"]),
        audit=document.get("audit"),
        thresholds=thresholds_from_document(document.get("thresholds", {})),
        holdout=document.get("holdout", {}),
        looks=document.get("looks", {}),
        head=document.get("head", {}),
        identity=identity_from_metadata(stored.row["metadata"]),
        effective=(document.get("evidence") or {}).get("effective_trials"),
    )
    with (
        run_inputs.source_of(number, stored.row["spec"], context) as file,
        run_inputs.features_of(number, stored.row["spec"], context) as features,
    ):
        made = _kind_of(stored.spec).execute(stored.spec, context.with_ports(again.ports()), file, features)
    now = run_outputs.evidence_of(made["experiment_id"], context)
    if now is None:
        raise ArtifactError(f"run {made['experiment_id']} left no evidence", code="ARTIFACT_GONE")
    compared = [*_compared(stored, now, context), _counted(again)]
    first = next((each for each in compared if not each.equal), None)
    differs += _gates(document, now.document)
    return {
        "run": number,
        "run_id": stored.row["run_id"],
        "name": stored.row["name"],
        "reproduced_as": made["experiment_id"],
        "reproduced_run_id": made["run_id"],
        "equal": first is None,
        "first": None if first is None else first.as_dict(),
        "compared": [each.as_dict() for each in compared],
        "differs": differs,
        "seconds": time.monotonic() - began,
    }


def _opened(run: int | str, context: Context) -> _StoredRun:
    row = context.record.experiments.get(run)
    if row["status"] != "completed":
        raise _nothing(row, f"is {row['status']}: it left nothing to compare with")
    if not row["spec"]:
        raise _nothing(row, "has no spec")
    evidence = _evidence(row, context)
    return _StoredRun(row, _spec(row), evidence)


def _evidence(row: Mapping[str, Any], context: Context) -> RunArtifacts:
    result = [a for a in context.record.artifacts.read(row["id"]) if a["artifact_type"] == run_outputs.EVIDENCE]
    if not result:
        raise _nothing(row, f"of type {row['experiment_type']} left no decisions, trades and metrics to compare with")
    name = result[0]["metadata"]["blob"]
    folder = Blobs(context.artifacts).path(name)
    if run_outputs.evidence_sha256(folder) != name:
        raise ArtifactError(
            f"what run {row['id']} left in {folder} was changed: its files no longer hash to {name[:12]}…",
            code="ARTIFACT_CORRUPT",
            hint="Restore the folder from a backup.",
        )
    return RunArtifacts.read(folder)


def _spec(row: Mapping[str, Any]) -> Spec:
    """The stored spec, if it is the one that the run was begun with."""
    document = dict(row["spec"])
    kind = KINDS.get(document.pop("kind", TRAIN))
    if kind is None or "learner" not in document:
        raise _nothing(row, "has a spec that no command of Assay executes")
    try:
        spec = parse(kind.spec, document, path="spec")
    except ConfigError as error:
        raise ArtifactError(f"the spec of run {row['id']} cannot be read: {error.message}") from error
    stored = hashlib.sha256(canonical(row["spec"]).encode()).hexdigest()
    if row["spec_hash"] not in (stored, spec.hash):
        raise ArtifactError(
            f"the spec of run {row['id']} was changed: it hashes to {stored[:12]}…, the run says {row['spec_hash']}"
        )
    return spec


def _nothing(row: Mapping[str, object], why: str) -> ArtifactError:
    return ArtifactError(
        f"run {row['id']} {why}",
        code="ARTIFACT_GONE",
        hint="Completed runs of assay train, optimize and backtest can be reproduced; assay runs list shows them.",
        run=row["id"],
        status=row["status"],
    )


def _demand_same(run: int, differs: list[dict[str, object]]) -> None:
    deciding = [each for each in differs if each["decides"]]
    if deciding:
        document = [f"{each['what']} {each['was']} then, {each['now']} now" for each in deciding[:3]]
        more = f", and {len(deciding) - 3} more" if len(deciding) > 3 else ""
        raise StoreError(
            f"run {run} ran with other code or libraries: {'; '.join(document)}{more}",
            code="STORE_SURROUNDINGS",
            hint="Check out its commit and install its lock, or leave --strict out.",
            differs=deciding,
        )


def _compared(stored: _StoredRun, now: RunArtifacts, context: Context) -> list[Compared]:
    was = stored.evidence
    pairs: dict[str, tuple[pl.DataFrame | None, pl.DataFrame | None]] = {
        name: (getattr(was, name), _as_then(getattr(was, name), getattr(now, name)))
        for name in ("decisions", "trades", "bars", "account", "trials")
    }
    result = [tables(name, *each) for name, each in pairs.items() if any(e is not None for e in each)]
    result.append(documents("metrics", was.document["metrics"], now.document["metrics"]))
    model = _content(stored, context)
    if model is not None:
        result.append(documents("model", model, now.document.get(run_outputs.CONTENT)))
    lasting = {n: v for n, v in _lasting(now.document).items() if n in was.document or n not in _SAID_LATER}
    before = _lasting(was.document)
    if _gates(was.document, now.document):  # another gate: its word is not what is reproduced
        before, lasting = ({n: v for n, v in each.items() if n not in _BY_GATE} for each in (before, lasting))
    before, lasting = (_without_sentences(each) for each in (before, lasting))
    return [*result, documents("document", before, lasting)]


def _without_sentences(value: object) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_sentences(each) for name, each in value.items() if name not in _SENTENCES}
    return [_without_sentences(each) for each in value] if isinstance(value, list) else value


def _as_then(was: pl.DataFrame | None, now: pl.DataFrame | None) -> pl.DataFrame | None:
    """The new table without the columns that runs of before did not keep, where the old one lacks them."""
    if was is None or now is None:
        return now
    return now.drop([name for name in now.columns if name in _COLUMNS_SINCE and name not in was.columns])


def _gates(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, object]]:
    """What to say where two runs were judged by gates of different versions: their verdicts are not compared."""
    if "verdict" not in was:
        return []
    versions = [int(each.get("gate_version", 1)) for each in (was, now)]
    if versions[0] == versions[1]:
        return []
    return [{"what": "gate version", "was": versions[0], "now": versions[1], "decides": False}]


def _content(stored: _StoredRun, context: Context) -> str | None:
    """The content hash of the run's model; None for a backtest, which has none, or where it is not known."""
    if isinstance(stored.spec, BacktestSpec):
        return None
    rows = context.record.models.recent(stored.row["id"], limit=1)
    available = rows[0]["content_sha256"] if rows else stored.evidence.document.get(run_outputs.CONTENT)
    return None if available is None else str(available)


def _counted(again: ReproductionInputs) -> Compared:
    """Every trial of a run is in the ledger already."""
    if not again.uncounted:
        return Compared("ledger", 0)
    return Compared("ledger", 0, "trials", "all counted", f"{len(again.uncounted)} not counted")


def _lasting(document: Mapping[str, Any]) -> dict[str, object]:
    """What of ``run.json`` must not change from one execution to the next."""
    result = {name: value for name, value in document.items() if name not in _CHANGES | _SAID_ELSEWHERE}
    result["folds"] = [{n: v for n, v in fold.items() if n != "seconds"} for fold in document["folds"]]
    return result
