"""Stored inputs with which a run is reproduced: snapshots, and the ledger as it was."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.kernel.bars import Bars
from assay.runs.identity import Identity
from assay.validate import Thresholds


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
