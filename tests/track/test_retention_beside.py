"""Retention beside those who promote at the same moment."""

import threading
import time
from pathlib import Path

from assay.kernel.errors import AssayError
from assay.kernel.timeframe import current_ms
from assay.track.registry.retention import mark
from assay.track.tracker.model_registry import ModelRegistry
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.shelf import DAY_MS, POST, audited, shelf
from tests.track.test_champions import fine


def stocked(record: TrackingStore, run: int, folder: Path, count: int = 5) -> tuple[ModelRegistry, list[int]]:
    registry = shelf(record, folder / "home")
    registry.retain()
    then = current_ms() - 90 * DAY_MS
    return registry, [audited(registry, run, created_at=then + i, fast=4 + i) for i in range(count)]


def test_a_promotion_that_was_quicker_is_seen(record: TrackingStore, run: int, place: str, tmp_path: Path) -> None:
    """It has promoted and not yet committed when retention begins."""
    _, models = stocked(record, run, tmp_path)
    marked: list[int] = []

    def retires() -> None:
        with open_store(place) as other:
            marked.extend(m.id for m in mark(other, days=30, keep_last=3, by="retention"))

    thread = threading.Thread(target=retires)
    with record.together():
        record.champions.promote(models[0], by="ann", works=fine)
        thread.start()
        time.sleep(0.5)
        assert marked == []
    thread.join()
    assert marked == [models[1]]
    assert record.champions.of(POST)["champion"]["model_id"] == models[0]


def test_a_promotion_that_was_slower_finds_it_gone(record: TrackingStore, run: int, place: str, tmp_path: Path) -> None:
    _, models = stocked(record, run, tmp_path)
    refused: list[str] = []

    def promotes() -> None:
        with open_store(place) as other:
            try:
                other.champions.promote(models[0], by="ann", works=fine)
            except AssayError as error:
                refused.append(error.code)

    thread = threading.Thread(target=promotes)
    with record.together():
        mark(record, days=30, keep_last=3, by="retention")
        thread.start()
        time.sleep(0.5)
        assert refused == []
    thread.join()
    assert refused == ["ARTIFACT_GONE"] and record.champions.of(POST) == {}


def test_passes_at_once_take_each_model_once(record: TrackingStore, run: int, tmp_path: Path) -> None:
    registry, models = stocked(record, run, tmp_path, 8)
    taken: list[int] = []
    threads = [threading.Thread(target=lambda: taken.extend(m.id for m in mark(
        record, days=30, keep_last=3, by="retention"))) for _ in range(4)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == models[:5]
    both = [threading.Thread(target=registry.retain) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert [row["id"] for row in registry.list_models(order_by="id", ascending=True)] == models[5:]
    assert not [c.why for c in registry.verify() if c.why]
