"""Strategies and features of a user's file whose functions run in a closed process alone."""

import gc
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay.features import table
from assay.features.user_features import load_feature_file
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, LeakError, TrainError
from assay.learn.strategies import Strategy, load_strategy_file
from assay.learn.strategies.checks import setup_columns
from assay.market.sources.synthetic import synthetic
from assay.validate.isolation import isolated_feature_file, isolated_strategy, source_gaps
from assay.validate.isolation.messages import Message
from assay.validate.isolation.user_files import IsolatedRule

HEAD = """
import sys
import numpy as np
from assay.learn.strategies import Entries, Range, Setups, Side, State, Structural, Threshold, Exit, strategy
sys.ran_here = True
"""
DECLARED = """
@strategy("mine", {"w": Structural(12, search=Range(4, 40, 2), unit="bars"), "depth": Threshold(0.01, zero=True,
          search=Range(0.001, 0.1, log=True)), "kind": Structural("a", options=("a", "b"), search=("a", "b")),
          "risk_reward_ratio": Exit(2.0, search=(1.0, 2.0))}, constraints=("w < 100",), two_sided=True,
          lookback=lambda values, timeframe: values["w"] + (1 if timeframe.ms else 0), min_trades=7, calendar=True)
def mine(bars, w, kind):
    \"\"\"Buys a fall.

    And says why.
    \"\"\"
    fall = np.full(len(bars), np.nan)
    fall[w:] = 1 - bars.close[w:] / bars.close[:-w]
    stop = np.abs(bars.high - bars.low) + 1e-9
    return Setups(Side(np.isfinite(fall), {"depth": fall}, stop_base=stop, stop_unit=1, confidence=None),
                  Side(fall < 0, {"depth": -fall}, stop_base=stop, stop_unit=0.5), edge=kind == "a")
"""
SIMPLE = """
@strategy("mine", {{}}, lookback=30, two_sided=True, {more})
def mine(bars):
    up, down = np.convolve(bars.close, np.ones(5) / 5)[: len(bars)], np.r_[np.full(9, np.nan), bars.close[:-9]]
    return {gives}
"""
FORMS = {
    "setups": HEAD + DECLARED,
    "crossing": HEAD + SIMPLE.format(more="sizing='fixed'", gives="Setups.crossing(up, down)"),
    "levels": HEAD + SIMPLE.format(more="", gives="Setups.crossing(up, down, stop_base=3, confidence=np.abs(up) % 1)"),
    "entries": HEAD
    + SIMPLE.format(more="sizing='fixed'", gives="Entries(np.sign(np.nan_to_num(up - down)).astype(np.int8))"),
    "state": HEAD + SIMPLE.format(more="state=True", gives="State(np.sign(np.nan_to_num(up - down)))"),
    "above": HEAD + SIMPLE.format(more="state=True", gives="State.above(up, down, equal=0.001)"),
}


@pytest.fixture(scope="module")
def bars() -> Bars:
    return synthetic(bars=600, seed=4, symbol="GOLD/USDT:USDT")


def written(folder: Path, text: str, name: str = "mine.py") -> Path:
    file = folder / name
    file.write_text(text)
    return file


@pytest.mark.parametrize("form", FORMS)
def test_it_declares_and_decides_as_the_file_does(form: str, tmp_path: Path, bars: Bars) -> None:
    file = written(tmp_path, FORMS[form])
    isolated = isolated_strategy(file)
    assert not hasattr(sys, "ran_here"), "not even its imports run here"
    here = load_strategy_file(file)
    del sys.ran_here  # type: ignore[attr-defined]
    functions = {"rule", "reads", "constraints"}
    for name in set(Strategy.__slots__) - functions:
        assert getattr(isolated, name) == getattr(here, name), name
    assert [each.text for each in isolated.constraints] == [each.text for each in here.constraints]
    assert list(isolated.parameters) == list(here.parameters)
    values = here.resolve({"w": 20, "kind": "b"} if form == "setups" else {})
    assert isolated.lookback(values, "4h") == here.lookback(values, "4h")
    one, other = isolated.setups(bars, values), here.setups(bars, values)
    assert type(one) is type(other)
    for name, rows in setup_columns(other).items():
        np.testing.assert_array_equal(setup_columns(one)[name], rows, err_msg=name)
    made, expected = isolated.decisions(bars, values), here.decisions(bars, values)
    for name in ("target", "stop", "take", "hold"):
        np.testing.assert_array_equal(getattr(made, name), getattr(expected, name), err_msg=name)
    assert np.isfinite(expected.target).any() and source_gaps(isolated) == ()


