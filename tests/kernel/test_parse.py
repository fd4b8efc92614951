"""From a document to a spec: strict types, the nearest names, and bounds."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError
from assay.kernel.parse import parse
from assay.kernel.spec import SplitSpec, TrainSpec, canonical

LEAST: dict[str, Any] = {"exchange": "binance", "symbols": ["BTC/USDT"], "timeframe": "1h"}


def spec(**more: Any) -> TrainSpec:
    return parse(TrainSpec, LEAST | more)


def test_a_whole_spec() -> None:
    made = spec(
        features=["close", "rsi_14"], folds={"train_bars": 500, "expanding": True}, costs={"fee": 0}, bars=None,
        params={"trees": 10, "weights": [1, 2]},
    )  # fmt: skip
    assert made.symbols == ("BTC/USDT",)
    assert made.features == ("close", "rsi_14")
    assert made.folds == SplitSpec(train_bars=500, expanding=True)
    assert made.costs == Costs(fee=0.0) and isinstance(made.costs.fee, float)
    assert parse(TrainSpec, made.as_dict()) == made
    assert parse(TrainSpec, json.loads(json.dumps(made.as_dict()))).hash == made.hash


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"sed": 3}, r"unknown key 'sed'; did you mean seed\?"),
        ({"costs": {"slipage_bps": 3}}, r"'costs.slipage_bps'; did you mean slippage_bps, spread_bps\?"),
        ({"folds": {"train_bar": 3}}, "did you mean train_bars"),
        ({"seed": "42"}, r"seed must be an integer, is '42' \(str\)"),
        ({"seed": True}, r"seed must be an integer, is True \(bool\)"),
        ({"seed": 1.0}, "seed must be an integer"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"short": 1}, r"short must be true or false, is 1 \(int\)"),
        ({"costs": {"fee": "0.1"}}, "costs.fee must be a finite number, is '0.1'"),
        ({"costs": {"fee": float("nan")}}, "costs.fee must be a finite number"),
        ({"costs": {"fee": float("inf")}}, "costs.fee must be a finite number"),
        ({"costs": {"fee": 10**400}}, "costs.fee must be a finite number"),
        ({"costs": {"fee": True}}, "costs.fee must be a finite number"),
        ({"costs": {"fee": -0.1}}, "costs.fee is -0.1, must be finite and >= 0"),
        ({"costs": {"fee": None}}, "costs.fee"),
        ({"costs": [1]}, "costs must be a table"),
        ({"symbols": "BTC/USDT"}, "symbols must be a list"),
        ({"symbols": ["BTC/USDT", 3]}, r"symbols\[1\] must be a text"),
        ({"symbols": []}, "symbols is empty"),
        ({"symbols": ["BTC/USDT", "BTC/USDT"]}, "names one twice"),
        ({"symbols": ["btc/usdt"]}, "did you mean BTC/USDT"),
        ({"timeframe": "7m"}, "Assay has"),
        ({"features": 3}, "features must be a text"),
        ({"bars": 0}, "bars is 0"),
        ({"params": {"a": {"b": [1, float("inf")]}}}, r"params.a.b\[1\] is inf"),
        ({"params": {"a": date(2024, 1, 1)}}, r"params.a is .* \(date\)"),
        ({"params": {"a": "\ud800"}}, "params.a"),
        ({"params": {"\ud800": 1}}, "params has key"),
        ({"params": {3: 1}}, "params has key 3"),
        ({"learner": "\ud800"}, "learner must be a text"),
        ({"x" * 10_000: 1}, "unknown key"),
        ({"a\nb": 1}, r"'a\\nb'"),
    ],
)
def test_what_is_refused_and_how(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        parse(TrainSpec, LEAST | change)
    assert len(caught.value.message) < 600
    assert "\n" not in caught.value.message


def test_missing_fields_are_named() -> None:
    with pytest.raises(ConfigError, match="lacks symbols, timeframe"):
        parse(TrainSpec, {"exchange": "binance"})
    with pytest.raises(ConfigError, match="must be a table"):
        parse(TrainSpec, [])  # type: ignore[arg-type]


def nested(depth: int) -> dict[str, Any]:
    inner: Any = 1
    for _ in range(depth):
        inner = [inner]
    return {"a": inner}


@pytest.mark.parametrize("depth", [20, 900, 10_000])
def test_too_deep(depth: int) -> None:
    with pytest.raises(ConfigError, match="depth") as caught:
        spec(params=nested(depth))
    assert caught.value.code == "CONFIG_TOO_LARGE"


def test_too_many_keys() -> None:
    with pytest.raises(ConfigError, match="size") as caught:
        spec(params={str(i): i for i in range(100_000)})
    assert caught.value.code == "CONFIG_TOO_LARGE"
    spec(params={str(i): i for i in range(9_000)})


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


def turned(value: Any) -> Any:
    """The same document with every table written in the other order."""
    if isinstance(value, dict):
        return {k: turned(v) for k, v in reversed(value.items())}
    return [turned(v) for v in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(st.dictionaries(st.text("abcd", min_size=1, max_size=3), plain, max_size=4))
def test_the_hash_does_not_know_the_order_of_keys(params: dict[str, Any]) -> None:
    document = LEAST | {"params": params, "costs": {"fee": 0.002, "slippage_bps": 1.0}}
    one, other = parse(TrainSpec, document), parse(TrainSpec, turned(document))
    assert one.hash == other.hash
    assert parse(TrainSpec, json.loads(canonical(one.as_dict()))).hash == one.hash


def test_the_hash_knows_every_field() -> None:
    changes: list[dict[str, Any]] = [
        {}, {"seed": 1}, {"features": "mini5"}, {"params": {"trees": 3}}, {"costs": {"fee": 0.0}}, {"bars": 100},
        {"short": False}, {"target": {"name": "direction"}}, {"folds": {"embargo": 1}}, {"learner": "lstm"},
        {"sizing": {"name": "proportional"}}, {"filter": {}}, {"symbols": ["ETH/USDT"]}, {"timeframe": "4h"},
    ]  # fmt: skip
    assert len({spec(**c).hash for c in changes}) == len(changes)


class Odd:
    def __repr__(self) -> str:
        return "\u202eodd\n" * 100


@settings(deadline=None)
@given(st.sampled_from(sorted(TrainSpec.__dataclass_fields__)), st.one_of(plain, st.builds(Odd), st.just(float("nan"))))
def test_whatever_stands_in_a_field_no_other_error_comes_out(field: str, value: Any) -> None:
    try:
        made = parse(TrainSpec, LEAST | {field: value})
    except ConfigError as error:
        assert "\n" not in error.message and "\u202e" not in error.message
    else:
        assert len(made.hash) == 64
