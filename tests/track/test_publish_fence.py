"""A job publishes while it holds its token, and at most once a symbol."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.track.model_files.artifact_store import Blobs
from assay.track.model_files.manifest import ModelFacts
from assay.track.registry.publish import Written, publish, write_files
from assay.track.schema.service import JOBS
from assay.track.tracking_store import TrackingStore

FACTS = ModelFacts(
    strategy_type="sma_cross",
    exchange="binance",
    symbol="BTC/USDT",
    timeframe="1h",
    features=(),
    lookback=1,
    spec_hash="",
    data_digest="",
    created_at=1_700_000_000_000,
)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "rules.json").write_bytes(b"{}")
    return write_files(parts, FACTS, artifacts=Blobs(tmp_path / "artifacts"), models=tmp_path / "models")


def job(record: TrackingStore, token: int, status: str = "running") -> int:
    values = {"job_id": "j", "spec": {}, "spec_hash": "0" * 64, "token": token, "status": status}
    with record.database.write() as connection:
        made = sa.insert(JOBS).values(values | {"owner": "w", "lease_until": 0}).returning(JOBS.c.id)
        return int(connection.execute(made).scalar_one())


def test_the_holder_of_the_token_publishes(record: TrackingStore, run: int, written: Written) -> None:
    held = job(record, token=3)
    (row,) = publish(record, run, [written], fence=(held, 3))
    assert row["job_id"] == held
    with pytest.raises(StoreError) as told:  # the unique key, whatever the token
        publish(record, run, [written], fence=(held, 3))
    assert told.value.code == "STORE_CONFLICT" and len(record.models.recent()) == 1


@pytest.mark.parametrize(("token", "status"), [(4, "running"), (2, "running"), (3, "queued"), (3, "cancelled")])
def test_a_job_that_lost_its_token_publishes_nothing(
    record: TrackingStore, run: int, written: Written, token: int, status: str
) -> None:
    held = job(record, token, status)
    for fence in ((held, 3), (held + 1, 3)):
        with pytest.raises(StoreError, match="does not run under token 3") as told:
            publish(record, run, [written], fence=fence)
        assert told.value.http_status == 409
    assert record.models.recent() == []