def test_what_it_patches_is_not_what_judges(tmp_path: Path, bars: Bars) -> None:
    body = FORMS["crossing"].replace(
        "    up, down",
        "    for name in list(sys.modules):\n        if name.startswith('assay.'):\n            del sys.modules[name]\n"
        "    import gc\n    for each in gc.get_objects():\n"
        "        if type(each) is dict and 'demand_shapes' in each: each['demand_shapes'] = None\n    up, down",
    )  # fmt: skip
    rule = isolated_strategy(written(tmp_path, body))
    with pytest.raises(TrainError):
        rule.setups(bars, rule.defaults)
    sound = isolated_strategy(written(tmp_path, FORMS["crossing"], "other.py"))
    assert len(sound.decisions(bars, sound.defaults)) == len(bars)


def test_one_process_serves_all_threads_and_ends_with_the_last_strategy(tmp_path: Path, bars: Bars) -> None:
    file = written(tmp_path, FORMS["above"])
    rule, again = isolated_strategy(file), isolated_strategy(file)
    assert isinstance(rule.rule, IsolatedRule) and isinstance(again.rule, IsolatedRule)
    assert rule.rule.process is again.rule.process
    process = rule.rule.process._process
    assert process is not None
    with ThreadPoolExecutor(4) as pool:
        several = [pool.submit(rule.decisions, bars[: 300 + n], rule.defaults) for n in range(40)]
        answers = [each.result().target[:300] for each in several]
    for each in answers:
        np.testing.assert_array_equal(each, answers[0])
    others = [isolated_strategy(written(tmp_path, FORMS["above"] + f"# {n}")) for n in range(2)]
    del rule, several
    gc.collect()
    assert process.poll() is None and len(again.decisions(bars, again.defaults)) == len(bars)
    del again
    gc.collect()
    assert process.poll() is not None and len(others) == 2


def test_it_starts_again_after_a_crash(tmp_path: Path, bars: Bars) -> None:
    body = FORMS["crossing"].replace("    up, down", "    if len(bars) == 99: sys.modules['os']._exit(3)\n    up, down")
    rule = isolated_strategy(written(tmp_path, body))
    with pytest.raises(TrainError, match="ended its process with exit status 3"):
        rule.decisions(bars[:99], rule.defaults)
    assert len(rule.decisions(bars, rule.defaults)) == len(bars)


def test_what_it_tries_is_refused_whenever_it_tries(tmp_path: Path, bars: Bars) -> None:
    body = FORMS["crossing"].replace("    up, down", "    if len(bars) == 99: open('/etc/hostname')\n    up, down")
    rule = isolated_strategy(written(tmp_path, body))
    assert len(rule.decisions(bars, rule.defaults)) == len(bars)
    with pytest.raises(LeakError, match=r"mine.py:\d+ opens the file '/etc/hostname'") as refused:
        rule.decisions(bars[:99], rule.defaults)
    assert refused.value.facts["violations"][0]["probe"] == "outside"
    with pytest.raises(LeakError, match=r"mine\.py:2 opens the file"):
        isolated_strategy(written(tmp_path, "\nopen('/etc/hostname')\n" + FORMS["above"]))


