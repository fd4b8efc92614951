"""Real processes: Ctrl-C, kill -9, broken pipes, two at once."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from assay.kernel.instrument import Instrument
from assay.market.stores.base import open_candles
from tests.doors.commands import MARKET, SMALL, TRAIN, Said, assay, ended, process, told

pytestmark = pytest.mark.slow
LONG = ("train", "ensemble", *MARKET, *SMALL, "--set", "trees=9000", "--set", "patience=9000", "--set", "leaves=900")
GOLD = Instrument("test", "GOLD/USDT:USDT", "1h")


def statuses(home: Path) -> list[str]:
    """Statuses in the record as they stand, without what opening it through Assay would change.

    Not read only: SQLite itself must be able to roll back what a killed process had half written.
    """
    with sqlite3.connect(f"file:{home / 'ml_experiments.db'}?mode=rw", uri=True) as connection:
        found = [row[0] for row in connection.execute("SELECT status FROM experiments ORDER BY id")]
    connection.close()
    return found


def until_running(home: Path, started: "subprocess.Popen[str]") -> None:
    for _ in range(1200):
        assert started.poll() is None, ended(started)
        if statuses(home)[-1:] == ["running"]:
            return
        time.sleep(0.05)
    raise AssertionError("the run never began")


def digest(home: Path) -> str:
    return open_candles(f"duckdb:///{home / 'candles.duckdb'}").read(GOLD).digest()


def models(home: Path) -> list[Any]:
    return [row["model_id"] for row in told("runs", "list", home=home) if row["model_id"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_training_clean(number: signal.Signals, stocked: Path) -> None:
    before = digest(stocked)
    started = process(*LONG, "--json", home=stocked)
    until_running(stocked, started)
    time.sleep(0.7)
    started.send_signal(number)
    said = ended(started)
    assert said.code == 128 + number, said
    assert said.error["code"] == "STOPPED"
    assert statuses(stocked) == ["completed", "stopped"]
    assert models(stocked) == [] and not list((stocked / "models").rglob("*.*"))
    assert digest(stocked) == before


DYING = """
import os, signal, sys
def die(*a, **k): os.kill(os.getpid(), signal.SIGKILL)
import {module} as place
setattr(place{owner}, {name!r}, die)
from assay.cli.main import run
sys.argv = ["assay", *sys.argv[1:]]
run()
"""


def killed(module: str, name: str, *words: object, home: Path) -> None:
    """A command that is killed by the system at the moment when it calls that function."""
    owner, _, name = name.rpartition(".")
    code = DYING.format(module=module, name=name, owner=f".{owner}" if owner else "")
    command = [sys.executable, "-c", code, *map(str, words), "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done


@pytest.mark.parametrize(
    "moment",
    [
        ("assay.runs._train", "evaluate_walk"),  # folds are fitted, nothing is written
        ("assay.runs.run_outputs", "publish"),  # the model's files lie there, no row points to them
        ("assay.runs.run_outputs", "_settled"),  # the model's rows are written, not committed
        ("assay.track.experiments", "Experiments.finish"),  # everything is written, not committed
    ],
    ids=lambda m: m[1],
)
def test_a_training_that_is_killed_leaves_a_crashed_run_and_no_model(moment: tuple[str, str], stocked: Path) -> None:
    before = digest(stocked)
    killed(*moment, *TRAIN, home=stocked)
    assert statuses(stocked) == ["completed", "running"]
    rows = told("runs", "list", home=stocked)
    assert (rows[0]["status"], rows[0]["model_id"], rows[0]["metrics"]) == ("crashed", None, {})
    shown = told("runs", "show", "2", home=stocked)
    assert shown["status"] == "crashed" and "verdict" not in shown
    assert assay("report", "2", home=stocked).code == 1
    assert digest(stocked) == before
    again = told(*TRAIN, home=stocked)
    assert again["experiment_id"] == 3 and again["n_trials"] == 1
    assert told("report", "3", home=stocked)


@pytest.mark.parametrize(
    "moment",
    [
        ("assay.runs.ingest", "read_file"),  # nothing is begun
        ("assay.market.stores.duckdb", "DuckDBCandles.upsert"),  # checked, not stored
        ("assay.runs.ingest", "_candles"),  # stored, the run not ended
    ],
    ids=lambda m: m[1],
)
def test_an_import_that_is_killed_stored_all_or_nothing(moment: tuple[str, str], gold_csv: Path, stocked: Path) -> None:
    whole = digest(stocked)
    home = stocked.parent / "fresh"
    module, name = moment
    killed(module, _found(module, name), "import", gold_csv, *MARKET, home=home)
    if name == "read_file":
        assert assay("runs", "list", "--json", home=home).error["code"] == "STORE_NOT_FOUND"  # not even a record
    else:
        found = told("data", "list", home=home)["instruments"]
        assert [row["bars"] for row in found] == ([2_400] if name == "_candles" else [])
        assert [row["status"] for row in told("runs", "list", home=home)] == ["crashed"]
    told("import", gold_csv, *MARKET, home=home)
    assert digest(home) == whole


def _found(module: str, name: str) -> str:
    """The store's class under whatever name it has."""
    if "." not in name:
        return name
    import importlib

    found = importlib.import_module(module)
    kinds = [
        k for k, v in vars(found).items() if isinstance(v, type) and v.__module__ == module and "upsert" in vars(v)
    ]
    return f"{kinds[0]}.upsert"


