"""What is locked, who did it and why; and how often it was read."""

from dataclasses import replace
from typing import Any

import pytest

from assay.kernel.errors import AssayError
from assay.kernel.instrument import Instrument
from assay.market.sources.synthetic import synthetic
from assay.testing.store_contract import MARKET, a_trial
from assay.track.holdout import HOLDOUT
from assay.track.tracking_store import TrackingStore

EXCHANGE, SYMBOL, _ = MARKET.split("|")
DAY = 86_400_000
SINCE = 1_700_000_000_000


def refused(code: str, act: Any) -> AssayError:
    with pytest.raises(AssayError) as told:
        act()
    assert told.value.code == code, told.value
    return told.value


def trial(market: str = MARKET, **change: Any) -> Any:
    return a_trial(market_key=market, **change)


def test_a_lock_stays_until_a_person_says_why_not(record: TrackingStore) -> None:
    vault = record.vault
    assert vault.of(EXCHANGE, SYMBOL) is None and vault.locks() == []
    made = vault.lock(EXCHANGE, SYMBOL, SINCE, by=" ann ")
    assert (made.since, made.by, made.trials_before) == (SINCE, "ann", 0)
    assert vault.of(EXCHANGE, SYMBOL) == made and vault.locks() == [made]
    assert vault.of(EXCHANGE, "ETH/USDT") is None and vault.of("kraken", SYMBOL) is None
    assert "ann" in str(refused("STORE_CONFLICT", lambda: vault.lock(EXCHANGE, SYMBOL, SINCE + DAY, by="bob")))
    refused("CONFIG_FIELD", lambda: vault.unlock(EXCHANGE, SYMBOL, by="bob", why=" "))
    refused("CONFIG_FIELD", lambda: vault.unlock(EXCHANGE, SYMBOL, by="", why="because"))
    refused("CONFIG_FIELD", lambda: vault.lock(EXCHANGE, "ETH/USDT", SINCE, by=" "))
    assert vault.of(EXCHANGE, SYMBOL) == made
    assert vault.unlock(EXCHANGE, SYMBOL, by="bob", why=" the model trades ") == made
    assert vault.of(EXCHANGE, SYMBOL) is None and vault.locks() == []
    refused("STORE_NOT_FOUND", lambda: vault.unlock(EXCHANGE, SYMBOL, by="bob", why="again"))
    again = vault.lock(EXCHANGE, SYMBOL, SINCE + DAY, by="cid")
    assert vault.of(EXCHANGE, SYMBOL) == again and again.since == SINCE + DAY
    told = [(e["action"], e["actor"], e["details"].get("why")) for e in vault.events()]
    assert told == [
        ("vault.lock", "ann", None), ("vault.unlock", "bob", "the model trades"), ("vault.lock", "cid", None),
    ]  # fmt: skip


