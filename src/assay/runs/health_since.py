"""Candles that a model learnt from, and those that came after them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.errors import ArtifactError, DataError
from assay.kernel.instrument import Instrument
from assay.kernel.parse import parse
from assay.kernel.spec import TrainSpec
from assay.kernel.timeframe import DAY_MS
from assay.kernel.timestamps import iso, now_ms
from assay.runs import run_inputs, run_outputs
from assay.runs.context import Context
from assay.track import Row
from assay.validate import Finding

_NOTHING_NEW = ("DATA_NOT_FOUND", "DATA_LOCKED")  # the last is told by `holdout_findings`


@dataclass(frozen=True, slots=True)
class _Read:
    instruments: tuple[Instrument, ...]
    bars: int | None
    filter: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, eq=False)
class Since:
    """A model's candles now. bars: from the first that it learnt from to the newest stored; `learnt`: its own."""

    spec: TrainSpec
    learnt: Bars
    bars: Bars

    @property
    def new(self) -> int:
        """Candles after the last that it learnt from."""
        return int((self.bars.timestamp > self.learnt.timestamp[-1]).sum())


def since_training(row: Row, context: Context) -> Since | Finding:
    """Its own candles where none is newer, or none that may be seen. A Finding says what is not kept."""
    run = context.record.experiments.get(row["experiment_id"])
    if not run["spec"]:
        return Finding("candles", "UNKNOWN", "its run says no spec: what it learnt from is not known")
    try:
        spec = parse(TrainSpec, run["spec"], path="spec")
        learnt = run_inputs.bars_of(run["id"], context)[row["symbol"]]
    except (ArtifactError, KeyError):
        return Finding("candles", "UNKNOWN", "the candles that it learnt from are not kept: nothing is newer than them")
    try:
        (bars,), _ = run_outputs.candles(_Read((learnt.instrument,), None, spec.filter), context)
    except DataError as error:
        if error.code not in _NOTHING_NEW:
            raise
        bars = learnt
    newer = bool(bars.timestamp[-1] > learnt.timestamp[-1])
    return Since(spec, learnt, bars[int(np.searchsorted(bars.timestamp, learnt.timestamp[0])) :] if newer else learnt)


def holdout_findings(since: Since, context: Context) -> Iterator[Finding]:
    """What nobody may look at is no new bar."""
    market = since.learnt.instrument
    lock = context.record.vault.of(market.exchange, market.symbol)
    if lock is not None:
        text = f"bars from {iso(lock.since)[:16]} on are locked away (assay vault): none of them was looked at"
        yield Finding("candles", "UNKNOWN", text)


def age(row: Row, since: Since) -> dict[str, Any]:
    """Days by the clock and by the candles, and the bars that are missing after its last."""
    learnt_to, newest = (int(bars.known_at[-1]) for bars in (since.learnt, since.bars))
    return {
        "created": f"{row['created_at']:%Y-%m-%dT%H:%M:%SZ}",
        "learnt_to": iso(learnt_to),
        "newest": iso(newest),
        "days": (now_ms() - learnt_to) / DAY_MS,
        "days_of_candles": (newest - learnt_to) / DAY_MS,
        "gap_bars": _gap(since),
    }


def _gap(since: Since) -> int:
    """Bars that are missing between the last that it learnt from and the first newer one."""
    if not since.new:
        return 0
    last = int(since.learnt.known_at[-1])
    first = int(since.bars.timestamp[len(since.bars) - since.new])
    return max(0, (first - last) // since.bars.instrument.bar.ms)
