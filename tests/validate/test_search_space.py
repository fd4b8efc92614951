"""Spaces: what is read, what is refused, and how grid and random walk through them."""

import itertools
import json
import logging
import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError
from assay.learn.strategies.parameters import Range
from assay.learn.strategies.registry import all_strategies, strategy_named
from assay.validate.search.dimensions import Categorical, FloatRange, IntRange
from assay.validate.search.optuna_sampler import Bayesian
from assay.validate.search.sampler import Grid, Method, Random, Row
from assay.validate.search.space import Point, Space, key


def points(method: Method, space: Space, trials: int = 100, *, seed: int = 5, batch: int = 16) -> list[Point]:
    """What a method asks for when every point is worth its place."""
    session = method.start(space, trials=trials, batch=batch, seed=seed, identity="test")
    found: list[Point] = []
    while asked := session.ask():
        assert len(asked) <= batch
        for each in asked:
            found.append(each.point)
            session.tell(Row(len(found), each.point, float(len(found)), True, "", 20, {}, len(found)))
    return found


def test_python_values_and_tables_name_the_same_space() -> None:
    written = Space.of({"p": (0.001, 0.005), "n": (2, 9), "c": ["a", "b", None]}, ["n > 3"])
    document = json.loads(
        '{"p": {"type": "float", "low": 0.001, "high": 0.005}, "n": {"type": "int", "low": 2, "high": 9},'
        ' "c": {"type": "choice", "values": ["a", "b", null]}}'
    )
    assert Space.of(document, ["n > 3"]).as_text() == written.as_text()
    assert written.dimensions == {
        "p": FloatRange(0.001, 0.005),
        "n": IntRange(2, 9),
        "c": Categorical(("a", "b", None), False),
    }
    assert Space.of({"r": Range(2, 8, 2)}).dimensions["r"] == Categorical((2, 4, 6, 8), True)
    stepped = Space.of({"x": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1}}).dimensions["x"]
    assert stepped == Categorical((0.1, 0.2, 0.3, 0.4, 0.5), True)
    whole = Space.of({"x": {"type": "float", "low": 1, "high": 3}}).dimensions["x"]
    assert whole == FloatRange(1.0, 3.0)


