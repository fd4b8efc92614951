"""A ledger that lost rows: what was judged by it says so, and a person may go on without them."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.kernel.errors import ConfigError, StoreError
from assay.testing.store_contract import MARKET, a_trial
from assay.track.ledger_heads import End, LedgerHead, Published, read_head
from assay.track.maintenance.head_acceptance import HEADS_CACHE, accept_ledger_head, find_published_heads
from assay.track.model_files.artifact_store import Blobs
from assay.track.tracking_store import TrackingStore
from tests.track.test_ledger import GUARDS, filled

ETH = "binance|ETH/USDT|1h"


def owned(record: TrackingStore, *statements: str) -> None:
    """What whoever owns the file does: guards off, statements, guards on again, as if nothing had been."""
    with record.database.write() as connection:
        if connection.dialect.name == "postgresql":
            for table in ("trials", "trial_heads"):
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for statement in statements:
                connection.exec_driver_sql(statement)
            for table in ("trials", "trial_heads"):
                connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")
            return
        query = f"SELECT name, sql FROM sqlite_master WHERE name IN {tuple(sorted(GUARDS))}"
        guards = connection.exec_driver_sql(query).fetchall()
        for name, _ in guards:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(
            "UPDATE sqlite_sequence SET seq = (SELECT COALESCE(MAX(id), 0) FROM trials) WHERE name = 'trials'"
        )
        for _, ddl in guards:
            connection.exec_driver_sql(ddl)


def cut(record: TrackingStore, keep: int) -> None:
    """Attack 14: tail and head deleted, the head set to the row that is left, the sequence reset."""
    owned(
        record,
        f"DELETE FROM trials WHERE market_key = '{MARKET}' AND seq > {keep}",
        f"DELETE FROM trial_heads WHERE market_key = '{MARKET}'",
        "INSERT INTO trial_heads (market_key, seq, n_configs, row_hash) "
        f"SELECT market_key, seq, {keep}, row_hash FROM trials WHERE market_key = '{MARKET}' AND seq = {keep}",
    )


def as_published(record: TrackingStore, *, own: bool = True) -> list[Published]:
    return [Published("run 7", record.ledger.head([MARKET]), own)]


def test_a_head_by_hand(record: TrackingStore) -> None:
    filled(record, 2)
    record.ledger.append(a_trial(market_key=ETH, n_configs=40))
    head = record.ledger.head([MARKET, "x|Y/Z|1h"])
    last = record.ledger.read(MARKET)[-1]
    assert dict(head.ends) == {MARKET: End(2, last["row_hash"], 2)}
    assert (head.rows, head.epoch, len(head.chain), head.seq(MARKET), head.seq(ETH)) == (3, 0, 32, 2, 0)
    assert read_head(json.loads(json.dumps(head.document))) == head
    assert record.ledger.head([ETH]).ends[ETH].looks == 40
    for wrong in (None, "x", {}, {"chain": "a", "epoch": 0, "rows": 1, "ends": [1]}, {"ends": {"a": {}}}):
        assert read_head(wrong) is None


@pytest.mark.parametrize("keep", [0, 3, 4])
def test_a_chain_that_was_cut_clean_is_found_by_what_was_judged(record: TrackingStore, keep: int) -> None:
    filled(record)
    said = as_published(record)
    record.ledger.check_published(said)
    cut(record, keep)
    assert record.ledger.check() == record.ledger.count(MARKET) == keep  # nothing in the record itself tells of it
    with pytest.raises(StoreError, match=r"number 5 is missing: run 7 was judged by it") as told:
        record.ledger.check_published(said)
    assert told.value.code == "STORE_CORRUPT" and "accept-head" in told.value.hint
    for seed in range(100, 106 - keep):
        record.ledger.append(a_trial(seed=seed))
    with pytest.raises(StoreError, match="is not that by which run 7 was judged"):  # filled up again with others
        record.ledger.check_published(said)


def test_a_cut_elsewhere_is_found_by_the_rows_of_all_chains(record: TrackingStore) -> None:
    record.ledger.append(a_trial(market_key=ETH))
    filled(record)
    head = record.ledger.head([ETH])
    cut(record, 2)
    with pytest.raises(StoreError, match="it held 6 rows when run 7 was judged, 3 are left"):
        record.ledger.check_published([Published("run 7", head)])


def test_heads_of_other_ledgers_say_nothing_unless_a_run_of_this_one_holds_them(record: TrackingStore) -> None:
    filled(record)
    foreign = LedgerHead("f" * 32, 0, 99, {MARKET: End(99, "e" * 64, 99)})
    record.ledger.check_published([Published("manifest.json of abc…", foreign)])
    record.ledger.check_published([Published("run 8", LedgerHead(""), own=True)])  # of before heads were kept
    with pytest.raises(StoreError, match="run 7 was judged by ledger ffffffffffff"):  # the name was changed
        record.ledger.check_published([Published("run 7", foreign, own=True)])


def test_what_is_missing_is_accepted_and_counts_on(record: TrackingStore) -> None:
    filled(record)
    said = as_published(record)
    cut(record, 3)
    (done,) = accept_ledger_head(record, said, reason="the disk broke", by="ann")
    assert (done.market_key, done.seq, done.missing_rows, done.missing_configs) == (MARKET, 3, 2, 2)
    record.ledger.check_published(said)
    assert record.ledger.check() == 3 and record.ledger.count(MARKET) == 5 and record.ledger.count_missing(MARKET) == 2
    assert record.ledger.append(a_trial(seed=50)) == 4
    assert record.ledger.check() == 4 and record.ledger.count(MARKET) == 6
    (epoch,) = record.ledger.epochs()
    assert (epoch["reason"], epoch["accepted_by"]) == ("the disk broke", "ann")
    now = as_published(record)
    assert now[0].head.epoch == epoch["id"] and now[0].head.ends[MARKET].looks == 6
    cut(record, 3)
    with pytest.raises(StoreError, match="number 4 is missing"):  # what came after is demanded again
        record.ledger.check_published([*said, *now])
    accept_ledger_head(record, [*said, *now], reason="again", by="ann")
    assert record.ledger.count(MARKET) == 6 and record.ledger.count_missing(MARKET) == 3


def test_a_gap_that_the_record_itself_shows_is_accepted(record: TrackingStore) -> None:
    filled(record)
    owned(record, f"DELETE FROM trials WHERE market_key = '{MARKET}' AND seq IN (2, 5)")
    with pytest.raises(StoreError):
        record.ledger.check()
    (done,) = accept_ledger_head(record, [], reason="lost")
    assert (done.seq, done.missing_rows, done.missing_configs) == (5, 2, 2)
    assert record.ledger.check() == 3 and record.ledger.append(a_trial(seed=50)) == 6
    assert record.ledger.check() == 4 and record.ledger.count(MARKET) == 6
    owned(record, f"UPDATE trials SET score = 9 WHERE market_key = '{MARKET}' AND seq = 6")
    with pytest.raises(StoreError, match="number 6 has been changed"):
        record.ledger.check()


def test_there_must_be_something_to_accept_and_a_reason(record: TrackingStore) -> None:
    filled(record)
    with pytest.raises(StoreError, match="nothing to accept") as told:
        accept_ledger_head(record, as_published(record), reason="why not")
    assert told.value.code == "STORE_CONFLICT"
    for reason in ("", "  ", "two\nlines"):
        with pytest.raises(ConfigError, match="reason"):
            accept_ledger_head(record, [], reason=reason)
    assert record.ledger.epochs() == []


@pytest.mark.parametrize("table", ["ledger_chain", "ledger_epochs", "market_fingerprints"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET created_at = '2031-01-01T00:00:00.000Z'"])
def test_what_the_ledger_rests_on_is_kept(record: TrackingStore, table: str, change: str) -> None:
    from assay.market.sources.synthetic import synthetic

    filled(record)
    said = as_published(record)
    cut(record, 3)
    accept_ledger_head(record, said, reason="lost")
    record.markets.keep(synthetic(bars=50, seed=1))
    if (table, change[:6]) == ("market_fingerprints", "UPDATE"):
        change = "UPDATE {} SET last_at = first_at"
    with pytest.raises(StoreError) as told, record.database.write() as connection:
        connection.exec_driver_sql(change.format(table))
    assert told.value.code == "STORE_APPEND_ONLY"


def test_heads_are_found_in_the_home_and_read_once(record: TrackingStore, run: int, tmp_path: Path) -> None:
    home = tmp_path / "home"
    blobs = Blobs(home / "artifacts")
    filled(record, 2)
    head: dict[str, Any] = record.ledger.head([MARKET]).document
    with blobs.staging() as stage:
        (stage / "run.json").write_text(json.dumps({"head": head}))
        blobs.settle(stage, "1" * 64)
    with blobs.staging() as stage:
        (stage / "manifest.json").write_text(json.dumps({"ledger_head": head}))
        blobs.settle(stage, "2" * 64)
    with blobs.staging() as stage:
        (stage / "run.json").write_text("no json")
        blobs.settle(stage, "3" * 64)
    (home / "reports").mkdir()
    page = home / "reports" / "run_1.html"
    page.write_text(f'<meta name="assay-ledger-head" content="{json.dumps(head).replace(chr(34), "&#34;")}">')
    record.artifacts.add(run, "evidence", blobs.path("1" * 64) / "run.json", metadata={"blob": "1" * 64})
    record.models.add(run, "p", verdict={"word": "GOLD", "head": head})
    found = {each.where: each for each in find_published_heads(record, home=home, artifacts=blobs.folder)}
    assert set(found) == {f"run {run}", "manifest.json of 222222222222…", "the page run_1.html", "model 1"}
    assert all(each.head == record.ledger.head([MARKET]) for each in found.values())
    assert [where for where, each in found.items() if each.own] == [f"run {run}"]
    (blobs.path("2" * 64) / "manifest.json").write_text("{}")  # nobody looks again, but for a check
    assert len(find_published_heads(record, home=home, artifacts=blobs.folder)) == 4
    assert len(find_published_heads(record, home=home, artifacts=blobs.folder, afresh=True)) == 3
    (home / HEADS_CACHE).write_text("damaged")
    assert len(find_published_heads(record, home=home, artifacts=blobs.folder)) == 3
