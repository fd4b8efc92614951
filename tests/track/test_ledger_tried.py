"""What each row of the ledger counts, read back."""

import io
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assay.kernel.errors import ArtifactError
from assay.testing.store_contract import MARKET, a_trial
from assay.track.model_files.artifact_store import Blobs
from assay.track.tracking_store import TrackingStore

SHARPE = np.array([0.1, np.nan, -0.2, 0.3])


def parquet(table: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    table.write_parquet(out)
    return out.getvalue()


BLOCK = parquet(
    pl.DataFrame(
        {"p_fast": [3, 5, 8, 13], "score": SHARPE, "failed": [False, True, False, False], "sharpe": SHARPE,
         "skew": SHARPE.astype(np.float32), "kurtosis": SHARPE.astype(np.float32), "trades": np.arange(4)}
    )
)  # fmt: skip
TOPS = parquet(pl.DataFrame({"3": [0.01, 0.02], "0": [0.0, -0.01]}))


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "artifacts")


@pytest.fixture
def filled(record: TrackingStore, blobs: Blobs) -> TrackingStore:
    record.ledger.append(a_trial(), blobs=blobs)
    record.ledger.append(
        a_trial(n_configs=4, block=BLOCK, tops=TOPS, bars=2, params={"block": "x"}, tuning_method="grid"), blobs=blobs
    )
    record.ledger.append(a_trial(seed=9, state="failed", score=np.nan, returns=np.empty(0), window=None), blobs=blobs)
    record.ledger.append(a_trial(market_key="x|Y/Z|1h"), blobs=blobs)
    return record


def test_every_configuration_comes_back(filled: TrackingStore, blobs: Blobs) -> None:
    one, many, failed = filled.ledger.trials(MARKET, blobs=blobs)
    assert sum(map(len, (one, many, failed))) == filled.ledger.count(MARKET) == 6
    own = one.columns()
    assert (own["p_fast"][0], own["p_slow"][0], own["sharpe"][0], own["failed"][0]) == (3, 2.5, 0.1, False)
    assert np.isnan(own["skew"][0]) and bool(failed.columns()["failed"][0])
    found = many.columns()
    np.testing.assert_array_equal(found["sharpe"], SHARPE)
    assert found["p_fast"].tolist() == [3, 5, 8, 13] and set(own) - set(found) == {"p_slow"}
    assert list(many.columns(["sharpe", "nothing"])) == list(one.columns(["sharpe", "nothing"])) == ["sharpe"]


def test_returns_of_the_best_come_back(filled: TrackingStore, blobs: Blobs) -> None:
    one, many, failed = filled.ledger.trials(MARKET, blobs=blobs)
    np.testing.assert_array_equal(one.returns()[0], a_trial().returns)
    assert {place: each.tolist() for place, each in many.returns().items()} == {3: [0.01, 0.02], 0: [0.0, -0.01]}
    assert failed.returns() == {} == next(filled.ledger.trials(MARKET)).returns()
    assert (many.row["n_obs"], many.row["n_configs"]) == (2, 4)


def test_nothing_is_read_before_it_is_asked_for(filled: TrackingStore, blobs: Blobs) -> None:
    shutil.rmtree(blobs.folder)
    one, many, _ = filled.ledger.trials(MARKET, blobs=blobs)
    assert len(one.columns()["score"]) == 1
    for asked in (many.columns, many.returns, one.returns):
        with pytest.raises(ArtifactError) as caught:
            asked()
        assert caught.value.code == "ARTIFACT_GONE"


def test_a_block_of_another_length_is_refused(record: TrackingStore, blobs: Blobs) -> None:
    record.ledger.append(a_trial(n_configs=5, block=BLOCK, bars=2), blobs=blobs)
    (many,) = record.ledger.trials(MARKET, blobs=blobs)
    with pytest.raises(ArtifactError) as caught:
        many.columns()
    assert caught.value.code == "ARTIFACT_CORRUPT" and "holds 4 configurations, 5" in caught.value.message
    with pytest.raises(ArtifactError):
        next(record.ledger.trials(MARKET)).columns()


def test_rows_of_one_run(filled: TrackingStore, run: int) -> None:
    filled.ledger.append(a_trial(seed=11), run)
    assert [each.row["seed"] for each in filled.ledger.trials(experiment_id=run)] == [11]


def test_a_trial_is_found_and_not_added(filled: TrackingStore, blobs: Blobs) -> None:
    assert filled.ledger.find(a_trial()) == 1
    assert filled.ledger.find(a_trial(seed=12)) is None
    assert filled.ledger.count(MARKET) == 6
