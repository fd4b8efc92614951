"""What a wrong search gets: a typed error with its exit code, the right line, and nothing half-written."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.doors.commands import MARKET, assay, told
from tests.doors.searching import KEY, SMA, left, refused, statuses
from tests.doors.test_backtest import record_of
from tests.doors.test_strategies import OWN, own


def test_no_valid_trial_in_any_window_fails_with_the_counts(stocked: Path) -> None:
    words = (*SMA[1:], "--trials", "20", "--walk-forward", "30/15/1", "--min-trades", "500", "--method", "bayesian")
    error = refused(*words, home=stocked)
    assert (error["code"], error["exit"]) == ("TRAIN_NO_VALID_TRIAL", 1)
    assert "0 of 20 trials had ≥ 500 trades; most had" in error["message"]
    assert error["facts"]["reasons"] == {"too_few_trades": 20} and error["facts"]["most_trades"] > 5
    assert statuses(stocked) == ["failed"]
    assert told("config", "list", home=stocked)["configurations"] == []
    assert not [file for file in left(stocked) if file.startswith(("models", "searches"))]
    with record_of(stocked) as record:
        assert record.ledger.count(KEY) == 4 * 20  # they were looked at
        assert record.models.recent() == []


_HUGE = "9" * 400
_IMPOSSIBLE = ("--space", "fast=50:60", "--space", "slow=20:30")


@pytest.mark.parametrize(
    ("words", "code", "exit_code", "texts"),
    [
        (("sma_crossing",), "CONFIG_STRATEGY", 2, ["did you mean sma_cross"]),
        (("sma_cross", "--space", "fast"), "CONFIG_SPACE", 2, ["'fast'", "k=low:high"]),
        (("sma_cross", "--space", "fast="), "CONFIG_SPACE", 2, ["fast="]),
        (("sma_cross", "--space", "=1:2"), "CONFIG_SPACE", 2, ["=1:2"]),
        (("sma_cross", "--space", "fast=5:x"), "CONFIG_SPACE", 2, ["'x'"]),
        (("sma_cross", "--space", "fast=10:5"), "CONFIG_SPACE", 2, ["10", "5"]),
        (("sma_cross", "--space", "fast=5:5"), "CONFIG_SPACE", 2, ["5"]),
        (("sma_cross", "--space", "share=nan:1"), "CONFIG_SPACE", 2, ["nan"]),
        (("sma_cross", "--space", "share=0.1:inf"), "CONFIG_SPACE", 2, ["inf"]),
        (("sma_cross", "--space", f"share=0.5:{_HUGE}"), "CONFIG_SPACE", 2, ["finite"]),
        (("sma_cross", "--space", f"share=0.5,{_HUGE}"), "CONFIG_SPACE", 2, ["finite"]),
        (("sma_cross", "--set", f"share={_HUGE}"), "CONFIG_PARAMETER", 2, ["finite"]),
        (("sma_cross", "--set", f"fast={_HUGE}"), "CONFIG_PARAMETER", 2, ["fast is 9"]),
        (("sma_cross", "--space", "fast=5:10:1"), "CONFIG_SPACE", 2, ["2 to 1,000,000"]),
        (("sma_cross", "--space", "fast=5:10:2:3"), "CONFIG_SPACE", 2, ["4 parts"]),
        (("sma_cross", "--space", "fast=5,5"), "CONFIG_SPACE", 2, ["twice"]),
        (("sma_cross", "--space", "fsat=5:10"), "CONFIG_SPACE", 2, ["'fsat'", "did you mean fast"]),
        (("sma_cross", "--space", "fast=0:10"), "CONFIG_PARAMETER", 2, ["fast is 0", ">= 1"]),
        (("sma_cross", "--space", "fast=5.5:10"), "CONFIG_PARAMETER", 2, ["fast is 5.5", "integer"]),
        (("sma_cross", "--space", "fast=5,quick"), "CONFIG_PARAMETER", 2, ["'quick'"]),
        (("sma_cross", "--space", "share=0.0:1.0"), "CONFIG_PARAMETER", 2, ["share is 0.0"]),
        (("sma_cross", "--space", "fast=5:9", "--space", "fast=6:7"), "CONFIG_SPACE", 2, ["twice"]),
        (("sma_cross", "--space", "fast=5:9", "--set", "fast=7"), "CONFIG_SPACE", 2, ["searched and set"]),
        (("sma_cross", *_IMPOSSIBLE), "CONFIG_SPACE", 2, ["fast < slow"]),
        (("sma_cross", *_IMPOSSIBLE, "--method", "grid"), "CONFIG_SPACE", 2, ["fast < slow"]),
        (("sma_cross", *_IMPOSSIBLE, "--method", "bayesian"), "CONFIG_SPACE", 2, ["fast < slow"]),
        (("sma_cross", "--set", "fsat=7"), "CONFIG_PARAMETER", 2, ["did you mean fast"]),
        (("sma_cross", "--set", "fast=70"), "CONFIG_PARAMETER", 2, ["fast < slow", "70"]),
        (("sma_cross", "--set", "costs.fee=-1"), "CONFIG_PARAMETER", 2, ["costs.fee"]),
        (("sma_cross", "--trials", "0"), "CONFIG_SPACE", 2, ["trials is 0"]),
        (("sma_cross", "--trials", "1000001"), "CONFIG_SPACE", 2, ["1,000,000"]),
        (("sma_cross", "--seed", "-1"), "CONFIG_PARAMETER", 2, ["seed is -1"]),
        (("sma_cross", "--min-trades", "-1"), "CONFIG_PARAMETER", 2, ["min_trades is -1"]),
        (("sma_cross", "--objective", "sharp_ratio"), "CONFIG_OBJECTIVE", 2, ["did you mean sharpe_ratio"]),
        (("sma_cross", "--mode", "refitt"), "CONFIG_MODE", 2, ["did you mean refit"]),
        (("sma_cross", "--method", "bayes"), "CONFIG_METHOD", 2, ["did you mean bayesian"]),
        (("sma_cross", "--method", "bayesian", "--sampler", "tpee"), "CONFIG_METHOD", 2, ["'tpee'", "tpe, gp"]),
        (("sma_cross", "--regime", "bul"), "CONFIG_REGIME", 2, ["did you mean bull"]),
        (("sma_cross", "--walk-forward", "standrd"), "CONFIG_FOLDS", 2, ["did you mean standard"]),
        (("sma_cross", "--walk-forward", "60/30"), "CONFIG_FOLDS", 2, ["60/30/7"]),
        (("sma_cross", "--walk-forward", "nan/1/1"), "CONFIG_FOLDS", 2, ["nan/1/1"]),
        (("sma_cross", "--walk-forward", "9/inf/1"), "CONFIG_FOLDS", 2, ["9/inf/1"]),
        (("sma_cross", "--walk-forward", "0/5/0"), "CONFIG_FOLDS", 2, ["train > 0"]),
        (("sma_cross", "--walk-forward", "10/5/-1"), "CONFIG_FOLDS", 2, ["gap >= 0"]),
        (("sma_cross", "--walk-forward", "0.01/5/0"), "CONFIG_FOLDS", 2, ["shorter than a bar"]),
        (("sma_cross", "--walk-forward", "standard"), "CONFIG_FOLDS", 2, ["60 train + 7 gap + 2 × 30 test days = 127"]),
        (("sma_cross", "--walk-forward", "long"), "CONFIG_FOLDS", 2, ["100.0 days", "90 train + 7 gap + 30 test"]),
        (("sma_cross", "--bars", "0"), "CONFIG_PARAMETER", 2, ["bars is 0"]),
        (("sma_cross", "--bars", "20"), "DATA_TOO_FEW", 65, ["needs 40 bars", "there are 20"]),
        (("sma_cross", "--strategy-file", "no.py"), "CONFIG_STRATEGY_FILE", 2, ["no.py"]),
        (("sma_cross", "--set", "filter.action=dropp"), "CONFIG_FIELD", 2, ["did you mean drop"]),
        (("sma_cross", "--set", "filter.min_volume_threshold=1e12"), "DATA_TOO_FEW", 65, ["0 of 2400"]),
        (("htf_sweep", "--set", "htf=1h"), "CONFIG_TIMEFRAME", 2, ["whole multiple"]),
        (("liquidity_sweep", "--set", "max_spread_tolerance=5"), "CONFIG_BOOK_DATA", 2, ["spread_bps"]),
        (("liquidity_sweep", "--space", "max_spread_tolerance=1.0:10.0"), "CONFIG_BOOK_DATA", 2, ["spread_bps"]),
        (
            ("range_sweep", "--method", "grid", "--space", "N=1:1000", "--space", "p=0.001:0.01:1000",
             "--space", "k=1.0:2.0:1000"),
            "CONFIG_SPACE", 2, ["1e9 points", "1000 N × 1000 p × 1000 k"],
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_leaves_nothing(
    words: tuple[str, ...], code: str, exit_code: int, texts: list[str], _bad: Path
) -> None:
    before = left(_bad)
    error = refused(*words, *MARKET, home=_bad)
    assert (error["code"], error["exit"]) == (code, exit_code), error
    for text in texts:
        assert text in error["message"] + error["hint"], error
    assert len(error["message"]) < 1_000
    assert left(_bad) == before and statuses(_bad) == []
    with record_of(_bad) as record:
        assert record.ledger.count(KEY) == 0 and record.models.recent() == []


@pytest.fixture(scope="session")
def _bad(_stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that no refused command may change."""
    home = tmp_path_factory.mktemp("bad") / "home"
    shutil.copytree(_stocked, home)
    return home


