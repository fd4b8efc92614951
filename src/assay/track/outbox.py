"""Events for the mirror, written in the transaction that they describe."""

from typing import Any

import sqlalchemy as sa

from assay.track.database import insert_new
from assay.track.schema.service import OUTBOX

MLFLOW = "mlflow"


def enqueue(connection: sa.Connection, kind: str, key: str, **facts: Any) -> None:
    """Leave word for the mirror in this very transaction; of one `key` once.

    Nothing is written by a record that was not opened to tell the mirror (`assay.track.tracking_store.open_store`,
    ``tells``). kind: ``run`` with ``run_id``; ``model`` with ``id``; ``alias`` with the four parts of the post,
    ``alias`` and
          ``model_id``.
    The word says that something changed; who delivers it reads what holds by then.
    """
    if MLFLOW not in connection.get_execution_options().get("tells", ()):
        return
    row = {"topic": MLFLOW, "dedup_key": f"{kind}:{key}", "payload": facts | {"kind": kind}}
    insert_new(connection, OUTBOX, row)