@pytest.mark.parametrize(
    ("given_space", "said"),
    [
        ({}, "empty"),
        ({"p": []}, "p has no values"),
        ({"p": {"type": "choice", "values": []}}, "p has no values"),
        (None, "the space is None, must be a table"),
        ([("p", (1, 2))], "must be a table"),
        ({"": (1, 2)}, "name '', must be a text"),
        ({3: (1, 2)}, "name 3, must be a text"),
        ({"p": (3, 1)}, r"p is upside down: 3\.\.1, low must lie below high"),
        ({"p": (2.0, 2.0)}, r"p has no width: 2\.0\.\.2\.0, low must lie below high"),
        ({"p": {"type": "int", "low": 5, "high": 5}}, r"p has no width: 5\.\.5"),
        ({"p": (math.nan, 2.0)}, "p has low nan, must be a finite number"),
        ({"p": (1.0, math.inf)}, "p has high inf, must be a finite number"),
        ({"p": (True, False)}, "p has low True, must be a finite number"),
        ({"p": (-1e308, 1e308)}, r"p has low -1e\+308, .* within ±1e\+15"),
        ({"p": (1, 10**40)}, r"p has high 10000.*within ±1e\+15"),
        ({"p": {"type": "float", "low": "a", "high": 1}}, "p has low 'a'"),
        ({"p": {"type": "float", "low": -1, "high": 1, "log": True}}, "p .*logarithmic.*low > 0, has -1"),
        ({"p": {"type": "int", "low": 0, "high": 9, "log": True}}, "p .*logarithmic.*low > 0, has 0"),
        ({"p": {"type": "float", "low": 0.0, "high": 1e15, "step": 1e-308}}, "p has inf values"),
        ({"p": {"type": "float", "low": 0.0, "high": 1.0, "step": math.nan}}, "p has step nan"),
        ({"p": {"type": "float", "low": 0, "high": 1, "log": True}}, "p .*logarithmic.*low > 0"),
        ({"p": {"type": "float", "low": 0.1}}, "p lacks high"),
        ({"p": {"type": "flaot", "low": 0.1, "high": 1}}, "did you mean float"),
        ({"p": {"type": "int", "low": 1, "high": 2.5}}, "type int"),
        ({"p": {"type": "int", "low": 1, "hihg": 2}}, "did you mean high"),
        ({"p": {"type": "float", "low": 0.0, "high": 1.0, "step": 0}}, "step"),
        ({"p": {"type": "float", "low": 0.0, "high": 1.0, "step": 2.0}}, "p has 1 values .*, must be 2 to 1,000,000"),
        ({"p": {"type": "float", "low": 0.0, "high": 1.0, "step": 1e-9}}, "p has .* values"),
        ({"p": {"type": "float", "low": 0.0, "high": 1.0, "points": 1}}, "points"),
        ({"p": [1, 1]}, "twice"),
        ({"p": [math.nan]}, "plain"),
        ({"p": "0..1"}, "must be"),
        ({"p": (1, 2, 3)}, "must be"),
    ],
)
def test_what_is_refused(given_space: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Space.of(given_space)
    assert caught.value.code == "CONFIG_SPACE"


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean fast") as caught:
        Space.of_strategy(strategy_named("sma_cross"), {"fats": (3, 9)})
    assert (caught.value.code, caught.value.facts["field"]) == ("CONFIG_SPACE", "fats")
    with pytest.raises(ConfigError, match="which is no parameter"):
        Space.of({"a": (1, 2)}, ["a < b"])
    for code in ("__import__('os').system('x') < a", "a.real < 2", "[a][0] < 2", "(lambda: a)() < 2"):
        with pytest.raises(ConfigError) as caught:
            Space.of({"a": (1, 2)}, [code])
        assert caught.value.code == "CONFIG_SPACE"


def test_a_rule_brings_its_space_and_constraints() -> None:
    for name, rule in all_strategies().items():
        space = Space.of_strategy(rule)
        for point in points(Random(), space, 20):
            rule.resolve(point)
            assert set(point) == set(rule.space), name
    narrow = Space.of_strategy(strategy_named("sma_cross"), {"fast": (30, 50)})  # slow stays at its default of 40
    assert sorted(p["fast"] for p in points(Random(), narrow)) == list(range(30, 40))


@pytest.mark.parametrize("method", [Grid(), Random(), Bayesian()])
def test_a_space_that_refuses_everything_is_refused(method: Method) -> None:
    space = Space.of({"a": (1, 9), "b": (20, 30)}, ["b < a"])
    with pytest.raises(ConfigError, match="b < a") as caught:
        points(method, space)
    assert caught.value.code == "CONFIG_SPACE"
    continuous = Space.of({"a": (0.0, 1.0)}, ["a > 2"])
    with pytest.raises(ConfigError, match=re.escape("a > 2")):
        points(method, continuous)


def test_grid_is_the_product_in_declared_order() -> None:
    space = Space.of({"a": ["x", "y"], "b": (1, 3), "c": (0.0, 1.0)})
    wanted = [{"a": a, "b": b, "c": c} for a, b, c in itertools.product("xy", (1, 2, 3), (0.0, 0.25, 0.5, 0.75, 1.0))]
    assert points(Grid(), space, batch=7) == wanted
    three = Space.of({"c": {"type": "float", "low": 0.01, "high": 1.0, "points": 3, "log": True}})
    assert points(Grid(), three) == [{"c": 0.01}, {"c": 0.1}, {"c": 1.0}]


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4), least=st.integers(0, 8))
@settings(max_examples=40, deadline=None)
def test_grid_order_and_count(sizes: list[int], least: int) -> None:
    names = [f"p{k}" for k in range(len(sizes))]
    values = {n: list(range(size)) for n, size in zip(names, sizes, strict=True)}
    space = Space.of(values, [f"{' + '.join(names)} >= {least}"])
    wanted = [dict(zip(names, each, strict=True)) for each in itertools.product(*values.values()) if sum(each) >= least]
    assert Grid().count_points(space, 1) == math.prod(sizes) == space.count
    assert [space.point_at(k) for k in range(math.prod(sizes))] == [
        dict(zip(names, each, strict=True)) for each in itertools.product(*values.values())
    ]
    if wanted:
        assert points(Grid(), space) == wanted
        drawn = points(Random(), space, 1000)
        assert sorted(map(key, drawn)) == sorted(map(key, wanted)), "random exhausts what the grid has"


def test_a_grid_beyond_reason_is_refused_before_it_is_built(caplog: pytest.LogCaptureFixture) -> None:
    huge = Space.of({"a": (1, 1_000_000), "b": (1, 1_200_000)})
    with pytest.raises(ConfigError, match=r"1\.2e12.*1e6.*random") as caught:
        Grid().count_points(huge, 1)
    assert caught.value.code == "CONFIG_SPACE"
    assert "1000000 a × 1200000 b" in caught.value.message
    assert Grid(max_points=2 * 10**12).count_points(huge, 1) == 12 * 10**11
    with pytest.raises(ConfigError, match="max_points"):
        Grid(max_points=0)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        Grid().count_points(Space.of({"a": (1, 10_000)}), 1)
        assert not caplog.records
        Grid().count_points(Space.of({"a": (1, 10_001)}), 1)
    assert "10,001" in caplog.text


