"""Targets over a number of bars, their weights, and what is refused."""

import numpy as np
import pytest

from assay import targets
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.errors import AssayError, ConfigError, LeakError
from assay.kernel.panel import Labels
from assay.testing.bars import bars_of, random_bars

FREE = Costs(fee=0.0, slippage_bps=0.0)
#        open: 10 10 11 12  9  9 12   (open is the close before)
BARS = bars_of([10, 11, 12, 9, 9, 12, 15])


def y(bars: Bars, name: str, costs: Costs = FREE, **params: object) -> list[float | None]:
    labels = targets.label_bars(bars, targets.parse_target(name, params), costs=costs)
    return [None if np.isnan(v) else v for v in labels.y.tolist()]


def test_forward_return_goes_from_open_to_open() -> None:
    labels = targets.label_bars(BARS, targets.parse_target("forward_return", horizon=2), costs=FREE)
    np.testing.assert_allclose(labels.y[:4], [12 / 10 - 1, 9 / 11 - 1, 9 / 12 - 1, 12 / 9 - 1])
    assert np.isnan(labels.y[4:]).all()
    assert labels.end.tolist() == [3, 4, 5, 6, 4, 5, 6]
    assert labels.known_at[:4].tolist() == BARS.timestamp[3:7].tolist()
    assert labels.known_at[4:].tolist() == BARS.known_at[4:].tolist()
    assert labels.dropped == (("tail", 3),)
    assert labels.horizon == 3
    assert labels.classes == ()


def test_forward_return_of_closes() -> None:
    labels = targets.label_bars(BARS, targets.parse_target("forward_return", horizon=2, price="close"), costs=FREE)
    np.testing.assert_allclose(labels.y[:5], [0.2, 9 / 11 - 1, -0.25, 12 / 9 - 1, 15 / 9 - 1])
    assert labels.known_at[:5].tolist() == BARS.known_at[2:7].tolist()


def test_direction_has_a_band() -> None:
    assert y(BARS, "direction", horizon=2, band=0.19) == [1, 0, -1, 1, None, None, None]


def test_profitable_pays_fee_and_slippage_on_both_sides() -> None:
    assert y(BARS, "profitable", horizon=2, side="both") == [1, -1, -1, 1, None, None, None]
    assert y(BARS, "profitable", horizon=2, side="long") == [1, 0, 0, 1, None, None, None]
    assert y(BARS, "profitable", horizon=2, side="short") == [0, 1, 1, 0, None, None, None]
    # A rise of 20 % pays for 9 % a side (1.2 * .91 > 1.09 fails at 9.1 %), one of a third for more.
    assert y(BARS, "profitable", Costs(fee=0.09, slippage_bps=0), horizon=2)[0] == 1
    assert y(BARS, "profitable", Costs(fee=0.092, slippage_bps=0), horizon=2)[0] == 0
    assert y(BARS, "profitable", Costs(fee=0.0, slippage_bps=920), horizon=2)[0] == 0
    short = targets.label_bars(BARS, targets.parse_target("profitable", side="short", horizon=2), costs=FREE)
    assert (short.side, short.classes) == (-1, (0.0, 1.0))
    assert targets.label_bars(BARS, targets.parse_target("profitable", horizon=2), costs=FREE).classes == (
        -1.0,
        0.0,
        1.0,
    )


def test_profitable_is_the_default_with_a_day_of_hours() -> None:
    assert str(targets.parse_target("profitable")) == "profitable(horizon=24, side=both)"


def test_clock_horizon_is_turned_into_bars() -> None:
    quarter = random_bars(50, timeframe="15m")
    one = targets.label_bars(quarter, targets.parse_target("forward_return", horizon="1h"), costs=FREE)
    four = targets.label_bars(quarter, targets.parse_target("forward_return", horizon=4), costs=FREE)
    np.testing.assert_array_equal(one.y, four.y)
    for bars, horizon in ((random_bars(50, timeframe="4h"), "1h"), (random_bars(50, timeframe="1h"), "90m")):
        with pytest.raises(ConfigError, match="whole") as caught:
            targets.label_bars(bars, targets.parse_target("direction", horizon=horizon), costs=FREE)
        assert caught.value.code == "CONFIG_HORIZON"


