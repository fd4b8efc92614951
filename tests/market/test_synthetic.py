import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError
from assay.market.sources.defects import KINDS, with_defects
from assay.market.sources.synthetic import FLOOR, MOMENTUM_BARS, REGIMES, SYNTHETIC_SIGMA, synthetic, synthetic_truth


def _autocorrelation(x: np.ndarray, lag: int) -> float:
    return float(np.corrcoef(x[lag:], x[:-lag])[0, 1])


@pytest.mark.parametrize("ic", [-0.2, 0.0, 0.05, 0.15, 0.3])
def test_the_planted_edge_has_its_size(ic: float) -> None:
    n = 200_000
    truth = synthetic_truth(bars=n, seed=11, ic=ic)
    returns = truth.bars.close / truth.bars.open - 1
    scaled = returns / truth.sigma
    before = np.concatenate([[truth.before], truth.side[:-1]])
    assert abs(np.corrcoef(before, scaled)[0, 1] - ic) < 3.5 / np.sqrt(n)
    gross = before / truth.sigma * returns
    assert abs(gross.mean() / gross.std() - ic / np.sqrt(1 - ic**2)) < 3.5 / np.sqrt(n)
    assert abs(scaled.std() - 1) < 0.02


def test_the_side_is_what_the_candles_show() -> None:
    truth = synthetic_truth(bars=3_000, seed=5, ic=0.1)
    close = truth.bars.close
    gained = np.log(close[MOMENTUM_BARS:] / close[:-MOMENTUM_BARS])
    assert np.array_equal(np.where(gained < 0, -1.0, 1.0), truth.side[MOMENTUM_BARS:])


def test_the_variance_follows_its_equation() -> None:
    truth = synthetic_truth(bars=5_000, seed=2, ic=0.1)
    returns = truth.bars.close / truth.bars.open - 1
    factor, alpha, beta, _ = REGIMES[truth.regime[1:]].T
    omega = (factor * SYNTHETIC_SIGMA) ** 2 * (1 - alpha - beta)
    expected = omega + alpha * returns[:-1] ** 2 + beta * truth.sigma[:-1] ** 2
    assert np.allclose(truth.sigma[1:] ** 2, expected, rtol=1e-9, atol=0)


def test_regimes_and_volatility_cluster() -> None:
    n = 200_000
    truth = synthetic_truth(bars=n, seed=3)
    stay = [np.mean(truth.regime[1:][truth.regime[:-1] == g] == g) for g in (0, 1)]
    assert abs(stay[0] - 0.995) < 0.001
    assert abs(stay[1] - 0.98) < 0.003
    assert truth.sigma[truth.regime == 1].mean() > 2 * truth.sigma[truth.regime == 0].mean()
    returns = truth.bars.close / truth.bars.open - 1
    assert _autocorrelation(np.abs(returns), 1) > 0.2
    assert abs(_autocorrelation(returns / truth.sigma, 1)) < 4 / np.sqrt(n)
    assert truth.bars.volume is not None
    assert np.corrcoef(truth.bars.volume, truth.sigma)[0, 1] > 0.4
    assert _autocorrelation(truth.bars.volume, 1) > 0.2


@given(
    seed=st.integers(0, 2**40),
    ic=st.floats(-0.9, 0.9),
    timeframe=st.sampled_from(["1m", "1h", "1d", "1w", "1M"]),
    n=st.integers(1, 300),
)
@settings(max_examples=60, deadline=None)
def test_candles_are_always_valid(seed: int, ic: float, timeframe: str, n: int) -> None:
    bars = synthetic(bars=n, seed=seed, ic=ic, timeframe=timeframe)
    assert len(bars) == n
    assert np.array_equal(bars.instrument.bar.floor(bars.timestamp), bars.timestamp)
    assert np.array_equal(bars.known_at[:-1], bars.timestamp[1:])
    assert np.array_equal(bars.open[1:], bars.close[:-1])
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.low > 0).all()
    assert bars.volume is not None
    assert (bars.volume > 0).all()
    assert (bars.close / bars.open - 1 >= FLOOR - 1e-12).all()


