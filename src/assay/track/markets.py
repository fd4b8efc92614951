"""The markets that were ever scored, by their candles: kept when candles are deleted, replaced or renamed."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from assay.kernel.bars import Bars
from assay.kernel.clock import now_ms
from assay.kernel.timeframe import DAY_MS
from assay.track.again import writes
from assay.track.database import Database, hold
from assay.track.fingerprint import Fingerprint, Match, fingerprint, grown, packed, same_market, unpacked
from assay.track.instants import instant
from assay.track.rows import Row, rows
from assay.track.schema.ledger import MARKET_FINGERPRINTS

_FEW_DAYS = 60 * DAY_MS  # in which 26 returns of days may be missing
_F = MARKET_FINGERPRINTS.c
_LIGHT = tuple(column for column in MARKET_FINGERPRINTS.columns if column.name not in ("hours", "bars"))


class Markets:
    """The table of fingerprints: of each series one row for all candles that continue each other under its name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def keep(self, bars: Bars) -> None:
        """Keep what a series looks like before it is scored; on disk when it returns.

        Candles that continue or repeat those that were kept under the name lengthen their row; others get a row.
        """
        found = fingerprint(bars)
        with self._database.read() as connection:
            if _holds(connection, found):
                return
        with self._database.write() as connection:
            hold(connection, f"fingerprint {found.market_key}")
            for row in rows(
                connection.execute(sa.select(MARKET_FINGERPRINTS).where(_F.market_key == found.market_key))
            ):
                kept = _read(row)
                merged = grown(kept, found)
                if merged is None:
                    continue
                if merged is not kept:
                    change = sa.update(MARKET_FINGERPRINTS).where(_F.id == row["id"])
                    connection.execute(change.values(_columns(merged) | {"updated_at": instant(now_ms())}))
                return
            connection.execute(sa.insert(MARKET_FINGERPRINTS).values(_columns(found)))

    def fingerprinted(self) -> list[str]:
        """Keys of all series that are known by their candles."""
        with self._database.read() as connection:
            return sorted(set(connection.execute(sa.select(_F.market_key)).scalars()))

    def like(self, series: Iterable[Bars]) -> dict[str, tuple[int, ...]]:
        """Keys of the kept series whose candles are the market of one of these, whatever they are called.

        With each by how many ms its stamps lie later: 0 for the same time; several where other candles were kept under
        the name.
        Cost: about a millisecond for each series that is kept; the hours of one are read where its days do not decide.
        """
        return self._like([fingerprint(bars) for bars in series])

    def like_known(self, keys: Iterable[str]) -> dict[str, tuple[int, ...]]:
        """As `like`, of all candles that are kept under these names."""
        query = sa.select(MARKET_FINGERPRINTS).where(_F.market_key.in_(sorted(set(keys)))).order_by(_F.id)
        with self._database.read() as connection:
            return self._like([_read(row) for row in rows(connection.execute(query))])

    def _like(self, asked: list[Fingerprint]) -> dict[str, tuple[int, ...]]:
        found: dict[str, set[int]] = {}
        with self._database.read() as connection:
            for row in rows(connection.execute(sa.select(*_LIGHT).order_by(_F.id))):
                match = _first_match(connection, asked, row)
                if match is not None:
                    found.setdefault(row["market_key"], set()).add(match.moved_ms)
        return {key: tuple(sorted(moved)) for key, moved in found.items()}

    def distinct(self, keys: Iterable[str]) -> int:
        """How many markets the series of these names are; a series without candles that are known counts as one."""
        wanted = sorted(set(keys))
        with self._database.read() as connection:
            query = sa.select(MARKET_FINGERPRINTS).where(_F.market_key.in_(wanted)).order_by(_F.id)
            held = [_read(row) for row in rows(connection.execute(query))]
        groups: list[list[Fingerprint]] = []
        for each in held:
            like = [g for g in groups if any(o.market_key == each.market_key or same_market(o, each) for o in g)]
            groups = [g for g in groups if g not in like] + [[*(o for g in like for o in g), each]]
        return len(groups) + len(set(wanted) - {each.market_key for each in held})


def _first_match(connection: sa.Connection, asked: list[Fingerprint], row: Row) -> Match | None:
    kept = _read(row)
    for each in asked:
        match = same_market(each, kept)
        if match is not None:
            return match
        if _days_are_few(each, kept):
            whole = rows(connection.execute(sa.select(MARKET_FINGERPRINTS).where(_F.id == row["id"])))[0]
            match = same_market(each, _read(whole))
            if match is not None:
                return match
    return None


def _days_are_few(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether finer units than days may decide: the stretch that both hold is short, or one of them is."""
    shared = min(one.last, other.last) - max(one.first, other.first)
    return 0 < shared < _FEW_DAYS or min(one.last - one.first, other.last - other.first) < _FEW_DAYS


def _holds(connection: sa.Connection, found: Fingerprint) -> bool:
    query = sa.select(_F.id).where(_F.market_key == found.market_key, _F.candles_digest == found.digest)
    return connection.execute(query.limit(1)).first() is not None


def _columns(found: Fingerprint) -> Row:
    texts = {name: packed(getattr(found, name)) for name in ("days", "hours", "bars")}
    described: Row = {
        "market_key": found.market_key,
        "candles_digest": found.digest,
        "first_at": instant(found.first),
        "last_at": instant(found.last),
        "n_bars": found.n_bars,
        "zero_share": found.zero_share,
    }
    return described | texts


def _read(row: Row) -> Fingerprint:
    fine: dict[str, Any] = {name: unpacked(row[name]) for name in ("hours", "bars") if name in row}
    plain = Fingerprint(
        row["market_key"], row["candles_digest"], _ms(row["first_at"]), _ms(row["last_at"]), row["n_bars"],
        row["zero_share"], days=unpacked(row["days"]),
    )  # fmt: skip
    return replace(plain, **fine)


def _ms(moment: Any) -> int:
    return round(moment.timestamp() * 1000)
