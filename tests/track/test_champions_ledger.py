"""No promotion without a whole ledger."""

from dataclasses import asdict
from typing import Any

import pytest
import sqlalchemy as sa

from assay.testing.store_contract import MARKET, a_trial
from assay.track.database import MLFLOW
from assay.track.schema.service import OUTBOX
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.test_champions import POST, add, fine, held, promote, refused
from tests.track.test_ledger import unguarded


def said(record: TrackingStore, model: int) -> str:
    return str(refused("STORE_VALUE", lambda: promote(record, model, override="I know better")))


@pytest.mark.parametrize("market", [None, "binance|ETH/USDT|1h", "kraken|BTC/USDT|1h", "binance|BTC/USDT|4h"])
def test_a_run_that_counted_nothing_on_the_market(record: TrackingStore, run: int, market: str | None) -> None:
    if market is not None:
        record.ledger.append(a_trial(market_key=market), run)
    assert "not in the trial ledger of binance|BTC/USDT|1h" in said(record, add(record, run))
    assert held(record) == {}


@pytest.mark.parametrize("market", [MARKET, f"{MARKET}+binance|ETH/USDT|1h", f"binance|AAA/USDT|1h+{MARKET}"])
def test_alone_and_in_a_panel(record: TrackingStore, run: int, market: str) -> None:
    record.ledger.append(a_trial(market_key=market), run)
    assert promote(record, add(record, run)) == 1


def test_a_repeated_run_stands_in_the_ledger_by_the_first(record: TrackingStore) -> None:
    spec: dict[str, Any] = {"spec_hash": "5" * 64, "data_digest": "d" * 64}
    first = record.experiments.start("first", "rules", **spec).id
    record.ledger.append(a_trial(), first)
    again = record.experiments.start("again", "rules", **spec).id
    record.ledger.append(a_trial(), again)  # counted already
    assert promote(record, add(record, again)) == 1
    other = record.experiments.start("other", "rules", **(spec | {"data_digest": "e" * 64})).id
    assert "not in the trial ledger" in said(record, add(record, other))


def test_a_changed_ledger(record: TrackingStore, run: int) -> None:
    other = a_trial(market_key="binance|ETH/USDT|1h")
    record.ledger.append(a_trial(), run)
    record.ledger.append(a_trial(seed=8), run)
    record.ledger.append(other, run)
    first, second = add(record, run), add(record, run, symbol="ETH/USDT")
    promote(record, first)
    unguarded(record, f"UPDATE trials SET score = 2 WHERE market_key = '{MARKET}' AND seq = 2")
    assert "number 2 has been changed" in said(record, add(record, run))
    assert held(record) == {"champion": first}
    assert promote(record, second) == 1  # its market's chain holds


def test_each_change_leaves_word_for_the_mirror(place: str, run: int) -> None:
    """In the same transaction, where somebody listens; nothing where a promotion fails."""
    with open_store(place, tells=(MLFLOW,)) as record:
        record.ledger.append(a_trial(), run)
        first, second = add(record, run), add(record, run)
        promote(record, first)
        record.champions.challenge(second, by="ann")
        promote(record, second)
        record.champions.rollback(POST, by="ann", works=fine)
        refused("STORE_CONFLICT", lambda: promote(record, second, expected_version=1))
        with record.database.read() as connection:
            words = list(connection.execute(sa.select(OUTBOX.c.payload).order_by(OUTBOX.c.id)).scalars())
            keys = set(connection.execute(sa.select(OUTBOX.c.dedup_key)).scalars())
    told = [(word["alias"], word["model_id"]) for word in words if word["kind"] == "alias"]
    assert told == [("champion", first), ("challenger", second), ("champion", second), ("champion", first)]
    assert all(asdict(POST).items() <= word.items() for word in words if word["kind"] == "alias")
    assert len(keys) == len(words)