def test_a_market_begins_in_the_middle_of_its_life() -> None:
    starts = [synthetic_truth(bars=1, seed=seed) for seed in range(400)]
    wild = np.mean([t.regime[0] for t in starts])
    assert abs(wild - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 400)
    assert abs(np.mean([t.before for t in starts])) < 0.3


def test_same_seed_same_bytes() -> None:
    one = synthetic(bars=500, seed=7, ic=0.1)
    assert synthetic(bars=500, seed=7, ic=0.1).digest() == one.digest()
    assert synthetic(bars=900, seed=7, ic=0.1)[:500].digest() == one.digest()
    others = [
        synthetic(bars=500, seed=8, ic=0.1),
        synthetic(bars=500, seed=7, ic=0.2),
        synthetic(bars=500, seed=7, ic=0.1, symbol="TIN/USDT"),
    ]
    closes = [one.close.tobytes(), *(other.close.tobytes() for other in others)]
    assert len(set(closes)) == 4


@pytest.mark.parametrize(("bars", "ic"), [(0, 0.0), (-5, 0.0), (10, 1.0), (10, float("nan"))])
def test_senseless_markets_are_refused(bars: int, ic: float) -> None:
    with pytest.raises(ConfigError, match="must"):
        synthetic(bars=bars, seed=1, ic=ic)


def _differences(clean: Bars, table: pl.DataFrame) -> dict[str, list[int]]:
    """Found without looking at the truth: times that are gone, doubled, out of order or off the grid."""
    times = table["timestamp"].to_numpy()
    step = clean.instrument.bar.ms
    return {
        "off_grid": times[times % step != 0].tolist(),
        "missing": sorted(set(clean.timestamp.tolist()) - set(times.tolist())),
        "doubled": table.filter(table["timestamp"].is_duplicated())["timestamp"].unique().sort().to_list(),
        "backward": times[1:][np.diff(times) < 0].tolist(),
    }


@given(seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_defects_are_where_the_truth_says(seed: int) -> None:
    clean = synthetic(bars=3_000, seed=1)
    table, truth = with_defects(clean, seed)
    by_kind = {d.kind: d for d in truth}
    assert list(by_kind) == [d.kind for d in sorted(truth, key=lambda d: d.row)]
    assert set(by_kind) == set(KINDS)
    step = clean.instrument.bar.ms
    found = _differences(clean, table)
    gap, off = by_kind["gap"], by_kind["off_grid"]
    assert found["missing"] == sorted([*range(gap.first, gap.last + 1, step), off.first])
    assert len(found["off_grid"]) == 1
    assert found["doubled"] == sorted([by_kind["duplicate"].first, by_kind["conflict"].first])
    assert found["backward"] == [by_kind["unordered"].first]
    at = {kind: table.row(d.row, named=True) for kind, d in by_kind.items()}
    assert at["crossed"]["high"] < at["crossed"]["low"]
    assert at["negative"]["close"] == -1.0
    assert np.isnan(at["nan"]["close"])
    assert at["zero_volume"]["volume"] == 0.0
    assert at["spike"]["close"] > 1_000 * table["close"][by_kind["spike"].row - 1]
    assert at["gap"]["timestamp"] == gap.last + step
    flat = table["close"][by_kind["flat"].row : by_kind["flat"].row + 500]
    assert flat.n_unique() == 1
    one, two = (table.row(by_kind["conflict"].row + i, named=True) for i in (0, 1))
    assert one["timestamp"] == two["timestamp"]
    assert one["close"] != two["close"]


def test_only_the_wanted_defects() -> None:
    clean = synthetic(bars=500, seed=1)
    table, truth = with_defects(clean, 3, ["gap", "gap"])
    assert [d.kind for d in truth] == ["gap", "gap"]
    assert table.height == 500 - sum(d.bars for d in truth)
    assert table.equals(with_defects(clean, 3, ["gap", "gap"])[0])
    untouched, none = with_defects(clean, 3, [])
    assert none == ()
    assert np.array_equal(untouched["close"].to_numpy(), clean.close)
    with pytest.raises(ConfigError, match="did you mean gap"):
        with_defects(clean, 3, ["gaps"])
    with pytest.raises(ConfigError, match="too few"):
        with_defects(clean, 3, ["flat"])
