"""`assay sql`: which store answers, and that neither is changed."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.doors.commands import assay, told


@pytest.fixture
def home(trained: tuple[Path, dict[str, Any]]) -> Path:
    return trained[0]


def test_the_record_answers_and_the_candle_store_what_it_has_not(home: Path) -> None:
    found = told("sql", "SELECT id, status FROM experiments ORDER BY id DESC LIMIT 1", home=home)
    assert found == {"store": "record", "columns": ["id", "status"], "rows": [[2, "completed"]], "more": False}
    candles = told("sql", "SELECT COUNT(*) AS n, MAX(high) > 0 AS up FROM market_data", home=home)
    assert (candles["store"], candles["rows"]) == ("candles", [[2400, True]])
    assert told("sql", "SELECT * FROM market_data_enhanced LIMIT 3", home=home)["columns"][:3] == [
        "exchange", "symbol", "timestamp",
    ]  # fmt: skip
    said = assay("sql", "SELECT * FROM candles", "--store", "record", "--json", home=home)
    assert (said.code, said.error["code"], said.error["facts"]["relation"]) == (1, "STORE_NOT_FOUND", "candles")
    both = assay("sql", "SELECT * FROM nowhere", "--json", home=home)
    assert both.error["code"] == "STORE_NOT_FOUND" and "nor has the candle store" in both.error["message"]
    assert "'the statement" not in both.error["message"]
    one = assay("sql", "SELECT * FROM experiments", "--store", "candles", "--json", home=home)
    assert (one.code, one.error["code"]) == (2, "CONFIG_FIELD")


def test_rows_that_are_left_off_are_told(home: Path) -> None:
    for store, table in (("record", "metrics"), ("candles", "candles")):
        said = assay("sql", f"SELECT * FROM {table}", "--limit", "2", "--json", home=home)
        assert len(said.document["rows"]) == 2 and said.document["more"] and said.document["store"] == store
        assert said.err == "note: more than 2 rows; --limit shows more\n"
    assert assay("sql", "SELECT 1", "--limit", "0", home=home).code == 2


def test_people_and_spreadsheets(home: Path) -> None:
    query = "SELECT NULL AS a, 'x,\ny' AS b, 1.5 AS c, 9e999 AS d"
    people = assay("sql", query, home=home)
    assert people.out.splitlines()[1].split() == ["–", "x,\\ny", "1.5", "–"]
    rows = list(csv.reader(io.StringIO(assay("sql", query, "--csv", home=home).out, newline="")))
    assert rows == [["a", "b", "c", "d"], ["", "x,\ny", "1.5", "inf"]]
    assert assay("sql", query, "--csv", "--json", home=home).code == 2


def test_columns_that_do_not_fit_are_told(home: Path) -> None:
    for table in ("experiments", "metrics", "candles"):
        columns = told("sql", f"SELECT * FROM {table} LIMIT 1", home=home)["columns"]
        people = assay("sql", f"SELECT * FROM {table} LIMIT 3", home=home)
        assert max(map(len, people.out.splitlines())) <= 80
        shown = people.out.splitlines()[0].split()
        assert shown == columns[: len(shown)] and 3 < len(shown) < len(columns)  # names in full, in their order
        left = "note: not all columns fit; name some, or --csv has all. Left out: "
        assert people.err == left + ", ".join(columns[len(shown) :]) + "\n"
    assert assay("sql", "SELECT id, name, status FROM experiments", home=home).err == ""


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM experiments", "DROP TABLE candles", "ATTACH 'a.db' AS a", "PRAGMA user_version = 3",
     "COPY candles TO 'a.csv'", "SELECT * FROM read_csv('/etc/passwd')", "INSERT INTO candles SELECT * FROM candles"],
)  # fmt: skip
def test_nothing_is_changed(statement: str, home: Path, tmp_path: Path) -> None:
    before = [(home / name).read_bytes() for name in ("ml_experiments.db", "candles.duckdb")]
    for store in ((), ("--store", "record"), ("--store", "candles")):
        said = assay("sql", statement, *store, "--json", home=home)
        assert said.code in (1, 2) and said.error["code"] in ("STORE_READ_ONLY", "STORE_VALUE", "CONFIG_FIELD",
                                                              "STORE_NOT_FOUND")  # fmt: skip
    assert [(home / name).read_bytes() for name in ("ml_experiments.db", "candles.duckdb")] == before
    assert not list(tmp_path.glob("a.*"))


def test_asking_makes_nothing(tmp_path: Path) -> None:
    said = assay("sql", "SELECT 1", "--json", home=tmp_path / "h")
    assert (said.code, said.error["code"]) == (1, "STORE_NOT_FOUND")
    assert list((tmp_path / "h").glob("*.db")) == []
