"""Integrity check of a whole record."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.kernel.instrument import markets_of
from assay.track.database import Database, place_of
from assay.track.holdout import HOLDOUT, LOCKED
from assay.track.ledger import Ledger
from assay.track.maintenance.head_acceptance import find_published_heads
from assay.track.maintenance.upgrade import store_version
from assay.track.schema import service, tables
from assay.track.schema.column_types import RECORD
from assay.track.schema.service import EVENTS
from assay.track.schema.tables import ALIASES, MARKET_FINGERPRINTS, MODELS, TRIALS
from assay.track.schema.triggers import guards, views
from assay.track.tracking_store import TrackingStore

_LAID = (service, tables)  # importing them fills RECORD
_SHOWN = 5
_BACKUP = "Stop what writes to the record, restore the newest backup (assay backup makes them), and check again."
_DROPPED = (
    "Find out who dropped it, for rows may have been changed since; restore a backup, or run this and check again: "
)


@dataclass(frozen=True, slots=True)
class Finding:
    """check: ``integrity tables references ledger aliases vault``.   text: what and where.   facts: its values.

    remedy: what to do about it.
    """

    check: str
    text: str
    facts: dict[str, object]
    remedy: str = _BACKUP


@dataclass(frozen=True, slots=True)
class Checked:
    """where: the record.   schema: its version.   trials: ledger rows that hold.   findings: what is wrong."""

    where: str
    schema: str
    trials: int
    findings: tuple[Finding, ...]


def check_store(url: str | os.PathLike[str], *, home: Path | None = None) -> Checked:
    """Read the record at `url` whole: pages, tables and their guards, references, every ledger chain, every alias.

    home: the folder whose run documents, manifests and reports say what the ledger held when they were made; None asks
    none. Changes nothing. Cost: once through the file, and a hash for each trial. Raises StoreError ``STORE_NOT_FOUND
    STORE_CORRUPT STORE_SCHEMA_NEWER STORE_SCHEMA_OLDER STORE_SCHEMA_FOREIGN`` where there is nothing to check.
    """
    schema = store_version(url)
    database = Database(place_of(url))
    try:
        findings: list[Finding] = []
        for look in (_integrity, _tables, _references, _aliases, _locks, _fingerprints):
            findings += _looked(look, database)
        trials = 0
        try:
            trials = Ledger(database).check()
            if home is not None:
                heads = find_published_heads(
                    TrackingStore(database), home=home, artifacts=home / "artifacts", afresh=True
                )
                Ledger(database).check_published(heads)
        except StoreError as error:
            findings.append(Finding("ledger", error.message, dict(error.facts), error.hint or _BACKUP))
    finally:
        database.close()
    return Checked(database.where, schema, trials, tuple(findings))


def _looked(look: Callable[[sa.Connection], Iterator[Finding]], database: Database) -> list[Finding]:
    with database.read() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        return list(look(connection))


def _integrity(connection: sa.Connection) -> Iterator[Finding]:
    if connection.dialect.name == "sqlite":
        for (text,) in connection.exec_driver_sql(f"PRAGMA integrity_check({_SHOWN})"):
            if text != "ok":
                yield Finding("integrity", str(text), {})


def _tables(connection: sa.Connection) -> Iterator[Finding]:
    dialect = connection.dialect.name
    statements = {f"view {name}": ddl for name, ddl in views(dialect)}
    statements |= {f"trigger {ddl.split()[2]}": ddl for ddl in guards(dialect) if ddl.startswith("CREATE TRIGGER")}
    wanted = {f"table {name}" for name in RECORD.tables} | statements.keys()
    request = (
        "SELECT type || ' ' || name FROM sqlite_master"
        if dialect == "sqlite"
        else "SELECT CASE relkind WHEN 'v' THEN 'view ' ELSE 'table ' END || relname FROM pg_class "
        "WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v', 'p') "
        "UNION SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
    )
    there = {str(name) for name in connection.exec_driver_sql(request).scalars()}
    for name in sorted(wanted - there):
        statement = statements.get(name)
        remedy = _BACKUP if statement is None else _DROPPED + " ".join(statement.split())
        yield Finding("tables", f"the record's {name} is gone or switched off", {"name": name}, remedy)


def _references(connection: sa.Connection) -> Iterator[Finding]:
    for table in RECORD.sorted_tables:
        for column in table.columns:
            for key in column.foreign_keys:
                yield from _dangling(connection, column, key.column)


def _dangling(connection: sa.Connection, child: sa.Column[object], target: sa.Column[object]) -> Iterator[Finding]:
    parent = target.table.alias()
    orphans = sa.select(child).where(
        child.is_not(None), ~sa.exists().where(parent.c[target.name] == child).correlate(child.table)
    )
    result = connection.execute(orphans.distinct().limit(_SHOWN)).scalars().all()
    if result:
        document = ", ".join(map(str, result))
        text = f"{child.table.name}.{child.name} points to {target.table.name} {document}, which is not there"
        yield Finding("references", text, {"column": f"{child.table.name}.{child.name}", "missing": list(result)})


def _aliases(connection: sa.Connection) -> Iterator[Finding]:
    gone = sa.or_(MODELS.c.deleted_at.is_not(None), MODELS.c.integrity.in_(("missing", "corrupt")))
    query = sa.select(ALIASES, MODELS.c.deleted_at, MODELS.c.integrity).join(MODELS).where(gone)
    for row in connection.execute(query.order_by(ALIASES.c.model_id)).mappings():
        place = "/".join(str(row[name]) for name in ("strategy_type", "exchange", "symbol", "timeframe"))
        state = "deleted" if row["deleted_at"] is not None else row["integrity"]
        text = f"the {row['alias']} of {place} is model {row['model_id']}, whose files are {state}"
        remedy = (
            f"Restore the files of model {row['model_id']} from a copy of the home; or promote another model "
            "(assay models list, assay models promote) or return to the previous one (assay models rollback)."
        )
        facts = {"alias": row["alias"], "model_id": row["model_id"], "state": state}
        yield Finding("aliases", text, facts, remedy)


def _fingerprints(connection: sa.Connection) -> Iterator[Finding]:
    """Series that were scored since fingerprints are kept, and have none: nobody knows them under another name."""
    t = TRIALS.c
    scored = connection.execute(sa.select(t.market_key).where(t.identity.is_not(None)).distinct()).scalars()
    names = {"|".join(market) for key in scored for market in markets_of(key)}
    available = set(connection.execute(sa.select(MARKET_FINGERPRINTS.c.market_key)).scalars())
    for name in sorted(names - available):
        text = f"trials of {name} are counted, and what its candles looked like is gone"
        remedy = (
            "Restore a backup; or train, search or backtest once more on the same candles: that stores again what they "
            "look like. Until then the trials count under this name only."
        )
        yield Finding("ledger", text, {"market": name}, remedy)


def _locks(connection: sa.Connection) -> Iterator[Finding]:
    """Readings of the holdout whose lock nobody knows any more: events are kept for ever."""
    t, e = TRIALS.c, EVENTS.c
    available = set(connection.execute(sa.select(e.id).where(e.action == LOCKED)).scalars())
    query = sa.select(t.seq, t.market_key, t.params).where(t.objective == HOLDOUT).order_by(t.id)
    for seq, market, params in connection.execute(query):
        gone = sorted(set(params[HOLDOUT]["locks"]) - available)
        if gone:
            text = f"trial {seq} of {market} read the holdout under lock {', '.join(map(str, gone))}, which is gone"
            yield Finding("vault", text, {"market": market, "seq": seq, "missing": gone})
