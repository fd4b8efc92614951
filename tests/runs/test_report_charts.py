"""The arithmetic behind the charts, by hand."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.runs.report.components import alike, bars_of, count, days, general, metric, percent, price, ratio
from assay.runs.report.sections.diagnostics import costs_section as costs
from assay.runs.report.sections.equity import _months, bins, course, holding_growth
from assay.runs.report.sections.equity import section as equity
from assay.runs.report.sections.folds import reliability
from assay.runs.report.sections.importance import strongest
from assay.runs.report.sections.trades import group_bars, stretches
from assay.runs.report.svg import Scale, area, drop_crowded, envelope, line, log_ticks, pad_range, ticks, time_ticks
from tests.runs.report_evidence import SYMBOL, evidence_of, market

DAY = 86_400_000


def test_a_scale_lays_values_on_paper() -> None:
    assert Scale(0, 10, 100, 0).at(2.5) == 75
    assert Scale(1, 100, 0, 10, log=True).at(10) == pytest.approx(5)
    assert Scale(3, 3, 0, 10).at(3) == 5


def test_ticks_are_round() -> None:
    assert ticks(0, 1, 5) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-0.013, 0.012, 5) == [-0.01, -0.005, 0.0, 0.005, 0.01]
    assert log_ticks(0.9, 1100, 12) == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    assert log_ticks(0.9, 1100, 5) == [1, 10, 100, 1000] and log_ticks(0.5, 120, 5) == [1, 3, 10, 30, 100]


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 12))
def test_ticks_lie_inside_and_are_few(low: float, width: float, about: int) -> None:
    found = ticks(low, low + width, about)
    slack = 1e-6 * max(1.0, abs(low), width)
    assert all(low - slack <= t <= low + width + slack for t in found)
    assert len(found) <= about + 1


def test_time_ticks_are_utc_and_round() -> None:
    march = 1_583_020_800_000  # 2020-03-01
    assert time_ticks(march - DAY, march + 2 * DAY, 4) == [
        (march - DAY, "29 Feb"),
        (march, "01 Mar"),
        (march + DAY, "02 Mar"),
        (march + 2 * DAY, "03 Mar"),
    ]
    assert [text for _, text in time_ticks(march, march + 200 * DAY, 4)] == [
        "Mar 2020",
        "May 2020",
        "Jul 2020",
        "Sep 2020",
    ]
    assert [text for _, text in time_ticks(march, march + 3_000 * DAY, 5)] == ["2022", "2024", "2026", "2028"]
    assert [text for _, text in time_ticks(march, march + DAY / 2, 4)] == [
        f"01 Mar {h:02}:00" for h in (0, 3, 6, 9, 12)
    ]


def test_labels_that_would_touch_are_left_out() -> None:
    marks = [(float(k), "12345") for k in range(11)]
    kept = [v for v, _ in drop_crowded(marks, Scale(0, 10, 0, 100), 5)]
    assert kept == [0, 3, 6, 9]


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=400), st.integers(1, 20))
def test_thinning_keeps_ends_and_extremes(values: list[float], buckets: int) -> None:
    y = np.array(values)
    x = np.arange(len(y))
    a, b = envelope(x, y, buckets)
    assert len(a) <= 2 * buckets + 2
    assert (np.diff(a) > 0).all() and np.array_equal(y[a.astype(int)], b)
    assert b.min() == y.min() and b.max() == y.max()
    assert (a[0], a[-1]) == (0, len(y) - 1)


def test_thinning_leaves_undefined_values_out() -> None:
    a, b = envelope(np.arange(4), np.array([np.nan, 1.0, np.nan, 2.0]), 1)
    assert a.tolist() == [1, 3] and b.tolist() == [1, 2]


def test_ranges_have_air() -> None:
    assert pad_range(np.array([0.0, 10.0]), share=0.1) == (-1, 11)
    assert pad_range(np.array([np.nan])) == (0, 1)
    assert pad_range(np.array([5.0]), include=0.0)[0] < 0


def test_paths_break_at_undefined_points() -> None:
    x, y = np.arange(4.0), np.array([0.0, 1.0, np.nan, 3.26])
    assert line(x, y) == "M0,0L1,1M3,3.3"
    assert area(np.array([0.0, 2.0]), np.array([5.0, 4.0]), 9) == "M0,9L0,5L2,4L2,9Z"


def test_reliability_of_four_rows() -> None:
    found = reliability(np.array([0.11, 0.19, 0.95, 1.0]), np.array([False, True, True, True]))
    assert found.forecast == pytest.approx([0.15, 0.975])
    assert found.truth.tolist() == [0.5, 1.0] and found.rows.tolist() == [2, 2]
    # Wilson's interval of 1 in 2 and 2 in 2 at 95 %
    assert found.low == pytest.approx([0.0945, 0.3424], abs=1e-4)
    assert found.high == pytest.approx([0.9055, 1.0], abs=1e-4)


def test_histogram_gathers_the_tails() -> None:
    values = np.concatenate([np.linspace(-1, 1, 1_000), [50.0, -50.0]])
    edges, counts = bins(values)
    assert counts.sum() == len(values) and len(edges) == len(counts) + 1
    assert -1.01 < edges[0] < -0.98 and counts[0] > counts[1] and counts[-1] > counts[-2]
    assert bins(np.full(9, 0.5))[1].sum() == 9


def test_buy_and_hold_starts_at_one_and_is_the_mean() -> None:
    two = market(50, ("A/B", "C/D"))
    a, c = two["A/B"], two["C/D"]
    first, last = int(a.timestamp[10]), int(a.timestamp[40])
    time, grown = holding_growth(two, ["A/B", "C/D"], first, last)
    assert time.tolist() == a.timestamp[10:41].tolist() and grown[0] == 1.0
    assert grown[-1] == pytest.approx((a.close[40] / a.close[10] + c.close[40] / c.close[10]) / 2)


def test_buy_and_hold_of_a_symbol_that_comes_later() -> None:
    two = market(50, ("A/B", "C/D"))
    late = {"A/B": two["A/B"], "C/D": two["C/D"][20:]}
    time, grown = holding_growth(late, ["A/B", "C/D"], int(two["A/B"].timestamp[0]), int(two["A/B"].timestamp[-1]))
    assert len(time) == 50
    assert grown[10] == pytest.approx((two["A/B"].close[10] / two["A/B"].close[0] + 1) / 2)


def test_drawdown_is_measured_from_the_start_too() -> None:
    evidence = evidence_of(market(600))
    returns = np.zeros(len(evidence.account))
    returns[:4] = [-0.1, 0.0, 0.5, -0.2]
    found = course(replace(evidence, account=evidence.account.with_columns(pl.Series("return", returns))), market(600))
    assert found is not None
    assert found.drawdown[:4] == pytest.approx([-0.1, -0.1, 0.0, -0.2])


def test_an_axis_of_large_growth_is_logarithmic_and_says_so() -> None:
    candles = market(600)
    evidence = evidence_of(candles)
    grown = evidence.account.with_columns(pl.Series("return", np.full(len(evidence.account), 0.01)))
    figure = equity(replace(evidence, account=grown), candles).parts[0]
    assert figure.kind == "figure"
    assert "×1<" in figure.wide and "×10<" in figure.wide and "Logarithmic axis" in figure.caption
    plain = equity(evidence, candles).parts[0]
    assert plain.kind == "figure" and "×1<" not in plain.wide and "Logarithmic" not in plain.caption


def test_months_multiply_up_to_the_whole() -> None:
    candles = market(4_000)
    found = course(evidence_of(candles), candles)
    assert found is not None
    months = _months(found)
    assert months is not None and months.kind == "table"
    assert [r[-1].text for r in months.rows] == [percent(found.equity[-1] - 1, 1, sign=True)]


def test_candles_are_joined_without_losing_extremes() -> None:
    bars = market(10)[SYMBOL]
    each, rows = group_bars(bars, 4)
    assert each == 3 and len(rows) == 4
    assert rows[0].tolist() == [
        bars.timestamp[0], bars.open[0], bars.high[:3].max(), bars.low[:3].min(), bars.close[2],
    ]  # fmt: skip
    assert rows[3].tolist() == [bars.timestamp[9], bars.open[9], bars.high[9], bars.low[9], bars.close[9]]


def test_stretches_hold_best_worst_and_newest() -> None:
    candles = market()
    trades = evidence_of(candles).trades
    found = stretches(trades, candles[SYMBOL])
    gain = trades["return_net"].to_numpy()
    assert [s.caption.split(" trade")[0] for s in found] == ["The best", "The worst", "The newest"]
    assert found[0].trades["return_net"][found[0].focus] == gain.max()
    assert found[1].trades["return_net"][found[1].focus] == gain.min()
    for each in found:
        focus = each.trades.row(each.focus, named=True)
        assert each.bars.timestamp[0] <= focus["entry_time"] <= focus["exit_time"] <= each.bars.timestamp[-1]
        assert len(each.bars) >= 150
    assert len(stretches(trades.head(1), candles[SYMBOL])) == 1


def test_gross_less_costs_is_net() -> None:
    candles = market()
    evidence = evidence_of(candles)
    values = evidence.document["metrics"]
    figure = costs(evidence).parts[0]
    assert figure.kind == "figure"
    gross = values["net_profit"] + sum(values[k] for k in ("fees", "slippage", "funding", "borrow"))
    assert (
        f"{percent(gross, 1, sign=True)} before costs, {percent(values['net_profit'], 1, sign=True)} after"
        in figure.wide
    )


def test_strongest_features_come_first() -> None:
    found = [{"fold": 0, "shares": {"a": 0.2, "b": 0.8}}, {"fold": 1, "shares": {"a": 0.9, "c": 0.1}}]
    names, shares = strongest(found)
    assert names == ["a", "b", "c"]
    assert np.array_equal(shares, [[0.2, 0.9], [0.8, np.nan], [np.nan, 0.1]], equal_nan=True)


def test_numbers_as_people_read_them() -> None:
    thin = "\u202f%"
    assert percent(0.1234) == "12.3" + thin and percent(-0.0004) == "0.0" + thin
    assert percent(0.5, 1, sign=True) == "+50.0" + thin and percent(0.0, 1, sign=True) == "0.0" + thin
    assert percent(1234.5) == "123k" + thin and percent(99_999.0) == "10M" + thin and percent(1e12) == "1.0e+14" + thin
    assert percent(None) == percent(float("nan")) == count(None) == days(None) == price(None) == general(None) == "—"
    assert count(1234567) == "1,234,567" and count(np.int64(3)) == "3"
    assert ratio(-1.234) == "−1.23" and ratio(0.00012) == "0.00012"
    assert price(61234.5) == "61,234" and price(0.000123456) == "0.00012346"
    assert alike([80.0, 82.5, 85.0]) == ["80.0", "82.5", "85.0"] and alike([1e5, 2e5]) == ["100,000", "200,000"]
    assert bars_of(1) == "1 bar" and bars_of(2) == "2 bars"
    assert metric("new_thing", 3.0) == ("New thing", "3", "")
