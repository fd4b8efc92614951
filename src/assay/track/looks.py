"""A row of the ledger as a look at a market: what was scored, on which stretches, as part of what."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.track.model_files.artifact_store import Blobs
from assay.track.rows import Row

_ALONE = ("none", "manual")  # tuning methods of what was scored for itself, not as a candidate of a search
Interval = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a row says of itself.

    id:       order in which rows were written.   seq: number in its chain.   run: number of the run; None for none.
    identity: None for a row of before identities were kept: it is a look of its own.   recipe: see `Trial`.
    is_record: scored for itself, a walk's record or a backtest; else candidates that something was chosen among.
    intervals: ``[first, last]`` ms bar opens that were scored; empty where the row does not say.
    """

    id: int
    market_key: str
    seq: int
    run: int | None
    identity: str | None
    recipe: str | None
    is_record: bool
    n_configs: int
    config_hash: str
    returns_sha256: str | None
    active_sha256: str | None
    intervals: tuple[Interval, ...]

    @property
    def last(self) -> int | None:
        """Open of the last bar that was scored, ms; None where the row does not say."""
        return max((end for _, end in self.intervals), default=None)

    def active(self, blobs: Blobs) -> tuple[IntArray, FloatArray] | None:
        """Bar opens and active returns, ``(n,)`` each; None where none are kept. Raises as `Blobs.get`."""
        if self.active_sha256 is None:
            return None
        data = blobs.get(self.active_sha256)
        half = len(data) // 2
        return np.frombuffer(data[:half], "<i8").astype(np.int64), np.frombuffer(data[half:], "<f8")


def look_of(row: Row) -> Look:
    """From the columns of the table `trials`."""
    return Look(
        id=row["id"],
        market_key=row["market_key"],
        seq=row["seq"],
        run=row["experiment_id"],
        identity=row["identity"],
        recipe=row["recipe"],
        is_record=row["n_configs"] == 1 and row["tuning_method"] in _ALONE,
        n_configs=row["n_configs"],
        config_hash=row["config_hash"],
        returns_sha256=row["returns_sha256"],
        active_sha256=row["active_sha256"],
        intervals=_intervals(row),
    )


def _intervals(row: Row) -> tuple[Interval, ...]:
    """Those that were scored; of a row that keeps none its window, from end to end."""
    if row["intervals"]:
        return tuple((int(first), int(last)) for first, last in row["intervals"])
    if row["window_start"] is None or row["window_end"] is None:
        return ()
    return ((_ms(row["window_start"]), _ms(row["window_end"])),)


def _ms(moment: Any) -> int:
    return round(moment.timestamp() * 1000)
