"""Which trials count, through the commands: attacks that once made many looks one."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.kernel.bars import Bars
from assay.runs import _optimize as module
from tests.doors.commands import MARKET, assay, told
from tests.doors.conftest import csv_of
from tests.doors.searching import GRID, KEY, POINTS
from tests.doors.test_backtest import record_of
from tests.doors.test_strategies import OWN, own

Searched = tuple[Path, dict[str, Any]]
TEST = ("backtest", "sma_cross", *MARKET)


def ledger_text(document: dict[str, Any]) -> str:
    return next(r["text"] for r in document["reasons"] if r["check"] == "ledger")


def test_a_first_search_is_one_look_and_a_second_one_pays_for_it(searched: Searched) -> None:
    """Attack 15: what was chosen inside the train windows was chosen before the bars that it is judged on."""
    home, first = searched
    assert (first["n_trials"], first["looks"]["candidates"]) == (1, first["trials"])
    assert "candidates of its own searches" in ledger_text(first)
    second = told(*GRID, "--seed", "7", home=home)
    assert second["n_trials"] == 1 + first["trials"] + 1
    assert f"{first['trials'] + 1} under test GOLD/USDT:USDT 1h" in ledger_text(second)
    assert told("runs", "reproduce", first["experiment_id"], home=home)["equal"]


def test_a_strategy_that_is_edited_under_its_name_is_another_look(stocked: Path, tmp_path: Path) -> None:
    """Attack 3: 30 versions of a file were once one trial."""
    for k, w in enumerate((24, 36, 48), 1):
        file = own(tmp_path, text=OWN.replace("Structural(24,", f"Structural({w},"))
        found = told("backtest", "my_dip", *MARKET, "--strategy-file", file, "--set", "w=24", home=stocked)
        assert (found["n_trials"], found["looks"]["own"]) == (k, 1)
    again = told("backtest", "my_dip", *MARKET, "--strategy-file", file, "--set", "w=24", "--force", home=stocked)
    assert again["n_trials"] == 3


def test_the_same_candles_under_another_name_have_all_trials(searched: Searched, gold_csv: Path) -> None:
    """Attack 8: "every trial is counted: 4" after 509."""
    home, was = searched
    other = ("-e", "own", "-s", "A/USDT", "-t", "1h")
    assert assay("import", gold_csv, *other, home=home).code == 0
    found = told("backtest", "sma_cross", *other, home=home)
    assert found["n_trials"] == 1 + was["trials"] + 1
    assert found["looks"]["text"].startswith(f"its own look, {was['trials'] + 1} under these candles as test GOLD")
    assert [m["known_by"] for m in found["looks"]["markets"] if m["looks"]] == ["candles"]
    asked = told("trials", *other, home=home)
    assert (asked["also"], asked["identities"], asked["trials"]) == ({KEY: was["trials"] + 1}, 1, 1)
    people = assay("trials", *other, home=home).out
    assert f"these candles have {was['trials'] + 1} trials under {KEY}" in people
    back = told(*TEST, home=home)
    assert (
        back["n_trials"] == 1 + was["trials"] + 1 + 1
        and "1 under these candles as own A/USDT 1h" in (back["looks"]["text"])
    )


def test_deleted_and_other_candles_under_a_name_hide_nothing(stocked: Path, gold: Bars, tmp_path: Path) -> None:
    told(*TEST, home=stocked)
    (stocked / "candles.duckdb").unlink()
    other = ("-e", "own", "-s", "B/USDT", "-t", "1h")
    assert assay("import", csv_of(gold[200:2_300], tmp_path / "b.csv"), *other, home=stocked).code == 0
    assert told("backtest", "sma_cross", *other, home=stocked)["n_trials"] == 2


def test_candles_of_before_fingerprints_are_learnt_from_snapshots(stocked: Path, gold_csv: Path) -> None:
    told(*TEST, home=stocked)
    with sqlite3.connect(stocked / "ml_experiments.db") as file:  # as a record of before looks as it is upgraded
        (ddl,) = file.execute("SELECT sql FROM sqlite_master WHERE name = 'market_fingerprints_no_delete'").fetchone()
        file.execute("DROP TRIGGER market_fingerprints_no_delete")
        file.execute("DELETE FROM market_fingerprints")
        file.execute(ddl)
    file.close()
    assert [f["check"] for f in assay("db", "check", "--json", home=stocked).document["findings"]] == ["ledger"]
    other = ("-e", "own", "-s", "A/USDT", "-t", "1h")
    assert assay("import", gold_csv, *other, home=stocked).code == 0
    assert told("backtest", "sma_cross", *other, home=stocked)["n_trials"] == 2
    assert told("db", "check", home=stocked)["findings"] == []


def test_who_ranks_columns_has_looked(stocked: Path) -> None:
    words = (*MARKET, "--features", "mini5", "--train-bars", "1200", "--test-bars", "400")
    ranked = told("features", "rank", *words, home=stocked)
    told("features", "stability", *words, home=stocked)  # the same ranking again
    columns = len(ranked["columns"])
    found = told("trials", *MARKET, home=stocked)
    assert (found["trials"], found["rows"], found["by_learner"]) == (columns, 1, {"features": columns})
    asked = told("features", "targets", *MARKET, "--target-lag", "4", "--train-bars", "1200", home=stocked)
    events = len(asked["candidates"])
    assert told(*TEST, home=stocked)["n_trials"] == 1 + columns + events
    assert told("db", "check", home=stocked)["findings"] == []


def test_a_forced_run_that_scores_otherwise_is_counted_whole(
    searched: Searched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack 5: the sweep was counted, and not the walk's record."""
    home, was = searched
    plain = module.trial
    monkeypatch.setattr(module, "trial", lambda *a, **k: replace(t := plain(*a, **k), returns=t.returns + 1e-9))
    found = told(*GRID, "--force", home=home)
    with record_of(home) as record:
        assert len(record.ledger.read(KEY)) == len(was["windows"]) + 2
    assert (found["n_trials"], found["looks"]["own"]) == (2, 2)


