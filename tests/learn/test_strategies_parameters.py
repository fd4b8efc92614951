"""Declared parameters, conditions between them, what is given by hand, the registry, files of the user's own."""

import numpy as np
import pytest

from assay.kernel.errors import ConfigError, DataError
from assay.learn.strategies import (
    Exit,
    Range,
    Structural,
    Threshold,
    all_strategies,
    load_strategy_file,
    strategy_named,
)
from assay.learn.strategies.parameters import Constraint
from tests.learn.strategy_bars import lively

RULES = all_strategies()


@pytest.mark.parametrize(
    ("low", "high", "more"),
    [
        (2, 1, {}), (1, 1, {}), (float("nan"), 1, {}), (0, float("inf"), {}), ("1", 2, {}), (True, 2, {}),
        (0, 1, {"log": True}), (1, 2, {"step": 0}), (1, 2, {"step": -1}), (1, 2, {"step": float("nan")}),
    ],
)  # fmt: skip
def test_ranges_that_are_none(low, high, more):
    with pytest.raises(ConfigError) as caught:
        Range(low, high, **more)
    assert caught.value.code == "CONFIG_SPACE"


def test_ranges_know_whether_they_hold_whole_numbers():
    assert Range(1, 5).integers
    assert Range(1, 5, step=2).integers
    assert not Range(1, 5, step=0.5).integers
    assert not Range(1.0, 5).integers


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (Structural(3), [1, 10**6], [0, -1, 1.0, True, "3", None]),
        (Exit(3, zero=True), [0, 7], [-1, 0.5, False]),
        (Threshold(0.5), [1, 1e-9, 7.5], [0, -0.5, float("nan"), float("inf"), "0.5", True, None]),
        (Threshold(0.0, zero=True), [0, 2.0], [-1e-9]),
        (Exit(1.0, most=1.0), [0.1, 1], [1.01]),
        (Threshold(None, search=Range(0.5, 0.7)), [None, 0.5], ["off", 0]),
        (Structural(True), [True, False], [1, 0, "true"]),
        (Exit("fixed", options=("fixed", "risk")), ["risk"], ["kelly", 1, None]),
        (Structural(None, options=("1h", "4h")), [None, "4h"], ["7h"]),
    ],
)
def test_what_may_be_given(parameter, good, bad):
    for value in good:
        given = parameter.check("x", value)
        assert given == value
        assert given is None or type(given) is parameter.type
    for value in bad:
        with pytest.raises(ConfigError, match=r"x is .*, must be ") as caught:
            parameter.check("x", value)
        assert caught.value.code == "CONFIG_PARAMETER"


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("fast < slow", True), ("fast*4 <= slow", True), ("fast*5 <= slow", False), ("1 < fast < slow", True),
        ("fast + 30 >= slow and slow != 41", True), ("slow / none > 1", False), ("-fast > -slow", True),
        ("slow / zero > 1", False), ("slow - 30 == fast", True),
    ],
)  # fmt: skip
def test_conditions(text, holds):
    values = {"fast": 10, "slow": 40, "zero": 0, "none": None}
    assert Constraint(text, values)(values) is holds


@pytest.mark.parametrize(
    "text",
    [
        "", "fast", "fast <", "fast < slower", "fast < slow or slow < fast", "__import__('os')", "fast < slow.real",
        "fast < (lambda: 1)()", "fast < [1][0]", "fast ** 9 < slow", "fast < 'a'", "fast < True", "fast if slow else 1",
        "not fast < slow", "(fast := 1) < 2", "fast in slow", "f'{fast}' < slow", "fast < 1" + "0" * 300, "(" * 150,
    ],
)  # fmt: skip
def test_nothing_else_is_a_condition(text):
    with pytest.raises(ConfigError) as caught:
        Constraint(text, ["fast", "slow"])
    assert caught.value.code == "CONFIG_SPACE"


@pytest.mark.parametrize("name", RULES)
def test_defaults_are_sound_and_inside_what_is_searched(name):
    rule = RULES[name]
    values = rule.resolve()
    assert values == rule.defaults == rule.resolve(values)
    for key, space in rule.space.items():
        default = values[key]
        inside = space.low <= default <= space.high if isinstance(space, Range) else default in space
        assert inside, key
    kinds = [rule.of_kind(kind) for kind in (Structural, Threshold, Exit)]
    assert sum(len(kind) for kind in kinds) == len(rule.parameters)
    assert rule.summary and rule.docs.startswith(rule.summary)
    assert rule.min_trades == (3 if name in ("failed_breakdown", "divergence_capitulation") else 10)
    assert rule.two_sided == ("allow_short" in rule.parameters)


def test_sizing_is_by_risk_where_there_is_a_stop():
    sizing = {name: rule.defaults.get("sizing", "fixed") for name, rule in RULES.items()}
    assert {name for name, way in sizing.items() if way == "fixed"} == {"sma_cross", "range_sweep"}


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"fats": 3}, "did you mean fast"),
        ({"fast": 40}, "needs fast < slow: fast is 40, slow is 40"),
        ({"fast": 0}, "an integer >= 1"),
        ({"slow": 40.0}, "an integer >= 1"),
        ({"share": 1.5}, "<= 1"),
        ({"\u202efast": 3}, "u202e"),
    ],
)
def test_what_is_given_by_hand_is_checked(given, match):
    with pytest.raises(ConfigError, match=match) as caught:
        strategy_named("sma_cross").resolve(given)
    assert caught.value.code == "CONFIG_PARAMETER"


def test_search_ranges_do_not_bound_what_is_given_by_hand():
    assert strategy_named("sma_cross").resolve({"fast": 2, "slow": 4})["slow"] == 4


