"""Runs as rows of ``experiment_summary``: listed, and one by one."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from assay.track.database import Database
from assay.track.rows import Row, nan_for_null, not_found, rows
from assay.track.schema.column_types import Instant, Json, integer

SUMMARY = sa.table(
    "experiment_summary",
    sa.column("id", integer()),
    sa.column("name", sa.Text()),
    sa.column("experiment_type", sa.Text()),
    sa.column("status", sa.Text()),
    sa.column("start_time", Instant()),
    sa.column("end_time", Instant()),
    sa.column("duration_seconds", sa.Double()),
    sa.column("num_checkpoints", integer()),
    sa.column("best_val_metric", sa.Double()),
    sa.column("best_test_metric", sa.Double()),
    sa.column("tags", Json()),
    sa.column("notes", sa.Text()),
)
_THESE = sa.select(SUMMARY).where(SUMMARY.c.id.in_(sa.bindparam("ids", expanding=True)))
_NUMBERS = ("duration_seconds", "best_val_metric", "best_test_metric")


def summaries(
    database: Database,
    where: Sequence[sa.ColumnElement[bool]] = (),
    order: Sequence[sa.ColumnElement[Any]] = (),
    *,
    limit: int,
    offset: int = 0,
) -> list[Row]:
    """Rows of the view; newest first unless `order` says otherwise."""
    with database.read() as connection:
        if not order:
            newest = sa.select(SUMMARY).where(*where).order_by(SUMMARY.c.start_time.desc(), SUMMARY.c.id.desc())
            return _listed_rows(connection.execute(newest.limit(limit).offset(offset)))
        # first which, then what: the sums of a row are made for those that are shown
        chosen = sa.select(SUMMARY.c.id).where(*where).order_by(*order).limit(limit).offset(offset)
        ids = connection.execute(chosen).scalars().all()
        result = _listed_rows(connection.execute(_THESE, {"ids": ids}))
    place = {run: k for k, run in enumerate(ids)}
    return sorted(result, key=lambda row: place[row["id"]])


def _listed_rows(result: sa.CursorResult[Any]) -> list[Row]:
    return [nan_for_null(row, _NUMBERS) for row in rows(result)]


def summary(database: Database, run: int) -> Row:
    """The view's row of one run; StoreError ``STORE_NOT_FOUND`` for an unknown or deleted one."""
    result = summaries(database, [SUMMARY.c.id == run], limit=1)
    if not result:
        raise not_found("run", run, "or it was deleted; list_experiments() shows which there are")
    return result[0]


class HoldsText(FunctionElement[bool]):
    """Whether a JSON array of texts (first) holds a text (second)."""

    inherit_cache = True
    type = sa.Boolean()


@compiles(HoldsText)
def _holds_text(element: HoldsText, compiler: sa.Compiled, **options: Any) -> str:
    return f"jsonb_exists({_pair(element, compiler, options)})"


@compiles(HoldsText, "sqlite")
def _holds_text_sqlite(element: HoldsText, compiler: sa.Compiled, **options: Any) -> str:
    array, text = (compiler.process(part, **options) for part in element.clauses)
    return f"EXISTS (SELECT 1 FROM json_each({array}) WHERE value = {text})"


def _pair(element: HoldsText, compiler: sa.Compiled, options: Any) -> str:
    return ", ".join(compiler.process(part, **options) for part in element.clauses)
