"""The record brought to the MLflow server of the settings."""

import threading
from datetime import datetime
from typing import TYPE_CHECKING

from assay.kernel.errors import ConfigError
from assay.kernel.json_types import JsonObject
from assay.kernel.timeframe import iso
from assay.runs.context import Context
from assay.track import OutboxTopic, redact

if TYPE_CHECKING:
    from assay.track import MirrorWorker


def mirror_once(context: Context, *, everything: bool = False) -> JsonObject:
    """Deliver what waits, back-off or not; ``delivered``, ``failed``, ``away`` (why, or empty) and `mirror_status`.

    everything: also what happened before the mirror was switched on.
    Raises ConfigError ``CONFIG_FIELD`` without a server in the settings, ``CONFIG_EXTRA`` without MLflow's client;
    StoreError ``STORE_BUSY`` where another process mirrors already.
    """
    from assay.track import backfill

    mirror = _mirror(context)
    document = backfill(context.record.database) if everything else 0
    done = mirror.once(early=True)
    delivery: JsonObject = {"told": document, "delivered": done.rows, "failed": done.failed, "away": done.away}
    return delivery | mirror_status(context)


def run_mirror(context: Context, stop: threading.Event) -> None:
    """Deliver as things happen, until `stop` is set. Errors as `mirror_once`; a server that is away is waited for."""
    _mirror(context).forever(stop)


def mirror_status(context: Context) -> JsonObject:
    """What waits to be told, since when, when it is tried again, and the last error; no server is asked."""
    result = OutboxTopic(context.record.database).state()
    server = None if context.mlflow_uri is None else redact(context.mlflow_uri)
    times = {name: _text(result[name]) for name in ("since", "next_attempt_at", "last_delivery")}
    return {"server": server, "experiment": context.mlflow_experiment, **result, **times}


def _mirror(context: Context) -> "MirrorWorker":
    from assay.track import MirrorWorker, TrackingServer, check_mlflow_installed

    if context.mlflow_uri is None:
        raise ConfigError(
            "no MLflow server is set, so nothing is mirrored",
            code="CONFIG_FIELD",
            hint="Set ASSAY_MLFLOW_URI=http://host:5000 for the runs that are to be mirrored, and for this command.",
            field="ASSAY_MLFLOW_URI",
        )
    check_mlflow_installed()
    return MirrorWorker(
        context.record, TrackingServer(context.mlflow_uri, context.mlflow_experiment), context.places.blobs
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else iso(round(moment.timestamp() * 1000))
