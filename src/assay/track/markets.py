"""Markets that were scored, known by the content of their candles."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assay.kernel.bars import Bars
from assay.kernel.timeframe import current_ms
from assay.track.codecs import parse_instant
from assay.track.database import Database, Row, hold, rows, writes
from assay.track.fingerprint import (
    Fingerprint,
    Match,
    compute_fingerprint,
    merge_fingerprints,
    pack,
    same_market,
    unpack,
)
from assay.track.schema.tables import MARKET_FINGERPRINTS

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
        result = compute_fingerprint(bars)
        with self._database.read() as connection:
            if _holds(connection, result):
                return
        with self._database.write() as connection:
            hold(connection, f"fingerprint {result.market_key}")
            for row in rows(
                connection.execute(sa.select(MARKET_FINGERPRINTS).where(_F.market_key == result.market_key))
            ):
                stored = _read(row)
                merged = merge_fingerprints(stored, result)
                if merged is None:
                    continue
                if merged is not stored:
                    change = sa.update(MARKET_FINGERPRINTS).where(_F.id == row["id"])
                    connection.execute(change.values(_columns(merged) | {"updated_at": parse_instant(current_ms())}))
                return
            connection.execute(sa.insert(MARKET_FINGERPRINTS).values(_columns(result)))

    def fingerprint_keys(self) -> list[str]:
        """Keys of all series that are known by their candles: closes of theirs are stored."""
        with self._database.read() as connection:
            return sorted(set(connection.execute(sa.select(_F.market_key).where(_F.days != "")).scalars()))

    def like(self, series: Iterable[Bars]) -> dict[str, tuple[int | None, ...]]:
        """Keys of the kept series whose candles are the market of one of these, whatever they are called.

        With each by how many ms its stamps lie later: 0 for the same time, None where no one shift says it; several
        where other candles were kept under the name.
        Cost: about a millisecond for each series that is the market, some 100 ms for each long one that is another:
        hours and bars are read where days do not decide.
        """
        return self._like([compute_fingerprint(bars) for bars in series])

    def like_known(self, keys: Iterable[str]) -> dict[str, tuple[int | None, ...]]:
        """As `like`, of all candles that are kept under these names."""
        query = sa.select(MARKET_FINGERPRINTS).where(_F.market_key.in_(sorted(set(keys)))).order_by(_F.id)
        with self._database.read() as connection:
            return self._like([_read(row) for row in rows(connection.execute(query))])

    def _like(self, request: list[Fingerprint]) -> dict[str, tuple[int | None, ...]]:
        result: dict[str, set[int | None]] = {}
        with self._database.read() as connection:
            for row in rows(connection.execute(sa.select(*_LIGHT).order_by(_F.id))):
                match = _first_match(connection, request, row)
                if match is not None:
                    result.setdefault(row["market_key"], set()).add(match.moved_ms)
        return {key: distinct_shifts(moved) for key, moved in result.items()}

    def distinct(self, keys: Iterable[str]) -> int:
        """How many markets the series of these names are; a series without candles that are known counts as one."""
        wanted = sorted(set(keys))
        with self._database.read() as connection:
            query = sa.select(MARKET_FINGERPRINTS).where(_F.market_key.in_(wanted)).order_by(_F.id)
            holding = [_read(row) for row in rows(connection.execute(query))]
        groups: list[list[Fingerprint]] = []
        for each in holding:
            like = [g for g in groups if any(o.market_key == each.market_key or same_market(o, each) for o in g)]
            groups = [g for g in groups if g not in like] + [[*(o for g in like for o in g), each]]
        return len(groups) + len(set(wanted) - {each.market_key for each in holding})


def distinct_shifts(moved: Iterable[int | None]) -> tuple[int | None, ...]:
    """Each shift of stamps once, the one that none says last."""
    return tuple(sorted(set(moved), key=lambda ms: (ms is None, ms or 0)))


def _first_match(connection: sa.Connection, request: list[Fingerprint], row: Row) -> Match | None:
    """Of the days alone, which are few; then of all that is stored."""
    light = _read(row)
    match = next((m for each in request if (m := same_market(each, light)) is not None), None)
    if match is not None:
        return match
    stored = _read(rows(connection.execute(sa.select(MARKET_FINGERPRINTS).where(_F.id == row["id"])))[0])
    return next((m for each in request if (m := same_market(each, stored)) is not None), None)


def _holds(connection: sa.Connection, result: Fingerprint) -> bool:
    """Whether the very candles are stored under the name, with all that is compared today."""
    query = sa.select(_F.days, _F.bars).where(_F.market_key == result.market_key, _F.candles_digest == result.digest)
    row = connection.execute(query.limit(1)).first()
    return row is not None and all(
        text or not len(new) for text, new in zip(row, (result.days, result.bars), strict=True)
    )


def _columns(result: Fingerprint) -> Row:
    texts = {name: pack(getattr(result, name)) for name in ("days", "hours", "bars")}
    described: Row = {
        "market_key": result.market_key,
        "candles_digest": result.digest,
        "first_at": parse_instant(result.first),
        "last_at": parse_instant(result.last),
        "n_bars": result.n_bars,
        "zero_share": result.zero_share,
    }
    return described | texts


def _read(row: Row) -> Fingerprint:
    fine: dict[str, Any] = {name: unpack(row[name]) for name in ("hours", "bars") if name in row}
    plain = Fingerprint(
        row["market_key"], row["candles_digest"], _ms(row["first_at"]), _ms(row["last_at"]), row["n_bars"],
        row["zero_share"], days=unpack(row["days"]),
    )  # fmt: skip
    return replace(plain, **fine)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
