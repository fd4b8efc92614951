"""What fooled the gate once, and a real edge that it called PYRITE: see the attacks 6, 7 and 10 to 13 of its spec."""

from dataclasses import replace

import numpy as np
import pytest

from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs, Decisions
from assay.market.sources.synthetic import synthetic
from assay.market.units import VOLUME_UNIT_SERIES, unit_series
from assay.runs.gate_decision import advice
from assay.validate.gate import evaluate_gate
from tests.validate.gate_markets import HOUR, market, walked, weights

CHEAP = Costs(fee=0.0, slippage_bps=5.0)


def random_spells(bars: Bars, seed: int, share: float) -> Decisions:
    """Long in spells of about two days, without looking at anything."""
    g = np.random.default_rng(seed)
    target = np.full(len(bars), np.nan)
    for t in np.flatnonzero(g.random(len(bars)) < 1 / 48).tolist():
        target[t] = float(g.random() < share)
    return weights(target)


def test_a_rising_market_is_holding_and_no_edge() -> None:
    words, natures, fooled = [], [], 0
    for seed in range(12):
        g = np.random.default_rng(seed)
        close = 100 * np.exp(np.cumsum(g.normal(3 * 0.005 / np.sqrt(8760), 0.005, 9_000)))
        _, given = walked({"BTC/USDT": market(close)}, lambda bars, seed=seed: random_spells(bars, seed, 0.8), Costs())
        word = evaluate_gate(given)
        words.append(word.verdict)
        natures.append(word.nature)
        fooled += evaluate_gate(replace(given, active_returns=given.returns)).reason("edge").state == "PASS"
    assert "GOLD" not in words
    assert natures.count("holding") >= 6 and "edge" not in natures
    assert fooled >= 3  # the same gate on plain returns


def test_holding_itself_is_holding() -> None:
    g = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(g.normal(0.0004, 0.005, 9_000)))

    def always(bars: Bars) -> Decisions:
        target = np.full(len(bars), np.nan)
        target[::24] = 1.0 - 1e-9 * (np.arange(len(target[::24])) % 2)  # no rebalancing to speak of
        return weights(target)

    found, given = walked({"BTC/USDT": market(close)}, always, Costs())
    word = evaluate_gate(replace(given, n_trades=100, n_independent_trades=100))
    assert found.mean_exposure["BTC/USDT"] > 0.99 and given.returns.mean() > 0
    assert (word.reason("edge").state, word.verdict, word.nature) == ("FAIL", "PYRITE", "holding")


def test_the_same_candles_under_seven_names_are_one_sample() -> None:
    bars = synthetic(bars=4_000, seed=3, ic=0.3)
    seven = {f"G{k}/USDT": replace(bars, instrument=replace(bars.instrument, symbol=f"G{k}/USDT")) for k in range(7)}

    def rarely(each: Bars) -> Decisions:
        target = np.full(len(each), np.nan)
        target[100::400], target[200::400] = 1.0, 0.0
        return weights(target)

    one, alone = walked({"G0/USDT": seven["G0/USDT"]}, rarely, Costs())
    many, given = walked(seven, rarely, Costs())
    assert len(many.whole.trades) == 7 * len(one.whole.trades) >= 49
    assert given.n_independent_trades == alone.n_independent_trades == len(one.whole.trades) < 30
    sample = evaluate_gate(given).reason("sample")
    assert sample.state == "UNKNOWN" and f"{len(one.whole.trades)} of them independent" in sample.text


def momentum(bars: Bars) -> Decisions:
    """The planted edge of the synthetic markets."""
    target = np.full(len(bars), np.nan)
    target[24:] = np.sign(bars.close[24:] / bars.close[:-24] - 1)
    return weights(target)


def test_costs_of_nothing_are_named_and_stressed_all_the_same() -> None:
    bars = synthetic(bars=6_000, seed=5, ic=0.05)
    _, given = walked({"GOLD/USDT": bars}, momentum, Costs(fee=0.0, slippage_bps=0.0))
    cost = evaluate_gate(given).reason("cost")
    assert "at 5.0 basis points a side (none assumed)" in cost.text and "breaks even at" in cost.text
    assert given.stressed_returns.sum() < given.returns.sum()


