"""The order in which a spec happens to be written decides nothing: what is stored has sorted keys."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from assay.kernel.parse import parse
from assay.kernel.spec import TrainSpec
from assay.runs.rule_search import RuleSearch

SPACE: dict[str, Any] = {
    "N": [10, 20],
    "p": {"type": "float", "low": 0.001, "high": 0.01},
    "k": {"type": "float", "low": 1.5, "high": 5.0},
}


def spec(space: dict[str, Any]) -> TrainSpec:
    params = {"strategy": "range_sweep", "space": space, "fixed": {"max_holding_periods": 20}}
    return TrainSpec(
        exchange="x", symbols=("A/B",), timeframe="1h", learner="rules", features=(), params=params
    )  # fmt: skip


@pytest.mark.parametrize("names", list(permutations(SPACE)))
def test_a_space_is_the_same_in_any_order(names: tuple[str, ...]) -> None:
    written = spec({name: SPACE[name] for name in names})
    assert written.hash == spec(SPACE).hash
    assert RuleSearch(written).space.as_text() == RuleSearch(spec(SPACE)).space.as_text()


def test_a_space_is_the_same_once_it_was_stored() -> None:
    for given in (SPACE, {}):
        stored = parse(TrainSpec, spec(given).as_dict())
        assert list(RuleSearch(stored).space.dimensions) == list(RuleSearch(spec(given)).space.dimensions)
        assert replace(stored) == stored
