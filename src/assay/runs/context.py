"""Open stores, settings and listener of one process, and the stored inputs of a reproduction; built in `assay.app`."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from assay.kernel.bars import Bars
from assay.kernel.contracts import Trial
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.kernel.spec import canonical
from assay.market import CandleStore, HoldoutView, open_candles
from assay.track import MLFLOW, Blobs, Keys, ModelPaths, TrackingStore, open_store
from assay.validate import Thresholds

_MARKET = frozenset({"exchange", "symbols"})


class Specified(Protocol):
    """A spec of whatever work."""

    def as_dict(self) -> dict[str, Any]: ...


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


def identity_from_metadata(metadata: Mapping[str, Any] | None) -> Identity:
    """What the metadata of a run says; empty for one of before identities were kept."""
    value = metadata or {}
    return Identity(str(value.get("identity", "")), str(value.get("recipe", "")))


def _sha256(value: object) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


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
    again:     what stands in for candles and ledger where a run is reproduced.
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
    again: ReproductionInputs | None = None
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
        return HoldoutView(self.stored, self._locked_from)

    def _locked_from(self, exchange: str, symbol: str) -> int | None:
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

    def for_reproduction(self, again: ReproductionInputs) -> "Context":
        """The same stores for a run that is executed again."""
        fresh = replace(self, again=again)
        fresh.__dict__["record"] = self.record  # one record, open once
        return fresh

    def with_holdout(self) -> "Context":
        """The same stores for the one piece of work that reads what is locked, and is counted for it."""
        fresh = replace(self)
        fresh.__dict__.update(record=self.record, stored=self.stored, candles=self.stored)
        return fresh

    def demand_whole(self, *market_keys: str) -> None:
        """Walk these chains of the ledger, and compare it with every head under which something was judged.

        By a chain that does not hold nothing is judged. Cost: a hash a row, and
        `assay.track.find_published_heads`. StoreError ``STORE_CORRUPT`` with the row and both hashes.
        What is reproduced was judged before.
        """
        if self.again is not None:
            return
        for market_key in market_keys:
            self.record.ledger.check(market_key)
        from assay.track import find_published_heads

        self.record.ledger.check_published(find_published_heads(self.record, home=self.home, artifacts=self.artifacts))

    @property
    def limits(self) -> Thresholds:
        """The thresholds that a run is judged by; of one that is reproduced those that it was judged by."""
        return self.thresholds if self.again is None else self.again.thresholds

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
        ledger, again = self.context.record.ledger, self.context.again
        if self._identity is None:
            run = self.context.record.experiments.get(self.experiment_id)
            self._identity = identity_from_metadata(run["metadata"]) if again is None else again.identity
        trial = replace(trial, identity=self._identity.identity, recipe=self._identity.recipe)
        if again is None:
            return ledger.append(trial, experiment_id=self.experiment_id, blobs=Blobs(self.context.artifacts))
        number = ledger.find(trial)
        if number is None:
            again.uncounted.append(f"{trial.strategy} on {trial.market_key}")
        return number or 0
