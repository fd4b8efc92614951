"""Ports of a run of its own: the candle store, the ledger, and published models."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from assay.kernel.arrays import BoolArray
from assay.kernel.bars import USABLE, Bars
from assay.kernel.contracts import Model, Trial
from assay.kernel.parse import parse
from assay.kernel.spec import TrainSpec
from assay.runs.audits import Audited
from assay.runs.context import Context, Identity, Ports, Specified, identity_from_metadata, identity_of
from assay.runs.run_artifacts import RunArtifacts
from assay.runs.run_inputs import History
from assay.runs.run_outputs import Read, WithModel, publish_run
from assay.runs.run_views import iso_or_none
from assay.runs.trial_counts import (
    UNKNOWN_HEAD,
    LookRequest,
    Looks,
    LookSource,
    count_markets_tried,
    find_chains,
    looks_from,
)
from assay.track import Blobs, Run, find_published_heads
from assay.validate import Thresholds


class StoredCandles:
    """Candles of the home's store, without what the holdout vault locks. See `CandlePort`."""

    def read(self, spec: Read, context: Context) -> tuple[list[Bars], dict[str, object]]:
        """See `CandlePort.read`."""
        stored = [context.candles.read(i, newest=spec.bars) for i in spec.instruments]
        if spec.filter is None:
            return stored, {}
        from assay.market import DataFilter, apply_filter

        config = parse(DataFilter, spec.filter, path="filter")
        filtered = [apply_filter(bars, config) for bars in stored]
        return [_marked(f.bars, f.usable) for f in filtered], {f.bars.instrument.symbol: f.report for f in filtered}

    def locks(self, spec: TrainSpec, context: Context) -> dict[str, object]:
        """See `CandlePort.locks`."""
        vault = context.record.vault
        locks = [lock for each in spec.instruments if (lock := vault.of(each.exchange, each.symbol)) is not None]
        read = {row["id"]: row for each in spec.instruments for row in vault.readings(each.exchange, each.symbol)}
        return {
            "locks": [lock.document for lock in locks],
            "readings": [
                {
                    "market": row["market_key"], "number": row["seq"], "run": row["experiment_id"],
                    "from": iso_or_none(row["window_start"]), "to": iso_or_none(row["window_end"]),
                    "time": iso_or_none(row["created_at"]),
                }
                for row in read.values()
            ],
        }  # fmt: skip

    def locked_from(self, exchange: str, symbol: str, context: Context) -> int | None:
        """See `CandlePort.locked_from`."""
        return context.locked_from(exchange, symbol)


class CurrentLedger:
    """The ledger as it stands. See `LedgerPort`."""

    def identity(self, spec: Specified, bars: Sequence[Bars], code: str) -> Identity:
        """See `LedgerPort.identity`."""
        return identity_of(spec, bars, code)

    def identity_of(self, run: int, context: Context) -> Identity:
        """See `LedgerPort.identity_of`."""
        return identity_from_metadata(context.record.experiments.get(run)["metadata"])

    def keep_markets(self, bars: Sequence[Bars], context: Context) -> None:
        """See `LedgerPort.keep_markets`."""
        for each in bars:
            context.record.markets.keep(each)

    def append(self, trial: Trial, run: int, context: Context) -> int:
        """See `LedgerPort.append`."""
        return context.record.ledger.append(trial, experiment_id=run, blobs=Blobs(context.artifacts))

    def trials_before(self, market_key: str, bars: Collection[Bars], context: Context) -> int:
        """See `LedgerPort.trials_before`."""
        chains = find_chains(LookRequest(market_key, 0, np.empty(0, np.int64), bars), context)
        return sum(context.record.ledger.count(each.market_key) for each in chains)

    def verify(self, market_keys: Sequence[str], context: Context) -> None:
        """See `LedgerPort.verify`."""
        ledger = context.record.ledger
        for market_key in market_keys:
            ledger.check(market_key)
        ledger.check_published(find_published_heads(context.record, home=context.home, artifacts=context.artifacts))

    def looks(self, request: LookRequest, context: Context, *, verified: bool) -> Looks:
        """See `LedgerPort.looks`."""
        chains, ledger = find_chains(request, context), context.record.ledger
        keys = [chain.market_key for chain in chains]
        if verified:
            self.verify(keys, context)
        source = LookSource(
            chains, ledger.head(keys) or UNKNOWN_HEAD, ledger.count_missing,
            partial(count_markets_tried, context=context),
        )  # fmt: skip
        return looks_from(source, request, context)

    def audit(self, ask: Callable[[], Audited]) -> Audited:
        """See `LedgerPort.audit`."""
        return ask()

    def thresholds(self, context: Context) -> Thresholds:
        """See `LedgerPort.thresholds`."""
        return context.thresholds


class Publisher:
    """Publishes the model and its configuration. See `PublisherPort`."""

    reproduces: int | None = None

    def title(self, name: str) -> str:
        """See `PublisherPort.title`."""
        return name

    def finish(
        self, spec: TrainSpec, context: Context, run: Run, model: Model, evidence: RunArtifacts, past: History, *,
        by: str, with_model: WithModel | None,
    ) -> dict[str, object]:  # fmt: skip
        """See `PublisherPort.finish`."""
        return publish_run(spec, context, run, model, evidence, past, by=by, with_model=with_model)

    def journal(self, name: str, context: Context) -> Path | None:
        """See `PublisherPort.journal`."""
        return context.home / "searches" / name


def live_ports() -> Ports:
    """The ports of a run of its own."""
    return Ports(StoredCandles(), CurrentLedger(), Publisher())


def _marked(bars: Bars, usable: BoolArray) -> Bars:
    return bars if usable.all() else replace(bars, columns={**bars.columns, USABLE: usable.astype(np.float64)})
