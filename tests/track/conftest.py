"""A fresh record for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.track.record import Record, open_record


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with open_record(tmp_path / "record.db") as opened:
        yield opened


@pytest.fixture
def run(record: Record) -> int:
    return record.experiments.start("a run", "rules").id
