"""`assay vault`: what is locked is seen by nothing, read once a run, and counted for ever."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.app import context as opened
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import from_iso, iso
from assay.learn.rules import RuleModel
from assay.learn.strategies import strategy_named
from assay.market.sources.synthetic import synthetic
from assay.simulate.engine import simulate as simulate
from assay.track.artifacts import load_snapshot
from assay.validate._walk_forward import mask_filtered_bars
from tests.doors.commands import MARKET, TRAIN, assay, told
from tests.doors.conftest import BARS, csv_of
from tests.doors.searching import GRID, KEY
from tests.doors.test_backtest import record_of
from tests.doors.test_models import change

GOLD = ("-e", "test", "-s", "GOLD/USDT:USDT")
DAYS = 20
HIDDEN = 24 * DAYS
Locked = tuple[Path, int]
_RANKED = ("--features", "mini5", "--set", "target.horizon=1", "--train-bars", "1000", "--test-bars", "400")


def code_of(home: Path, *words: object) -> str:
    return str(assay("vault", *words, "--json", home=home).error["code"])


@pytest.fixture
def locked(stocked: Path) -> Locked:
    """A home of which the newest 20 of 100 days are locked, and the instant from which on they are."""
    found = told("vault", "lock", *GOLD, "--by", "ann", "--last", f"{DAYS}d", home=stocked)
    return stocked, from_iso(found["from"])


@pytest.fixture(scope="session")
def _read(_stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    import shutil

    home = tmp_path_factory.mktemp("read") / "home"
    shutil.copytree(_stocked, home)
    told("vault", "lock", *GOLD, "--by", "ann", "--last", f"{DAYS}d", home=home)
    was = told(*GRID, home=home)
    return home, was, told("vault", "open", was["experiment_id"], "--by", "bob", home=home)


@pytest.fixture
def read(_read: Any, copied: Any) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """A home with a search under a lock whose model has read the holdout, the search, and the reading."""
    return copied(_read[0]), _read[1], _read[2]


def seen(home: Path, run: int) -> Bars:
    with record_of(home) as record:
        (row,) = [each for each in record.datasets.of_run(run) if each["usage_type"] == "train"]
    return load_snapshot(row["data_hash"], home / "snapshots")


@pytest.mark.parametrize(
    "command", [TRAIN, GRID, ("backtest", "sma_cross", *MARKET)], ids=["train", "optimize", "backtest"]
)
def test_no_work_sees_a_locked_bar(locked: Locked, gold: Bars, command: tuple[str, ...]) -> None:
    home, since = locked
    found = told(*command, home=home)
    bars = seen(home, found["experiment_id"])
    assert len(bars) == BARS - HIDDEN and bars.known_at[-1] == since
    np.testing.assert_array_equal(bars.close, gold.close[: BARS - HIDDEN])
    with record_of(home) as record:
        (row,) = record.datasets.of_run(found["experiment_id"])
        assert row["metadata"]["locked_from"] == since
    if command != ("backtest", "sma_cross", *MARKET):
        (lock,) = found["holdout"]["locks"]
        assert (lock["from"], lock["by"], found["holdout"]["readings"]) == (iso(since), "ann", [])
        assert "was hidden from it" in assay("runs", "show", found["experiment_id"], home=home).out


def test_features_do_not_see_it_either(locked: Locked) -> None:
    home, since = locked
    assert told("features", "table", *MARKET, "--set", "mini5", home=home)["bars"] == BARS - HIDDEN
    ranked = told("features", "rank", *MARKET, *_RANKED, home=home)
    assert ranked["bars"] == BARS - HIDDEN
    context, _ = opened(home=home)
    market = Instrument("test", "GOLD/USDT:USDT", "1h")
    assert context.candles.read(market).known_at[-1] == since
    assert context.stored.read(market).known_at[-1] > since
    newest = told("data", "show", *MARKET, "--last", "1", home=home)["candles"][0]["time"]
    assert from_iso(newest) > since  # a person may look


def test_it_is_as_if_the_bars_were_not_there(locked: Locked, gold: Bars, tmp_path: Path) -> None:
    home, _ = locked
    short = tmp_path / "short"
    assay("import", csv_of(gold[: BARS - HIDDEN], tmp_path / "short.csv"), *MARKET, home=short)
    one, other = told(*GRID, home=home), told(*GRID, home=short)
    for name in ("verdict", "reasons", "metrics", "windows", "best_parameters", "data_digest", "evidence"):
        assert one[name] == other[name], name
    assert one["holdout"]["locks"] and not other["holdout"]["locks"]


def test_new_bars_are_locked_as_they_come(locked: Locked, gold: Bars, tmp_path: Path) -> None:
    home, since = locked
    assay("import", csv_of(gold, tmp_path / "longer.csv"), *MARKET, home=home)
    found = told("backtest", "sma_cross", *MARKET, home=home)
    assert seen(home, found["experiment_id"]).known_at[-1] == since


def test_a_run_reads_the_holdout_once(read: Any, gold: Bars) -> None:
    home, was, found = read
    assert (found["run"], found["by"], found["evidence"]["bars"]) == (was["experiment_id"], "bob", HIDDEN)
    assert found["evidence"]["n_trials"] == found["evidence"]["holdout_reads"] == 1
    assert found["verdict"] in ("GOLD", "UNPROVEN", "PYRITE") and len(found["reasons"]) == 11
    rule = strategy_named("sma_cross")
    model = RuleModel(rule, {**rule.defaults, **was["best_parameters"]}, "1h", "")
    bars = gold[:BARS]
    by_hand = simulate(bars, mask_filtered_bars(model.decisions(bars), bars), Costs(), start=BARS - HIDDEN)
    np.testing.assert_allclose(found["metrics"]["net_profit"], by_hand.equity[-1] / by_hand.initial - 1)
    assert found["metrics"]["total_trades"] == len(by_hand.trades) > 0
    assert code_of(home, "open", was["experiment_id"], "--by", "bob") == "STORE_CONFLICT"
    assert told("trials", *MARKET, home=home)["trials"] == was["trials"] + 1 + 1


def test_a_reading_is_a_row_of_the_ledger_with_its_context(read: Any) -> None:
    home, was, found = read
    with record_of(home) as record:
        row = record.ledger.read(KEY)[-1]
        assert record.ledger.check(KEY) == row["seq"] == found["number"]
    assert (row["objective"], row["experiment_id"], row["n_configs"]) == ("holdout", was["experiment_id"], 1)
    assert row["params"]["holdout"]["run"] == was["run_id"] and row["returns_sha256"]
    (line,) = told("vault", "list", home=home)["locks"]
    assert (line["readings"], line["trials_before"]) == (1, 0)
    (kept,) = told("runs", "show", was["experiment_id"], home=home)["holdouts"]
    assert kept == found
    assert "holdout: read" in assay("runs", "show", was["experiment_id"], home=home).out
    model = told("models", "show", 1, home=home)
    assert model["verdict"] == was["verdict"] and model["holdouts"] == [found]  # the word stays what it is
    people = assay("models", "show", 1, home=home)
    assert people.code == 0 and "holdout: read" in people.out


def test_every_later_verdict_tells_of_the_readings(read: Any) -> None:
    home, was, found = read
    later = told(*GRID, "--seed", "7", home=home)
    reasons = {each["check"]: each["text"] for each in later["reasons"]}
    assert "the holdout was read 1 time" in reasons["ledger"]
    (reading,) = later["holdout"]["readings"]
    assert (reading["run"], reading["number"]) == (was["experiment_id"], found["number"])
    page = Path(told("report", later["experiment_id"], home=home)["report"]).read_text()
    assert "Who read the holdout" in page and "The holdout" in page
    second = told("vault", "open", later["experiment_id"], "--by", "bob", home=home)
    assert second["evidence"]["n_trials"] == second["evidence"]["holdout_reads"] == 2
    told("vault", "unlock", *GOLD, "--by", "cid", "--why", "it trades now", home=home)
    free = told(*TRAIN, home=home)
    assert len(seen(home, free["experiment_id"])) == BARS and not free["holdout"]["locks"]
    assert len(free["holdout"]["readings"]) == 2 == free["evidence"]["holdout_reads"]
    for run in (was, later, free):  # before, under and after a lock
        assert told("runs", "reproduce", run["experiment_id"], home=home)["equal"]
    actions = [each["action"] for each in told("vault", "list", home=home)["events"]]
    assert actions == ["vault.lock", "vault.read", "vault.read", "vault.unlock"]


def test_who_has_seen_it_may_not_read_it(trained: tuple[Path, dict[str, Any]]) -> None:
    home, was = trained
    run = was["experiment_id"]
    assert code_of(home, "open", run, "--by", "bob") == "STORE_NOT_FOUND"  # nothing is locked
    found = told("vault", "lock", *GOLD, "--by", "ann", "--from", "2020-03-01", home=home)
    assert found["trials_before"] == 1
    assert code_of(home, "open", run, "--by", "bob") == "STORE_CONFLICT"
    assert code_of(home, "open", 1, "--by", "bob") == "ARTIFACT_GONE"  # an import
    assert code_of(home, "open", 99, "--by", "bob") == "STORE_NOT_FOUND"
    assert told("runs", "reproduce", run, home=home)["equal"]  # of before the lock
    assert told("trials", *MARKET, home=home)["trials"] == 1


def test_a_reading_whose_lock_is_gone_is_found(read: Any) -> None:
    home, _, _ = read
    assert told("db", "check", home=home)["findings"] == []
    with record_of(home) as record, record.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE action = 'vault.lock'")
    (found,) = assay("db", "check", "--json", home=home).document["findings"]
    assert found["check"] == "vault" and "read the holdout under lock" in found["text"]


def test_no_run_reads_it_without_an_audit(locked: Locked) -> None:
    home, _ = locked
    was = told(*GRID, "--audit", "off", home=home)
    said = assay("vault", "open", was["experiment_id"], "--by", "bob", "--json", home=home)
    assert (said.code, said.error["code"]) == (3, "LEAK_NOT_AUDITED")
    change(home, audit_status="failed")
    assert code_of(home, "open", was["experiment_id"], "--by", "bob") == "LEAK_AUDIT"
    assert told("vault", "list", home=home)["locks"][0]["readings"] == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((*GOLD, "--by", "ann"), "CONFIG_FIELD"),
        ((*GOLD, "--by", "ann", "--last", "20d", "--from", "2020-03-01"), "CONFIG_FIELD"),
        ((*GOLD, "--by", "ann", "--last", "soon"), "CONFIG_FIELD"),
        ((*GOLD, "--by", "ann", "--last", "0d"), "CONFIG_FIELD"),
        ((*GOLD, "--by", "ann", "--from", "yesterday"), "CONFIG_FIELD"),
        ((*GOLD, "--by", " ", "--last", "20d"), "CONFIG_FIELD"),
        ((*GOLD, "--by", "ann", "--from", "9999-12-31"), "CONFIG_FIELD"),
        ((*GOLD, "--by", "ann", "--last", "100d"), "DATA_TOO_FEW"),
        (("-e", "test", "-s", "NONE/USDT", "--by", "ann", "--last", "20d"), "DATA_NOT_FOUND"),
    ],
)
def test_what_cannot_be_locked(stocked: Path, words: tuple[str, ...], code: str) -> None:
    assert code_of(stocked, "lock", *words) == code
    assert told("vault", "list", home=stocked) == {"locks": [], "events": []}
    assert "Nothing is locked." in assay("vault", "list", home=stocked).out


def test_only_a_written_reason_unlocks(locked: Locked) -> None:
    home, _ = locked
    assert code_of(home, "lock", *GOLD, "--by", "bob", "--last", "5d") == "STORE_CONFLICT"
    assert code_of(home, "unlock", *GOLD, "--by", "bob", "--why", " ") == "CONFIG_FIELD"
    assert code_of(home, "unlock", "-e", "test", "-s", "NONE/USDT", "--by", "b", "--why", "x") == "STORE_NOT_FOUND"
    people = assay("vault", "unlock", *GOLD, "--by", "bob", "--why", "a mistake", home=home).out
    assert "open again; it was read never" in people
    assert "unlock, test GOLD/USDT:USDT, bob: a mistake" in assay("vault", "list", home=home).out


@pytest.mark.slow
def test_an_audit_afterwards_opens_the_door(locked: Locked) -> None:
    home, _ = locked
    was = told(*GRID, "--audit", "off", home=home)
    told("audit", was["experiment_id"], home=home)
    found = told("vault", "open", was["experiment_id"], "--by", "bob", home=home)
    assert {each["check"]: each["state"] for each in found["reasons"]}["audit"] == "PASS"


@pytest.mark.slow
def test_a_panel_reads_where_all_its_markets_are_locked(stocked: Path, tmp_path: Path) -> None:
    tin = synthetic(bars=BARS, seed=4, ic=0.2, symbol="TIN/USDT:USDT")
    assay("import", csv_of(tin, tmp_path / "tin.csv"), "-e", "test", "-s", "TIN/USDT:USDT", "-t", "1h", home=stocked)
    panel = (*TRAIN, "-s", "TIN/USDT:USDT")
    told("vault", "lock", *GOLD, "--by", "ann", "--last", "20d", home=stocked)
    first = told(*panel, home=stocked)
    assert code_of(stocked, "open", first["experiment_id"], "--by", "bob") == "STORE_NOT_FOUND"
    other = told("vault", "lock", "-e", "test", "-s", "TIN/USDT:USDT", "--by", "ann", "--last", "10d", home=stocked)
    assert other["trials_before"] == 1
    assert code_of(stocked, "open", first["experiment_id"], "--by", "bob") == "STORE_CONFLICT"  # it has seen tin
    second = told(*panel, "--seed", "7", home=stocked)
    found = told("vault", "open", second["experiment_id"], "--by", "bob", home=stocked)
    assert from_iso(found["from"]) == from_iso(other["from"]) and found["evidence"]["bars"] == 240
    assert (found["evidence"]["n_trials"], found["evidence"]["holdout_reads"]) == (2, 1)  # one has seen tin's
    assert [lock["readings"] for lock in told("vault", "list", home=stocked)["locks"]] == [1, 1]
    assert code_of(stocked, "open", second["experiment_id"], "--by", "bob") == "STORE_CONFLICT"


def test_a_stretch_that_is_locked_again_remembers(read: Any) -> None:
    home, was, _ = read
    told("vault", "unlock", *GOLD, "--by", "cid", "--why", "a look", home=home)
    again = told("vault", "lock", *GOLD, "--by", "ann", "--last", f"{DAYS}d", home=home)
    assert again["trials_before"] == 1 == again["readings"]
    found = told("vault", "open", was["experiment_id"], "--by", "bob", home=home)  # under another lock
    assert (found["evidence"]["n_trials"], found["evidence"]["holdout_reads"]) == (3, 2)  # and it was open for a while
