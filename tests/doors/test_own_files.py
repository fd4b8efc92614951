"""Files of one's own at the command line: asked in closed processes, and kept with every module that they load."""

import shutil
from pathlib import Path

import pytest

from tests.doors.commands import MARKET, assay, told
from tests.doors.test_strategies import OWN, own

READS = "__import__('pathlib').Path('/etc/hostname').read_text()"
REMEMBERS = "fall = np.array([SEEN.setdefault(int(t), v) for t, v in zip(bars.timestamp, np.roll(fall, -1))])"
FEATURES = """import numpy as np
from assay.features import feature

SEEN = {}


@feature(lookback=1, unit="ratio")
def my_move(study):
    close = study.bars.close
    out = np.full(len(close), np.nan)
    out[1:] = close[1:] / close[:-1] - 1
    <line>
    return out
"""


def features(folder: Path, line: str = "pass") -> Path:
    path = folder / "mine.py"
    path.write_text(FEATURES.replace("<line>", line))
    return path


def remembering(folder: Path) -> Path:
    return own(folder, last=REMEMBERS, text=OWN.replace("import numpy as np", "import numpy as np\nSEEN = {}"))


def test_a_check_says_how_often_and_how_it_asked(tmp_path: Path) -> None:
    found = told("strategies", "check", own(tmp_path))["closed"]
    assert found["passed"] and found["violations"] == [] and found["source_complete"]
    assert found["checks"] == {"state": 728, "truncate": 24, "scramble": 4, "outside": 1, "calendar": 1}
    assert found["landlock"] > 0


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        (lambda folder: own(folder, last=READS), "LEAK_OUTSIDE", "my_dip.py:20 opens the file '/etc/hostname'"),
        (remembering, "LEAK_STATE", " differ"),
    ],
)
def test_a_strategy_that_reaches_out_or_remembers_is_refused(path, code, text, stocked: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = path(tmp_path)
    named = ("my_dip", *MARKET, "--strategy-file", file)
    for words in (("strategies", "check", file), ("backtest", *named), ("optimize", *named, "--trials", "2")):
        said = assay(*words, "--json", home=stocked)
        assert (said.code, said.error["code"]) == (3, code), said
        assert text in said.error["message"] and said.error["facts"]["violations"]
    assert [run["name"] for run in told("runs", "list", home=stocked)] == ["import gold.csv"]


def test_features_are_checked_as_strategies_are(stocked: Path, tmp_path: Path) -> None:
    found = told("features", "check", features(tmp_path))
    assert found["passed"] and found["complete"] and found["bars"] == 5_000 and found["landlock"] > 0
    assert found["features"] == {"my_move": {"lookback": 1, "unit": "ratio"}}
    assert found["checks"]["state"] > 700 and found["checks"]["truncate"] == 20 + 40 * 24
    stored = told("features", "check", features(tmp_path), *MARKET, home=stocked)
    assert stored["passed"] and stored["bars"] == 2_400 and stored["market"] == "test GOLD/USDT:USDT 1h"
    people = assay("features", "check", features(tmp_path))
    assert people.code == 0 and "mine.py keeps to the contract on synthetic" in people.out


@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        (READS, "LEAK_OUTSIDE", "LEAK_OUTSIDE: mine.py:12 opens the file '/etc/hostname'"),
        ("out = np.array([SEEN.setdefault(int(t), v) for t, v in zip(study.bars.timestamp, np.append(out[1:], 0.0))])",
         "LEAK_STATE", "LEAK_STATE: feature 'my_move' in row"),
        ("if len(close) > 2_200: out[:-1] = out[1:]", "LEAK_FEATURE", "LEAK_FEATURE: feature 'my_move' in row"),
    ],
)  # fmt: skip
def test_features_that_cheat_are_refused(line: str, code: str, text: str, tmp_path: Path) -> None:
    said = assay("features", "check", features(tmp_path, line), "--json")
    assert said.code == 3 and said.error["code"] == code
    assert any(text in each["text"] for each in said.error["facts"]["violations"]), said.error
    assert assay("features", "check", features(tmp_path, line)).code == 3


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("x = 1\n", "CONFIG_FEATURE_FILE", "declares no feature"),
        (
            FEATURES.replace("lookback=1", "lookback=1_000_000").replace("<line>", "pass"),
            "CONFIG_FEATURE_FILE",
            "1,000,000",
        ),
        (FEATURES.replace("<line>", "study.nope"), "TRAIN_FEATURE", "mine.py:12: feature my_move: AttributeError"),
    ],
)
def test_features_that_are_none_are_refused(text: str, code: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    said = assay("features", "check", tmp_path / "mine.py", "--json")
    assert said.error["code"] == code and says in said.error["message"], said.error


HELPER = """import numpy as np


def fall_of(close, w):
    out = np.full(len(close), np.nan)
    out[w:] = 1 - close[w:] / close[:-w]
    return out
"""


def test_a_helper_beside_the_file_belongs_to_it(stocked: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "falls_beside.py").write_text(HELPER)
    text = OWN.replace("import numpy as np", "import numpy as np\nfrom falls_beside import fall_of")
    file = own(folder, last="fall = fall_of(bars.close, w)", text=text)
    words = ("backtest", "my_dip", *MARKET, "--strategy-file", file)
    first, again = told(*words, home=stocked), told(*words, home=stocked)
    assert again["experiment_id"] == first["experiment_id"]
    (folder / "falls_beside.py").write_text(HELPER + "# another\n")
    other = told(*words, home=stocked)
    assert other["spec"]["origin"] != first["spec"]["origin"] and other["experiment_id"] != first["experiment_id"]
    shutil.rmtree(folder)
    for run in (first, other):
        assert told("runs", "reproduce", run["experiment_id"], home=stocked)["equal"]


@pytest.mark.parametrize(
    ("last", "code", "text"),
    [
        ("__import__('os')._exit(0)", 1, "ended its process with exit status 0"),
        ("__import__('os').abort()", 1, "ended its process by SIGABRT"),
    ],
)
def test_a_file_that_ends_its_process_ends_no_command(
    last: str, code: int, text: str, stocked: Path, tmp_path: Path
) -> None:
    path = own(tmp_path, last=last)
    for words in (("strategies", "check", path), ("audit", "--strategy-file", path)):
        said = assay(*words, "--json", home=stocked)
        assert (said.code, said.error["code"]) == (code, "TRAIN_STRATEGY") and text in said.error["message"]


def test_a_file_that_imports_the_judge_is_refused_before_it_runs(stocked: Path, tmp_path: Path) -> None:
    patched = OWN.replace("import numpy as np", "import numpy as np\nfrom assay.validate.isolation import probes")
    said = assay("strategies", "check", own(tmp_path, text=patched), "--json", home=stocked)
    assert (said.code, said.error["code"]) == (3, "LEAK_OUTSIDE") and "assay.validate.isolation" in said.error[
        "message"
    ]


def test_a_rule_that_writes_changes_no_candle(stocked: Path, tmp_path: Path) -> None:
    bends = "bars.close.flags.writeable and bars.close.__imul__(1.001)"
    said = assay("backtest", "my_dip", *MARKET, "--strategy-file", own(tmp_path, last=bends), "--json", home=stocked)
    assert said.code != 0 and said.error["code"] == "TRAIN_STRATEGY" and "wrote into close" in said.error["message"]