def test_bars_that_cannot_serve():
    rule = strategy_named("liquidity_sweep")
    bars = lively(200)
    values = rule.resolve()
    rule.demand(bars, values)
    rule.demand(bars[:105], values)
    with pytest.raises(DataError, match="needs 105 bars, there are 104") as few:
        rule.demand(bars[:104], values)
    assert (few.value.code, few.value.facts["have"], few.value.facts["need"]) == ("DATA_TOO_FEW", 104, 105)
    for volume in (None, np.full(200, np.nan)):
        mute = type(bars)(bars.instrument, bars.timestamp, bars.open, bars.high, bars.low, bars.close, volume)
        with pytest.raises(DataError, match="needs volume") as deaf:
            rule.demand(mute, values)
        assert deaf.value.code == "DATA_VOLUME_MISSING"
        strategy_named("sma_cross").demand(mute, strategy_named("sma_cross").resolve())
    with pytest.raises(ConfigError, match="no column spread_bps") as book:
        rule.demand(bars, rule.resolve({"max_spread_tolerance": 3.0}))
    assert book.value.code == "CONFIG_BOOK_DATA"
    assert "max_spread_tolerance" not in rule.space  # searched only where the column is


@pytest.mark.parametrize(("timeframe", "htf"), [("1h", "1h"), ("1h", "15m"), ("8h", "12h"), ("1d", None), ("3d", "1w")])
def test_the_higher_timeframe_is_a_whole_multiple(timeframe, htf):
    rule = strategy_named("htf_sweep")
    with pytest.raises(ConfigError) as caught:
        rule.lookback(rule.resolve({"htf": htf}), timeframe)
    assert caught.value.code == "CONFIG_TIMEFRAME"


@pytest.mark.parametrize(
    ("timeframe", "rows"), [("1m", 60), ("5m", 12), ("15m", 16), ("30m", 8), ("1h", 24), ("4h", 6)]
)
def test_the_usual_higher_timeframe(timeframe, rows):
    rule = strategy_named("htf_sweep")
    assert rule.lookback(rule.resolve(), timeframe) == 22 * rows


def test_lookbacks_at_the_defaults():
    rows = {name: rule.lookback(rule.resolve(), "1h") for name, rule in RULES.items()}
    assert rows == {
        "sma_cross": 39, "liquidity_sweep": 104, "capitulation_reversal": 50, "failed_breakdown": 99, "htf_sweep": 528,
        "volume_breakout": 35, "divergence_capitulation": 800, "range_sweep": 20,
    }  # fmt: skip


def test_names_of_strategies():
    with pytest.raises(ConfigError, match="did you mean liquidity_sweep") as typo:
        strategy_named("liqidity_sweep")
    assert typo.value.code == "CONFIG_STRATEGY"
    with pytest.raises(ConfigError, match="news feed") as planned:
        strategy_named("supply_shock")
    assert planned.value.code == "CONFIG_STRATEGY"
    assert "Without time-stamped headlines" in planned.value.hint


OWN = """
import numpy as np
from assay.learn.strategies import Setups, Side, Structural, Threshold, Exit, Range, sma_cross, strategy

@strategy("my_dip", {"w": Structural(3, search=Range(2, 9)), "depth": Threshold(0.01)}, lookback=lambda v, tf: v["w"])
def rule(bars, *, w):
    '''Buys dips.'''
    drop = np.full(len(bars), np.nan)
    drop[w:] = 1 - bars.close[w:] / bars.close[:-w]
    return Setups(Side(drop > 0, {"depth": drop}, stop_base=0.02 * bars.close))
""".replace(", sma_cross", "")


def own(folder, text):
    path = folder / "my.py"
    path.write_text(text, encoding="utf-8")
    return load_strategy_file(path)


def test_a_strategy_of_the_users_own(tmp_path):
    rule = own(tmp_path, OWN)
    assert (rule.name, rule.summary, len(rule.origin)) == ("my_dip", "Buys dips.", 64)
    bars = lively(100)
    assert rule.entries(bars, rule.resolve({"depth": 0.001})).side.any()
    assert own(tmp_path, OWN + "\n# changed\n").origin != rule.origin


def test_a_file_may_import_one_of_ours_beside_its_own(tmp_path):
    text = "from assay.learn.strategies.sma_cross import sma_cross\nfrom math import pi\n" + OWN
    assert own(tmp_path, text).name == "my_dip"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("x = 1\n", "declares no strategy"),
        ("def f(:\n", "line 1: invalid syntax"),
        ("import math\n\nmath.sqrt(-1)\n", "line 3: ValueError"),
        ("import nowhere_at_all\n", "line 1: ModuleNotFoundError"),
        (OWN + OWN.replace("my_dip", "mine_too").replace("def rule", "def second"), "declares 2 strategies"),
        (OWN.replace("my_dip", "range_sweep"), "already"),
        (OWN.replace("my_dip", "supply_shock"), "already"),
    ],
)
def test_files_that_declare_no_strategy_of_their_own(tmp_path, text, match):
    with pytest.raises(ConfigError, match=match) as caught:
        own(tmp_path, text)
    assert caught.value.code == "CONFIG_STRATEGY_FILE"


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"'none\.py' cannot be read"):
        load_strategy_file(tmp_path / "none.py")


def test_a_declaration_in_a_file_that_contradicts_itself_says_so(tmp_path):
    with pytest.raises(ConfigError, match="structural parameters are") as caught:
        own(tmp_path, OWN.replace("def rule(bars, *, w)", "def rule(bars)"))
    assert caught.value.code == "CONFIG_STRATEGY"