def cut(home: Path, keep: int) -> None:
    """Attack 14: triggers dropped, tail and head deleted, sequence reset, triggers laid again."""
    with sqlite3.connect(home / "ml_experiments.db") as file:
        guards = file.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('trials', 'trial_heads')"
        ).fetchall()
        for name, _ in guards:
            file.execute(f"DROP TRIGGER {name}")
        file.execute("DELETE FROM trials WHERE seq > ?", (keep,))
        file.execute("DELETE FROM trial_heads")
        file.execute(
            "INSERT INTO trial_heads (market_key, seq, n_configs, row_hash) SELECT market_key, seq, "
            "(SELECT SUM(n_configs) FROM trials), row_hash FROM trials WHERE seq = ?",
            (keep,),
        )
        file.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'trials'", (keep,))
        for _, ddl in guards:
            file.execute(ddl)
    file.close()


def test_a_ledger_that_was_cut_clean_is_found(searched: Searched) -> None:
    home, was = searched
    assert told("db", "check", home=home)["findings"] == []
    cut(home, 1)
    with record_of(home) as record:
        assert record.ledger.check() == 1  # the record itself shows nothing
    said = assay(*GRID, "--seed", "7", "--json", home=home)
    assert said.code != 0 and said.error["code"] == "STORE_CORRUPT"
    assert f"run {was['experiment_id']} was judged by it" in said.error["message"]
    checked = assay("db", "check", "--json", home=home)
    assert checked.code == 1
    assert [f["check"] for f in checked.document["findings"] if "was judged by it" in f["text"]] == ["ledger"]
    assert assay("db", "accept-head", "--reason", " ", "--json", home=home).error["code"] == "CONFIG_FIELD"
    done = told("db", "accept-head", "--reason", "a test", "--by", "ann", home=home)["accepted"]
    lost = was["trials"] + 1 - len(POINTS)
    assert done == [{"market_key": KEY, "seq": 1, "missing_rows": len(was["windows"]), "missing_configs": lost}]
    assert told("db", "check", home=home)["findings"] == []
    found = told(*TEST, home=home)
    assert found["n_trials"] == 1 + len(POINTS) + lost
    assert f"counted although the rows are gone: {lost} looks" in found["looks"]["text"]
    tried = told("trials", *MARKET, home=home)
    gone = {"market_key": KEY, "rows": len(was["windows"]), "looks": lost, "reason": "a test", "by": "ann"}
    assert [{k: v for k, v in each.items() if k != "time"} for each in tried["missing"]] == [gone]
    assert f"with {lost} trials, still counted" in " ".join(assay("trials", *MARKET, home=home).out.split())
    assert [(row["market_key"], row["missing"]) for row in told("trials", home=home)] == [(KEY, lost)]
    assert "they still count" in " ".join(assay("trials", home=home).out.split())
    people = assay("db", "accept-head", "--reason", "again", home=home)
    assert people.code == 1 and "nothing to accept" in people.err


def test_model_and_page_say_what_the_ledger_held(searched: Searched) -> None:
    home, was = searched
    page = Path(told("report", was["experiment_id"], home=home)["report"]).read_text()
    assert '<meta name="assay-ledger-head" content="{&#34;chain&#34;' in page
    shown = told("models", "show", was["model_id"], home=home)
    assert shown["judgement"]["head"] == was["head"] and shown["judgement"]["looks"]["n"] == 1
    manifests = [f.read_text() for f in (home / "artifacts").glob("*/manifest.json")]
    assert any(was["head"]["chain"] in text for text in manifests)
