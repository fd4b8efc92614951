"""Removing a run for good. Mostly hiding it is enough: `assay.track.tracker.edits.hide`."""

import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.track.retry import again
from assay.track.schema.configuration_tables import CONFIGURATIONS
from assay.track.schema.ledger_tables import TRIALS
from assay.track.schema.model_tables import MODELS
from assay.track.schema.run_tables import EXPERIMENTS
from assay.track.tracking_store import TrackingStore

_COUNT_ON = {
    "trials": TRIALS.c.experiment_id,
    "models": MODELS.c.experiment_id,
    "configurations": CONFIGURATIONS.c.experiment_id,
    "runs": EXPERIMENTS.c.parent_id,
    "reproductions": EXPERIMENTS.c.reproduces_id,
}
_SHOWN = 5


def purge(record: TrackingStore, run: int) -> None:
    """Delete the run with its settings, metric points, artifact and trade rows and dataset links, never a file.

    StoreError ``STORE_CONFLICT`` while it runs, and while trials, models, configurations or other runs point to it:
    the ledger stays whole. ``STORE_NOT_FOUND`` for an unknown run.
    """
    again(record.database, lambda: _purge(record, run))


def _purge(record: TrackingStore, run: int) -> None:
    with record.database.write() as connection:
        row = record.experiments.get(run)
        if row["status"] == "running":
            raise StoreError(f"run {run} is running and cannot be purged", code="STORE_CONFLICT", hint="End it first.")
        holding = {what: _pointing(connection, column, row["id"]) for what, column in _COUNT_ON.items()}
        document = [f"{what} {', '.join(map(str, ids))}" for what, ids in holding.items() if ids]
        if document:
            raise StoreError(
                f"run {run} cannot be purged: {'; '.join(document)} point to it",
                code="STORE_CONFLICT",
                hint="Hide it instead: delete_experiment.",
            )
        connection.execute(sa.delete(EXPERIMENTS).where(EXPERIMENTS.c.id == row["id"]))


def _pointing(connection: sa.Connection, column: sa.Column[int], run: int) -> list[int]:
    table = column.table
    query = sa.select(table.c.id).where(column == run).order_by(table.c.id).limit(_SHOWN)
    return [int(result) for result in connection.execute(query).scalars()]
