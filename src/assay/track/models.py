"""Models: rows that point to files."""

import secrets
from datetime import datetime

import sqlalchemy as sa

from assay.kernel.errors import StoreError, did_you_mean, printable
from assay.kernel.instrument import slug
from assay.kernel.parse import JsonObject
from assay.kernel.timeframe import current_ms
from assay.track.codecs import parse_instant
from assay.track.database import (
    Database,
    Row,
    check_fields,
    finite_or_none,
    hold,
    nan_for_null,
    not_found,
    rows,
    writes,
)
from assay.track.schema.tables import MODELS

_USE_MS = 60_000
_NAMED = 1_000  # newest ids among which a misspelt one is looked for
_METRICS = ("train_metric", "val_metric", "test_metric")


class Models:
    """The models table. Undefined metrics are NULL there and NaN here."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def add(self, run: int, checkpoint_path: str, *, created_at: int | None = None, **fields: object) -> Row:
        """A new row, returned as stored. `created_at` in UTC ms, now when not given.

        fields: further columns of the table by name. ``name``, ``version`` and ``model_id`` are made when not given;
        ``is_best`` takes the mark from the run's other models; a non-finite train, val or test metric is NULL, and an
        ``is_best`` with one is StoreError ``STORE_VALUE``.
        """
        made = parse_instant(current_ms() if created_at is None else created_at)
        values = check_fields(fields, MODELS) | {"experiment_id": run, "checkpoint_path": checkpoint_path}
        for name in _METRICS:
            if values.get(name) is not None:
                values[name] = _metric(values, name)
        with self._database.write() as connection:
            hold(connection, "models")  # names, versions and ids count the rows that are there
            values.setdefault("name", f"{values.get('architecture_type') or 'model'}_exp{run}_{_next(connection, run)}")
            values.setdefault("version", str(_versions(connection, values["name"]) + 1))
            values.setdefault("model_id", _unused(connection, values, made))
            if values.get("is_best"):
                _clear_best(connection, run)
            row = connection.execute(sa.insert(MODELS).values(values | {"created_at": made}).returning(MODELS))
            return nan_for_null(rows(row)[0], _METRICS)

    @writes
    def mark_best(self, model: int) -> None:
        """Make it the run's only best model."""
        with self._database.write() as connection:
            hold(connection, "models")
            row = self._row(connection, model)
            _clear_best(connection, row["experiment_id"])
            connection.execute(sa.update(MODELS).where(MODELS.c.id == row["id"]).values(is_best=True))

    def get(self, model: int | str) -> Row:
        """The row by id or model_id. StoreError ``STORE_NOT_FOUND``."""
        with self._database.read() as connection:
            return nan_for_null(self._row(connection, model), _METRICS)

    def used(self, model: int) -> None:
        """It was loaded; written down once a minute at most."""
        now = current_ms()
        stale = sa.or_(MODELS.c.last_used_at.is_(None), MODELS.c.last_used_at < parse_instant(max(0, now - _USE_MS)))
        change = sa.update(MODELS).where(MODELS.c.id == model, stale).values(last_used_at=parse_instant(now))
        with self._database.read() as connection:
            if connection.execute(sa.select(MODELS.c.id).where(MODELS.c.id == model, stale)).first() is None:
                return
        with self._database.write() as connection:
            connection.execute(change)

    def recent(self, run: int | None = None, *, limit: int = 50) -> list[Row]:
        """Rows, newest first, those without files hidden."""
        query = sa.select(MODELS).where(MODELS.c.deleted_at.is_(None)).order_by(MODELS.c.id.desc()).limit(limit)
        query = query if run is None else query.where(MODELS.c.experiment_id == run)
        with self._database.read() as connection:
            return [nan_for_null(row, _METRICS) for row in rows(connection.execute(query))]

    def verdicts(self) -> list[tuple[int, JsonObject]]:
        """Number and verdict of every model that has one, those whose files are gone included."""
        query = sa.select(MODELS.c.id, MODELS.c.verdict).where(MODELS.c.verdict.is_not(None)).order_by(MODELS.c.id)
        with self._database.read() as connection:
            return [(int(number), verdict) for number, verdict in connection.execute(query)]

    def _row(self, connection: sa.Connection, request: int | str) -> Row:
        wanted = MODELS.c.model_id == request if isinstance(request, str) else MODELS.c.id == int(request)
        result = rows(connection.execute(sa.select(MODELS).where(wanted)))
        if not result:
            raise not_found("model", request, _known_models(connection, request))
        return result[0]


def _known_models(connection: sa.Connection, request: int | str) -> str:
    """What there is instead: the nearest text id among the newest, or how many."""
    count, last = connection.execute(sa.select(sa.func.count(), sa.func.max(MODELS.c.id))).one()
    newest = sa.select(MODELS.c.model_id).order_by(MODELS.c.id.desc()).limit(_NAMED)
    near = did_you_mean(request, connection.execute(newest).scalars()) if isinstance(request, str) else ""
    document = f"the record holds {count} models" + (f", numbers up to {last}" if count else "")
    return f"{document}; {near}" if near else document


def _unused(connection: sa.Connection, values: Row, made: datetime) -> str:
    """The id that the content gives; equal models of one second cannot share it, the later one's is random."""
    name = model_id(values, made)
    taken = connection.execute(sa.select(MODELS.c.id).where(MODELS.c.model_id == name)).first()
    return name if taken is None else model_id({k: v for k, v in values.items() if k != "content_sha256"}, made)


def model_id(values: Row, made: datetime) -> str:
    """``{strategy}_{slug}_{YYYYMMDD}_{HHMMSS}_{8 hex}``; the hex begins the content hash, or is random without one."""
    strategy = values.get("strategy_type") or values.get("architecture_type") or "model"
    tail = (values.get("content_sha256") or secrets.token_hex(4))[:8]
    return f"{strategy}_{slug(values.get('symbol') or 'any')}_{made:%Y%m%d_%H%M%S}_{tail}"


def _metric(values: Row, name: str) -> float | None:
    value = finite_or_none(values[name], name)
    if value is None and values.get("is_best"):
        raise StoreError(f"{name} is {printable(values[name])}; a best model has a finite one", code="STORE_VALUE")
    return value


def _clear_best(connection: sa.Connection, run: int) -> None:
    connection.execute(sa.update(MODELS).where(MODELS.c.experiment_id == run, MODELS.c.is_best).values(is_best=False))


def _next(connection: sa.Connection, run: int) -> int:
    query = sa.select(sa.func.count()).select_from(MODELS).where(MODELS.c.experiment_id == run)
    return int(connection.execute(query).scalar_one()) + 1


def _versions(connection: sa.Connection, name: str) -> int:
    query = sa.select(sa.func.count()).select_from(MODELS).where(MODELS.c.name == name)
    return int(connection.execute(query).scalar_one())
