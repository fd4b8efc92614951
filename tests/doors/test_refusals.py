"""What a wrong command gets: code, place, value and remedy, the right exit code, and no trace in the home."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from assay.cli.command import main
from tests.doors.commands import MARKET, SMALL, TRAIN, TREES, Said, assay, told

TAIL = ("-e", "test", "-t", "1h")


def refused(*words: object, home: Path) -> dict[str, Any]:
    said = assay(*words, "--json", home=home)
    assert said.code != 0, said.out
    return said.error | {"exit": said.code}


@pytest.mark.parametrize(
    ("number", "code", "file"),
    [(errno.ENOSPC, "STORE_FULL", "a.json"), (errno.EROFS, "STORE_READ_ONLY", None), (errno.EIO, "STORE_IO", "b")],
)
def test_a_disk_that_refuses_any_file(
    number: int, code: str, file: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(**_: object) -> None:
        raise OSError(number, os.strerror(number), file)

    exit_code = main(command, ["--json"])
    out, err = capsys.readouterr()
    error = Said(exit_code, out, err).error
    assert (exit_code, error["code"]) == (1, code)
    assert os.strerror(number) in error["message"] and (file or "") in error["message"]


def test_rules_without_a_strategy_are_told_the_flag(stocked: Path) -> None:
    told = refused("train", "rules", *MARKET, home=stocked)
    assert (told["exit"], told["code"]) == (2, "CONFIG_FIELD")
    assert "--strategy" in told["hint"] and "assay strategies list" in told["hint"]
    assert "sma_cross" in refused("train", "rules", *MARKET, "--strategy", "sma_cros", home=stocked)["message"]


def test_a_fault_of_ours_is_no_disks() -> None:
    def command(**_: object) -> None:
        raise OSError(errno.EBADF, "ours")

    with pytest.raises(OSError, match="ours"):
        main(command, [])


@pytest.mark.parametrize(
    ("words", "code", "exit_code", "texts"),
    [
        (("data", "show", "-s", "../../etc/passwd", *TAIL), "CONFIG_SYMBOL", 2, ["symbol", "'../../etc/passwd'"]),
        (("data", "show", "-s", "..", *TAIL), "CONFIG_SYMBOL", 2, ["symbol", "'..'"]),
        (("data", "show", "-s", "/abs", *TAIL), "CONFIG_SYMBOL", 2, ["symbol", "'/abs'"]),
        (("data", "show", "-s", "btc/usdt", *TAIL), "CONFIG_SYMBOL", 2, ["did you mean BTC/USDT"]),
        (("data", "show", "-s", " BTC/USDT ", *TAIL), "CONFIG_SYMBOL", 2, ["did you mean BTC/USDT"]),
        (("data", "show", "-s", "ВТС/USDT", *TAIL), "CONFIG_SYMBOL", 2, ["did you mean BTC/USDT"]),
        (("data", "show", "-s", "BTC/USDT\n", *TAIL), "CONFIG_SYMBOL", 2, [r"'BTC/USDT\n'"]),
        (("data", "show", "-s", "BTC\u200f/USDT", *TAIL), "CONFIG_SYMBOL", 2, [r"\u200f"]),
        (("data", "show", "-s", "😀" * 10_000, *TAIL), "CONFIG_SYMBOL", 2, ["…"]),
        (("data", "show", "-s", "'; DROP TABLE jobs;--", *TAIL), "CONFIG_SYMBOL", 2, ["symbol"]),
        (("data", "show", "-s", "币安人生/USDT", *TAIL), "CONFIG_SYMBOL", 2, ["instrument", "mapping"]),
        (("data", "show", "-s", "GOLD/USDT", *TAIL), "DATA_NOT_FOUND", 65, ["did you mean test GOLD/USDT:USDT 1h"]),
        (("data", "show", "-s", "A/B", "-e", "__class__", "-t", "1h"), "CONFIG_EXCHANGE", 2, ["'__class__'"]),
        (("data", "show", "-s", "A/B", "-e", "test", "-t", "7m"), "CONFIG_TIMEFRAME", 2, ["'7m'", "has", "1h, 2h"]),
        (("data", "show", "-s", "A/B", "-e", "test", "-t", "1H"), "CONFIG_TIMEFRAME", 2, ["'1H'"]),
        (("data", "show", "-s", "A/B", "-e", "test", "-t", "-1h"), "CONFIG_TIMEFRAME", 2, ["'-1h'"]),
        (("data", "show", *MARKET, "--last", "0"), "CONFIG_FIELD", 2, ["--last", "0"]),
        (("data", "shwo"), "CONFIG_FIELD", 2, ["shwo", "show"]),
        (("trian",), "CONFIG_FIELD", 2, ["'train'"]),
        (("features", "list", "core27"), "CONFIG_FEATURE", 2, ["'core27'", "did you mean core72"]),
        (("features", "table", *MARKET, "-o", "x.xlsx"), "CONFIG_PATH", 2, ["x.xlsx", ".parquet or .csv"]),
        (("features", "table", *MARKET, "--set", "mini5", "-o", "no/x.csv"), "STORE_PATH", 1, ["no/x.csv"]),
        (("runs", "show", "99"), "STORE_NOT_FOUND", 1, ["no run 99", "1 runs, ids 1 to 1"]),
        (("runs", "show", "x" * 300), "STORE_NOT_FOUND", 1, ["no run", "…"]),
        (("runs", "show", "-1"), "CONFIG_FIELD", 2, ["-1"]),
        (("runs", "list", "--limit", "0"), "CONFIG_FIELD", 2, ["--limit", "0"]),
        (("runs", "list", "--status", "done"), "CONFIG_FIELD", 2, ["--status", "done", "completed"]),
        (("report", "1"), "STORE_CONFLICT", 1, ["run 1", "nothing to report"]),
        (("collect", "-e", "binanse", "-s", "BTC/USDT", "-t", "1h", "--since", "2024-01-01"), "CONFIG_EXCHANGE", 2,
         ["binanse", "binance"]),
        (("collect", "-e", "binance", "-s", "BTC/USDT", "-t", "1h", "--since", "last week"), "CONFIG_FIELD", 2,
         ["since", "'last week'", "2024-01-01"]),
        (("import", "missing.csv", *MARKET), "DATA_PATH", 65, ["missing.csv"]),
        (("import", ".", *MARKET), "DATA_PATH", 65, ["folder|directory"]),
    ],
)  # fmt: skip
def test_wrong_words(words: tuple[str, ...], code: str, exit_code: int, texts: list[str], stocked: Path) -> None:
    import re

    error = refused(*words, home=stocked)
    assert (error["code"], error["exit"]) == (code, exit_code), error
    for text in texts:
        wanted = text if "|" in text else re.escape(text)
        assert re.search(wanted, error["message"] + error["hint"]), error
    assert len(error["message"]) < 1_000
    assert [r["name"] for r in told("runs", "list", "--status", "running", home=stocked)] == []


@pytest.mark.parametrize(
    ("words", "code", "texts"),
    [
        (("train", "ensembel", *MARKET), "CONFIG_LEARNER", ["'ensembel'", "did you mean ensemble"]),
        (("train", "ensemble"), "CONFIG_FIELD", ["--exchange, --symbol, --timeframe"]),
        ((*TRAIN, "--set", "lerning_rate=0.1"), "CONFIG_PARAMETER", ["'lerning_rate'", "learning_rate"]),
        ((*TRAIN, "--set", "learning_rate=nan"), "CONFIG", ["learning_rate", "nan"]),
        ((*TRAIN, "--set", "learning_rate=0"), "CONFIG_PARAMETER", ["learning_rate", "0", "1"]),
        ((*TRAIN, "--set", "learning_rate=-1"), "CONFIG_PARAMETER", ["learning_rate", "-1"]),
        ((*TRAIN, "--set", "learning_rate=1e400"), "CONFIG", ["learning_rate", "inf"]),
        ((*TRAIN, "--set", 'learning_rate="0.1"'), "CONFIG_PARAMETER", ["learning_rate", "number"]),
        ((*TRAIN, "--set", "learning_rate=true"), "CONFIG_PARAMETER", ["learning_rate", "number"]),
        ((*TRAIN, "--set", "trees"), "CONFIG_FIELD", ["'trees'", "key=value"]),
        ((*TRAIN, "--set", "=1"), "CONFIG_FIELD", ["key=value"]),
        ((*TRAIN, "--set", "costs.fe=0.1"), "CONFIG_FIELD", ["costs.fe", "fee"]),
        ((*TRAIN, "--set", "cost.fee=0.1"), "CONFIG_FIELD", ["cost.fee", "costs.fee"]),
        ((*TRAIN, "--set", "costs.fee=-0.1"), "CONFIG", ["fee", "-0.1"]),
        ((*TRAIN, "--set", "seed=-1"), "CONFIG_PARAMETER", ["seed", "4294967295"]),
        ((*TRAIN, "--set", "symbols.x=1"), "CONFIG", ["symbols"]),
        ((*TRAIN, "--target", "profitabel"), "CONFIG", ["profitabel", "profitable"]),
        ((*TRAIN, "--set", "target.horizn=3"), "CONFIG", ["horizn", "horizon"]),
        ((*TRAIN, "--set", "sizing.enterr=3"), "CONFIG", ["enterr", "enter"]),
        ((*TRAIN, "--set", "device=cuda"), "CONFIG_PARAMETER", ["cuda"]),
        (("train", "ensemble", *MARKET, "--features", "mini6", *TREES), "CONFIG_FEATURE", ["mini6", "mini5"]),
        (("train", "ensemble", *MARKET, *MARKET[2:4], *SMALL), "CONFIG_SYMBOL", ["twice"]),
        ((*TRAIN, "--train-bars", "0"), "CONFIG_FOLDS", ["0"]),
        ((*TRAIN, "--test-bars", "-5"), "CONFIG_FOLDS", ["-5"]),
        ((*TRAIN, "--train-bars", "5000"), "CONFIG_FOLDS|DATA_TOO_FEW", ["5,?000"]),
        ((*TRAIN, "--set", "folds.embargo=-1"), "CONFIG_FOLDS", ["embargo", "-1"]),
        ((*TRAIN, "--set", "folds.train_days=3"), "CONFIG_FOLDS", ["train_days", "test_days"]),
        ((*TRAIN, "--bars", "0"), "CONFIG_PARAMETER", ["bars", "0"]),
        (
            (*TRAIN, "--bars", "120"),
            "DATA_TOO_FEW",
            ["85 usable", "100 needed", "120 bars", "9 of warm-up", "26 whose label"],
        ),
    ],
)
def test_wrong_trainings_leave_no_run(words: tuple[str, ...], code: str, texts: list[str], stocked: Path) -> None:
    import re

    error = refused(*words, home=stocked)
    assert re.match(code, error["code"]), error
    assert error["exit"] == (65 if error["code"].startswith("DATA") else 2)
    for text in texts:
        assert re.search(text, error["message"] + " " + error["hint"]), error
    assert [row["name"] for row in told("runs", "list", home=stocked)] == ["import gold.csv"]


def test_a_flat_market_is_refused_and_one_that_only_rises_has_no_second_class(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from assay.testing.bars import bars_of
    from tests.doors.conftest import csv_of

    home = tmp_path / "home"
    flat = csv_of(bars_of([100.0] * 900 + [101.0 + (i % 2) for i in range(100)], spread=0.001), tmp_path / "flat.csv")
    rise = csv_of(bars_of([100 * 1.001**i for i in range(1500)], spread=0.001), tmp_path / "rise.csv")
    assert assay("import", flat, "-e", "test", "-s", "FLAT/USDT", "-t", "1h", home=home).code == 0
    assert assay("import", rise, "-e", "test", "-s", "RISE/USDT", "-t", "1h", home=home).code == 0
    few = ("--features", "mini5", *TREES, "--json")
    refusal = assay("train", "ensemble", "-e", "test", "-s", "FLAT/USDT", "-t", "1h", *few, home=home)
    assert (refusal.code, refusal.error["code"]) == (65, "DATA_FLAT")
    assert "50%" in refusal.error["message"]
    flat_market = ("-e", "test", "-s", "FLAT/USDT", "-t", "1h", "--json")
    searched = assay("optimize", "sma_cross", *flat_market, "--walk-forward", "15/5/3", home=home)
    assert (searched.code, searched.error["code"]) == (65, "DATA_FLAT")
    traded = assay("backtest", "sma_cross", *flat_market, home=home)
    assert traded.code == 0 and "of the bars close where the one before did" in caplog.text
    single = assay("train", "ensemble", "-e", "test", "-s", "RISE/USDT", "-t", "1h", *few, home=home)
    assert (single.code, single.error["code"]) == (65, "DATA_TARGET_CONSTANT")
    assert "class" in single.error["message"]
    failed = told("runs", "list", "--status", "failed", home=home)
    assert len(failed) == 1 and failed[0]["model_id"] is None
    assert single.error["message"] in told("runs", "show", failed[0]["run_id"], home=home)["notes"]


def test_a_failure_speaks_on_stderr_to_people_and_on_stdout_to_programs(stocked: Path) -> None:
    people = assay("runs", "show", "99", home=stocked)
    assert people.out == "" and people.err.startswith("error STORE_NOT_FOUND: there is no run 99")
    program = assay("runs", "show", "99", "--json", home=stocked)
    assert program.err == people.err and program.error["code"] == "STORE_NOT_FOUND"


def test_no_command_shows_the_commands() -> None:
    for words, commands in (((), ("demo", "train", "report")), (("data",), ("list", "show", "check"))):
        said = assay(*words)
        assert said.code == 2 and said.out == ""
        assert all(command in said.err for command in commands)


def test_a_fact_that_json_cannot_say_is_null(monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.cli.command import fail
    from assay.kernel.errors import DataError

    error = DataError("x is NaN", code="DATA_NAN", value=float("nan"), path=Path("a"), texts=["\ud800"])
    said = _said(monkeypatch, lambda: fail(error, as_json=True))
    assert said.document["error"]["facts"] == {"value": None, "path": "a", "texts": ["\ud800"]}
    assert json.loads(said.out) == said.document


def _said(monkeypatch: pytest.MonkeyPatch, call: Any) -> Said:
    import io

    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    return Said(call(), out.getvalue(), err.getvalue())


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("rules", "--features-file", "own.py", "--set", "trees=5"), "CONFIG_FEATURE_FILE", "reads candles and no"),
        (("rules", "--features-file", "none.py", "--set", "typo=5"), "CONFIG_FEATURE_FILE", "reads candles and no"),
        (("rules", "--set", "trees=5"), "CONFIG_PARAMETER", "'trees' is a parameter of learner ensemble, not of rules"),
        (("ensemble", "--set", "trials=5"), "CONFIG_PARAMETER", "'trials' is a parameter of learner rules"),
        (("ensemble", "--strategy-file", "own.py", "--set", "x=1"), "CONFIG_STRATEGY_FILE", "reads no strategy"),
        (("ensemble", "--strategy", "sma_cross"), "CONFIG_PARAMETER", "--strategy is 'sma_cross'"),
        (("enseble", "--set", "trees=5"), "CONFIG_LEARNER", "did you mean ensemble?"),
    ],
)
def test_what_does_not_go_with_the_learner_is_said_first(
    words: tuple[str, ...], code: str, text: str, stocked: Path
) -> None:
    learner, *more = words
    error = refused("train", learner, *MARKET, *more, home=stocked)
    assert error["code"] == code and text in error["message"] and error["hint"]
    assert [row["name"] for row in told("runs", "list", home=stocked)] == ["import gold.csv"]


OPTIONS = {"strategy": "--strategy-file", "feature": "--features-file"}


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize(
    ("source", "hints"),
    [
        (None, ["There is no 'mine.py' in", "Did you mean 'mine2.py'?"]),
        ("def f(:\n    pass\n", ["Correct line 1", "py_compile 'mine.py'"]),
        ("import nothere.deep\n", ["Put nothere.py into the folder", "pip install nothere"]),
        ("1 / 0\n", ["python 'mine.py' runs the file by itself"]),
    ],
)
def test_a_file_that_cannot_be_read_or_run_has_a_remedy(
    kind: str, source: str | None, hints: list[str], stocked: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    if source is None:
        (tmp_path / "mine2.py").write_text("")
    else:
        file.write_text(source)
    learner = "rules" if kind == "strategy" else "ensemble"
    error = refused("train", learner, *MARKET, OPTIONS[kind], file, home=stocked)
    assert error["code"] == f"CONFIG_{kind.upper()}_FILE"
    assert all(hint in error["hint"] for hint in hints), error["hint"]


def test_a_spec_that_cannot_be_read_has_a_remedy(stocked: Path, tmp_path: Path) -> None:
    gone = refused("train", "--spec", tmp_path / "none.toml", home=stocked)
    assert gone["code"] == "CONFIG_PATH" and "There is no 'none.toml' in" in gone["hint"]
    folder = refused("train", "--spec", tmp_path, home=stocked)
    assert folder["code"] == "CONFIG_PATH" and "name the file in it" in folder["hint"]
    (tmp_path / "bad.toml").write_text("learner = \n")
    bad = refused("train", "--spec", tmp_path / "bad.toml", home=stocked)
    assert bad["code"] == "CONFIG_JSON" and "line 1" in bad["message"] and "TOML" in bad["hint"]
