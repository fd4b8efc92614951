"""A fresh record for each test, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assay.track.tracker import shared as sharing
from assay.track.tracker.tracker import ExperimentTracker
from assay.track.tracking_store import TrackingStore, open_store

if TYPE_CHECKING:
    from assay.track.mirror.worker import MirrorWorker
    from tests.track.mirrored import There
    from tests.track.mlflow_server import MlflowServer
    from tests.track.server import Server

BOTH = [pytest.param("sqlite"), pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres() -> Iterator["Server"]:
    """The session's own PostgreSQL server; only tests marked ``postgres`` may ask for it."""
    from tests.track.server import server

    with server() as running:
        laid = running.fresh()
        open_store(laid).close()
        running.sql("ALTER DATABASE t1 RENAME TO laid")
        yield running


@pytest.fixture(scope="session")
def mlflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator["MlflowServer"]:
    """The session's own MLflow server; only tests marked ``mlflow`` may ask for it."""
    from tests.track.mlflow_server import mlflow_server

    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as running:
        yield running


@pytest.fixture
def mlflow(mlflow_home: "MlflowServer") -> Iterator["MlflowServer"]:
    """The server, running; the process's own MLflow variables are put back afterwards."""
    from tests.track.mlflow_server import same_environment

    with same_environment():
        yield mlflow_home


@pytest.fixture
def there(mlflow: "MlflowServer", tmp_path: Path) -> "There":
    """An experiment of the test's own on the server; no model is registered yet."""
    from tests.track.mirrored import There

    found = There(mlflow, tmp_path.name)
    found.clear()
    return found


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
def record(place: str) -> Iterator[TrackingStore]:
    """A record that tells the mirror of what it holds."""
    with open_store(place, tells=("mlflow",)) as opened:
        yield opened


@pytest.fixture
def mirror(record: TrackingStore, there: "There", tmp_path: Path) -> "MirrorWorker":
    """The record's mirror on the test's server."""
    from tests.track.mirrored import mirror_of

    return mirror_of(record, there, tmp_path)


@pytest.fixture
def run(record: TrackingStore) -> int:
    return record.experiments.start("a run", "rules").id


@pytest.fixture
def tracker(place: str) -> Iterator[ExperimentTracker]:
    """A tracker on a fresh record; whatever was opened here is closed afterwards."""
    yield ExperimentTracker(place)
    sharing._at_exit()
    sharing._opened.clear()


@pytest.fixture
def current(tracker: ExperimentTracker) -> int:
    """The tracker's current run."""
    return tracker.start_experiment("a run", capture_git=False)
