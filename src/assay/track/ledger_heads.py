"""Last sequence and hash per market, so that truncation is detected.

A row that was cut is still counted, and missed: by the table of heads, whose triggers keep it, and by the heads that
run documents, manifests and reports hold, which whoever owns the database cannot change with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.kernel.parse import JsonObject
from assay.track.schema.tables import LEDGER_CHAIN, LEDGER_EPOCHS, TRIAL_HEADS, TRIALS

FIRST = "0" * 64
_H, _E, _T = TRIAL_HEADS.c, LEDGER_EPOCHS.c, TRIALS.c


@dataclass(frozen=True, slots=True)
class End:
    """The end of one chain. looks: configurations that it counts, missing ones that were accepted included."""

    seq: int
    row_hash: str
    looks: int


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """What the ledger held when something was judged by it.

    chain: the ledger's random name.   epoch: times that missing rows had been accepted.   rows: of all its chains.
    ends:  of the chains that were counted, by their market key.
    """

    chain: str
    epoch: int = 0
    rows: int = 0
    ends: Mapping[str, End] = field(default_factory=dict)

    def seq(self, market_key: str) -> int:
        """Number of the last row of a chain; 0 for one that held nothing or was not counted."""
        return self.ends[market_key].seq if market_key in self.ends else 0

    @property
    def document(self) -> JsonObject:
        """As run documents, manifests and reports hold it; `read_head` is the inverse."""
        ends: JsonObject = {
            key: {"seq": e.seq, "hash": e.row_hash, "looks": e.looks} for key, e in sorted(self.ends.items())
        }
        return {"chain": self.chain, "epoch": self.epoch, "rows": self.rows, "ends": ends}


def read_head(document: object) -> LedgerHead | None:
    """The head in a document's ``head``; None for anything that is none."""
    if not isinstance(document, Mapping):
        return None
    try:
        ends = {str(k): End(int(e["seq"]), str(e["hash"]), int(e["looks"])) for k, e in document["ends"].items()}
        return LedgerHead(str(document["chain"]), int(document["epoch"]), int(document["rows"]), ends)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


@dataclass(frozen=True, slots=True)
class Published:
    """A head as something that was judged holds it. where: of what; own: it is of a run of this very record."""

    where: str
    head: LedgerHead
    own: bool = False


def chain_id(connection: sa.Connection) -> str:
    """The ledger's random name, given once. StoreError ``STORE_CORRUPT`` where there is not exactly one."""
    result = connection.execute(sa.select(LEDGER_CHAIN.c.chain_id)).scalars().all()
    if len(result) != 1:
        raise _corrupt(f"trial ledger: its name stands {len(result)} times in the record, once is due")
    return str(result[0])


def head_of(connection: sa.Connection, keys: Iterable[str]) -> LedgerHead:
    """What the ledger holds now of these chains."""
    wanted = sorted(set(keys))
    query = sa.select(TRIAL_HEADS).where(_H.market_key.in_(wanted))
    ends = {
        row.market_key: End(int(row.seq), str(row.row_hash), count_configurations(connection, row.market_key))
        for row in connection.execute(query).all()
    }
    rows = int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(_H.seq), 0))).scalar_one())
    return LedgerHead(chain_id(connection), _epoch(connection), rows, ends)


def head(connection: sa.Connection, market_key: str) -> tuple[int, str]:
    """Number and hash of the last row that the chain was given, whether it is still there or not; 0 for a new chain."""
    result = connection.execute(sa.select(_H.seq, _H.row_hash).where(_H.market_key == market_key)).first()
    return (0, FIRST) if result is None else (int(result.seq), str(result.row_hash))


def count_configurations(connection: sa.Connection, market_key: str) -> int:
    """Configurations that were counted on a market, those of rows that were cut since included.

    Counted are those of the head, or of the rows that are there and those whose absence was accepted, if that is more.
    """
    count = int(connection.execute(sa.select(_H.n_configs).where(_H.market_key == market_key)).scalar() or 0)
    lost = count_missing(connection, market_key)
    if not lost:
        return count
    there = connection.execute(sa.select(sa.func.sum(_T.n_configs)).where(_T.market_key == market_key)).scalar() or 0
    return max(count, int(there) + lost)


def count_missing(connection: sa.Connection, market_key: str) -> int:
    """Configurations of a market whose rows are gone, as somebody accepted; they count on."""
    query = sa.select(sa.func.sum(_E.missing_configs)).where(_E.market_key == market_key)
    return int(connection.execute(query).scalar() or 0)


def bases(connection: sa.Connection) -> dict[str, tuple[int, str]]:
    """Of each chain with rows that are accepted to be missing where it is walked from: number and hash."""
    query = sa.select(_E.market_key, _E.seq, _E.row_hash).order_by(_E.id)
    return {row.market_key: (int(row.seq), str(row.row_hash)) for row in connection.execute(query)}


