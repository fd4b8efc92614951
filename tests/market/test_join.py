"""Series on their own clock are known when they are known."""

from pathlib import Path

import numpy as np
import pytest

from assay.kernel.errors import DataError
from assay.market.alignment import as_of, joined_series, with_joined
from assay.market.sources.files import read_file
from assay.testing.bars import START_MS, random_bars

HOUR = 3_600_000


def ms(*hours: float) -> np.ndarray:
    return np.array([START_MS + round(h * HOUR) for h in hours], dtype=np.int64)


def test_a_value_counts_from_the_close_at_which_it_is_known() -> None:
    bars = random_bars(5)  # closes at 1, 2, 3, 4, 5
    joined = joined_series(ms(0, 1), ms(2, 3.5), np.array([7.0, 8.0]))
    assert np.array_equal(as_of(bars, joined), [np.nan, 7, 7, 8, 8], equal_nan=True)


def test_a_revision_is_a_row_of_its_own() -> None:
    bars = random_bars(5)
    joined = joined_series(ms(0, 0), ms(4, 1), np.array([2.0, 1.0]))  # rows in any order
    assert as_of(bars, joined).tolist() == [1, 1, 1, 2, 2]
    assert as_of(bars[:3], joined).tolist() == [1, 1, 1]


def test_attached_series_end_with_the_bars() -> None:
    joined = joined_series(ms(0, 1), ms(2, 30), np.array([7.0, 8.0]))
    bars = with_joined(random_bars(5), "gold", joined)
    assert bars.joined["gold"].value.tolist() == [7.0]
    assert np.array_equal(as_of(bars, bars.joined["gold"]), as_of(bars, joined), equal_nan=True)


def test_what_a_series_must_not_be() -> None:
    at, value = ms(0, 1), np.array([1.0, 2.0])
    for code, arguments in (
        ("DATA_KNOWN_AT", (at, None, value)),
        ("DATA_NAN", (at, at, np.array([1.0, np.nan]))),
        ("DATA_CONFLICT", (ms(0, 0), ms(1, 1), value)),
    ):
        with pytest.raises(DataError) as caught:
            joined_series(*arguments)  # type: ignore[arg-type]
        assert caught.value.code == code
    with pytest.raises(DataError, match="ahead of now"):
        joined_series(at, at, value, now_ms=START_MS)
    assert len(joined_series(ms(0, 0), ms(1, 1), np.array([1.0, 1.0])).value) == 1
    assert len(joined_series(ms(), ms(), np.array([])).value) == 0


@pytest.mark.market_data
def test_funding_of_a_perpetual(market_data: Path) -> None:
    bars = read_file(market_data / "binanceusdm_ETH-USDT-PERP_1h_2025.parquet").one.bars
    (funding,) = read_file(market_data / "funding_binanceusdm_ETH-USDT-PERP_2025.parquet").series
    rate = as_of(bars, funding.series)
    assert np.isfinite(rate).all()
    assert rate[6] == funding.series.value[0]  # closes 07:00, the payment of 08:00 is not known
    assert rate[7] == funding.series.value[1]  # closes 08:00