def test_a_market_that_is_not_there_or_too_slow_for_a_configuration(_bad: Path) -> None:
    absent = refused("sma_cross", "-e", "test", "-s", "SILVER/USDT", "-t", "1h", home=_bad)
    assert (absent["code"], absent["exit"]) == ("DATA_NOT_FOUND", 65)
    error = refused("sma_cross", "-e", "test", "-s", "GOLD/USDT:USDT", "-t", "2h", home=_bad)
    assert error["exit"] in (2, 65) and statuses(_bad) == []


def test_a_rule_that_needs_volume_says_so(stocked: Path, tmp_path: Path) -> None:
    rows = "timestamp,open,high,low,close,volume\n" + "".join(
        f"{1_704_067_200_000 + 3_600_000 * t},{p},{p + 1},{p - 1},{p},\n"
        for t, p in enumerate(100 + np.cumsum(np.random.default_rng(0).normal(0, 0.3, 900)).round(2))
    )
    (tmp_path / "bare.csv").write_text(rows)
    bare = ("-e", "test", "-s", "BARE/USDT", "-t", "1h")
    assert assay("import", tmp_path / "bare.csv", *bare, home=stocked).code == 0
    error = refused("liquidity_sweep", *bare, home=stocked)
    assert (error["code"], error["exit"]) == ("DATA_VOLUME_MISSING", 65) and "liquidity_sweep" in error["message"]
    assert statuses(stocked) == []
    found = told("optimize", "sma_cross", *bare, "--trials", "10", "--min-trades", "1", home=stocked)
    assert found["valid_trials"] > 0 and found["best_parameters"]["allow_short"] is False  # spot
    assert found["metrics"]["total_trades"] > 0