def check_heads(connection: sa.Connection, market_key: str | None = None) -> None:
    """StoreError ``STORE_CORRUPT`` for the first chain, by name, whose rows are not all that its head has counted."""
    total = sa.func.sum(_T.n_configs).label("n_configs")
    rows = connection.execute(sa.select(_T.market_key, sa.func.max(_T.seq).label("seq"), total).group_by(_T.market_key))
    ends = {row.market_key: row for row in rows}
    heads = {row.market_key: row for row in connection.execute(sa.select(TRIAL_HEADS))}
    available = bases(connection)
    for key in sorted(ends.keys() | heads.keys()):
        if market_key in (None, key):
            _check(connection, key, ends.get(key), heads.get(key), available.get(key))


def check_published(connection: sa.Connection, published: Iterable[Published]) -> None:
    """StoreError ``STORE_CORRUPT`` for the first that says of a chain of this ledger what is not in it any more.

    Heads of other ledgers say nothing about this one; one that a run of this very record holds says that the ledger's
    name was changed. What was published before missing rows were accepted is not asked of the chains that it was of.
    """
    own, rows = chain_id(connection), None
    accepted = dict(connection.execute(sa.select(_E.market_key, sa.func.max(_E.id)).group_by(_E.market_key)).all())
    for each in published:
        if each.head.chain != own:
            if each.own and each.head.chain:  # a run of before heads were kept that was executed again has no chain
                raise _corrupt(
                    f"trial ledger: {each.where} was judged by ledger {each.head.chain[:12]}…, this is {own[:12]}…"
                )
            continue
        for key, end in sorted(each.head.ends.items()):
            if end.seq and each.head.epoch >= accepted.get(key, 0):
                _check_end(connection, key, end, each.where)
        rows = head_of(connection, ()).rows if rows is None else rows
        if each.head.rows > rows and each.head.epoch >= max(accepted.values(), default=0):
            raise _corrupt(
                f"trial ledger: it held {each.head.rows:,} rows when {each.where} was judged, {rows:,} are left"
            )


def _check_end(connection: sa.Connection, key: str, end: End, where: str) -> None:
    query = sa.select(_T.row_hash).where(_T.market_key == key, _T.seq == end.seq)
    result = connection.execute(query).scalar()
    if result is None:
        last = connection.execute(sa.select(sa.func.max(_T.seq)).where(_T.market_key == key)).scalar() or 0
        raise chain_error(key, end.seq, f"is missing: {where} was judged by it, the chain has {int(last):,} rows")
    if result != end.row_hash:
        raise chain_error(
            key, end.seq, f"is not that by which {where} was judged", actual=str(result), wanted=end.row_hash
        )


def _epoch(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(_E.id), 0))).scalar_one())


def _check(
    connection: sa.Connection,
    key: str,
    end: "sa.Row[*tuple[object, ...]] | None",
    value: "sa.Row[*tuple[object, ...]] | None",
    base: tuple[int, str] | None,
) -> None:
    last = 0 if end is None else int(end.seq)
    if value is None:
        raise chain_error(key, last, "ends a chain that was never counted")
    if base is not None and base[0] == value.seq and last <= base[0]:
        return
    if end is None or last < value.seq:
        raise chain_error(key, last + 1, f"is missing: the chain ends with number {last}, {value.seq} were written")
    hashed = connection.execute(sa.select(_T.row_hash).where(_T.market_key == key, _T.seq == last)).scalar()
    if last > value.seq or hashed != value.row_hash:
        raise chain_error(
            key, last, "is not the row that was counted last", actual=str(hashed), wanted=str(value.row_hash)
        )
    if int(end.n_configs) != value.n_configs and (base is None or end.n_configs > value.n_configs):
        raise chain_error(key, last, f"ends a chain of {end.n_configs} configurations, {value.n_configs} were counted")


class BrokenChain(StoreError):
    """A chain of the trial ledger does not hold: nothing may be judged by it."""

    default_code = "STORE_CORRUPT"


def chain_error(market_key: str, seq: int, wrong: str, *, actual: str = "", wanted: str = "") -> BrokenChain:
    """``STORE_CORRUPT``, naming the chain, the number in it and, where hashes part, both."""
    hashes = {"found": actual, "wanted": wanted} if actual or wanted else {}
    parted = f": {actual[:12]}… stands there, {wanted[:12]}… is due" if hashes else ""
    return BrokenChain(
        f"trial ledger: {market_key} number {seq} {wrong}{parted}",
        hint=_HINT,
        market_key=market_key,
        seq=seq,
        **hashes,
    )


_HINT = (
    "The ledger was changed outside Assay; restore a backup. If there is none: assay db accept-head --reason TEXT "
    "goes on without what is missing, which counts on."
)


def _corrupt(text: str) -> BrokenChain:
    return BrokenChain(text, hint=_HINT)
