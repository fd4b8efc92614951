"""What a volume counts is kept with the candles, in every store and snapshot."""

from dataclasses import replace
from pathlib import Path

import pytest

from assay.kernel.errors import ConfigError
from assay.market.sources.synthetic import synthetic
from assay.market.stores.base import MemoryStore
from assay.market.stores.duckdb import DuckDbStore
from assay.market.units import VOLUME_UNIT_SERIES, VOLUME_UNITS, check_volume_unit, unit_series, volume_unit
from assay.track.artifacts import load_snapshot, save_snapshot

BARS = synthetic(bars=50, seed=1)


@pytest.mark.parametrize("unit", VOLUME_UNITS)
def test_a_unit_comes_back(unit, tmp_path: Path) -> None:
    market = BARS.instrument
    for store in (MemoryStore(), DuckDbStore(tmp_path / f"{unit}.duckdb")):
        store.upsert(BARS, source="test")
        assert volume_unit(store.read(market)) == "unknown"
        store.put_series(market.exchange, market.symbol, VOLUME_UNIT_SERIES, unit_series("base"))
        store.put_series(market.exchange, market.symbol, VOLUME_UNIT_SERIES, unit_series(unit))  # said again
        assert volume_unit(store.read(market, newest=3)) == unit
    kept = replace(BARS, joined={VOLUME_UNIT_SERIES: unit_series(unit)})
    digest, _ = save_snapshot(kept, tmp_path / "snapshots")
    assert volume_unit(load_snapshot(digest, tmp_path / "snapshots")) == volume_unit(kept[10:20]) == unit


def test_what_nobody_said_is_unknown_and_a_wrong_word_is_refused() -> None:
    assert volume_unit(BARS) == "unknown"
    assert (
        volume_unit(
            replace(
                BARS, joined={VOLUME_UNIT_SERIES: replace(unit_series("base"), value=unit_series("base").value + 98)}
            )
        )
        == "unknown"
    )
    with pytest.raises(ConfigError, match="--volume-unit 'bas' is unknown, use unknown, base"):
        check_volume_unit("bas")