@pytest.mark.parametrize(
    ("change", "code", "exit_code", "text"),
    [
        (("fall > 0", "fall > missing"), "TRAIN_STRATEGY", 1, "my_dip.py:20: strategy my_dip failed: NameError"),
        (("    return", "    raise SystemExit(0)\n    return"), "TRAIN_STRATEGY", 1,
         "my_dip.py:20: strategy my_dip failed: SystemExit: 0"),
        (("import numpy as np", "import sys; sys.exit(0)"), "CONFIG_STRATEGY_FILE", 2, "line 2: SystemExit: 0"),
        (('values["w"] + 1', 'values["v"] + 1'), "TRAIN_STRATEGY", 1, "my_dip.py:13: KeyError: 'v'"),
        (("edge=True", "egde=True"), "TRAIN_STRATEGY", 1, "my_dip.py:20: strategy my_dip failed: TypeError"),
        (("    return", "    return 5\n    return"), "TRAIN_STRATEGY", 1, "gave 5, must be Setups"),
        (("    return", "    bars.close[:] = 1.0\n    return"), "TRAIN_STRATEGY", 1, "wrote into close of the bars"),
        (("hold=fall > 0", "hold=fall[1:] > 0"), "TRAIN_STRATEGY", 1, "must be an array of bool and shape ("),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["random", "bayesian"])
def test_a_strategy_that_fails_shows_its_own_line(
    change: tuple[str, str], code: str, exit_code: int, text: str, method: str, stocked: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    file = own(tmp_path, text=OWN.replace(*change, 1))
    error = refused(*MARKET, "--strategy-file", file, "--method", method, home=stocked)
    assert (error["code"], error["exit"]) == (code, exit_code), error
    assert text in error["message"], error
    assert statuses(stocked) == [], "a strategy that fails at its defaults is refused before a run begins"
    assert not [file for file in left(stocked) if file.startswith(("models", "searches"))]
    assert told("config", "list", home=stocked)["configurations"] == []


def test_a_strategy_that_fails_at_one_candidate_names_it(stocked: Path, tmp_path: Path) -> None:
    file = own(tmp_path, last="assert w != 30, 'not thirty'")
    error = refused(*MARKET, "--strategy-file", file, "--space", "w=28:32", "--method", "grid", home=stocked)
    assert error["code"] == "TRAIN_STRATEGY" and "not thirty (candidate w = 30)" in error["message"]
    assert (error["facts"]["file"], error["facts"]["line"]) == ("my_dip.py", 20)


PEEKS = '''
import numpy as np
from assay.learn.strategies import Entries, Structural, strategy

@strategy("peeks", {"window": Structural(3, search=(2, 3, 4))}, lookback=10, needs_volume=False, sizing="fixed")
def peeks(bars, *, window):
    """Buys where the next close is higher."""
    rises = np.r_[bars.close[1:] > bars.close[:-1], False]
    return Entries(rises.astype(np.int8))
'''


@pytest.mark.parametrize("command", ["optimize", "backtest", "train"])
def test_a_strategy_that_peeks_is_refused_with_the_bar_before_a_run_begins(
    stocked: Path, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "peeks.py"
    file.write_text(PEEKS, encoding="utf-8")
    words = {"optimize": ["optimize"], "backtest": ["backtest"], "train": ["train", "rules", "--set", "strategy=peeks"]}
    said = assay(*words[command], *MARKET, "--strategy-file", file, "--json", home=stocked)
    assert said.code == 3 and said.error["code"] == "LEAK_STRATEGY", said
    assert "peeks: long in row" in said.error["message"] and "Z)" in said.error["message"]
    assert statuses(stocked) == []


def test_train_takes_the_hash_of_the_file_that_it_is_given(stocked: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        PEEKS.replace("np.r_[bars.close[1:] > bars.close[:-1], False]", "bars.close > bars.open"), encoding="utf-8"
    )
    words = [word for pair in ("strategy=peeks", "method=grid", "min_trades=0") for word in ("--set", pair)]
    found = told("train", "rules", *MARKET, "--strategy-file", file, *words, home=stocked)
    assert len(found["origin"]) == 64 and found["trials"] == 3 * len(found["windows"])
