"""Runs that were judged by the gate's first version are compared by what they decided, not by its word."""

import polars as pl
import pytest

from assay.runs import _reproduce as module

OLD = pl.DataFrame({"timestamp": [1, 2], "return": [0.0, 0.1]})
NEW = OLD.with_columns(active_return=pl.lit(0.0), exposure=pl.lit(0.5))


def test_columns_that_were_not_kept_then_are_not_compared() -> None:
    assert module._as_then(OLD, NEW).equals(OLD)
    assert module._as_then(NEW, NEW).equals(NEW)
    assert module._as_then(OLD, NEW.with_columns(more=pl.lit(1))).columns == [*OLD.columns, "more"]
    assert module._as_then(None, NEW) is NEW and module._as_then(OLD, None) is None


@pytest.mark.parametrize(
    ("was", "now", "versions"),
    [
        ({"verdict": "GOLD"}, {"verdict": "UNPROVEN", "gate_version": 2}, (1, 2)),
        ({"verdict": "GOLD", "gate_version": 2}, {"verdict": "UNPROVEN", "gate_version": 2}, None),
        ({"kind": "backtest"}, {"kind": "backtest"}, None),
    ],
)
def test_another_gate_is_named(
    was: dict[str, object], now: dict[str, object], versions: tuple[int, int] | None
) -> None:
    said = [(each["what"], each["was"], each["now"], each["decides"]) for each in module._gates(was, now)]
    assert said == ([] if versions is None else [("gate version", *versions, False)])