def test_a_bounce_between_bid_and_ask_fails_by_its_costs() -> None:
    g = np.random.default_rng(4)
    n, steps, half = 6_000, 6, 0.004
    middle = 100 * np.exp(np.cumsum(g.normal(0, 0.001, n * steps)))
    price = (middle * (1 + half * g.choice([-1, 1], n * steps))).reshape(n, steps)
    bars = market(price[:, -1], opens=price[:, 0])
    bars = replace(bars, high=price.max(axis=1), low=price.min(axis=1))

    def fade(each: Bars) -> Decisions:
        return weights(-np.sign(np.r_[0.0, np.diff(each.close)]))

    # opens at the close before, which the next trade bounces away from: it earns the spread that it would pay
    lagged = replace(bars, open=np.r_[bars.close[0], bars.close[:-1]])
    lagged = replace(lagged, high=np.maximum(lagged.high, lagged.open), low=np.minimum(lagged.low, lagged.open))
    _, given = walked({"BTC/USDT": lagged}, fade, CHEAP)
    word = evaluate_gate(given)
    assert given.returns.mean() > 0 and word.reason("profit").state == "PASS"
    assert word.reason("edge").state == "PASS"
    assert (word.reason("cost").state, word.verdict, word.nature) == ("FAIL", "PYRITE", "costs")
    assert given.cost_sides[0].half_spread == pytest.approx(half, rel=0.25)


def hour_of_day(seed: int, extra: float) -> Bars:
    g = np.random.default_rng(seed)
    n = 24 * 700
    drift = np.where(np.arange(n) % 24 == 10, extra, 0.0)
    return market(100 * np.exp(np.cumsum(g.normal(drift, 0.004))))


def at_ten(bars: Bars) -> Decisions:
    """Long for the one hour that rises."""
    hour = bars.timestamp // HOUR % 24
    return weights(np.where(hour == 9, 1.0, np.where(hour == 10, 0.0, np.nan)))


def test_a_real_edge_that_doubled_costs_would_eat_is_not_pyrite() -> None:
    assumed = Costs(fee=0.0005, slippage_bps=3.0)
    words = []
    for seed in range(4):
        bars = hour_of_day(seed, 0.0024)  # 24 basis points in that hour, of which a round trip takes 16
        _, given = walked({"BTC/USDT": bars}, at_ten, assumed)
        word = evaluate_gate(given)
        cost = word.reason("cost")
        assert word.reason("profit").state == word.reason("edge").state == "PASS", word.reason("edge").text
        assert cost.state == "UNKNOWN" and "times the assumed" in cost.text
        assert given.break_even is not None and 1.0 < given.break_even.multiple < 2.0
        said = advice(word, {"sharpe": 0.01, "n_obs": 1e4}, bars_per_year=8760)
        assert said.startswith("This is eaten by costs") and "breaks even" in said and "Leave it" not in said
        words.append(word.verdict)
    assert set(words) == {"UNPROVEN"}


def test_quotes_that_lag_are_profits_that_nobody_fills() -> None:
    g = np.random.default_rng(7)
    n = 6_000
    latent = np.cumsum(g.normal(0, 0.005, n))
    quoted = np.empty(n)
    quoted[0] = latent[0]
    for t in range(1, n):
        quoted[t] = quoted[t - 1] + 0.3 * (latent[t] - quoted[t - 1])
    volume = np.where(np.arange(n) % 10 == 0, 100.0, 0.0)
    bars = market(100 * np.exp(quoted), volume=volume)

    def follow(each: Bars) -> Decisions:
        return weights(np.sign(np.r_[0.0, np.diff(each.close)]))

    _, given = walked({"BTC/USDT": bars}, follow, Costs(fee=0.0, slippage_bps=2.0))
    word = evaluate_gate(given)
    fills = word.reason("fills")
    assert word.reason("profit").state == word.reason("edge").state == word.reason("cost").state == "PASS"
    assert fills.state == "FAIL" and fills.value == pytest.approx(0.9, abs=0.03)
    assert (word.verdict, word.nature) == ("PYRITE", "fills")
    traded = evaluate_gate(walked({"BTC/USDT": replace(bars, volume=None)}, follow, CHEAP)[1])
    assert traded.reason("fills").state == "PASS"  # nothing is known against these


def test_a_market_too_thin_for_the_account_is_seen_where_its_volume_has_a_unit() -> None:
    bars = hour_of_day(1, 0.004)
    thin = replace(bars, volume=np.full(len(bars), 10.0))  # 1,000 a bar at first, and 10,000 trade
    for unit, state in (("unknown", "PASS"), ("contracts", "PASS"), ("base", "FAIL"), ("quote", "FAIL")):
        told = replace(thin, joined={VOLUME_UNIT_SERIES: unit_series(unit)})  # type: ignore[arg-type]
        word = evaluate_gate(walked({"BTC/USDT": told}, at_ten, Costs(fee=0.0, slippage_bps=3.0))[1])
        fills = word.reason("fills")
        assert fills.state == state and ("exceeds 10 % of the value traded in its bar" in fills.text) == (
            state == "FAIL"
        )
