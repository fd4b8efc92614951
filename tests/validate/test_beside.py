"""What stands beside a verdict: spans, buying and holding, tests against both, the published deflation, the numbers."""

from dataclasses import replace
from math import isnan, sqrt

import numpy as np
import pytest

from assay.kernel.seeding import generator
from assay.market.sources.synthetic import synthetic
from assay.simulate.prepare import buy_and_hold
from assay.validate.diagnostics import SPANS, deflated_by_spread, holding_returns, span_sums, superiority_p_values
from assay.validate.gate import gate_input_document
from assay.validate.statistics import deflated_sharpe_ratio, haircut_sharpe, moments, superior_predictive_ability
from tests.validate.test_verdict import GOOD, PEEKED, found


def test_spans_are_even_and_lose_no_bar() -> None:
    drawn = generator(1, "spans").normal(size=(1_234, 3))
    summed = span_sums(drawn)
    assert summed.shape == (SPANS, 3)
    np.testing.assert_allclose(summed.sum(axis=0), drawn.sum(axis=0))
    lengths = span_sums(np.ones(1_234))
    assert lengths.sum() == 1_234 and set(lengths) == {2.0, 3.0}
    assert span_sums(drawn[:SPANS]) is not None and span_sums(drawn[:SPANS]).shape == (SPANS, 3)
    np.testing.assert_array_equal(span_sums(drawn[:7]), drawn[:7])


@pytest.mark.parametrize(("bars", "start"), [(50, 0), (50, 20), (2, 0), (3, 1), (1, 0)])
def test_holding_earns_what_the_metric_says(bars: int, start: int) -> None:
    candles = synthetic(bars=50, seed=1)[:bars]
    found = holding_returns(candles, start)
    assert found.shape == (bars - start,) and found[0] == 0
    assert np.prod(1 + found) - 1 == pytest.approx(buy_and_hold(candles, start), abs=1e-12)


def test_luck_is_asked_against_cash_and_against_holding() -> None:
    noise = generator(3, "noise").normal(0, 0.01, (400, 4))
    good = noise.copy()
    good[:, 2] += 0.004
    market = noise[:, 2] + 0.004  # the good one does no better than the market
    found = superiority_p_values(good, market, seed=7)
    want = superior_predictive_ability(good, reps=500, seed=7)
    assert found["configurations"] == 4
    assert found["cash"] == {"lower": want.lower, "consistent": want.consistent, "upper": want.upper}
    assert found["cash"]["consistent"] < 0.05 < found["buy_and_hold"]["consistent"]
    assert superiority_p_values(noise, np.zeros(400), seed=7)["cash"]["consistent"] > 0.1
    assert superiority_p_values(good, market, seed=7) == found


@pytest.mark.parametrize("flat", [np.zeros((400, 1)), np.full((400, 2), np.nan), np.zeros((1, 1)), np.zeros((0, 1))])
def test_what_cannot_be_compared_is_undefined(flat: np.ndarray) -> None:
    found = superiority_p_values(flat, np.zeros(len(flat)), seed=1)
    assert all(isnan(p) for side in ("cash", "buy_and_hold") for p in found[side].values())


def test_the_published_deflation_uses_the_spread_between_trials() -> None:
    m = moments(GOOD.returns)
    found = deflated_by_spread(m, 10, 0.0004)
    assert found["luck_by_spread"] == pytest.approx(0.031491966)
    assert found["deflated_by_spread"] == deflated_sharpe_ratio(m.sharpe, m.n, m.skew, m.kurtosis, 10, 0.0004)
    assert found["deflated"] == deflated_sharpe_ratio(m.sharpe, m.n, m.skew, m.kurtosis, 10, 1 / (m.n - 1))
    assert found["haircut"] == pytest.approx(haircut_sharpe(m.sharpe, m.n, n_trials=10).haircut)
    assert deflated_by_spread(m, 1e12, np.nan)["haircut"] == 1.0  # no family of a million millions is laid out
    lost = deflated_by_spread(m, 20, np.nan)
    assert isnan(lost["luck_by_spread"]) and isnan(lost["deflated_by_spread"])
    assert all(isnan(v) for v in deflated_by_spread(moments(np.zeros(1)), 20, np.nan).values())
    assert deflated_by_spread(m, 1, 0.0)["luck_by_spread"] == 0


def test_every_number_that_a_check_reads_is_told() -> None:
    given = replace(GOOD, n_searched=9, overfitting=found(0.4, 0.1), n_trials=20, effective_trials=10.0)
    numbers = gate_input_document(given)
    m = moments(given.returns)
    assert numbers["moments"] == m._asdict() and numbers["bars"] == 1000
    assert numbers["luck"] == pytest.approx(1.574598301 / sqrt(999))
    assert numbers["stressed_sharpe"] == moments(given.stressed_returns).sharpe
    assert numbers["overfitting"]["loss_share"] == 0.1 and numbers["overfitting"]["splits"] == 70
    assert [numbers["regimes"][k]["bars"] for k in "012"] == [334, 333, 333]
    assert numbers["regimes"]["1"]["mean"] == given.returns[1::3].mean()
    assert numbers["audit"] == {"complete": True, "violations": 0}
    assert numbers["active_moments"] == moments(given.active_returns)._asdict()
    assert numbers["fills"]["doubtful"] == 0.0 and numbers["data_problems"] == []
    assert (numbers["n_trades"], numbers["n_independent_trades"]) == (100, 100)


def test_what_is_not_known_is_told_as_such() -> None:
    bare = replace(
        GOOD, audit=None, regimes=None, returns=np.zeros(1), active_returns=None, stressed_returns=np.empty(0),
        fills=None, data_problems=None,
    )  # fmt: skip
    numbers = gate_input_document(bare)
    assert (numbers["audit"], numbers["regimes"], numbers["seed_sharpes"], numbers["overfitting"]) == (None,) * 4
    assert (numbers["active_moments"], numbers["break_even"], numbers["fills"], numbers["data_problems"]) == (None,) * 4
    assert isnan(numbers["luck"]) and isnan(numbers["stressed_sharpe"])
    assert gate_input_document(replace(GOOD, seed_sharpes=np.array([0.1, 0.2])))["seed_sharpes"] == [0.1, 0.2]
    assert (
        gate_input_document(replace(GOOD, audit=replace(GOOD.audit, violations=(PEEKED,))))["audit"]["violations"] == 1
    )
