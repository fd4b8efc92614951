"""The ends of the ledger's chains, which the database keeps: a row that was cut is still counted, and missed."""

from typing import Any

import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.track.schema.ledger import TRIAL_HEADS, TRIALS

FIRST = "0" * 64
_H = TRIAL_HEADS.c


def head(connection: sa.Connection, market_key: str) -> tuple[int, str]:
    """Number and hash of the last row that the chain was given, whether it is still there or not; 0 for a new chain."""
    found = connection.execute(sa.select(_H.seq, _H.row_hash).where(_H.market_key == market_key)).first()
    return (0, FIRST) if found is None else (int(found.seq), str(found.row_hash))


def counted(connection: sa.Connection, market_key: str) -> int:
    """Configurations that were counted on a market, those of rows that were cut since included."""
    query = sa.select(_H.n_configs).where(_H.market_key == market_key)
    return int(connection.execute(query).scalar() or 0)


def check_heads(connection: sa.Connection, market_key: str | None = None) -> None:
    """StoreError ``STORE_CORRUPT`` for the first chain, by name, whose rows are not all that its head has counted."""
    t = TRIALS.c
    total = sa.func.sum(t.n_configs).label("n_configs")
    rows = connection.execute(sa.select(t.market_key, sa.func.max(t.seq).label("seq"), total).group_by(t.market_key))
    ends = {row.market_key: row for row in rows}
    heads = {row.market_key: row for row in connection.execute(sa.select(TRIAL_HEADS))}
    for key in sorted(ends.keys() | heads.keys()):
        if market_key in (None, key):
            _check(connection, key, ends.get(key), heads.get(key))


def _check(connection: sa.Connection, key: str, end: Any, given: Any) -> None:
    last = 0 if end is None else int(end.seq)
    if given is None:
        raise broken(key, last, "ends a chain that was never counted")
    if end is None or last < given.seq:
        raise broken(key, last + 1, f"is missing: the chain ends with number {last}, {given.seq} were written")
    t = TRIALS.c
    hashed = connection.execute(sa.select(t.row_hash).where(t.market_key == key, t.seq == last)).scalar()
    if last > given.seq or hashed != given.row_hash:
        raise broken(key, last, "is not the row that was counted last", found=str(hashed), wanted=str(given.row_hash))
    if int(end.n_configs) != given.n_configs:
        raise broken(key, last, f"ends a chain of {end.n_configs} configurations, {given.n_configs} were counted")


class BrokenChain(StoreError):
    """A chain of the trial ledger does not hold: nothing may be judged by it."""

    default_code = "STORE_CORRUPT"


def broken(market_key: str, seq: int, wrong: str, *, found: str = "", wanted: str = "") -> BrokenChain:
    """``STORE_CORRUPT``, naming the chain, the number in it and, where hashes part, both."""
    hashes = {"found": found, "wanted": wanted} if found or wanted else {}
    parted = f": {found[:12]}… stands there, {wanted[:12]}… is due" if hashes else ""
    return BrokenChain(
        f"trial ledger: {market_key} number {seq} {wrong}{parted}",
        hint="The ledger was changed outside Assay; restore a backup.",
        market_key=market_key,
        seq=seq,
        **hashes,
    )
