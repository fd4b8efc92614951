"""Open stores, settings, listener and ports of one process; built in `assay.app`."""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from assay.kernel.bars import Bars
from assay.kernel.contracts import Model, Trial
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.kernel.spec import TrainSpec, canonical
from assay.market import CandleStore, HoldoutView, open_candles
from assay.track import MLFLOW, Keys, ModelPaths, Run, TrackingStore, open_store
from assay.validate import Thresholds

if TYPE_CHECKING:
    from assay.runs.audits import Audited
    from assay.runs.run_artifacts import RunArtifacts
    from assay.runs.run_inputs import History
    from assay.runs.run_outputs import Read, WithModel
    from assay.runs.trial_counts import LookRequest, Looks

_MARKET = frozenset({"exchange", "symbols"})


class Specified(Protocol):
    """A spec of whatever work."""

    def as_dict(self) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """identity, recipe: see `assay.kernel.contracts.Trial`; empty where they are not known."""

    identity: str = ""
    recipe: str = ""

    @property
    def columns(self) -> dict[str, str]:
        """What a run's metadata holds of it; nothing of one that is not known."""
        return {"identity": self.identity, "recipe": self.recipe} if self.identity else {}


def identity_of(spec: Specified, bars: Sequence[Bars], code: str) -> Identity:
    """The identity of a spec on these bars. code: the digest of Assay's own.

    It holds the spec whole (with the digests of files of one's own that it names), the digest of Assay's code, and
    where the spec takes all stored bars the open of the first: what ends later continues, what begins elsewhere is
    another look. Newest so many bars (``bars``) are a rule of the spec itself.
    """
    document = spec.as_dict()
    begins = {} if document.get("bars") is not None else {b.instrument.key: int(b.timestamp[0]) for b in bars}
    parts = {"spec": document, "code": code, "begins": begins}
    recipe = {name: value for name, value in document.items() if name not in _MARKET}
    return Identity(_sha256(parts), _sha256(recipe))


def identity_from_metadata(metadata: Mapping[str, object] | None) -> Identity:
    """What the metadata of a run says; empty for one of before identities were kept."""
    value = metadata or {}
    return Identity(str(value.get("identity", "")), str(value.get("recipe", "")))


def _sha256(value: object) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


class CandlePort(Protocol):
    """Where a run reads its candles: the store, or the snapshots of the run that it repeats."""

    def read(self, spec: "Read", context: "Context") -> tuple[list[Bars], dict[str, object]]:
        """The bars of every instrument, and by symbol what the spec's filter did to them.

        A filter that marks leaves a column ``usable`` (1 or 0) on the bars that it marked any of.
        """

    def locks(self, spec: TrainSpec, context: "Context") -> dict[str, Any]:
        """What the vault locks of the spec's markets, and who read it, under locks of today or of before.

        ``locks``: exchange, symbol, from, by, time, ``trials_before`` (scored on the stretch before it was locked).
        ``readings``: by market and number in its chain: run, from, to, time.
        """

    def locked_from(self, exchange: str, symbol: str, context: "Context") -> int | None:
        """Open (ms) of the first bar that the vault locks; None where it locks none."""


class LedgerPort(Protocol):
    """Where a run is counted and what it is judged by: the ledger of today, or as it was for the run it repeats."""

    def identity(self, spec: Specified, bars: Sequence[Bars], code: str) -> Identity:
        """Identity and recipe of a run that begins. code: the digest of Assay's own."""

    def identity_of(self, run: int, context: "Context") -> Identity:
        """Identity and recipe of a run that has begun."""

    def keep_markets(self, bars: Sequence[Bars], context: "Context") -> None:
        """Keep the fingerprints of the candles, by which they are known under any name."""

    def append(self, trial: Trial, run: int, context: "Context") -> int:
        """Count a trial; its number in the chain of its market, 0 if it has none."""

    def trials_before(self, market_key: str, bars: Collection[Bars], context: "Context") -> int:
        """Configurations that the ledger holds of a market as a run begins, under every name of its candles."""

    def verify(self, market_keys: Sequence[str], context: "Context") -> None:
        """Walk these chains, and compare the ledger with every head under which something was judged.

        Cost: a hash a row, and `assay.track.find_published_heads`. StoreError ``STORE_CORRUPT`` with the row and both
        hashes: by a chain that does not hold nothing is judged.
        """

    def looks(self, request: "LookRequest", context: "Context", *, verified: bool) -> "Looks":
        """Looks at the judged bars. verified: demand first that the ledger holds."""

    def audit(self, ask: Callable[[], "Audited"]) -> "Audited":
        """The run's causality audit. ask: performs it."""

    def thresholds(self, context: "Context") -> Thresholds:
        """The thresholds that the run is judged by."""


class PublisherPort(Protocol):
    """What a run leaves beside its rows: a published model and configuration, or nothing to compare with another."""

    def title(self, name: str) -> str:
        """The run's name in the record."""

    @property
    def reproduces(self) -> int | None:
        """Id of the run that is repeated; None for one of its own."""

    def finish(
        self, spec: TrainSpec, context: "Context", run: Run, model: Model, evidence: "RunArtifacts", past: "History",
        *, by: str, with_model: "WithModel | None",
    ) -> dict[str, object]:  # fmt: skip
        """Write everything about the run, as `assay.runs.run_outputs.finish` says; the document."""

    def journal(self, name: str, context: "Context") -> Path | None:
        """Where a search that is killed goes on from; None where it begins anew each time."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a run's work talks to. A reproduction has other ones: `assay.runs._reproduce`."""

    candles: CandlePort
    ledger: LedgerPort
    publisher: PublisherPort


def _live_ports() -> Ports:
    from assay.runs.live import live_ports

    return live_ports()


