"""Word of what was there before anybody listened."""

import sqlalchemy as sa

from assay.track.database import Database
from assay.track.outbox import MLFLOW, enqueue
from assay.track.rows import Row, rows
from assay.track.schema.model_tables import ALIASES, MODELS
from assay.track.schema.run_tables import EXPERIMENTS
from assay.track.schema.service import OUTBOX

_POST = ("strategy_type", "exchange", "symbol", "timeframe")


def backfill(database: Database) -> int:
    """Leave word of every run, model and champion of the record that none was left of; how many rows that made.

    Runs that are deleted are left out. Rows as they are now: what is already on the server is found there.
    """
    r, m = EXPERIMENTS.c, MODELS.c
    runs = sa.select(r.run_id, r.status).where(r.deleted_at.is_(None)).order_by(r.id)
    models = sa.select(m.id).where(m.manifest_sha256.is_not(None), m.deleted_at.is_(None)).order_by(m.id)
    with database.write() as connection:
        before = _count(connection)
        for row in _all(connection, runs):
            enqueue(connection, "run", f"{row['run_id']}:{row['status']}", run_id=row["run_id"])
        for row in _all(connection, models):
            enqueue(connection, "model", str(row["id"]), id=row["id"])
        for row in _all(connection, sa.select(ALIASES).where(ALIASES.c.alias != "previous")):
            post = {name: row[name] for name in _POST}
            key = "|".join([*post.values(), row["alias"], str(row["version"])])
            enqueue(connection, "alias", key, alias=row["alias"], model_id=row["model_id"], **post)
        return _count(connection) - before


def _all(connection: sa.Connection, query: sa.Select[tuple[object, ...]]) -> list[Row]:
    return rows(connection.execute(query))


def _count(connection: sa.Connection) -> int:
    query = sa.select(sa.func.count()).select_from(OUTBOX).where(OUTBOX.c.topic == MLFLOW)
    return int(connection.execute(query).scalar_one())
