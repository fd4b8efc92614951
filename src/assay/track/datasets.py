"""Datasets of runs: training and evaluation data."""

import logging
from collections.abc import Mapping, Sequence
from datetime import date

import sqlalchemy as sa

from assay.kernel.errors import StoreError, printable
from assay.track.database import Database, Row, hold, insert_new, not_found, rows, scalar, writes
from assay.track.schema.tables import DATASETS, EXPERIMENT_DATASETS, EXPERIMENTS

_LOG = logging.getLogger(__name__)
_IDENTITY_FIELDS = (
    "exchange",
    "symbol",
    "timeframe",
    "data_path",
    "data_hash",
    "num_samples",
    "start_date",
    "end_date",
    "feature_columns",
    "target_columns",
)


class Datasets:
    """Datasets, each kept once; a change of content under the same name is a new revision."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def add(
        self,
        name: str,
        version: str = "",
        split_type: str = "",
        *,
        dataset_type: str = "timeseries",
        exchange: str | None = None,
        symbol: str | None = None,
        timeframe: str | None = None,
        data_path: str | None = None,
        data_hash: str | None = None,
        num_samples: int | None = None,
        start_date: str | date | None = None,
        end_date: str | date | None = None,
        feature_columns: Sequence[str] = (),
        target_columns: Sequence[str] = (),
        metadata: Mapping[str, object] | None = None,
    ) -> int:
        """The id of this dataset, new or known.

        Known is one of the same name, version and split with an equal `data_hash`; or, where a hash is missing on
        either side, without a contradiction in what both know; then what it did not know is filled in. Otherwise a new
        row with revision + 1 is made, and a WARN says so if there was an older one.
        """
        value: Row = {
            "exchange": exchange,
            "symbol": symbol,
            "timeframe": timeframe,
            "data_path": data_path,
            "data_hash": data_hash,
            "num_samples": scalar(num_samples),
            "start_date": _text(start_date),
            "end_date": _text(end_date),
            "feature_columns": list(feature_columns),
            "target_columns": list(target_columns),
        }
        _demand_order(name, value)
        key = {"name": name, "version": version, "split_type": split_type}
        return self._insert_or_revise(key, value, {"dataset_type": dataset_type, "metadata": dict(metadata or {})})

    def _insert_or_revise(self, key: Row, value: Row, more: Row) -> int:
        """The id of a row that is the same, with what it did not know filled in, or of a new revision."""
        with self._database.write() as connection:
            hold(connection, f"dataset {key['name']}")
            older = self._revisions(connection, key)
            for row in older:
                if _same(row, value):
                    _fill(connection, row, value)
                    return int(row["id"])
            revision = older[0]["revision"] + 1 if older else 1
            if older:
                _LOG.warning(
                    "dataset %s: other rows than before, kept as revision %d", printable(key["name"]), revision
                )
            values = key | value | more | {"revision": revision}
            return int(connection.execute(sa.insert(DATASETS).values(values).returning(DATASETS.c.id)).scalar_one())

    @writes
    def link(self, run: int, dataset_id: int, usage_type: str) -> None:
        """Say that the run used the dataset as ``train``, ``val``, ``test`` or another word. Twice is once.

        StoreError ``STORE_NOT_FOUND`` for an unknown run or dataset.
        """
        values = {"experiment_id": run, "dataset_id": dataset_id, "usage_type": usage_type}
        with self._database.write() as connection:
            insert_new(connection, EXPERIMENT_DATASETS, values)

    def of_run(self, run: int) -> list[Row]:
        """The run's datasets with their ``usage_type``, by usage and id."""
        x = EXPERIMENT_DATASETS.c
        query = (
            sa.select(DATASETS, x.usage_type)
            .join(EXPERIMENT_DATASETS, x.dataset_id == DATASETS.c.id)
            .where(x.experiment_id == run)
            .order_by(x.usage_type, DATASETS.c.id)
        )
        with self._database.read() as connection:
            return rows(connection.execute(query))

    def get(self, name: str, version: str = "", split_type: str = "") -> Row | None:
        """The highest revision, or None."""
        with self._database.read() as connection:
            result = self._revisions(connection, {"name": name, "version": version, "split_type": split_type})
        return result[0] if result else None

    def by_id(self, dataset_id: int) -> Row:
        """The row. StoreError ``STORE_NOT_FOUND`` says which there are."""
        with self._database.read() as connection:
            result = rows(connection.execute(sa.select(DATASETS).where(DATASETS.c.id == dataset_id)))
            if result:
                return result[0]
            raise not_found("dataset", dataset_id, _known_datasets(connection))

    def recent(self, limit: int = 50, *, name: str | None = None, data_hash: str | None = None) -> list[Row]:
        """Rows with ``runs``, how many used each, newest first.

        name: only of this name.   data_hash: only those whose hash begins so.
        """
        used = sa.select(sa.func.count(EXPERIMENT_DATASETS.c.experiment_id.distinct())).where(
            EXPERIMENT_DATASETS.c.dataset_id == DATASETS.c.id
        )
        query = sa.select(DATASETS, used.scalar_subquery().label("runs"))
        query = query if name is None else query.where(DATASETS.c.name == name)
        query = query if data_hash is None else query.where(DATASETS.c.data_hash.startswith(data_hash, autoescape=True))
        with self._database.read() as connection:
            return rows(connection.execute(query.order_by(DATASETS.c.id.desc()).limit(limit)))

    def names(self) -> list[str]:
        """Every name, once."""
        query = sa.select(DATASETS.c.name).distinct().order_by(DATASETS.c.name)
        with self._database.read() as connection:
            return [str(name) for name in connection.execute(query).scalars()]

    def users(self, dataset_id: int) -> list[Row]:
        """Runs that used it, oldest first: ``experiment_id run_id name status reproduces_id usage_type``."""
        x, e = EXPERIMENT_DATASETS.c, EXPERIMENTS.c
        query = (
            sa.select(e.id.label("experiment_id"), e.run_id, e.name, e.status, e.reproduces_id, x.usage_type)
            .join(EXPERIMENT_DATASETS, x.experiment_id == e.id)
            .where(x.dataset_id == dataset_id, e.deleted_at.is_(None))
            .order_by(e.id, x.usage_type)
        )
        with self._database.read() as connection:
            return rows(connection.execute(query))

    def _revisions(self, connection: sa.Connection, key: Row) -> list[Row]:
        query = sa.select(DATASETS).filter_by(**key).order_by(DATASETS.c.revision.desc())
        return rows(connection.execute(query))


