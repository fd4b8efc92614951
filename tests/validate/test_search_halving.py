"""Successive halving: how many folds and candidates a rung has, and who goes on."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError
from assay.validate.search.sampler import Row
from assay.validate.search.successive_halving import Halving, Rung, rungs, survivors


def row(place: int, score: float, trades: int = 9) -> Row:
    valid = not math.isnan(score)
    return Row(place, {}, score, valid, "" if valid else "rejected: too_few_trades", trades, {}, 0)


@given(folds=st.integers(1, 200), eta=st.integers(2, 9))
def test_rungs_rise_to_all_folds(folds: int, eta: int) -> None:
    found = rungs(folds, eta)
    assert found[0] == 1
    assert found[-1] == folds
    for less, more in pairwise(found):
        assert less < more
        assert less == math.ceil(more / eta)


def test_a_plan_by_hand() -> None:
    assert Halving(2).plan(8, 16) == (Rung(1, 16), Rung(2, 8), Rung(4, 4), Rung(8, 2))
    assert Halving(4).plan(6, 9) == (Rung(1, 9), Rung(2, 3), Rung(6, 1))
    assert Halving(3).plan(1, 50) == (Rung(1, 50),)
    spent = sum(rung.folds * rung.candidates for rung in Halving(3).plan(9, 81))
    assert spent == 3 * 81, "each rung costs as much as the first; without halving it were 9 x 81"


def test_ties_go_to_more_trades_then_to_the_first() -> None:
    rows = [row(0, 1.0, 5), row(1, 2.0, 5), row(2, 2.0, 8), row(3, 2.0, 8), row(4, 0.5, 99), row(5, 2.0, 8)]
    assert survivors(rows, 6) == [2]
    assert survivors(rows, 3) == [2, 3]
    assert survivors(rows, 2) == [2, 3, 5]


def test_rejected_rows_go_on_only_where_valid_ones_leave_room() -> None:
    rows = [row(0, math.nan, 3), row(1, -9.0), row(2, math.nan, 7), row(3, math.nan, 7), row(4, math.nan, 0)]
    assert survivors(rows, 5) == [1]
    assert survivors(rows, 3) == [1, 2]
    assert survivors(rows, 2) == [1, 2, 3]
    assert survivors([], 3) == []


@given(
    scores=st.lists(st.sampled_from([math.nan, -1.0, 0.0, 1.0, 2.0]), min_size=1, max_size=40),
    eta=st.integers(2, 6),
)
def test_the_best_one_in_eta_goes_on(scores: list[float], eta: int) -> None:
    rows = [row(place, score) for place, score in enumerate(scores)]
    found = survivors(rows, eta)
    assert found == sorted(set(found))
    assert len(found) == math.ceil(len(rows) / eta)
    left = [rows[place] for place in range(len(rows)) if place not in found]
    worst = min((rows[place].score if rows[place].valid else -math.inf) for place in found)
    assert all(each.score <= worst for each in left if each.valid)


@pytest.mark.parametrize("eta", [1, 0, -3, 2.5, True, 101, "3"])
def test_an_eta_beyond_reason_is_refused(eta: Any) -> None:
    for make in (lambda: Halving(eta), lambda: rungs(9, eta), lambda: survivors([row(0, 1.0)], eta)):
        with pytest.raises(ConfigError, match=r"eta is .*from 2 to 100") as caught:
            make()
        assert caught.value.code == "CONFIG_METHOD"
    with pytest.raises(ConfigError, match="at least 1 inner fold"):
        rungs(0, 3)