AUDITS = ("off", "quick", "full")
Listener = Callable[[float, str], None]


def _nobody(share: float, stage: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, eq=False)
class Context:
    """Open stores of one home. Stores open when they are first asked for, so that ``--help`` opens none.

    home:      folder of everything that is kept.   workers: folds fitted side by side.
    listener:  hears (share done in 0..1, stage); may raise to cancel.
    keys:      sign the models that are published here and verify those that are loaded; None signs nothing.
    artifacts_url: of a store that models are shared through.
    ports:     candles, ledger and publisher of the work; other ones where a run is reproduced.
    mlflow_uri, mlflow_experiment: the server that `assay mirror` brings the record to, and the experiment there; None
               for no mirror: then the record leaves no word for one.
    retention_days, models_keep_last: age at which model files may go, and how many of a market stay whatever their age.
    audit:     of a run's causality: ``quick`` (within a budget), ``full``, or ``off``.
    thresholds: where the checks of the gate draw their lines.
    machine:   what only the environment tells of this machine: thread variables, the container image's digest.
    """

    home: Path
    record_url: str
    candles_url: str
    base_timeframe: str = "1h"
    workers: int = 1
    listener: Listener = field(default=_nobody)
    ports: Ports = field(default_factory=_live_ports)
    keys: Keys | None = None
    artifacts_url: str | None = None
    machine: Mapping[str, Any] = field(default_factory=dict)
    audit: str = "quick"
    thresholds: Thresholds = field(default_factory=Thresholds)
    retention_days: int = 30
    models_keep_last: int = 3
    mlflow_uri: str | None = None
    mlflow_experiment: str = "ml-local-experiment"

    def __post_init__(self) -> None:
        if self.audit not in AUDITS:
            near = did_you_mean(self.audit, AUDITS) or f"it must be one of {', '.join(AUDITS)}"
            raise ConfigError(
                f"audit is {printable(self.audit)}; {near}", code="CONFIG_AUDIT", hint=near, field="audit"
            )

    @cached_property
    def stored(self) -> CandleStore:
        """The candle store, whole: for those who fill it and look at it, and for who opens the vault."""
        return open_candles(self.candles_url, base_timeframe=self.base_timeframe)

    @cached_property
    def candles(self) -> CandleStore:
        """The candle store without what the holdout vault locks: all that any work may read."""
        return HoldoutView(self.stored, self.locked_from)

    def locked_from(self, exchange: str, symbol: str) -> int | None:
        """Open (ms) of the first bar that the vault locks; None where it locks none."""
        lock = self.record.vault.of(exchange, symbol)
        return None if lock is None else lock.since

    @cached_property
    def record(self) -> TrackingStore:
        """The record; runs of dead processes are marked crashed as it opens."""
        return open_store(self.record_url, tells=() if self.mlflow_uri is None else (MLFLOW,))

    @property
    def snapshots(self) -> Path:
        """Folder of the immutable candle snapshots."""
        return self.home / "snapshots"

    @property
    def artifacts(self) -> Path:
        """Folder of content-addressed files."""
        return self.home / "artifacts"

    @property
    def models(self) -> Path:
        """Folder of the published model files."""
        return self.home / "models"

    def with_ports(self, ports: Ports) -> "Context":
        """The same stores for work with other ports."""
        fresh = replace(self, ports=ports)
        fresh.__dict__["record"] = self.record  # one record, open once
        return fresh

    def with_holdout(self) -> "Context":
        """The same stores for the one piece of work that reads what is locked, and is counted for it."""
        fresh = replace(self)
        fresh.__dict__.update(record=self.record, stored=self.stored, candles=self.stored)
        return fresh

    @property
    def limits(self) -> Thresholds:
        """The thresholds that a run is judged by; of one that is reproduced those that it was judged by."""
        return self.ports.ledger.thresholds(self)

    @property
    def places(self) -> ModelPaths:
        """Where model bytes lie, for `assay.track.loading`."""
        return ModelPaths(self.artifacts, self.models, self.keys, self.artifacts_url)


@dataclass(slots=True)
class Recording:
    """The report of a run: progress to the listener, trials to the ledger.

    A search's progress is told with its trials, trials a second and the best score so far.
    """

    context: Context
    experiment_id: int
    stage: str
    begins: float = 0.0
    ends: float = 1.0
    _since: float = field(default_factory=time.monotonic)
    _identity: Identity | None = None
    _trials: dict[float, float] = field(default_factory=dict)

    def progress(self, share_done: float, metrics: Mapping[str, float]) -> None:
        """See `assay.kernel.contracts.Report`."""
        share = self.begins + (self.ends - self.begins) * share_done
        self.context.listener(share, self._pace(metrics) if "trials" in metrics else self.stage)

    def _pace(self, metrics: Mapping[str, float]) -> str:
        fold = metrics.get("fold", 0.0)
        self._trials[fold] = metrics["trials"]
        total = sum(self._trials.values())
        rate = total / max(time.monotonic() - self._since, 1e-3)
        best = metrics.get("best_score", float("nan"))
        document = f", best {best:.3g}" if best == best else ""
        return f"{self.stage}, window {fold + 1:.0f}: {total:,.0f} trials, {rate:,.0f}/s{document}"

    def trial(self, trial: Trial) -> int:
        """See `assay.kernel.contracts.Report`. Of a run that is reproduced the number that it has; 0 if it has none.

        The trial is given the run's identity.
        """
        ledger = self.context.ports.ledger
        if self._identity is None:
            self._identity = ledger.identity_of(self.experiment_id, self.context)
        trial = replace(trial, identity=self._identity.identity, recipe=self._identity.recipe)
        return ledger.append(trial, self.experiment_id, self.context)
