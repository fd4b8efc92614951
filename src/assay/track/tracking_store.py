"""The record: one object for all that a run leaves behind."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import TracebackType

from assay.track.artifacts import Artifacts
from assay.track.configurations import Configurations
from assay.track.database import BUSY_SECONDS, Database, place_of
from assay.track.datasets import Datasets
from assay.track.experiments import Experiments
from assay.track.holdout import Vault
from assay.track.ledger import Ledger
from assay.track.markets import Markets
from assay.track.metrics import Hyperparameters, Metrics, Trades
from assay.track.models import Models
from assay.track.registry.promotion import Champions


class TrackingStore:
    """An open record, by topic. Threads may share it, processes may not (``STORE_FORKED``).

    All rows that come out are plain dicts with the table's column names: JSON decoded, times aware UTC datetimes.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.experiments = Experiments(database)
        self.hyperparameters = Hyperparameters(database)
        self.metrics = Metrics(database)
        self.datasets = Datasets(database)
        self.artifacts = Artifacts(database)
        self.models = Models(database)
        self.champions = Champions(database)
        self.trades = Trades(database)
        self.ledger = Ledger(database)
        self.markets = Markets(database)
        self.configurations = Configurations(database)
        self.vault = Vault(database)

    @property
    def schema_version(self) -> str:
        """Version of the tables in the database."""
        return self.database.schema_version

    @contextmanager
    def together(self) -> Iterator[None]:
        """Everything that is written inside is one transaction: all of it, or nothing if the block raises."""
        with self.database.write():
            yield

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()

    def __enter__(self) -> "TrackingStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(
    url: str | os.PathLike[str],
    *,
    busy_seconds: float = BUSY_SECONDS,
    check: bool = False,
    tells: Collection[str] = (),
) -> TrackingStore:
    """Open the record at ``sqlite:///path``, a plain path or ``postgresql://user:password@host/database``.

    A file that is not there, or an empty database, is laid; safe when two processes do it at once. Runs of dead
    processes are marked ``crashed``. ``check=True`` reads a whole SQLite file first (``STORE_CORRUPT``). Locks of
    others are waited for `busy_seconds`, on PostgreSQL 5 s at most. tells: topics of the outbox that are delivered to
    somebody (``mlflow``); for others no row is written.

    Raises ConfigError ``CONFIG_RECORD_URL``, ``CONFIG_EXTRA`` without the PostgreSQL driver; StoreError ``STORE_OPEN
    STORE_CORRUPT STORE_BUSY STORE_FULL STORE_READ_ONLY STORE_SCHEMA_NEWER STORE_SCHEMA_FOREIGN``.
    """
    database = Database(place_of(url), busy_seconds=busy_seconds, tells=tells)
    if check:
        database.quick_check()
    record = TrackingStore(database)
    record.experiments.sweep()
    return record
