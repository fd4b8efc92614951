"""The data filter, rule by rule."""

import json

import numpy as np
import pytest

from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, DataError
from assay.market.data_filter import VERDICTS, DataFilter, apply_filter, verdicts
from assay.testing.bars import random_bars

NAN = float("nan")


def one(o: float, h: float, low: float, c: float, v: float, **options: object) -> str:
    base = random_bars(1)
    arrays = [np.array([x]) for x in (o, h, low, c, v)]
    bars = Bars(base.instrument, base.timestamp, *arrays)
    return VERDICTS[verdicts(bars, DataFilter(**options))[0]]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bar", "options", "verdict"),
    [
        ((100, 101, 99, 100, 0), {}, "zero_volume"),
        ((100, 101, 99, 100, 0.09), {}, "insufficient_volume"),
        ((100, 101, 99, 100, 0.1), {}, "valid"),
        ((100, 100, 100, 100, 1.0), {}, "valid_single_price"),
        ((100, 100, 100, 100, 0.99), {}, "flat_low_volume"),
        ((100, 100, 100, 100, 5), {"preserve_high_volume_single_price": False}, "flat_low_volume"),
        ((100, 100.005, 100, 100, 5), {}, "insufficient_movement"),
        ((100, 100.005, 100, 100, 5), {"filter_flat_candles": False}, "valid"),
        ((100, 100, 100, 100, 0.5), {"filter_flat_candles": False}, "flat_low_volume"),
        ((64, 64.0078125, 64, 64, 5), {"min_price_movement_pct": 0.01220703125}, "valid"),
        ((100, 101, 99, 100, 0.09), {"min_quote_volume": 9}, "valid"),
        ((100, 101, 99, 100, 50), {"min_quote_volume": 5001}, "insufficient_volume"),
        ((100, 101, 99, 100, NAN), {}, "valid"),
        ((100, 100, 100, 100, NAN), {}, "flat_low_volume"),
        ((100, 100.005, 100, 100, NAN), {}, "insufficient_movement"),
    ],
)
def test_the_first_rule_that_matches_names_the_bar(
    bar: tuple[float, ...], options: dict[str, object], verdict: str
) -> None:
    assert one(*bar, **options) == verdict


def silent(n: int = 200) -> Bars:
    bars = random_bars(n)
    assert bars.volume is not None
    bars.volume[:20] = 0
    bars.volume[20:30] = 0.05
    return bars


def test_drop_and_mark() -> None:
    bars = silent()
    dropped, marked = apply_filter(bars, DataFilter()), apply_filter(bars, DataFilter(action="mark"))
    assert len(dropped.bars) == 170
    assert dropped.bars.close.tolist() == bars.close[30:].tolist()
    assert dropped.usable.all()
    assert marked.bars is bars
    assert marked.usable.tolist() == [False] * 30 + [True] * 170
    report = dropped.report
    assert (report["original_count"], report["filtered_count"], report["removed_count"]) == (200, 170, 30)
    assert (report["removed_pct"], report["data_quality_score"]) == (15.0, 85.0)
    assert report["removal_breakdown"] == {"zero_volume": 20, "insufficient_volume": 10}
    assert report["removal_breakdown_pct"] == {"zero_volume": 10.0, "insufficient_volume": 5.0}
    assert (report["missing_bars"], report["first_timestamp"][:13]) == (0, "2024-01-02T06")
    json.dumps(report, allow_nan=False)
    assert {k: v for k, v in marked.report.items() if k != "config"} == {
        k: v for k, v in report.items() if k != "config"
    }


def test_off_means_all_pass_and_the_report_says_so() -> None:
    result = apply_filter(silent(50), DataFilter(enable_filtering=False))
    assert len(result.bars) == 50
    assert result.report["filtering_enabled"] is False
    assert result.report["removed_count"] == 0


def test_too_few_are_refused() -> None:
    assert len(apply_filter(silent(130), DataFilter()).bars) == 100
    with pytest.raises(DataError, match=r"99 of 129 bars are left.*100") as caught:
        apply_filter(silent(129), DataFilter(action="mark"))
    assert caught.value.code == "DATA_TOO_FEW"


def test_a_verdict_reads_its_own_bar_only() -> None:
    bars = silent()
    whole = verdicts(bars, DataFilter())
    assert all(verdicts(bars[row : row + 1], DataFilter())[0] == whole[row] for row in range(0, 200, 7))


@pytest.mark.parametrize(
    "options",
    [{"min_volume_threshold": NAN}, {"min_price_movement_pct": -1}, {"action": "hide"}, {"enable_filtering": 1}],
)
def test_settings_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"data_filter_config.{next(iter(options))}"):
        DataFilter(**options)  # type: ignore[arg-type]
