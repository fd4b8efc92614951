"""What retention takes, and what it never takes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assay.kernel.errors import ArtifactError, ConfigError
from assay.kernel.timeframe import current_ms
from assay.track.registry import retention
from assay.track.registry.retention import FIRST, FOREIGN, Pruned, prune_files
from assay.track.schema.service import EVENTS, JOBS
from assay.track.schema.tables import CONFIGURATIONS
from assay.track.tracker.model_registry import ModelRegistry
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.shelf import DAY_MS, audited, change, files, paths, publish, shelf
from tests.track.test_champions import fine


@pytest.fixture
def registry(record: TrackingStore, tmp_path: Path) -> ModelRegistry:
    """Of a home that has had its first, dry run."""
    registry = shelf(record, tmp_path / "home")
    assert registry.retain().why == FIRST
    return registry


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def aged(registry: ModelRegistry, run: int, days: float, **changes: Any) -> int:
    return publish(registry, run, created_at=round(current_ms() - days * DAY_MS), **changes)


def going(pruned: Pruned) -> list[int]:
    return [model.id for model in pruned.models]


def test_the_old_go_and_their_rows_stay(registry: ModelRegistry, run: int, home: Path) -> None:
    old = [aged(registry, run, 40 - i, fast=5 + i) for i in range(5)]
    told = registry.retain(dry_run=True)
    assert (told.dry_run, told.why, going(told)) == (True, "", old[:2])
    assert len(registry.list_models()) == 5  # a dry run changes nothing
    gone = registry.retain()
    assert (gone.dry_run, going(gone), gone.bytes > 0) == (False, old[:2], True)
    assert {row["id"] for row in registry.list_models()} == set(old[2:])
    assert files(home) == set().union(*(paths(registry.get_model(model)) for model in old[2:]))
    row = registry.get_model(old[0])
    assert row["deleted_at"] is not None and row["experiment_id"] == run
    with pytest.raises(ArtifactError) as refused:
        registry.load(old[0])
    assert (refused.value.code, refused.value.http_status) == ("ARTIFACT_GONE", 410)
    with registry.record.database.read() as connection:
        query = sa.select(EVENTS.c.subject).where(EVENTS.c.action == "delete").order_by(EVENTS.c.id)
        assert list(connection.execute(query).scalars()) == [f"model:{model}" for model in old[:2]]
    assert going(registry.retain()) == []


def serve(alias: str) -> Callable[[ModelRegistry, int], None]:
    def act(registry: ModelRegistry, model: int) -> None:
        champions = registry.record.champions
        if alias == "challenger":
            champions.challenge(model, by="ann")
            return
        champions.promote(model, by="ann", works=fine)
        if alias == "previous":
            champions.promote(audited(registry, registry.get_model(model)["experiment_id"]), by="ann", works=fine)

    return act


def configured(active: bool) -> Callable[[ModelRegistry, int], None]:
    def act(registry: ModelRegistry, model: int) -> None:
        values = {"strategy_name": "sma_cross", "exchange": "binance", "pair": "BTC/USDT", "timeframe": "1h"}
        values |= {"config_id": "STRATEGY_V3_X", "model_id": model, "is_active": active}
        with registry.record.database.write() as connection:
            connection.execute(sa.insert(CONFIGURATIONS).values(values))

    return act


def job(status: str, *, by: str) -> Callable[[ModelRegistry, int], None]:
    """A job that made the model, or whose spec names it."""

    def act(registry: ModelRegistry, model: int) -> None:
        row = registry.get_model(model)
        named = {"number": {"model_id": row["id"]}, "text": {"what": [{"model": row["model_id"]}]}}.get(by, {})
        values = {"job_id": "j", "kind": "audit", "spec": named | {"other": 1}, "spec_hash": "0" * 64}
        values |= {"status": status} | ({"owner": "w", "lease_until": current_ms()} if status == "running" else {})
        with registry.record.database.write() as connection:
            made = connection.execute(sa.insert(JOBS).values(values).returning(JOBS.c.id)).scalar_one()
        if by == "made":
            change(registry.record, model, job_id=made)

    return act


KEPT = {
    "champion": serve("champion"),
    "challenger": serve("challenger"),
    "previous": serve("previous"),
    "active configuration": configured(True),
    **{
        f"{status} job {by}": job(status, by=by)
        for status in ("queued", "running")
        for by in ("number", "text", "made")
    },
}
NOT_KEPT = {"inactive configuration": configured(False), "completed job": job("completed", by="text")}


@pytest.mark.parametrize("why", [*KEPT, *NOT_KEPT])
def test_what_is_used_stays(registry: ModelRegistry, run: int, why: str) -> None:
    model = audited(registry, run, created_at=current_ms() - 400 * DAY_MS)
    for fast in (6, 7, 8):
        aged(registry, run, 300, fast=fast)
    (KEPT | NOT_KEPT)[why](registry, model)
    assert (model in going(registry.retain(0, dry_run=True))) == (why not in KEPT)
    registry.retain(0)
    assert (registry.get_model(model)["deleted_at"] is None) == (why in KEPT)


def test_the_newest_of_a_key_stay(registry: ModelRegistry, run: int) -> None:
    bitcoin = [aged(registry, run, 100 - i, fast=5 + i) for i in range(4)]
    (ether,) = (aged(registry, run, 900, symbol="ETH/USDT"),)
    assert going(registry.retain(0, dry_run=True)) == bitcoin[:1]
    assert going(registry.retain(0, keep_last=0, dry_run=True)) == bitcoin[:3]  # the only one of a key always stays
    assert going(registry.retain(0, keep_last=9, dry_run=True)) == []
    for broken in bitcoin[1:]:
        change(registry.record, broken, integrity="corrupt")
    assert going(registry.retain(0, dry_run=True)) == []  # three broken ones do not outlive the last sound one
    assert ether not in going(registry.retain(0, keep_last=0))


def test_the_young_stay(registry: ModelRegistry, run: int) -> None:
    models = [aged(registry, run, 0.9 + 0.04 * i, fast=5 + i) for i in range(4)]
    assert going(registry.retain(0, keep_last=1, dry_run=True)) == [models[3]]
    assert going(registry.retain(1, keep_last=1, dry_run=True)) == [models[3]]
    assert going(registry.retain(2, keep_last=1, dry_run=True)) == []


def test_a_clock_ten_years_ahead(
    registry: ModelRegistry, run: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [publish(registry, run, fast=5 + i) for i in range(5)]
    under_way = home / "artifacts" / ".staging" / "x"
    under_way.mkdir()
    orphan = home / "artifacts" / ("a" * 64)
    orphan.mkdir()
    monkeypatch.setattr(retention, "current_ms", lambda: current_ms() + 3652 * DAY_MS)
    gone = registry.retain(0)
    assert going(gone) == models[:2] and gone.orphans == ()
    assert under_way.is_dir() and orphan.is_dir()


def test_files_that_are_not_ours_stay(registry: ModelRegistry, run: int, tmp_path: Path) -> None:
    theirs = tmp_path / "checkpoint.pth"
    theirs.write_bytes(b"weights")
    registered = [registry.register_model(run, theirs) for _ in range(5)]
    for model in registered:
        change(registry.record, model, created_at=0)
    outside, *_ = (aged(registry, run, 40, fast=5 + i) for i in range(4))
    change(registry.record, outside, checkpoint_path="../../checkpoint.pth", created_at=0)
    gone = going(registry.retain(0))
    assert outside in gone and not set(registered) & set(gone)
    assert theirs.read_bytes() == b"weights"


def test_what_a_killed_run_left_is_finished(registry: ModelRegistry, run: int, home: Path) -> None:
    old = [aged(registry, run, 40 - i, fast=5 + i) for i in range(5)]
    marked = retention.mark(registry.record, days=30, keep_last=3, by="retention")
    assert [model.id for model in marked] == old[:2]
    path = home / "models" / registry.get_model(old[0])["checkpoint_path"]
    path.unlink()  # killed between the two
    assert going(registry.retain(dry_run=True)) == old[:2]
    assert going(registry.retain(36_500)) == old[:2]
    assert files(home) == set().union(*(paths(registry.get_model(model)) for model in old[2:]))


def test_a_folder_that_two_models_share_stays(registry: ModelRegistry, run: int, home: Path) -> None:
    old = [aged(registry, run, 40 - i, fast=5 + i) for i in range(4)]
    shared = registry.get_model(old[0])
    change(registry.record, old[3], manifest_sha256=shared["manifest_sha256"])
    registry.retain()
    assert (home / "artifacts" / shared["manifest_sha256"]).is_dir()
    assert not (home / "models" / shared["checkpoint_path"]).exists()


@pytest.mark.parametrize(("days", "keep"), [(-1, 3), (36_501, 3), (30, -1)])
def test_numbers_out_of_range(registry: ModelRegistry, days: int, keep: int) -> None:
    with pytest.raises(ConfigError):
        registry.retain(days, keep_last=keep)


def test_two_records_over_one_home(registry: ModelRegistry, run: int, home: Path, tmp_path: Path) -> None:
    """The other record knows none of the files: to it they would all be orphans."""
    model = publish(registry, run)
    for path in home.rglob("*"):
        os.utime(path, (0, 0))
    with open_store(tmp_path / "other.db") as other:
        for _ in range(2):
            pruned = prune_files(other, artifacts=home / "artifacts", models=home / "models")
            assert (pruned.dry_run, pruned.why) == (True, FOREIGN)
            assert len(pruned.orphans) == 2
    assert registry.verify([model])[0].faults == "verified"
    assert registry.retain().orphans == ()
