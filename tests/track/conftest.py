"""A fresh record for each test, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assay.track.record import Record, open_record

if TYPE_CHECKING:
    from tests.track.server import Server

BOTH = [pytest.param("sqlite"), pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres() -> Iterator["Server"]:
    """The session's own PostgreSQL server; only tests marked ``postgres`` may ask for it."""
    from tests.track.server import server

    with server() as running:
        laid = running.fresh()
        open_record(laid).close()
        running.sql("ALTER DATABASE t1 RENAME TO laid")
        yield running


@pytest.fixture(params=BOTH)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a record that is not there yet."""
    if dialect == "sqlite":
        yield str(tmp_path / "empty" / "record.db")
        return
    server = request.getfixturevalue("postgres")
    url = server.fresh()
    yield url
    server.drop(url)


@pytest.fixture
def place(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a fresh record, for tests that open it themselves."""
    if dialect == "sqlite":
        yield str(tmp_path / "record.db")
        return
    server = request.getfixturevalue("postgres")
    url = server.fresh("laid")
    yield url
    server.drop(url)


@pytest.fixture
def record(place: str) -> Iterator[Record]:
    """A record that tells the mirror of what it holds."""
    with open_record(place, tells=("mlflow",)) as opened:
        yield opened


@pytest.fixture
def run(record: Record) -> int:
    return record.experiments.start("a run", "rules").id