@pytest.mark.parametrize(
    ("name", "params", "kind", "code", "words"),
    [
        ("profitable", {"horizon": 0}, LeakError, "LEAK_TARGET_LAG", "horizon is 0"),
        ("profitable", {"horizon": -3}, LeakError, "LEAK_TARGET_LAG", ">= 1"),
        ("profitable", {"horizon": 2.5}, ConfigError, "CONFIG_HORIZON", "2.5"),
        ("profitable", {"horizon": True}, ConfigError, "CONFIG_HORIZON", "True"),
        ("profitable", {"horizon": "one hour"}, ConfigError, "CONFIG_HORIZON", "one hour"),
        ("profitable", {"side": "up"}, ConfigError, "CONFIG_PARAMETER", "long, short, both"),
        ("profitable", {"horison": 5}, ConfigError, "CONFIG_PARAMETER", "did you mean horizon"),
        ("profitible", {}, ConfigError, "CONFIG_TARGET_UNKNOWN", "did you mean profitable"),
        ("direction", {}, ConfigError, "CONFIG_PARAMETER", "needs horizon"),
        ("direction", {"horizon": 1, "band": -0.1}, ConfigError, "CONFIG_PARAMETER", "band"),
        ("triple_barrier", {"horizon": 5, "up": 0}, ConfigError, "CONFIG_PARAMETER", "up is 0"),
        ("triple_barrier", {"horizon": 5, "up": float("nan")}, ConfigError, "CONFIG_PARAMETER", "up is nan"),
        ("triple_barrier", {"horizon": 5, "vol_window": 1}, ConfigError, "CONFIG_PARAMETER", "vol_window"),
        ("trend_scan", {"shortest": 9, "longest": 5}, ConfigError, "CONFIG_PARAMETER", "longest"),
    ],
)
def test_wrong_parameters_are_refused(
    name: str, params: dict[str, object], kind: type[AssayError], code: str, words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        targets.parse_target(name, params)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["forward_return", "direction", "profitable", "triple_barrier"])
def test_fewer_bars_than_the_horizon_give_no_label(name: str) -> None:
    for n in (0, 1, 2, 5):
        labels = targets.label_bars(random_bars(n), targets.parse_target(name, horizon=5), costs=FREE)
        assert len(labels) == n
        assert np.isnan(labels.y).all()


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("forward_return", {"horizon": 7}),
        ("profitable", {"horizon": 7}),
        ("triple_barrier", {"horizon": 9}),
        ("trend_scan", {}),
        ("pattern", {"window": 10, "std_dev": 1, "target_lag": 3, "target_type": "low_reversion"}),
    ],
)
def test_label_reads_nothing_after_it_is_known(name: str, params: dict[str, object]) -> None:
    """Noise after a label's end changes no label that ends before; and a cut only takes labels away."""
    bars, target = random_bars(400), targets.parse_target(name, params)
    whole = targets.label_bars(bars, target, costs=Costs())
    for cut in (150, 271):
        part = targets.label_bars(bars[:cut], target, costs=Costs())
        there = np.isfinite(part.y)
        assert there.sum() > 50
        np.testing.assert_array_equal(part.y[there], whole.y[:cut][there])
        np.testing.assert_array_equal(part.known_at[there], whole.known_at[:cut][there])
        settled = np.isfinite(whole.y[:cut]) & (np.arange(cut) + whole.horizon < cut)
        assert there[settled].all()
    labelled = np.isfinite(whole.y)
    # An open is known the moment its bar begins, which is the close of the bar before it.
    later = whole.known_at[labelled] - bars.known_at[labelled]
    assert later.min() >= bars.instrument.bar.ms
    assert (whole.end[labelled] > np.flatnonzero(labelled)).all()
    assert sum(count for _, count in whole.dropped) == (~labelled).sum()


def _labels(y: list[float], end: list[int]) -> Labels:
    n = len(y)
    return Labels(np.array(y), np.arange(n), np.array(end), "test", 4, (-1.0, 0.0, 1.0))


def test_uniqueness_weighs_by_overlap() -> None:
    # Labels 0 and 1 cover rows 1-2 and 2-3; label 3 stands alone on row 4.
    labels = _labels([1, 0, np.nan, 1, np.nan], [2, 3, 2, 4, 4])
    raw = np.array([0.75, 0.75, 0, 1.0, 0])
    np.testing.assert_allclose(targets.uniqueness(labels), raw * 3 / 2.5)
    np.testing.assert_allclose(
        targets.uniqueness(labels, np.array([1.0, 2, 9, -4, 9])), np.array([0.75, 1.5, 0, 4, 0]) * 3 / 6.25
    )
    assert targets.uniqueness(labels)[[0, 1, 3]].mean() == pytest.approx(1.0)
    np.testing.assert_array_equal(targets.uniqueness(_labels([np.nan] * 3, [0, 1, 2])), 0.0)


def test_class_shares_warn_of_a_rare_class(caplog: pytest.LogCaptureFixture) -> None:
    labels = _labels([1.0] * 150 + [0.0] * 50 + [np.nan] * 5, [0] * 205)
    assert targets.class_shares(labels) == {-1.0: 0.0, 0.0: 0.25, 1.0: 0.75}
    assert "class -1 is 0.00 %" in caplog.text