def test_who_has_seen_the_stretch_before_it_was_locked_is_counted(record: TrackingStore) -> None:
    add = record.ledger.append
    add(trial(window=(SINCE - 9 * DAY, SINCE)))  # its last bar opens where the stretch begins, and closes in it
    add(trial(seed=5, window=(SINCE - 9 * DAY, SINCE - DAY // 24)))  # this one closes where the stretch begins
    add(trial(seed=2, window=(SINCE - 9 * DAY, SINCE + 1), n_configs=40))
    add(trial(seed=3, window=(SINCE + DAY, SINCE + 2 * DAY)))
    add(trial(seed=4, state="failed", window=None))
    add(trial(f"{EXCHANGE}|{SYMBOL}|4h", window=(SINCE, SINCE + DAY), n_configs=5))
    add(trial(f"{EXCHANGE}|AAA/USDT|1h+{MARKET}", window=(SINCE, SINCE + DAY), n_configs=100))
    add(trial(f"{EXCHANGE}|ETH/USDT|1h", window=(SINCE, SINCE + DAY), n_configs=1000))
    assert record.vault.lock(EXCHANGE, SYMBOL, SINCE, by="ann").trials_before == 147


def test_readings_are_rows_of_the_ledger(record: TrackingStore, run: int) -> None:
    lock = record.vault.lock(EXCHANGE, SYMBOL, SINCE, by="ann")
    record.ledger.append(trial(), run)
    record.ledger.append(trial(seed=2, objective=HOLDOUT), run)
    record.ledger.append(trial(f"{EXCHANGE}|AAA/USDT|1h+{MARKET}", seed=3, objective=HOLDOUT), run)
    record.ledger.append(trial(f"{EXCHANGE}|ETH/USDT|1h", seed=4, objective=HOLDOUT), run)
    record.vault.read(run, "bob", [lock], {"verdict": "UNPROVEN"})
    assert [row["seed"] for row in record.vault.readings(EXCHANGE, SYMBOL)] == [2, 3]
    event = record.vault.events()[-1]
    assert (event["action"], event["actor"]) == ("vault.read", "bob")
    assert event["details"]["run"] == run and event["details"]["verdict"] == "UNPROVEN"
    assert record.ledger.check() == 4


def test_every_look_counts_whenever_it_was_taken(record: TrackingStore) -> None:
    vault, add = record.vault, record.ledger.append
    lock = vault.lock("gate+io", SYMBOL, SINCE, by="ann")
    market = f"gate+io|{SYMBOL}|1h"
    assert vault.looks(lock) == 0
    add(trial(market, window=(SINCE - DAY, SINCE + DAY), n_configs=7))  # of a run that was under way
    add(trial(f"a|AAA/USDT|1h+{market}", seed=2, window=(SINCE - DAY, SINCE + DAY)))
    add(trial(f"gate+io|{SYMBOL}|1d", seed=3, window=(SINCE - 9 * DAY, SINCE - DAY // 2)))  # closes half a day later
    add(trial(f"io|{SYMBOL}|1h", seed=4, window=(SINCE, SINCE + DAY)))
    assert vault.looks(lock) == 9
    vault.unlock("gate+io", SYMBOL, by="bob", why="to look")
    assert vault.looks(vault.lock("gate+io", SYMBOL, SINCE, by="ann")) == 10


@pytest.mark.parametrize("text", ["", " ", "ann\x1b[31m", "ann\nbob"])
def test_who_and_why_are_a_line_of_text(record: TrackingStore, text: str) -> None:
    refused("CONFIG_FIELD", lambda: record.vault.lock(EXCHANGE, SYMBOL, SINCE, by=text))


def test_looks_under_another_name_of_the_candles_count(record: TrackingStore) -> None:
    bars = replace(synthetic(bars=2_000, seed=1), instrument=Instrument(EXCHANGE, SYMBOL, "1h"))
    since = int(bars.timestamp[1_500])
    window = (int(bars.timestamp[0]), int(bars.timestamp[-1]))
    record.markets.keep(bars)
    later = 400 * DAY
    for name, by in (("own|A/USDT|1h", 0), ("own|L/USDT|1h", later)):
        exchange, symbol, timeframe = name.split("|")
        copy = replace(bars, instrument=Instrument(exchange, symbol, timeframe), timestamp=bars.timestamp + by)
        record.markets.keep(copy)
        record.ledger.append(trial(name, window=(window[0] + by, window[1] + by), n_configs=40))
        record.ledger.append(trial(name, seed=2, window=(window[0] + by, since + by - DAY), n_configs=500))
    stranger = replace(synthetic(bars=2_000, seed=2), instrument=Instrument("own", "Q/USDT", "1h"))
    record.markets.keep(stranger)
    record.ledger.append(trial("own|Q/USDT|1h", window=window, n_configs=1_000))
    lock = record.vault.lock(EXCHANGE, SYMBOL, since, by="ann")
    assert lock.trials_before == 80 == record.vault.looks(lock)
    record.ledger.append(trial("own|A/USDT|1h", seed=3, objective=HOLDOUT, window=window))
    record.ledger.append(trial("own|Q/USDT|1h", seed=3, objective=HOLDOUT, window=window))
    assert [row["market_key"] for row in record.vault.readings(EXCHANGE, SYMBOL)] == ["own|A/USDT|1h"]
    assert record.vault.looks(lock) == 81