def test_an_import_that_is_killed_anywhere(gold_csv: Path, stocked: Path) -> None:
    whole = digest(stocked)
    home = stocked.parent / "fresh"
    for wait in (0.0, 0.05, 0.15):
        started = process("import", gold_csv, *MARKET, home=home)
        while not (home / "ml_experiments.db").exists() and started.poll() is None:
            time.sleep(0.01)
        time.sleep(wait)
        started.kill()
        started.communicate()
        bars = [row["bars"] for row in told("data", "list", home=home)["instruments"]]
        assert bars in ([], [2_400])
    told("import", gold_csv, *MARKET, home=home)
    assert digest(home) == whole
    assert {row["status"] for row in told("runs", "list", home=home)} <= {"crashed", "completed"}


def test_two_processes_at_once_in_one_home(gold_csv: Path, stocked: Path) -> None:
    whole = digest(stocked)
    home = stocked.parent / "fresh"
    both = [ended(p) for p in [process("import", gold_csv, *MARKET, "--json", home=home) for _ in range(2)]]
    assert [said.code for said in both] == [0, 0], both
    assert sorted(said.document["inserted"] for said in both) == [0, 2_400]
    assert digest(home) == whole
    trainings = [process(*TRAIN, "--json", home=home) for _ in range(2)]
    assert told("runs", "list", home=home)  # a reader beside them
    one, other = (ended(p) for p in trainings)
    assert (one.code, other.code) == (0, 0), (one, other)
    assert one.document["metrics"] == other.document["metrics"]
    assert {row["status"] for row in told("runs", "list", home=home)} == {"completed"}


def test_a_real_process_prints_one_document_and_ends_with_its_code(stocked: Path) -> None:
    said = ended(process("data", "list", "--json", home=stocked))
    assert said.code == 0 and said.err == "" and said.document["instruments"][0]["bars"] == 2_400
    missing = ended(process("runs", "show", "99", "--json", env={"ASSAY_HOME": str(stocked)}))
    assert missing.code == 1 and missing.error["code"] == "STORE_NOT_FOUND"
    bare = ended(process())
    assert bare.code == 2 and "Commands:" in bare.err and bare.out == ""


@pytest.mark.parametrize("words", [("data", "show", *MARKET, "--last", "2400", "--json"), ("features", "list")])
def test_a_reader_that_goes_away_is_no_error(words: tuple[str, ...], stocked: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", "from assay.cli.main import run; run()", *words, "--home", str(stocked)]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(write)
    assert done.stderr == ""
    assert done.returncode in (0, 1)


def test_a_terminal_without_unicode(stocked: Path) -> None:
    plain = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    said = ended(process("runs", "list", home=stocked, env=plain))
    assert said.code == 0, said
    wrong = ended(process("data", "show", "-e", "test", "-t", "1h", "-s", "币/USDT", "--json", home=stocked, env=plain))
    assert (wrong.code, json.loads(wrong.out)["error"]["code"]) == (2, "CONFIG_SYMBOL")


def test_bytes_that_are_no_text_in_a_name(stocked: Path) -> None:
    command = [sys.executable, "-c", "from assay.cli.main import run; run()", "data", "show", "-e", "test", "-t", "1h"]
    words = [*map(os.fsencode, command), b"-s", b"BTC\xff/USDT", b"--json", b"--home", os.fsencode(stocked)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    said = Said(done.returncode, done.stdout, done.stderr)
    assert (said.code, said.error["code"]) == (2, "CONFIG_SYMBOL")
    assert r"\udcff" in said.error["message"]
