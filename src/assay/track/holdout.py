"""The holdout vault: which stretch of a market is locked, and who read it. Kept in the log of events and the ledger."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from assay.kernel.errors import ConfigError, StoreError, printable
from assay.kernel.instrument import markets_of
from assay.kernel.timeframe import Timeframe, iso
from assay.track.codecs import parse_instant
from assay.track.database import Database, Row, hold, not_found, rows, writes
from assay.track.markets import Markets, distinct_shifts
from assay.track.schema.service import EVENTS
from assay.track.schema.tables import TRIALS

HOLDOUT = "holdout"  # objective of the ledger's rows that are readings
LOCKED, _UNLOCK, _READ = "vault.lock", "vault.unlock", "vault.read"
_E, _T = EVENTS.c, TRIALS.c


@dataclass(frozen=True, slots=True)
class HoldoutLock:
    """A market whose bars from an instant on are locked, whatever their length.

    id: of the event that locked it.   since, time: from when on, and when it was locked, ms.
    trials_before: configurations that had been scored on it by then.
    """

    id: int
    exchange: str
    symbol: str
    since: int
    by: str
    time: int
    trials_before: int

    @property
    def document(self) -> dict[str, str | int]:
        """Plain and JSON-able; times as text."""
        return {
            "exchange": self.exchange, "symbol": self.symbol, "from": iso(self.since), "by": self.by,
            "time": iso(self.time), "trials_before": self.trials_before,
        }  # fmt: skip


class Vault:
    """Locks by exchange and symbol. The last event of a market says whether it is locked; events are only added."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def lock(self, exchange: str, symbol: str, since: int, *, by: str) -> HoldoutLock:
        """Lock all bars of the market from `since` (ms) on, those to come included.

        StoreError ``STORE_CONFLICT`` for one that is locked already: only a written reason opens what was locked.
        """
        _demand("by", by)
        scored = self._scored_after(exchange, symbol, since)
        with self._database.write() as connection:
            hold(connection, _subject(exchange, symbol))
            available = _lock(connection, exchange, symbol)
            if available is not None:
                raise StoreError(
                    f"{exchange} {symbol} is locked already, from {_minute_text(available.since)} on, by "
                    f"{available.by}",
                    code="STORE_CONFLICT",
                    hint="assay vault unlock, with a written reason, comes first.",
                )
            details = {"since": since, "trials_before": scored}
            return _as_lock(_log(connection, by, LOCKED, exchange, symbol, details))

    @writes
    def unlock(self, exchange: str, symbol: str, *, by: str, why: str) -> HoldoutLock:
        """Open the market to all work again; who and why are kept for ever. The lock that it had.

        ConfigError ``CONFIG_FIELD`` for an empty name or reason, StoreError ``STORE_NOT_FOUND`` for a market that is
        not locked.
        """
        _demand("by", by)
        _demand("why", why)
        with self._database.write() as connection:
            hold(connection, _subject(exchange, symbol))
            available = _lock(connection, exchange, symbol)
            if available is None:
                raise not_found("locked market", f"{exchange} {symbol}", "assay vault list shows those that there are")
            _log(connection, by, _UNLOCK, exchange, symbol, {"why": why.strip(), "since": available.since})
        return available

    def read(self, run: int, by: str, locks: Iterable[HoldoutLock], details: Mapping[str, object]) -> None:
        """Write down that a run read what is locked; inside the transaction of its ledger row."""
        _demand("by", by)
        with self._database.write() as connection:
            for lock in locks:
                document = {"run": run, "since": lock.since} | dict(details)
                _log(connection, by, _READ, lock.exchange, lock.symbol, document)

    def of(self, exchange: str, symbol: str) -> HoldoutLock | None:
        """The lock of a market, if it is locked."""
        with self._database.read() as connection:
            return _lock(connection, exchange, symbol)

    def locks(self) -> list[HoldoutLock]:
        """All markets that are locked, in the order in which they were."""
        newest = sa.select(sa.func.max(_E.id)).where(_E.action.in_((LOCKED, _UNLOCK))).group_by(_E.subject)
        query = sa.select(EVENTS).where(_E.id.in_(newest), _E.action == LOCKED).order_by(_E.id)
        with self._database.read() as connection:
            return [_as_lock(row) for row in rows(connection.execute(query))]

    def looks(self, lock: HoldoutLock) -> int:
        """How often somebody may have seen what is locked, as far as the record knows.

        Every configuration that was scored on the stretch, whatever its candles were called, readings included, and
        every time that it was unlocked.
        """
        query = sa.select(sa.func.count()).where(
            _E.subject == _subject(lock.exchange, lock.symbol), _E.action == _UNLOCK
        )
        scored = self._scored_after(lock.exchange, lock.symbol, lock.since)
        with self._database.read() as connection:
            return scored + int(connection.execute(query).scalar_one())

    def events(self) -> list[Row]:
        """Everything that was done, oldest first."""
        query = sa.select(EVENTS).where(_E.action.in_((LOCKED, _UNLOCK, _READ))).order_by(_E.id)
        with self._database.read() as connection:
            return rows(connection.execute(query))

    def readings(self, exchange: str, symbol: str) -> list[Row]:
        """The ledger's rows that are readings of this market's holdout, under a lock of today or of before.

        Readings of the same candles under another name are among them.
        """
        chains = self._chains(exchange, symbol)
        with self._database.read() as connection:
            result = rows(connection.execute(sa.select(TRIALS).where(_T.objective == HOLDOUT).order_by(_T.id)))
        return [row for row in result if row["market_key"] in chains]

    def _scored_after(self, exchange: str, symbol: str, since: int) -> int:
        """Configurations whose last bar closes in the stretch: who chose by them has seen it.

        Stamps of other candles are brought to those of the market; where no one shift does, all of them count.
        """
        chains = self._chains(exchange, symbol)
        with self._database.read() as connection:
            return sum(_closed_after(connection, key, since, moved) for key, moved in chains.items())

    def _chains(self, exchange: str, symbol: str) -> dict[str, tuple[int | None, ...]]:
        """Chains of the ledger that hold the market, by its name or by its candles; how much later their stamps lie."""
        markets = Markets(self._database)
        names = [key for key in markets.fingerprint_keys() if _holds(key, exchange, symbol)]
        alike = markets.like_known(names) if names else {}
        with self._database.read() as connection:
            keys = connection.execute(sa.select(_T.market_key).distinct()).scalars().all()
        chains = {}
        for key in keys:
            moved = {ms for each in markets_of(key) for ms in alike.get("|".join(each), ())}
            moved |= {0} if _holds(key, exchange, symbol) else set()
            if moved:
                chains[key] = distinct_shifts(moved)
        return chains