@pytest.mark.parametrize("trials", [0, -1, 10**9, 2.5, True])
@pytest.mark.parametrize("method", [Random(), Bayesian()])
def test_trials_beyond_reason_are_refused(method: Method, trials: Any) -> None:
    with pytest.raises(ConfigError, match="trials") as caught:
        method.count_points(Space.of({"a": (0.0, 1.0)}), trials)
    assert (caught.value.code, caught.value.facts["field"]) == ("CONFIG_SPACE", "trials")


@given(
    low=st.floats(-10, 10),
    width=st.floats(1e-5, 20),
    top=st.integers(2, 30),
    seed=st.integers(0, 2**31),
    n=st.integers(1, 60),
)
@settings(max_examples=40, deadline=None)
def test_random_points_are_distinct_inside_and_allowed(low: float, width: float, top: int, seed: int, n: int) -> None:
    space = Space.of({"x": (low, low + width), "n": (1, top), "k": [3, 9, 27]}, ["n <= k"])
    found = points(Random(), space, n, seed=seed)
    assert len(found) == n
    assert len({key(p) for p in found}) == n
    assert found == points(Random(), space, n, seed=seed, batch=3), "batches change nothing"
    for p in found:
        assert low <= p["x"] <= low + width
        assert 1 <= p["n"] <= min(top, p["k"])
        assert p["k"] in (3, 9, 27)


@given(low=st.integers(0, 20), high=st.integers(21, 60), seed=st.integers(0, 2**31))
@settings(max_examples=4, deadline=None)
def test_bayesian_points_are_distinct_and_allowed(low: int, high: int, seed: int) -> None:
    space = Space.of({"a": (low, high), "b": (0, 40), "x": (0.0, 1.0)}, ["a < b + 30 * x"])
    found = points(Bayesian(), space, 36, seed=seed)
    assert len({key(p) for p in found}) == len(found) == 36
    assert all(space.holds(p) for p in found)


def test_floats_are_rounded_to_six_decimals() -> None:
    space = Space.of({"x": (0.0, 1.0), "tiny": {"type": "float", "low": 1e-8, "high": 1e-3, "log": True}})
    for point in [*points(Random(), space, 50), *points(Bayesian(), space, 30)]:
        assert point["x"] == round(point["x"], 6)
        assert 1e-8 <= point["tiny"] <= 1e-3
    assert len({p["tiny"] for p in points(Random(), space, 50)}) == 50


@pytest.mark.parametrize("method", [Random(), Bayesian()])
def test_an_exhausted_space_ends_early_and_says_so(method: Method) -> None:
    space = Space.of({"a": (1, 5), "b": [True, False], "c": [[1], [1, 2]]}, ["a != 3"])
    session = method.start(space, trials=50, batch=16, seed=1, identity="e")
    found = []
    while asked := session.ask():
        for each in asked:
            found.append(each.point)
            session.tell(Row(0, each.point, 1.0, True, "", 9, {}, 1))
    assert len({key(p) for p in found}) == len(found) == 16
    assert session.note == "the space is exhausted: 16 distinct points of 50 trials"


def test_bayesian_finds_a_peak_better_than_chance() -> None:
    space = Space.of({"x": (0.0, 10.0), "n": (0, 50)})

    def worth(p: Point) -> float:
        return -((p["x"] - 7.3) ** 2) - ((p["n"] - 31) / 5) ** 2

    means = {}
    for method in (Random(), Bayesian()):
        session = method.start(space, trials=90, batch=16, seed=4, identity="p")
        values = []
        while asked := session.ask():
            for each in asked:
                values.append(worth(each.point))
                session.tell(Row(0, each.point, values[-1], True, "", 9, {}, 1))
        means[method.name] = sum(values[-40:]) / 40
    assert means["bayesian"] > means["random"] / 3


def test_the_gaussian_process_asks_for_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.validate.search.optuna_sampler.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="torch") as caught:
        Bayesian(sampler="gp")
    assert "assay[deep]" in caught.value.hint
    with pytest.raises(ConfigError, match="tpe or gp"):
        Bayesian(sampler="cma")  # type: ignore[arg-type]


def test_whole_ends_of_a_float_are_a_range_of_floats() -> None:
    rule = all_strategies()["liquidity_sweep"]
    given = {
        "risk_reward_ratio": (2, 4),
        "pierce_depth": {"type": "int", "low": 1, "high": 2},
        "reversal_candles": (1, 3),
    }
    space = Space.of_strategy(rule, given)
    assert space.dimensions == {
        "risk_reward_ratio": FloatRange(2.0, 4.0),
        "pierce_depth": FloatRange(1.0, 2.0),
        "reversal_candles": IntRange(1, 3),
    }
    assert Space.of_strategy(rule, {"atr_multiplier_sl": [1, 2]}).dimensions["atr_multiplier_sl"].values == (1.0, 2.0)
