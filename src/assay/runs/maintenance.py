"""Maintenance of the record: queries in SQL, and the mirror to an MLflow server."""

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from assay.kernel.errors import ConfigError, StoreError
from assay.kernel.parse import JsonObject
from assay.kernel.timeframe import iso
from assay.runs.context import Context
from assay.track import OutboxTopic, QueryAnswer, query_store, redact

if TYPE_CHECKING:
    from assay.track import MirrorWorker


Store = Literal["record", "candles"]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """store: which one answered.   answer: its rows."""

    store: Store
    answer: QueryAnswer


def run_query(statement: str, context: Context, *, store: Store | None = None, limit: int) -> QueryResult:
    """The first `limit` rows of one reading statement.

    store: which to ask; None asks the record, and the candle store where the record has no such relation. Neither is
    made or changed by it. StoreError ``STORE_NOT_FOUND`` where no store has it, else as
    `assay.track.maintenance.readonly_sql.query_store`; ConfigError ``CONFIG_FIELD`` for what the candle store refuses.
    """
    if store == "candles":
        return QueryResult("candles", _candles(statement, context, limit))
    try:
        return QueryResult("record", query_store(context.record_url, statement, limit=limit))
    except StoreError as missing:
        if store == "record" or missing.code != "STORE_NOT_FOUND":
            raise
        try:
            return QueryResult("candles", _candles(statement, context, limit))
        except (StoreError, ConfigError) as error:
            if error.code == "STORE_BUSY":
                raise
            raise _neither(missing, error) from error


def _candles(statement: str, context: Context, limit: int) -> QueryAnswer:
    sql = getattr(context.stored, "sql", None)
    if sql is None:
        raise ConfigError("this candle store takes no SQL", code="CONFIG_FIELD")
    result = sql(statement)
    holding = result.slice(0, limit)
    columns = tuple(str(name) for name in result.column_names)
    rows = tuple(zip(*(holding.column(n).to_pylist() for n in range(len(columns))), strict=True))
    return QueryAnswer(columns, rows, len(result) > limit)


def _neither(missing: StoreError, error: StoreError | ConfigError) -> StoreError:
    facts: dict[str, object] = dict(missing.facts)
    return StoreError(
        f"{missing.message}; nor has the candle store: {error.message}",
        code="STORE_NOT_FOUND",
        hint=missing.hint,
        **facts,
    )


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
