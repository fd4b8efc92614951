"""Contract tests of the tracking store on any database, and small rows for it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from assay.kernel.contracts import Trial
from assay.kernel.errors import StoreError
from assay.track import TrackingStore

MARKET = "binance|BTC/USDT|1h"


def a_trial(**changes: Any) -> Trial:
    """A scored rule on `MARKET`; `changes` replace its fields."""
    plain: dict[str, Any] = {
        "market_key": MARKET,
        "learner": "rules",
        "strategy": "crossover",
        "params": {"fast": 3, "slow": 2.5},
        "returns": np.array([0.01, -0.02, 0.0]),
        "metrics": {"sharpe": 0.1, "skew": math.nan},
        "score": 0.1,
        "window": (0, 7_200_000),
        "data_digest": "d" * 64,
        "seed": 7,
    }
    return Trial(**(plain | changes))


def a_trade(**changes: object) -> dict[str, object]:
    """Columns of a winning trade; `changes` replace them."""
    plain: dict[str, object] = {
        "strategy_name": "crossover",
        "exchange": "binance",
        "symbol": "BTC/USDT",
        "timeframe": "1h",
        "side": "LONG",
        "exit_reason": "TP",
        "entry_time": 3_600_000,
        "exit_time": 7_200_000,
        "entry_price": 100.0,
        "exit_price": 110.0,
        "quantity": 0.5,
        "pnl": 4.9,
        "fees": 0.1,
        "slippage_cost": 0.0,
        "return_gross": 0.1,
        "return_net": 0.098,
        "bars_held": 1,
    }
    return plain | changes


def check_metrics(record: TrackingStore) -> None:
    """Finite, NaN and infinite values come back as they went in; a point without its run is refused."""
    run = record.experiments.start("metrics", "rules").id
    record.metrics.log(run, {"a": 1, "b": math.nan, "c": math.inf, "d": -math.inf, "e": np.float64(0.1)}, step=3)
    last = record.metrics.last(run)
    assert math.isnan(last.pop("b"))
    assert last == {"a": 1.0, "c": math.inf, "d": -math.inf, "e": 0.1}
    _refused("STORE_NOT_FOUND", lambda: record.metrics.log(run + 1_000, {"a": 1.0}))
    _refused("STORE_VALUE", lambda: record.metrics.log(run, {"fine": 1.0, "bad": "1"}))
    assert "fine" not in record.metrics.last(run)


def check_ledger(record: TrackingStore) -> None:
    """Trials are numbered in their chain, counted once, and never changed."""
    market = "binance|ETH/USDT|1h"
    assert record.ledger.append(a_trial(market_key=market)) == 1
    assert record.ledger.append(a_trial(market_key=market, seed=8, n_configs=40, state="failed")) == 2
    assert record.ledger.append(a_trial(market_key=market)) == 1
    assert record.ledger.count(market) == 41
    assert record.ledger.check() >= 2
    with pytest.raises(StoreError), record.database.write() as connection:
        connection.exec_driver_sql("UPDATE trials SET score = 9 WHERE seq = 1")
    with pytest.raises(StoreError), record.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM trials")
    assert record.ledger.count(market) == 41


def check_one_best(record: TrackingStore) -> None:
    """A run has one best model, whichever was marked last."""
    run = record.experiments.start("models", "rules").id
    first = record.models.add(run, "a", is_best=True, val_metric=1.0)
    second = record.models.add(run, "b", is_best=True, val_metric=2.0)
    assert [m["id"] for m in record.models.recent(run) if m["is_best"]] == [second["id"]]
    record.models.mark_best(first["id"])
    assert [m["id"] for m in record.models.recent(run) if m["is_best"]] == [first["id"]]
    _refused("STORE_VALUE", lambda: record.models.add(run, "c", is_best=True, val_metric=math.nan))


def check_all_or_nothing(record: TrackingStore) -> None:
    """What is written together is undone together."""
    run = record.experiments.start("together", "rules").id
    with pytest.raises(StoreError), record.together():
        record.trades.add(run, [a_trade()])
        record.trades.add(run, [a_trade(entry_price=-1.0)])
    assert record.trades.read(run) == []
    with record.together():
        record.metrics.log(run, {"kept": 1.0})
        _refused("STORE_VALUE", lambda: record.trades.add(run, [a_trade(), a_trade(quantity=0.0)]))
    assert record.trades.read(run) == []
    assert record.metrics.last(run) == {"kept": 1.0}


CHECKS = (check_metrics, check_ledger, check_one_best, check_all_or_nothing)


def _refused(code: str, act: Callable[[], object]) -> None:
    with pytest.raises(StoreError) as document:
        act()
    assert document.value.code == code
