"""Decisions and features of a user file in its closed process."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.decisions import Decisions
from assay.kernel.errors import TrainError
from assay.kernel.user_source import UserCode
from assay.learn import Setups, State
from assay.validate.audit.pipeline import Columns
from assay.validate.isolation.declarations import setups_of
from assay.validate.isolation.process import ClosedProcess, Confinement


class IsolatedStrategy(ClosedProcess):
    """A strategy file in a closed process.

    >>> with IsolatedStrategy(code) as rule:  # doctest: +SKIP
    ...     decisions = rule.decide(bars, values)
    """

    def __init__(self, code: UserCode, *, number: int = 0, limits: Confinement | None = None) -> None:
        super().__init__(code, "strategy", number=number, limits=limits)

    def decide(self, bars: Bars, values: Mapping[str, Any]) -> Decisions:
        """Decisions at these values, all of them as `Strategy.resolve` gives them. See `Strategy.decisions`."""
        got = self.ask(bars, {"values": dict(values)}).arrays
        if {name: each.shape for name, each in got.items()} != dict.fromkeys(
            ("target", "stop", "take", "hold"), (len(bars),)
        ):
            raise TrainError(f"{self.code.main.path} gave no decisions for {len(bars)} bars", code="TRAIN_STRATEGY")
        return Decisions(got["target"], got["stop"], got["take"], got["hold"].astype(np.int32, copy=False))

    def rule(self, bars: Bars, structural: Mapping[str, Any]) -> Setups | State:
        """What the rule gives for these bars, at its structural parameters. See `Strategy.setups`."""
        name = str(self.declared["strategy"]["name"]) if self.declared else self.code.main.path
        return setups_of(self.ask(bars, {"values": dict(structural), "whole": True}, keep=True), name)

    def lookback(self, values: Mapping[str, Any], timeframe: str) -> object:
        """What the file's lookback gives for these values; whether it is a number of rows is the caller's to check."""
        return self.ask(None, {"values": dict(values), "timeframe": timeframe}).facts.get("lookback")


class IsolatedFeatures(ClosedProcess):
    """A features file in a closed process."""

    def __init__(self, code: UserCode, *, number: int = 0, limits: Confinement | None = None) -> None:
        super().__init__(code, "feature", number=number, limits=limits)

    def compute(self, bars: Bars, names: Sequence[str] = ()) -> Columns:
        """Columns of these names, by default all that the file declares; NaN before each column's lookback.

        Columns that the bars cannot give are left out, see `assay.features.table`.
        """
        got = self.ask(bars, {"names": list(names)})
        values = got.arrays["values"].astype(np.float64, copy=False)
        columns = tuple(str(name) for name in got.facts["names"])
        if values.shape != (len(bars), len(columns)):
            raise TrainError(f"{self.code.main.path} gave no columns for {len(bars)} bars", code="TRAIN_FEATURE")
        return Columns(values, columns, int(got.facts["lookback"]))
