"""Contract checks of a feature: ``check("my_column", bars)``; causality by cutting the future off.

Each check takes names as `assay.features.table` does and raises AssertionError naming the column and the row.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from assay.features import FeatureContext, Table, table
from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import Bars, Joined
from assay.kernel.panel import Labels
from assay.kernel.seeding import generator
from assay.market import scramble_future as scramble_future
from assay.testing.bars import bars_of, random_bars

Names = str | Sequence[str]
_STATISTICS = ("gdp", "unemployment", "cpi", "interest_rate", "gold", "oil")
_CLOCKED = {"calendar", "sessions", "multi-timeframe", "external", "funding"}
_SCALES: Mapping[str, tuple[float, float]] = {"quote": (7.0, 1.0), "base": (1.0, 3.0)}


def equipped_bars(n: int = 2500, *, seed: int = 0, timeframe: str = "15m") -> Bars:
    """Random bars with all that a column may ask for: spread and trade columns, funding, statistics, events."""
    bars = random_bars(n, seed=seed, timeframe=timeframe)
    draw = generator(seed, "testing.features")
    spread = bars.close * draw.uniform(1e-4, 1e-3, n)
    first, step = int(bars.timestamp[0]) if n else 0, bars.instrument.bar.ms

    def series(every: int, values: Callable[[int], FloatArray]) -> Joined:
        count = n // every + 100
        times = first + step * every * (np.arange(count, dtype=np.int64) - 99)
        return Joined(times, times + step, values(count))

    joined = {name: series(50, lambda k: draw.uniform(1, 5, k)) for name in _STATISTICS}
    joined["funding_rate"] = series(8, lambda k: draw.normal(0, 1e-4, k))
    dates = series(40, lambda k: draw.integers(0, 4, k).astype(np.float64))
    due = dates.known_at + step * draw.integers(-100, 300, len(dates.known_at))
    joined["events"] = Joined(due, dates.known_at, dates.value)
    columns = {"avg_spread": spread, "max_spread": spread * 2, "min_spread": spread / 2, "tick_count": spread * 0 + 7}
    return replace(bars, columns=columns, joined=joined)


def lower_bars(bars: Bars, timeframe: str = "5m") -> Bars:
    """Random bars of a lower timeframe over the same stretch."""
    m = bars.instrument.bar.ms // replace(bars.instrument, timeframe=timeframe).bar.ms
    made = random_bars(len(bars) * m, seed=9, timeframe=timeframe, start_ms=int(bars.timestamp[0]))
    return replace(made, instrument=replace(bars.instrument, timeframe=timeframe))


def check(names: Names, bars: Bars | None = None, *, lower: Bars | None = None) -> None:
    """All checks, on random bars unless others are given."""
    bars = equipped_bars() if bars is None else bars
    sees_no_future(names, bars, lower=lower)
    lookback_is_enough(names, bars, lower=lower)
    lookback_is_honest(names, bars)
    stands_constant_prices(names, bars)
    stands_missing_volume(names, bars)
    stands_short_histories(names, bars)
    keeps_its_unit(names, bars)
    minds_no_gap(names, bars)
    is_pure(names, bars)


def sees_no_future(names: Names, bars: Bars, *, lower: Bars | None = None) -> None:
    """Cutting the future off, or making noise of it, changes no row before: not by one bit."""
    whole = _table(names, bars, lower)
    for cut in _cuts(bars):
        available = int(bars.known_at[cut - 1])
        below = None if lower is None else lower[: int(np.searchsorted(lower.known_at, available, side="right"))]
        _same(whole, _table(names, bars[:cut], below), slice(0, cut), f"with all rows after {cut - 1} cut off")
        _same(whole, _table(names, noisy(bars, cut), lower), slice(0, cut), f"with noise in the rows after {cut - 1}")


def lookback_is_enough(names: Names, bars: Bars, *, lower: Bars | None = None) -> None:
    """A row is the same from `lookback` rows of history as from all of it; rows before it are NaN.

    1e-9 relative for windows (to the value or the column's std, whichever is larger), 1e-5 of the std for recursions.
    """
    whole = _table(names, bars, lower)
    for rows in sorted(set(whole.lookbacks)):
        group = [i for i, lookback in enumerate(whole.lookbacks) if lookback == rows]
        for i in group:
            late = np.isfinite(whole.values[: min(rows, len(bars)), i])
            assert not late.any(), f"{whole.names[i]}: row {int(np.argmax(late))} lies before the lookback, is not NaN"
        for row in _rows_to_try(len(bars), rows):
            part = _table([whole.features[i].name for i in group], bars[row - rows : row + 1], lower)
            for i in group:
                _close(whole, i, row, part.values[-1, part.names.index(whole.names[i])])


def lookback_is_honest(names: Names, bars: Bars) -> None:
    """Some row ``t`` changes with the bar ``t - lookback``, or with one at most two higher bars later.

    Asked of windowed columns of real-valued units only: flags and counts change too rarely to be caught at it.
    """
    whole = _table(names, bars)
    study = FeatureContext(bars)
    request = [i for i, f in enumerate(whole.features) if f.windowed and f.unit not in ("flag", "category", "count")]
    request = [i for i in request if 0 < whole.lookbacks[i] < len(bars) // 2 and whole.names[i] not in _UNASKED]
    reached = {i: -1 for i in request}
    width = max((study.per(whole.features[i].clock) for i in request), default=1)
    for row in range(len(bars) // 3, len(bars) // 3 + width):
        for variant in (0, 1):
            other = _table(names, _jolted(bars, row, variant))
            for i in request:
                changed = np.flatnonzero(~_equal(whole.values[:, i], other.values[:, i]))
                reached[i] = max(reached[i], int(changed[-1]) - row if changed.size else -1)
    for i in request:
        # A bar in the middle of a higher bar says nothing of its own, and the higher bar still open is not read.
        slack = 0 if whole.features[i].clock == "own" else 2 * study.per(whole.features[i].clock)
        least = whole.lookbacks[i] - slack
        assert reached[i] >= least, f"{whole.names[i]}: declares {whole.lookbacks[i]} rows, reads only {reached[i]}"


# Both lines of the slow stochastic have the lookback of the longer one; the score has three values only.
_UNASKED = {"stoch_k", "tf_alignment_score"}


def stands_constant_prices(names: Names, like: Bars) -> None:
    """On prices and volumes that never move, columns are finite or NaN; no warning."""
    n = len(like)
    for volume in (5.0, 0.0):
        still = bars_of(np.full(n, 123.456), timeframe=like.instrument.timeframe, volume=volume)
        flat = replace(
            still, instrument=like.instrument, timestamp=like.timestamp, columns=like.columns, joined=like.joined
        )
        made = _table(names, flat)
        for i, name in enumerate(made.names):
            assert not np.isinf(made.values[:, i]).any(), f"{name}: infinite on constant prices"


def stands_missing_volume(names: Names, bars: Bars) -> None:
    """Without volume, columns of it are absent and the others unchanged; one NaN spoils only rows that see it."""
    whole = _table(names, bars)
    without = _table(names, replace(bars, volume=None))
    for feature in whole.features:
        if "volume" in feature.needs:
            base = feature.name.removesuffix("_rel")
            assert feature.name not in without.names, f"{feature.name}: there without volume"
            assert {feature.name, base} & set(without.absent), f"{feature.name}: absent, but not named so"
    for name in without.names:
        assert _equal(whole.column(name), without.column(name)).all(), f"{name}: changes without volume"
    if bars.volume is None:
        return
    hole = len(bars) // 2
    volume = bars.volume.copy()
    volume[hole] = np.nan
    holed = _table(names, replace(bars, volume=volume))
    for i, name in enumerate(whole.names):
        changed = np.flatnonzero(~_near(whole.values[:, i], holed.values[:, i], 1e-9))
        seen = (changed >= hole) & (changed <= hole + whole.lookbacks[i])
        assert seen.all(), f"{name}: row {changed[~seen][0]} changes with the volume of row {hole}"
        assert "volume" in whole.features[i].needs or not changed.size, f"{name}: reads volume and does not say so"


def stands_short_histories(names: Names, bars: Bars) -> None:
    """None, one, two and `lookback` bars give the right shape and NaN, no error."""
    for n in sorted({0, 1, 2, *_table(names, bars).lookbacks}):
        if n > len(bars):
            continue
        made = _table(names, bars[:n])
        assert made.values.shape == (n, len(made.names))
        for i, rows in enumerate(made.lookbacks):
            assert rows < n or np.isnan(made.values[:, i]).all(), f"{made.names[i]}: not NaN on {n} bars"


def keeps_its_unit(names: Names, bars: Bars) -> None:
    """Prices x 7 and volume x 3: ``quote`` columns x 7, ``base`` columns x 3, scale-free columns unchanged."""
    whole, grown = _table(names, bars), _table(names, scale(bars, 7.0, 3.0))
    for i, feature in enumerate(whole.features):
        if feature.unit in ("log", "other"):
            continue
        price, volume = _SCALES.get(feature.unit, (1.0, 1.0))
        near = _near(whole.values[:, i] * price * volume, grown.values[:, i], 1e-9)
        assert near.all(), f"{feature.name}: row {int(np.argmin(near))} does not scale as {feature.unit}"


def minds_no_gap(names: Names, bars: Bars) -> None:
    """Bars missing in between change calendar and higher-timeframe columns only."""
    hole = len(bars) // 2
    later = bars.timestamp.copy()
    later[hole:] += 11 * bars.instrument.bar.ms
    whole, gapped = _table(names, bars), _table(names, replace(bars, timestamp=later))
    for i, feature in enumerate(whole.features):
        if feature.group not in _CLOCKED and feature.name != "macd_session_interaction":
            assert _equal(whole.values[:, i], gapped.values[:, i]).all(), f"{feature.name}: changes with a gap in time"


def is_pure(names: Names, bars: Bars) -> None:
    """Inputs unchanged, the same result twice, with another instrument in between, and for 1, 2 or 3 threads."""
    before = bars.digest()
    first = _table(names, bars)
    table(random_bars(300, seed=77, symbol="ETH/USDT"), "mini5")
    for threads in (1, 2, 3):
        again = table(bars, names, levels=True, threads=threads)
        assert again.names == first.names
        _same(first, again, slice(None), f"with {threads} threads")
    assert bars.digest() == before, "the bars were changed"
    assert first.values.flags.c_contiguous and first.values.dtype == np.float64


def noisy(bars: Bars, cut: int) -> Bars:
    """The same bars up to row `cut`, and another market after it."""
    other = random_bars(len(bars), seed=123)

    def mixed(own: FloatArray, noise: FloatArray) -> FloatArray:
        return np.r_[own[:cut], noise[cut:]]

    return replace(
        bars,
        open=mixed(bars.open, other.open),
        high=mixed(bars.high, other.high),
        low=mixed(bars.low, other.low),
        close=mixed(bars.close, other.close),
        volume=None if bars.volume is None or other.volume is None else mixed(bars.volume, other.volume),
        columns={name: mixed(column, other.close) for name, column in bars.columns.items()},
    )


def scale(bars: Bars, price: float, volume: float) -> Bars:
    """The same market in another currency and another unit of volume; spread columns go with the prices."""
    return replace(
        bars,
        open=bars.open * price,
        high=bars.high * price,
        low=bars.low * price,
        close=bars.close * price,
        volume=None if bars.volume is None else bars.volume * volume,
        columns={n: c * price if n.endswith("_spread") else c for n, c in bars.columns.items()},
    )


def _table(names: Names, bars: Bars, lower: Bars | None = None) -> Table:
    return table(bars, names, levels=True, lower=lower)


def _cuts(bars: Bars) -> IntArray:
    n = len(bars)
    spaced = np.linspace(1, n - 1, 9).astype(np.int64) | 1  # odd, so that cuts fall inside higher bars
    holes = [] if bars.volume is None else (np.flatnonzero(np.isnan(bars.volume))[:5] + 1).tolist()
    cuts = np.unique(np.r_[spaced, np.array(holes, np.int64)])
    return cuts[(cuts > 0) & (cuts < n)]


def _rows_to_try(n: int, lookback: int) -> Iterable[int]:
    rows = {lookback, lookback + 1, lookback + 7, (n + lookback) // 2, (n + lookback) * 2 // 3, n - 1}
    return sorted(row for row in rows if lookback <= row < n)


def _jolted(bars: Bars, row: int, variant: int) -> Bars:
    """One bar far out: a bullish giant, or a bearish one."""
    price = bars.close[row]
    begin, top, bottom, last = ((0.7, 1.6, 0.6, 1.5), (1.5, 1.6, 0.6, 0.7))[variant]
    made: dict[str, FloatArray] = {}
    for name, factor in (("open", begin), ("high", top), ("low", bottom), ("close", last)):
        made[name] = getattr(bars, name).copy()
        made[name][row] = price * factor
    if bars.volume is not None:
        made["volume"] = bars.volume.copy()
        made["volume"][row] *= (50.0, 0.02)[variant]
    columns = {name: column.copy() for name, column in bars.columns.items()}
    for column in columns.values():
        column[row] *= 3.0
    return replace(bars, columns=columns, **made)  # type: ignore[arg-type]


def _equal(a: FloatArray, b: FloatArray) -> BoolArray:
    same: BoolArray = (a == b) | (np.isnan(a) & np.isnan(b))
    return same


def _near(a: FloatArray, b: FloatArray, share: float) -> BoolArray:
    allowed = share * np.maximum(np.abs(a), _spread(a))
    near: BoolArray = (np.abs(a - b) <= allowed) | (np.isnan(a) & np.isnan(b))
    return near


def _spread(a: FloatArray) -> float:
    finite = a[np.isfinite(a)]
    return float(finite.std()) if finite.size else 0.0


def _same(whole: Table, part: Table, rows: slice, when: str) -> None:
    for i, name in enumerate(whole.names):
        if name not in part.names:
            raise AssertionError(f"{name}: absent {when}")
        equal = _equal(whole.values[rows, i], part.values[rows, part.names.index(name)])
        assert equal.all(), f"{name}: row {int(np.argmin(equal))} changes {when}"


def _close(whole: Table, i: int, row: int, value: float) -> None:
    want, feature = whole.values[row, i], whole.features[i]
    spread = _spread(whole.values[:, i])
    allowed = 1e-9 * max(abs(want), spread) if feature.windowed else 1e-5 * spread
    good = (np.isnan(want) and np.isnan(value)) or abs(want - value) <= allowed
    assert good, f"{feature.name}: row {row} is {want!r} from all rows, {value!r} from {whole.lookbacks[i]} rows before"


Rows = Callable[[Bars], FloatArray]
Label = Callable[[Bars], Labels]


def check_rows_know_no_later_bar(rows: Rows, bars: Bars) -> None:
    """``(n,)`` or ``(n, k)`` values: cutting off or scrambling the bars after row c changes no row up to c."""
    whole = rows(bars)
    for cut in _cut_points(len(bars)):
        for what, other in _futures(bars, cut):
            same = np.array_equal(whole[: cut + 1], rows(other)[: cut + 1], equal_nan=True)
            assert same, f"a value at or before row {cut} changed when the bars after it were {what}"


def check_known_at_is_true(label: Label, bars: Bars) -> None:
    """Scrambling all bars after an instant changes no label known by then, and does change some label known later.

    The first says that `Labels.known_at` does not understate how far a target looks, the second that it does not
    overstate it for every row.
    """
    whole = label(bars)
    touched = False
    for cut in _cut_points(len(bars)):
        instant = bars.known_at[cut]
        available = np.isfinite(whole.y) & (whole.known_at <= instant)
        open_ones = np.isfinite(whole.y) & (whole.known_at > instant) & (bars.known_at <= instant)
        for factor in (1.0, 10.0):
            other = label(scramble_future(bars, cut + 1, seed=cut, factor=factor))
            wrong = available & ((other.y != whole.y) | (other.known_at != whole.known_at))
            assert not wrong.any(), (
                f"label {int(np.argmax(wrong))} says it is known at {whole.known_at[np.argmax(wrong)]}, "
                f"but bars after {instant} change it"
            )
            touched = touched or bool((other.y[open_ones] != whole.y[open_ones]).any())
    assert touched, "no label changed with a bar before its known_at: the horizon is overstated"


def _cut_points(n: int) -> list[int]:
    """Pairs of neighbours: a leak may sit in every second row, or in one of four."""
    first = range(n // 3, n - 4, max(1, n // 12))
    return sorted({cut + i for cut in first for i in (0, 1)} | {n - 2})


def _futures(bars: Bars, cut: int) -> Iterator[tuple[str, Bars]]:
    yield "cut off", bars[: cut + 1]
    for factor in (1.0, 10.0):
        yield f"scrambled times {factor:g}", scramble_future(bars, cut + 1, seed=cut, factor=factor)