def _known_datasets(connection: sa.Connection) -> str:
    d = DATASETS.c
    count, first, last = connection.execute(sa.select(sa.func.count(), sa.func.min(d.id), sa.func.max(d.id))).one()
    return f"the record holds {count} datasets, ids {first} to {last}" if count else "the record holds no dataset yet"


def _demand_order(name: str, value: Row) -> None:
    if value["start_date"] and value["end_date"] and value["start_date"] > value["end_date"]:
        raise StoreError(
            f"dataset {printable(name)} starts {value['start_date']}, after its end {value['end_date']}",
            code="STORE_VALUE",
        )


def _same(row: Row, value: Row) -> bool:
    if row["data_hash"] is not None and value["data_hash"] is not None:
        return bool(row["data_hash"] == value["data_hash"])
    return all(_unknown(row[k]) or _unknown(value[k]) or row[k] == value[k] for k in _IDENTITY_FIELDS)


def _fill(connection: sa.Connection, row: Row, value: Row) -> None:
    fresh = {k: value[k] for k in _IDENTITY_FIELDS if _unknown(row[k]) and not _unknown(value[k])}
    if fresh:
        connection.execute(sa.update(DATASETS).where(DATASETS.c.id == row["id"]).values(fresh))


def _unknown(value: object) -> bool:
    return value is None or value == []


def _text(value: str | date | None) -> str | None:
    return value.isoformat() if isinstance(value, date) else value
