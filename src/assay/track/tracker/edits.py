"""Changes to runs that have begun: metadata, and hiding them."""

from typing import Any

import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.kernel.timestamps import now_ms
from assay.track.schema.run_tables import EXPERIMENTS
from assay.track.timestamps import parse_instant
from assay.track.tracking_store import TrackingStore


def set_metadata(record: TrackingStore, run: int, metadata: dict[str, Any], *, merge: bool) -> None:
    """Replace the object, or update it key by key, in one transaction."""
    with record.database.write() as connection:
        holding = record.experiments.get(run)["metadata"] if merge else {}
        _set(connection, run, metadata=holding | metadata)


def hide(record: TrackingStore, run: int) -> None:
    """Soft deletion: lists and views hide the run, its rows stay. A running one is StoreError ``STORE_CONFLICT``."""
    with record.database.write() as connection:
        row = record.experiments.get(run)
        if row["status"] == "running":
            raise StoreError(f"run {run} is running and cannot be deleted", code="STORE_CONFLICT", hint="End it first.")
        if row["deleted_at"] is None:
            _set(connection, run, deleted_at=parse_instant(now_ms()))


def unhide(record: TrackingStore, run: int) -> None:
    """Undo `hide`."""
    with record.database.write() as connection:
        if record.experiments.get(run)["deleted_at"] is not None:
            _set(connection, run, deleted_at=None)


def _set(connection: sa.Connection, run: int, **values: Any) -> None:
    changed = values | {"updated_at": parse_instant(now_ms())}
    connection.execute(sa.update(EXPERIMENTS).where(EXPERIMENTS.c.id == run).values(changed))
