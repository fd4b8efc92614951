from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars, Joined
from assay.kernel.errors import ArtifactError
from assay.kernel.instrument import Instrument
from assay.track.artifacts import load_snapshot, save_snapshot

HOUR = 3_600_000


def bars(close: FloatArray, *, volume: bool = True, joined: int = 0) -> Bars:
    n = len(close)
    times = np.arange(joined, dtype=np.int64)
    return Bars(
        Instrument("binance", "BTC/USDT", "1h"),
        np.arange(n, dtype=np.int64) * HOUR,
        close,
        close,
        close,
        close,
        np.where(np.arange(n) % 3 == 0, np.nan, 2.0) if volume else None,
        columns={"trade_count": close * 2, "avg_spread": np.full(n, np.nan)},
        joined={"funding_rate": Joined(times, times + 5, np.where(times % 2 == 0, np.nan, 0.25))} if joined else {},
    )


def equal(a: Bars, b: Bars) -> None:
    assert (a.instrument, list(a.columns), list(a.joined)) == (b.instrument, list(b.columns), list(b.joined))
    pairs = [(getattr(a, k), getattr(b, k)) for k in ("timestamp", "open", "high", "low", "close")]
    pairs += [(a.columns[k], b.columns[k]) for k in a.columns]
    assert (a.volume is None) == (b.volume is None)
    if a.volume is not None and b.volume is not None:
        pairs.append((a.volume, b.volume))
    for name in a.joined:
        pairs += [(getattr(a.joined[name], k), getattr(b.joined[name], k)) for k in ("value_time", "known_at", "value")]
    for left, right in pairs:
        assert left.dtype == right.dtype and right.flags.c_contiguous
        assert left.tobytes() == right.tobytes()


@settings(deadline=None, max_examples=40)
@given(
    hnp.arrays(np.float64, st.integers(0, 20), elements=st.floats(-1e300, 1e300)),
    st.booleans(),
    st.sampled_from([0, 3, 40]),
)
def test_bars_come_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, close: FloatArray, volume: bool, joined: int
) -> None:
    folder = tmp_path_factory.mktemp("snapshots")
    given_bars = bars(close, volume=volume, joined=joined)
    digest, path = save_snapshot(given_bars, folder)
    assert (digest, path) == (given_bars.digest(), folder / f"{digest}.parquet")
    equal(given_bars, load_snapshot(digest, folder))


def test_a_snapshot_is_written_once(tmp_path: Path) -> None:
    given_bars = bars(np.arange(5.0))
    _, path = save_snapshot(given_bars, tmp_path / "deep" / "er")
    before = path.stat().st_mtime_ns
    assert save_snapshot(given_bars, path.parent)[1].stat().st_mtime_ns == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_damage_is_found(tmp_path: Path) -> None:
    digest, path = save_snapshot(bars(np.arange(500.0), joined=900), tmp_path)
    other, _ = save_snapshot(bars(np.arange(501.0)), tmp_path)
    whole = path.read_bytes()
    shorter = pq.read_table(path).slice(0, 10)

    def refused(name: str = digest) -> str:
        with pytest.raises(ArtifactError) as told:
            load_snapshot(name, tmp_path)
        return told.value.code

    assert refused("0" * 64) == "ARTIFACT_GONE"
    path.write_bytes((tmp_path / f"{other}.parquet").read_bytes())
    assert refused() == "ARTIFACT_CORRUPT"
    pq.write_table(shorter, path)
    assert refused() == "ARTIFACT_CORRUPT"
    pq.write_table(shorter.replace_schema_metadata(None), path)
    assert refused() == "ARTIFACT_CORRUPT"
    for data in (b"", whole[:100], whole[: len(whole) // 2]):
        path.write_bytes(data)
        assert refused() == "ARTIFACT_CORRUPT"
    for place in range(4, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            equal(load_snapshot(digest, tmp_path), bars(np.arange(500.0), joined=900))
        except ArtifactError as error:
            assert error.code == "ARTIFACT_CORRUPT"
