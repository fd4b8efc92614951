"""Anybody's SQL, on the record or on the candle store."""

from dataclasses import dataclass
from typing import Any, Literal

from assay.kernel.errors import ConfigError, StoreError
from assay.runs.context import Context
from assay.track import QueryAnswer, query_store

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
    facts: dict[str, Any] = dict(missing.facts)
    return StoreError(
        f"{missing.message}; nor has the candle store: {error.message}",
        code="STORE_NOT_FOUND",
        hint=missing.hint,
        **facts,
    )