def _closed_after(
    connection: sa.Connection, market_key: str, since: int, moved: tuple[int | None, ...]
) -> int:  # fmt: skip
    """Configurations of a chain whose last bar closes after an instant of the market; all where stamps do not say."""
    query = sa.select(sa.func.sum(_T.n_configs)).where(_T.market_key == market_key, _T.window_end.is_not(None))
    shifts = [ms for ms in moved if ms is not None]
    if len(shifts) == len(moved):
        opens = since + min(shifts) - max(Timeframe(timeframe).ms for _, _, timeframe in markets_of(market_key))
        query = query.where(_T.window_end > parse_instant(opens))
    return int(connection.execute(query).scalar_one() or 0)


def _holds(market_key: str, exchange: str, symbol: str) -> bool:
    return any(each[:2] == (exchange, symbol) for each in markets_of(market_key))


def _lock(connection: sa.Connection, exchange: str, symbol: str) -> HoldoutLock | None:
    query = sa.select(EVENTS).where(_E.subject == _subject(exchange, symbol), _E.action.in_((LOCKED, _UNLOCK)))
    result = rows(connection.execute(query.order_by(_E.id.desc()).limit(1)))
    return _as_lock(result[0]) if result and result[0]["action"] == LOCKED else None


def _as_lock(row: Row) -> HoldoutLock:
    document = row["details"]
    made = round(row["timestamp"].timestamp() * 1000)
    return HoldoutLock(
        row["id"],
        document["exchange"],
        document["symbol"],
        document["since"],
        row["actor"],
        made,
        document["trials_before"],
    )


def _log(connection: sa.Connection, by: str, action: str, exchange: str, symbol: str, details: Row) -> Row:
    event = {
        "actor": by.strip(),
        "action": action,
        "subject": _subject(exchange, symbol),
        "details": {"exchange": exchange, "symbol": symbol} | details,
    }
    return rows(connection.execute(sa.insert(EVENTS).values(event).returning(EVENTS)))[0]


def _subject(exchange: str, symbol: str) -> str:
    return f"vault:{exchange}|{symbol}"


def _minute_text(ms: int) -> str:
    return f"{parse_instant(ms):%Y-%m-%d %H:%M}"


def _demand(name: str, text: str) -> None:
    if not text.strip():
        raise ConfigError(f"{name} is empty: the vault keeps who did it and why", code="CONFIG_FIELD", field=name)
    if not text.strip().isprintable():
        raise ConfigError(
            f"{name} is {printable(text)}: one line of plain text is needed", code="CONFIG_FIELD", field=name
        )