@pytest.mark.parametrize(
    ("forged", "text"),
    [
        ("'name': 'mine'", "declares no strategy"),
        ("'strategy': {'name': 3}", "declares no strategy"),
        ("'strategy': {'name': 'x', 'docs': '', 'parameters': [{'name': 'w', 'kind': 'odd'}]}", "declares no strategy"),
    ],
)
def test_a_forged_declaration_is_none(forged: str, text: str, tmp_path: Path) -> None:
    document = forged.replace("'strategy': ", "**")
    forge = f"import assay.validate.isolation.declarations as d\nd.strategy_document = lambda rule: {{{document}}}\n"
    with pytest.raises(ConfigError, match=text) as refused:
        isolated_strategy(written(tmp_path, forge + FORMS["above"]))
    assert refused.value.code == "CONFIG_STRATEGY_FILE"


def test_features_are_computed_there_alone(tmp_path: Path, bars: Bars) -> None:
    file = written(
        tmp_path,
        "import sys\nsys.ran_here = True\nfrom assay.features import feature\n"
        "@feature(lookback=3, unit='quote', level=False, calendar=True, needs=('volume',))\n"
        "def mine(study):\n    return study.bars.close - study.column('close_lag_3')\n"
        "@feature(lookback=5, unit='ratio', clock='higher', windowed=False, group='g')\n"
        "def other(study):\n    return study.column('mine') * 2\n"
        "@feature(lookback=0, unit='ratio')\ndef broken(study):\n    raise ValueError('never asked')\n",
    )
    isolated = isolated_feature_file(file)
    assert not hasattr(sys, "ran_here")
    here = load_feature_file(file)
    del sys.ran_here  # type: ignore[attr-defined]
    assert isolated.digest == here.digest and isolated.code == here.code
    for one, other in zip(isolated.declared, here.declared, strict=True):
        for name in set(type(one).__slots__) - {"compute"}:
            assert getattr(one, name) == getattr(other, name), name
    names = ["mine", "other", "mine_lag_2", "mine_rel"]
    made = [table(bars, names, levels=True, own=each.columns) for each in (isolated, here)]
    np.testing.assert_array_equal(made[0].values, made[1].values)
    assert made[0].lookbacks == made[1].lookbacks
    with pytest.raises(TrainError, match=r"mine.py:12: feature broken: ValueError: never asked"):
        table(bars, ["broken"], own=isolated.columns)


def test_one_that_never_answers_is_stopped(tmp_path: Path, bars: Bars) -> None:
    body = FORMS["crossing"].replace("    up, down", "    while len(bars) == 99: pass\n    up, down")
    rule = isolated_strategy(written(tmp_path, body))
    assert isinstance(rule.rule, IsolatedRule)
    rule.rule.process.limits = replace(rule.rule.process.limits, seconds=1.0)
    began = time.monotonic()
    with pytest.raises(TrainError, match="gave no answer within 1 s"):
        rule.decisions(bars[:99], rule.defaults)
    assert time.monotonic() - began < 60


def test_candles_that_it_could_not_read_are_sent_again(
    tmp_path: Path, bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an error nobody knows which candles the process holds: it must not answer for the ones of before."""
    rule = isolated_strategy(written(tmp_path, FORMS["crossing"]))
    first, second = bars[:500], bars[100:600]
    assert isinstance(rule.rule, IsolatedRule)
    rule.setups(first, rule.defaults)
    with monkeypatch.context() as patched:
        patched.setattr(
            "assay.validate.isolation.process.bars_message", lambda facts, _: Message({**facts, "market": {}})
        )
        with pytest.raises(TrainError):
            rule.setups(second, rule.defaults)
    again, expected = rule.setups(second, rule.defaults), load_strategy_file(tmp_path / "mine.py").setups(second, {})
    del sys.ran_here  # type: ignore[attr-defined]
    for name, rows in setup_columns(expected).items():
        np.testing.assert_array_equal(setup_columns(again)[name], rows)


def test_gaps_of_a_file_that_runs_here_are_named_as_well(tmp_path: Path) -> None:
    path = written(tmp_path, FORMS["above"])
    here = replace(load_strategy_file(path), rule=len)
    del sys.ran_here  # type: ignore[attr-defined]
    assert source_gaps(here) == ("len is no Python function: its source is not known",)
