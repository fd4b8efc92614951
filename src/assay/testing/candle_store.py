"""Contract tests of candle stores; subclass and give `store`."""

import numpy as np
import pytest

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars, Joined
from assay.kernel.errors import DataError
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import HOUR_MS
from assay.market import CandleStore, Span

BTC = Instrument("binance", "BTC/USDT", "1h")
ETH = Instrument("binance", "ETH/USDT", "1h")


def candles(
    n: int,
    *,
    first: int = 0,
    seed: int = 0,
    instrument: Instrument = BTC,
    volume: FloatArray | None = None,
    **columns: FloatArray,
) -> Bars:
    """`n` valid bars without gaps, from bar number `first` on; equal bar numbers of a seed have equal values."""
    random = np.random.default_rng(seed).lognormal(4.0, 0.01, (first + n, 2))[first:]
    low, high = random.min(axis=1), random.max(axis=1)
    traded = np.arange(first, first + n, dtype=np.float64) % 7 + 0.5 if volume is None else volume
    timestamp = np.arange(first, first + n, dtype=np.int64) * HOUR_MS
    return Bars(instrument, timestamp, random[:, 0].copy(), high, low, random[:, 1].copy(), traded, columns)


class CandleStoreContract:
    """Inherit, and define a fixture ``store`` that gives an empty store."""

    def test_what_was_stored_is_read_back(self, store: CandleStore) -> None:
        """All values, in order, with volume and further columns."""
        bars = candles(50, quote_volume=np.arange(50.0), avg_spread=np.where(np.arange(50) % 3, np.nan, 0.25))
        done = store.upsert(bars, source="test")
        assert (done.inserted, done.revised, done.unchanged) == (50, 0, 0)
        back = store.read(BTC)
        assert back.digest() == bars.digest()
        assert isinstance(store, CandleStore)

    def test_the_same_window_three_times(self, store: CandleStore) -> None:
        """Promise D1: importing again changes nothing."""
        store.upsert(candles(30), source="test")
        once = store.digest()
        for _ in range(2):
            done = store.upsert(candles(20, first=10), source="other")
            assert (done.inserted, done.revised, done.unchanged) == (0, 0, 20)
        assert store.digest() == once == store.digest(BTC)
        assert store.revisions(BTC) is None

    def test_pieces_make_the_whole(self, store: CandleStore) -> None:
        """Order and overlap of the pieces do not matter; the digest tells any other content apart."""
        for first, n in ((20, 10), (0, 12), (8, 15)):
            store.upsert(candles(n, first=first), source="test")
        assert store.read(BTC).digest() == candles(30).digest()
        before = store.digest()
        store.upsert(candles(1, first=30), source="test")
        assert store.digest() != before

    def test_a_revised_candle_keeps_its_old_values(self, store: CandleStore) -> None:
        """The new values are read, the old ones are kept."""
        store.upsert(candles(10), source="test")
        store.upsert(candles(2, first=4, seed=1), source="test")
        done = store.upsert(candles(3, first=4, seed=2), source="test")
        assert (done.inserted, done.revised, done.unchanged) == (0, 3, 0)
        assert store.read(BTC)[4:7].digest() == candles(3, first=4, seed=2).digest()
        replaced = store.revisions(BTC)
        assert replaced is not None
        assert replaced.timestamp.tolist() == [4 * HOUR_MS, 5 * HOUR_MS, 6 * HOUR_MS]
        assert replaced[:2].digest() == candles(2, first=4, seed=1).digest()
        assert replaced[2:].digest() == candles(1, first=6).digest()

    def test_the_unknown_does_not_erase_the_known(self, store: CandleStore) -> None:
        """A source without a column leaves it alone; a source that knows it fills it in."""
        nothing = np.full(4, np.nan)
        store.upsert(candles(4, volume=nothing), source="a")
        assert store.read(BTC).volume is None
        assert store.upsert(candles(4, trade_count=np.arange(4.0)), source="b").revised == 4
        assert store.upsert(candles(4, volume=nothing), source="a").unchanged == 4
        back = store.read(BTC)
        assert back.volume is not None
        assert back.columns["trade_count"].tolist() == [0.0, 1.0, 2.0, 3.0]

    def test_rounding_of_a_volume_is_no_revision(self, store: CandleStore) -> None:
        """Two sources write the same volume with other digits; a price has no such tolerance."""
        first = candles(3)
        assert first.volume is not None
        store.upsert(first, source="a")
        near = candles(3, volume=first.volume * (1 + 1e-8))
        assert store.upsert(near, source="b").unchanged == 3
        far = candles(3, volume=first.volume * (1 + 1e-6))
        assert store.upsert(far, source="b").revised == 3
        nudged = Bars(BTC, far.timestamp, far.open, np.nextafter(far.high, np.inf), far.low, far.close, far.volume)
        assert store.upsert(nudged, source="b").revised == 3

    def test_negative_zero_is_zero(self, store: CandleStore) -> None:
        """A volume of -0.0 is stored as 0.0."""
        store.upsert(candles(2, volume=np.array([-0.0, 1.0])), source="test")
        volume = store.read(BTC).volume
        assert volume is not None
        assert not np.signbit(volume).any()

    @pytest.mark.parametrize(
        ("start", "end", "newest", "numbers"),
        [
            (None, None, None, range(10)),
            (3, None, None, range(3, 10)),
            (None, 7, None, range(7)),
            (3, 7, None, range(3, 7)),
            (None, None, 4, range(6, 10)),
            (1, 7, 2, range(5, 7)),
            (7, 3, None, range(0)),
            (None, None, 0, range(0)),
        ],
    )
    def test_windows(
        self, store: CandleStore, start: int | None, end: int | None, newest: int | None, numbers: range
    ) -> None:
        """The start is in, the end is out, newest counts from the end."""
        store.upsert(candles(10), source="test")
        back = store.read(
            BTC,
            start=None if start is None else start * HOUR_MS,
            end=None if end is None else end * HOUR_MS,
            newest=newest,
        )
        assert (back.timestamp // HOUR_MS).tolist() == list(numbers)

    def test_instruments_are_kept_apart(self, store: CandleStore) -> None:
        """Equal times of two markets do not touch each other."""
        store.upsert(candles(5), source="test")
        store.upsert(candles(8, seed=1, instrument=ETH), source="test")
        assert [(h.instrument, h.bars, h.first, h.last) for h in store.instruments()] == [
            (BTC, 5, 0, 4 * HOUR_MS),
            (ETH, 8, 0, 7 * HOUR_MS),
        ]
        assert store.read(BTC).digest() == candles(5).digest()
        assert len({store.digest(), store.digest(BTC), store.digest(ETH)}) == 3

    def test_an_unknown_instrument(self, store: CandleStore) -> None:
        """The error names what is near, and how to bring candles in."""
        with pytest.raises(DataError, match="the store is empty") as empty:
            store.read(BTC)
        assert (empty.value.code, empty.value.exit_code) == ("DATA_NOT_FOUND", 65)
        store.upsert(candles(5), source="test")
        with pytest.raises(DataError, match=r"did you mean binance BTC/USDT 1h\?") as near:
            store.read(Instrument("binance", "BTC/USDC", "1h"))
        assert "assay collect" in near.value.hint
        with pytest.raises(DataError, match="this market is here in 1h"):
            store.read(Instrument("binance", "BTC/USDT", "5m"))

    def test_nothing_to_store(self, store: CandleStore) -> None:
        """No rows make no instrument."""
        assert store.upsert(candles(0), source="test").inserted == 0
        assert store.instruments() == []
        assert store.digest() == store.digest(BTC)

    def test_series_are_joined(self, store: CandleStore) -> None:
        """A read carries each series of its market up to its last close."""
        times = np.arange(0, 10, 2, dtype=np.int64) * HOUR_MS
        funding = Joined(times, times + 1, np.array([0.1, np.nan, -0.0, 0.3, 0.4]))
        store.upsert(candles(5), source="test")
        store.upsert(candles(5, instrument=ETH), source="test")
        assert store.put_series("binance", "BTC/USDT", "funding_rate", funding) == 5
        assert store.put_series("binance", "BTC/USDT", "funding_rate", funding) == 0
        assert list(store.series("binance", "BTC/USDT")) == ["funding_rate"]
        joined = store.read(BTC).joined["funding_rate"]
        assert joined.known_at.tolist() == [1, 2 * HOUR_MS + 1, 4 * HOUR_MS + 1]
        assert np.array_equal(joined.value, [0.1, np.nan, 0.0], equal_nan=True)
        assert store.read(ETH).joined == {}

    def test_a_revised_series_keeps_both_values(self, store: CandleStore) -> None:
        """A revision is a row of its own, known later."""
        store.put_series("binance", "BTC/USDT", "rate", Joined(np.array([0]), np.array([5]), np.array([1.0])))
        store.put_series("binance", "BTC/USDT", "rate", Joined(np.array([0]), np.array([9]), np.array([2.0])))
        both = store.series("binance", "BTC/USDT")["rate"]
        assert (both.known_at.tolist(), both.value.tolist()) == ([5, 9], [1.0, 2.0])

    def test_a_round_trip_with_series(self, store: CandleStore) -> None:
        """Bars that bring their series along are read back whole."""
        times = np.array([0, HOUR_MS], np.int64)
        value = candles(5)
        joined = {"rate": Joined(times, times, np.array([1.0, 2.0]))}
        bars = Bars(BTC, value.timestamp, value.open, value.high, value.low, value.close, value.volume, joined=joined)
        store.upsert(bars, source="test")
        assert store.read(BTC).digest() == bars.digest()

    def test_what_was_asked_for_is_remembered(self, store: CandleStore) -> None:
        """Stretches grow together; they are kept even where the source had no candle."""
        store.upsert(candles(2), source="test", covered=Span(0, 10))
        store.upsert(candles(0), source="test", covered=Span(30, 40))
        store.upsert(candles(0), source="test", covered=Span(10, 20))
        assert store.coverage(BTC) == (Span(0, 20), Span(30, 40))
        assert store.coverage(ETH) == ()
