"""Going on with a ledger that has lost rows: a person says why, and what is missing counts on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from assay.kernel.errors import ConfigError, StoreError, printable
from assay.kernel.timestamps import now_ms
from assay.track.ledger_heads import FIRST, BrokenChain, End, Published, chain_id, check_heads, count_missing
from assay.track.retry import again
from assay.track.schema.ledger_tables import LEDGER_EPOCHS, TRIAL_HEADS, TRIALS
from assay.track.schema.service import EVENTS
from assay.track.timestamps import parse_instant
from assay.track.tracking_store import TrackingStore

ACTION = "ledger.accept_head"
_H, _T, _E = TRIAL_HEADS.c, TRIALS.c, LEDGER_EPOCHS.c


@dataclass(frozen=True, slots=True)
class Accepted:
    """A chain that goes on without rows. seq: number from which on it is walked; missing: rows and configurations."""

    market_key: str
    seq: int
    missing_rows: int
    missing_configs: int


def accept_ledger_head(
    record: TrackingStore, published: Iterable[Published], *, reason: str, by: str = ""
) -> list[Accepted]:
    """Accept every chain that lacks rows as it is now; from here on it is walked anew, and what is missing counts on.

    How much is missing is told by the table of heads and by the heads that were published. Reason and name are kept for
    ever, in the ledger and among the events. ConfigError ``CONFIG_FIELD`` without a reason; StoreError
    ``STORE_CONFLICT`` where nothing is missing, ``STORE_CORRUPT`` for a chain whose head lies before its rows.
    """
    if not reason.strip() or not reason.strip().isprintable():
        raise ConfigError(
            f"reason is {printable(reason)}: one line of plain text is kept with what is missing", field="reason"
        )
    heads = list(published)
    return again(record.database, lambda: _accept(record, heads, reason.strip(), by.strip()))


def _accept(record: TrackingStore, published: list[Published], reason: str, by: str) -> list[Accepted]:
    with record.database.write() as connection:
        due = _due(connection, published)
        value = _stored_heads(connection)
        keys = sorted({*due, *value, *record.ledger.chains()})
        result = [(key, _lacking(connection, record, key, due.get(key), value.get(key))) for key in keys]
        lacking = [(key, each) for key, each in result if each is not None]
        if not lacking and not _ids_are_missing(connection):
            raise StoreError("no row of the trial ledger is missing: there is nothing to accept", code="STORE_CONFLICT")
        lacking = lacking or [("", (0, FIRST, 0, 0))]
        for key, (seq, row_hash, lost_rows, lost) in lacking:
            row = {
                "market_key": key, "seq": seq, "row_hash": row_hash, "missing_rows": lost_rows, "missing_configs": lost,
                "highest_id": _highest(connection), "reason": reason, "accepted_by": by,
                "created_at": parse_instant(now_ms()),
            }  # fmt: skip
            connection.execute(sa.insert(LEDGER_EPOCHS).values(row))
        done = [Accepted(key, seq, lost_rows, lost) for key, (seq, _, lost_rows, lost) in lacking]
        details = [{"market": d.market_key, "rows": d.missing_rows, "configs": d.missing_configs} for d in done]
        event = {
            "timestamp": parse_instant(now_ms()), "actor": by or "unknown", "action": ACTION, "subject": "ledger",
            "details": {"reason": reason, "missing": details},
        }  # fmt: skip
        connection.execute(sa.insert(EVENTS).values(event))
        return done


def _due(connection: sa.Connection, published: list[Published]) -> dict[str, End]:
    """The furthest end of each chain that was published of this ledger and not accepted to be missing since."""
    own = chain_id(connection)
    accepted = dict(connection.execute(sa.select(_E.market_key, sa.func.max(_E.id)).group_by(_E.market_key)).all())
    result: dict[str, End] = {}
    for head in (each.head for each in published if each.head.chain == own):
        for key, end in head.ends.items():
            if head.epoch >= accepted.get(key, 0) and end.seq >= (result[key].seq if key in result else 0):
                result[key] = end
    return result


def _stored_heads(connection: sa.Connection) -> dict[str, Any]:
    return {row.market_key: row for row in connection.execute(sa.select(TRIAL_HEADS))}


def _lacking(
    connection: sa.Connection, record: TrackingStore, key: str, due: End | None, values: Any
) -> tuple[int, str, int, int] | None:
    """Where the chain is walked from on, and rows and configurations that it lacks; None for one that is whole."""
    if _is_whole(connection, record, key, due):
        return None
    total = sa.select(sa.func.max(_T.seq), sa.func.sum(_T.n_configs), sa.func.count()).where(_T.market_key == key)
    last, configs, rows = (int(value or 0) for value in connection.execute(total).one())
    lost = count_missing(connection, key)
    wanted = max(0 if due is None else due.looks, 0 if values is None else int(values.n_configs))
    wanted_rows = max(0 if due is None else due.seq, 0 if values is None else int(values.seq), last)
    if values is not None and int(values.seq) < last:
        raise StoreError(
            f"trial ledger: the head of {key} lies before its rows; restore a backup", code="STORE_CORRUPT"
        )
    if values is None and last:
        values = _set_head(connection, key, last, configs)
    base = (0, FIRST) if values is None else (int(values.seq), str(values.row_hash))
    return *base, wanted_rows - rows, max(0, wanted - configs - lost)


def _is_whole(connection: sa.Connection, record: TrackingStore, key: str, due: End | None) -> bool:
    try:
        record.ledger.check_chain(key)
        check_heads(connection, key)
    except BrokenChain:
        return False
    if due is None or not due.seq:
        return True
    query = sa.select(_T.row_hash).where(_T.market_key == key, _T.seq == due.seq)
    return connection.execute(query).scalar() == due.row_hash


def _set_head(connection: sa.Connection, key: str, last: int, configs: int) -> Any:
    row_hash = connection.execute(sa.select(_T.row_hash).where(_T.market_key == key, _T.seq == last)).scalar_one()
    values = {"market_key": key, "seq": last, "n_configs": configs, "row_hash": row_hash}
    connection.execute(sa.insert(TRIAL_HEADS).values(values))
    return connection.execute(sa.select(TRIAL_HEADS).where(_H.market_key == key)).one()


def _highest(connection: sa.Connection) -> int:
    """The highest id that the table of trials has given out; on PostgreSQL, which skips some, 0."""
    if connection.dialect.name != "sqlite":
        return 0
    return int(connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'trials'").scalar() or 0)


def _ids_are_missing(connection: sa.Connection) -> bool:
    highest = int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(_T.id), 0))).scalar_one())
    accepted = int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(_E.highest_id), 0))).scalar_one())
    return _highest(connection) > max(highest, accepted)
