"""`assay trials`."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.track.model_files.artifact_store import Blobs
from tests.doors.commands import MARKET, assay, laid, told
from tests.doors.searching import KEY, POINTS
from tests.doors.test_backtest import record_of

Searched = tuple[Path, dict[str, Any]]


def fits(text: str) -> bool:
    return max(map(len, text.splitlines())) <= 80


def test_what_was_tried_on_a_market(searched: Searched) -> None:
    home, was = searched
    told("backtest", "sma_cross", *MARKET, "--set", "fast=7", home=home)
    windows = len(was["windows"])
    found = told("trials", *MARKET, home=home)
    assert found["trials"] == windows * len(POINTS) + 2 and found["rows"] == windows + 2
    assert found["by_learner"] == {"rules": found["trials"]}
    assert sum(found["by_state"].values()) == found["trials"]
    assert found["chains"] == {KEY: {"state": "whole", "rows": windows + 2, "first_broken": None}}
    assert [line["seq"] for line in found["latest"]] == [*range(windows + 2, 0, -1)]
    newest, walk, block = found["latest"][:3]
    assert (newest["run"], newest["method"], walk["method"], block["method"]) == (3, "manual", "none", "grid")
    assert block["trials"] == len(POINTS) and block["run"] == was["experiment_id"] and block["time"].endswith("Z")
    people = assay("trials", *MARKET, home=home)
    assert people.code == 0 and fits(people.out) and f"chain {KEY}: whole" in people.out
    assert len(told("trials", *MARKET, "--limit", "2", home=home)["latest"]) == 2


def test_the_sharpe_ratios_are_those_of_every_configuration(searched: Searched) -> None:
    home, _ = searched
    with record_of(home) as record:
        blobs = Blobs(home / "artifacts")
        all_of_them = np.concatenate([each.columns()["sharpe"] for each in record.ledger.trials(KEY, blobs=blobs)])
    found = told("trials", *MARKET, home=home)["sharpe"]
    known = all_of_them[np.isfinite(all_of_them)]
    assert found == {"best": known.max(), "median": np.median(known), "known": known.size}


def test_what_a_run_tried(searched: Searched) -> None:
    home, was = searched
    found = told("trials", "--run", was["run_id"], home=home)
    assert found["run"] == was["experiment_id"] and found["trials"] == was["trials"] + 1
    assert told("trials", "--run", 1, home=home)["rows"] == 0
    assert "added no trial" in assay("trials", "--run", 1, home=home).out
    again = told("runs", "reproduce", was["experiment_id"], home=home)["reproduced_as"]
    said = assay("trials", "--run", again, home=home).out
    assert f"run {again} reproduces run {was['experiment_id']}" in said and fits(said)


def test_all_markets(searched: Searched) -> None:
    home, was = searched
    (row,) = told("trials", home=home)
    assert (row["market_key"], row["trials"], row["runs"]) == (KEY, was["trials"] + 1, 1)
    people = assay("trials", home=home)
    assert fits(people.out) and KEY in people.out


def test_a_broken_chain_names_its_first_broken_number(searched: Searched) -> None:
    home, _ = searched
    with record_of(home) as record, record.database.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER trials_no_update")
        connection.exec_driver_sql("UPDATE trials SET score = 9 WHERE seq IN (2, 3)")
    chain = told("trials", *MARKET, home=home)["chains"][KEY]
    assert (chain["state"], chain["first_broken"]) == ("broken", 2)
    said = assay("trials", *MARKET, home=home)
    assert said.code == 0 and "BROKEN" in said.out


def test_a_block_that_is_gone_is_counted_and_told(searched: Searched) -> None:
    home, was = searched
    before = told("trials", *MARKET, home=home)
    with record_of(home) as record:
        shutil.rmtree(Blobs(home / "artifacts").path(record.ledger.read(KEY)[0]["block_sha256"]))
    found = told("trials", *MARKET, home=home)
    assert (found["trials"], found["unread"], before["unread"]) == (before["trials"], 1, 0)
    assert found["sharpe"]["known"] == before["sharpe"]["known"] - len(POINTS) + 1  # what the row says of its best
    gone = len(POINTS)
    assert found["by_state"] == {"complete": before["by_state"]["complete"] - gone, "unread": gone}
    assert "counted, but not looked into: 1 row whose block is gone" in assay("trials", *MARKET, home=home).out
    assert was["trials"]


def test_markets_that_nobody_tried(searched: Searched, tmp_path: Path) -> None:
    home, _ = searched
    said = assay("trials", "-e", "test", "-s", "GOLD/USDT", "-t", "1h", "--json", home=home)
    assert (said.code, said.error["code"]) == (1, "STORE_NOT_FOUND") and f"did you mean {KEY}" in said.error["message"]
    laid(tmp_path / "new")
    for words in ((), MARKET):
        assert "No trial yet" in assay("trials", *words, home=tmp_path / "new").out
    assert told("trials", home=tmp_path / "new") == []
    assert told("trials", *MARKET, home=tmp_path / "new")["trials"] == 0


@pytest.mark.parametrize("words", [("-e", "test"), ("--run", "2", *MARKET), ("--limit", "0")])
def test_what_makes_no_sense_is_refused(searched: Searched, words: tuple[str, ...]) -> None:
    said = assay("trials", *words, "--json", home=searched[0])
    assert (said.code, said.error["code"]) == (2, "CONFIG_FIELD")
