"""`assay datasets`."""

from pathlib import Path
from typing import Any

from tests.doors.commands import MARKET, assay, laid, told
from tests.doors.test_backtest import record_of

Made = tuple[Path, dict[str, Any]]
NAME = "test|GOLD/USDT:USDT|1h"


def fits(text: str) -> bool:
    return max(len(line) for line in text.splitlines() if "snapshots" not in line) <= 80


def test_the_datasets_of_a_home(searched: Made) -> None:
    home, was = searched
    told("backtest", "sma_cross", *MARKET, "--bars", "900", home=home)
    newest, first = told("datasets", "list", home=home)
    assert (first["name"], first["num_samples"], first["runs"], first["there"]) == (NAME, 2400, 1, True)
    assert (newest["num_samples"], newest["revision"], newest["to"]) == (900, 2, first["to"])
    assert first["data_hash"] == was["snapshots"]["GOLD/USDT:USDT"]
    people = assay("datasets", "list", home=home)
    assert fits(people.out) and first["data_hash"][:8] in people.out


def test_one_dataset_by_id_name_or_hash(searched: Made) -> None:
    home, was = searched
    digest = was["snapshots"]["GOLD/USDT:USDT"]
    one, *others = [told("datasets", "show", asked, home=home) for asked in ("1", NAME, digest, digest[:8])]
    assert all(each == one for each in others)
    assert [run["experiment_id"] for run in one["used_by"]] == [was["experiment_id"]]
    assert one["data_path"].endswith(f"{digest}.parquet") and one["from"].startswith("2020-01-01")
    (home / "snapshots" / f"{digest}.parquet").unlink()
    assert told("datasets", "show", "1", home=home)["there"] is False
    people = assay("datasets", "show", "1", home=home)
    assert "(its file is gone)" in people.out


def test_what_came_of_a_dataset(searched: Made) -> None:
    home, was = searched
    told("backtest", "sma_cross", *MARKET, home=home)
    found = told("datasets", "lineage", NAME, home=home)
    search, backtest = found["runs"]
    assert (found["kind"], search["experiment_id"]) == ("dataset", was["experiment_id"])
    assert (search["models"], search["configurations"]) == ([was["model_id"]], [was["config_id"]])
    assert search["trades"] == was["trades"] and backtest["models"] == backtest["configurations"] == []
    people = assay("datasets", "lineage", "1", home=home)
    assert was["model_id"] in people.out and was["config_id"] in people.out and fits(people.out)


def test_where_a_model_comes_from(searched: Made) -> None:
    home, was = searched
    found = told("datasets", "lineage", was["model_id"], home=home)
    assert (found["kind"], found["model"]["model_id"]) == ("model", was["model_id"])
    assert (found["run"]["run_id"], found["run"]["spec_hash"]) == (was["run_id"], was["spec_hash"])
    assert [each["data_hash"] for each in found["datasets"]] == list(was["snapshots"].values())
    assert found["spec"] == was["spec"] and found["parents"] == found["model_parents"] == []
    assert (found["configurations"], found["trades"]) == ([was["config_id"]], was["trades"])
    people = assay("datasets", "lineage", was["model_id"], home=home)
    assert fits(people.out) and was["config_id"] in people.out


def test_unknown_ones_are_told_what_there_is(searched: Made, tmp_path: Path) -> None:
    home, was = searched

    def error(*words: str, home: Path = home) -> dict[str, Any]:
        said = assay("datasets", *words, "--json", home=home)
        assert said.code == 1
        return said.error

    assert "ids 1 to 1" in error("show", "9")["message"]
    assert f"did you mean {NAME}" in error("show", NAME[:-1])["message"]
    assert was["model_id"] in error("lineage", was["model_id"][:-1])["message"]
    assert error("show", "deadbeef")["code"] == "STORE_NOT_FOUND"
    empty = laid(tmp_path / "new")
    assert "no dataset yet" in error("show", "1", home=empty)["message"]
    assert "none yet" in error("lineage", "x", home=empty)["message"]
    assert "No dataset yet" in assay("datasets", "list", home=empty).out
    assert told("datasets", "list", home=empty) == []


def test_a_hash_that_begins_several_is_refused(trained: Made) -> None:
    home, _ = trained
    with record_of(home) as record:
        for end in "01":
            record.datasets.add(f"d{end}", data_hash="ab" * 31 + "0" + end)
    said = assay("datasets", "show", "abababab", "--json", home=home)
    assert said.error["code"] == "STORE_CONFLICT" and "2" in said.error["message"]
