"""The trial ledger: every configuration scored on a market, in a hash chain; looks and their rows."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.contracts import Trial
from assay.kernel.errors import ArtifactError
from assay.kernel.parse import JsonValue
from assay.kernel.timeframe import current_ms
from assay.track.codecs import canonical, decode, format_instant, parse_instant, sha256_of
from assay.track.database import Database, Row, finite_or_none, hold, rows, writes
from assay.track.ledger_heads import (
    FIRST,
    LedgerHead,
    Published,
    bases,
    chain_error,
    check_heads,
    check_published,
    count_configurations,
    count_missing,
    head,
    head_of,
)
from assay.track.model_files.artifact_store import Blobs
from assay.track.schema.tables import LEDGER_EPOCHS, TRIALS

if TYPE_CHECKING:
    import polars as pl


_PARQUET = b"PAR1"
_REAL = ("score", "sharpe", "skew", "kurtosis")


@dataclass(frozen=True, slots=True, eq=False)
class LedgerRow:
    """A row of the ledger; blobs are read when `columns` or `returns` is asked for, and every time."""

    row: Row
    blobs: Blobs | None = None

    def __len__(self) -> int:
        return int(self.row["n_configs"])

    def columns(self, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """``(n_configs,)`` arrays: score, failed, trades, per-bar sharpe, skew, kurtosis, and ``p_`` + each parameter.

        names: only these. Undefined is NaN. ArtifactError ``ARTIFACT_GONE``, ``ARTIFACT_CORRUPT`` for a block that is
        not what the row says. Cost: of a block its hash, and the columns that are asked for.
        """
        if self.row["block_sha256"] is None:
            result = self._own()
            return result if names is None else {name: result[name] for name in names if name in result}
        table = self._block(names)
        if len(table) != len(self):
            raise _damaged(self.row, f"holds {len(table):,} configurations, {len(self):,} were counted")
        return {name: table[name].to_numpy() for name in table.columns}

    def returns(self) -> dict[int, FloatArray]:
        """Per-bar returns by the configuration's place in `columns`, best first: of a block those of its distinct best.

        Empty where none were kept. Raises as `columns`.
        """
        if self.row["returns_sha256"] is None or self.blobs is None:
            return {}
        data = self.blobs.get(self.row["returns_sha256"])
        if not data.startswith(_PARQUET):
            return {0: np.frombuffer(data, "<f8")} if self.row["block_sha256"] is None else {}
        import polars as pl

        table = pl.read_parquet(io.BytesIO(data))
        return {int(name): table[name].to_numpy() for name in table.columns}

    def _own(self) -> dict[str, NDArray[Any]]:
        row = self.row
        result: dict[str, NDArray[Any]] = {
            name: np.array([np.nan if row[name] is None else row[name]], np.float64) for name in _REAL
        }
        result["failed"] = np.array([row["state"] != "complete"])
        result["trades"] = np.array([row["total_trades"] or 0], np.int64)
        return result | {f"p_{name}": _one(value) for name, value in row["params"].items()}

    def _block(self, names: Sequence[str] | None) -> "pl.DataFrame":
        import polars as pl

        if self.blobs is None:
            raise ArtifactError(
                f"the block of trial {self.row['seq']} was not given a store to read from", code="ARTIFACT_GONE"
            )
        data = io.BytesIO(self.blobs.get(self.row["block_sha256"]))
        if names is not None:
            available = pl.read_parquet_schema(data)
            data.seek(0)
            names = [name for name in names if name in available]
        return pl.read_parquet(data, columns=names)


def _one(value: object) -> NDArray[Any]:
    if isinstance(value, bool | int | float):
        return np.array([value])
    holding = np.empty(1, object)
    holding[0] = value
    return holding


def _damaged(row: Row, why: str) -> ArtifactError:
    return ArtifactError(f"the block of trial {row['seq']} on {row['market_key']} {why}", code="ARTIFACT_CORRUPT")


_ALONE = ("none", "manual")  # tuning methods of what was scored for itself, not as a candidate of a search
Interval = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a row says of itself.

    id:       order in which rows were written.   seq: number in its chain.   run: number of the run; None for none.
    identity: None for a row of before identities were kept: it is a look of its own.   recipe: see `Trial`.
    is_record: scored for itself, a walk's record or a backtest; else candidates that something was chosen among.
    intervals: ``[first, last]`` ms bar opens that were scored; empty where the row does not say.
    """

    id: int
    market_key: str
    seq: int
    run: int | None
    identity: str | None
    recipe: str | None
    is_record: bool
    n_configs: int
    config_hash: str
    returns_sha256: str | None
    active_sha256: str | None
    intervals: tuple[Interval, ...]

    @property
    def last(self) -> int | None:
        """Open of the last bar that was scored, ms; None where the row does not say."""
        return max((end for _, end in self.intervals), default=None)

    def active(self, blobs: Blobs) -> tuple[IntArray, FloatArray] | None:
        """Bar opens and active returns, ``(n,)`` each; None where none are kept. Raises as `Blobs.get`."""
        if self.active_sha256 is None:
            return None
        data = blobs.get(self.active_sha256)
        half = len(data) // 2
        return np.frombuffer(data[:half], "<i8").astype(np.int64), np.frombuffer(data[half:], "<f8")


def look_of(row: Row) -> Look:
    """From the columns of the table `trials`."""
    return Look(
        id=row["id"],
        market_key=row["market_key"],
        seq=row["seq"],
        run=row["experiment_id"],
        identity=row["identity"],
        recipe=row["recipe"],
        is_record=row["n_configs"] == 1 and row["tuning_method"] in _ALONE,
        n_configs=row["n_configs"],
        config_hash=row["config_hash"],
        returns_sha256=row["returns_sha256"],
        active_sha256=row["active_sha256"],
        intervals=_intervals(row),
    )


def _intervals(row: Row) -> tuple[Interval, ...]:
    """Those that were scored; of a row that keeps none its window, from end to end."""
    if row["intervals"]:
        return tuple((int(first), int(last)) for first, last in row["intervals"])
    if row["window_start"] is None or row["window_end"] is None:
        return ()
    return ((_ms(row["window_start"]), _ms(row["window_end"])),)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


_OUTSIDE = frozenset({"id", "prev_hash", "row_hash"})
_MOMENTS = ("sharpe", "sharpe_annual", "skew", "kurtosis", "win_rate", "max_drawdown", "net_return")
_PARTS_OF_CONFIG = ("features", "target", "costs")
_SINCE_0004 = frozenset({"identity", "recipe", "active_sha256", "intervals", "mean_exposure"})
_LOOK = (
    "id", "market_key", "seq", "experiment_id", "identity", "recipe", "tuning_method", "n_configs", "config_hash",
    "returns_sha256", "active_sha256", "window_start", "window_end", "intervals",
)  # fmt: skip


class Ledger:
    """The trials table, append-only; one chain for each market key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def append(self, trial: Trial, experiment_id: int | None = None, *, blobs: Blobs | None = None) -> int:
        """Count a trial and return its number in the market's chain, from 1; on disk when it returns.

        The identical configuration, data, window and seed of the same identity again is no new look if its returns are
        equal, too: the number that it has is returned and nothing is appended. With `blobs`, the per-bar returns are
        kept there under ``returns_sha256``, active returns with their times under ``active_sha256``, the block of a
        sweep under ``block_sha256`` and under ``returns_sha256`` the returns of its distinct best.
        """
        row = _described(trial) | {"experiment_id": experiment_id}
        for data in (_returns(trial), trial.block, _active(trial)):
            if blobs is not None and data:
                blobs.put(data)
        with self._database.write() as connection:
            hold(connection, trial.market_key)
            count = _identical(connection, row)
            if count is not None:
                return count
            seq, before = head(connection, trial.market_key)
            row |= {"seq": seq + 1, "created_at": parse_instant(current_ms()), "prev_hash": before}
            row["row_hash"] = row_hash(row)
            connection.execute(sa.insert(TRIALS).values(row))
            return seq + 1

    def markets(self) -> list[Row]:
        """``market_key trials rows runs old first last`` of every chain, the one written to last first.

        old: rows without an identity."""
        t = TRIALS.c
        query = sa.select(
            t.market_key,
            sa.func.sum(t.n_configs).label("trials"),
            sa.func.count().label("rows"),
            sa.func.count(t.experiment_id.distinct()).label("runs"),
            (sa.func.count() - sa.func.count(t.identity)).label("old"),
            sa.func.min(t.created_at, type_=t.created_at.type).label("first"),
            sa.func.max(t.created_at, type_=t.created_at.type).label("last"),
        ).group_by(t.market_key)
        with self._database.read() as connection:
            result = rows(connection.execute(query.order_by(sa.func.max(t.id).desc())))
        return [row | {"trials": int(row["trials"])} for row in result]

    def trials(
        self, market_key: str | None = None, *, experiment_id: int | None = None, blobs: Blobs | None = None
    ) -> Iterator[LedgerRow]:
        """The rows of `read`, each with the configurations that it counts; those of a block are read when asked for.

        blobs: where blocks and returns are kept; without it only rows that count one configuration tell theirs.
        """
        for row in self.read(market_key, experiment_id=experiment_id):
            yield LedgerRow(row, blobs)

    def find(self, trial: Trial) -> int | None:
        """The number that the identical trial has in its market's chain, else one with other returns, or None."""
        with self._database.read() as connection:
            row = _described(trial)
            number = _identical(connection, row)
            return number if number is not None else _identical(connection, row, whatever_returns=True)

    def looks(self, keys: Iterable[str], ends: Mapping[str, int] | None = None) -> list[Look]:
        """What the rows of these chains say of what was scored, in the order in which they were written.

        ends: of each chain the last number that is read; None is all.
        """
        t = TRIALS.c
        query = sa.select(*(t[name] for name in _LOOK)).where(t.market_key.in_(sorted(set(keys)))).order_by(t.id)
        with self._database.read() as connection:
            result = rows(connection.execute(query))
        return [look_of(row) for row in result if ends is None or row["seq"] <= ends.get(row["market_key"], 0)]

    def find_markets(self, recipe: str) -> list[str]:
        """Market keys on which a spec without its market was tried."""
        query = sa.select(TRIALS.c.market_key).where(TRIALS.c.recipe == recipe).distinct()
        with self._database.read() as connection:
            return sorted(connection.execute(query).scalars())

    def chains(self) -> list[str]:
        """Market keys of all chains, those included of which every row is gone and accepted to be missing."""
        with self._database.read() as connection:
            there = set(connection.execute(sa.select(TRIALS.c.market_key).distinct()).scalars())
            return sorted(there | set(connection.execute(sa.select(LEDGER_EPOCHS.c.market_key)).scalars()) - {""})

    def head(self, keys: Iterable[str]) -> LedgerHead:
        """What the ledger holds now of these chains: what a verdict that counts them is stored with."""
        with self._database.read() as connection:
            return head_of(connection, keys)

    def count_missing(self, market_key: str) -> int:
        """Configurations of a chain whose rows are gone, as somebody accepted."""
        with self._database.read() as connection:
            return count_missing(connection, market_key)

    def epochs(self) -> list[Row]:
        """Every time that missing rows were accepted, with reason and name."""
        with self._database.read() as connection:
            return rows(connection.execute(sa.select(LEDGER_EPOCHS).order_by(LEDGER_EPOCHS.c.id)))

    def check_published(self, published: Iterable[Published]) -> None:
        """Compare the chains with the heads under which something was judged: StoreError ``STORE_CORRUPT``."""
        with self._database.read() as connection:
            check_published(connection, published)

    def count(self, market_key: str) -> int:
        """Configurations that were scored on this market, in every state: the sum of all ``n_configs`` ever appended.

        The database keeps it beside the rows; one that was cut from the ledger is still counted.
        """
        with self._database.read() as connection:
            return count_configurations(connection, market_key)

    def read(self, market_key: str | None = None, *, experiment_id: int | None = None) -> list[Row]:
        """Rows by chain and number."""
        query = sa.select(TRIALS).order_by(TRIALS.c.market_key, TRIALS.c.seq)
        query = query if market_key is None else query.where(TRIALS.c.market_key == market_key)
        query = query if experiment_id is None else query.where(TRIALS.c.experiment_id == experiment_id)
        with self._database.read() as connection:
            return rows(connection.execute(query))

    def check(self, market_key: str | None = None) -> int:
        """Walk every chain, or one; how many rows hold.

        StoreError ``STORE_CORRUPT`` names the first that does not, and both hashes.

        A row cut from the end of a chain leaves no broken link; the chain's head, which the database keeps, misses it.
        """
        with self._database.read() as connection:
            count = _walk(connection, market_key)
            check_heads(connection, market_key)
            _check_end(connection)
        return count

    def check_chain(self, market_key: str) -> int:
        """The links of one chain alone; raises as `check`."""
        with self._database.read() as connection:
            return _walk(connection, market_key)


def config_hash(trial: Trial) -> str:
    """SHA-256 over learner, strategy, parameters, features, target and costs (the last three from ``trial.extra``)."""
    parts = {name: trial.extra.get(name) for name in _PARTS_OF_CONFIG}
    return sha256_of(parts | {"learner": trial.learner, "strategy": trial.strategy, "params": dict(trial.params)})


def row_hash(row: Row) -> str:
    """``sha256(prev_hash + "\\n" + body)``, body the canonical JSON of all columns but id, prev_hash and row_hash.

    Columns that schema 0004 brought are left out where they are NULL: rows of before keep their hash.
    """
    body: dict[str, object] = {}
    for column in TRIALS.columns:
        value = row.get(column.name)
        if column.name not in _OUTSIDE and not (value is None and column.name in _SINCE_0004):
            is_time = column.name in ("window_start", "window_end", "created_at")
            body[column.name] = format_instant(value) if is_time and value is not None else value
    return hashlib.sha256(f"{row['prev_hash']}\n{canonical(body)}".encode()).hexdigest()


def _returns(trial: Trial) -> bytes:
    """What is kept of the returns: one series as it is, of a sweep those of its distinct best; empty for none."""
    return trial.tops or trial.returns.astype("<f8").tobytes()


def _active(trial: Trial) -> bytes:
    """Times and active returns as they are kept, see `Look`; empty for none."""
    if len(trial.active) != len(trial.times):
        return b""
    return trial.times.astype("<i8").tobytes() + trial.active.astype("<f8").tobytes()


def _described(trial: Trial) -> Row:
    exchange, symbol, rest = trial.market_key.split("|")[:3]
    first, last = trial.window if trial.window is not None else (None, None)
    returns, active = _returns(trial), _active(trial)
    row: Row = {
        "market_key": trial.market_key,
        "learner": trial.learner,
        "strategy_name": trial.strategy,
        "exchange": exchange,
        "symbol": symbol,
        "timeframe": rest.split("+")[0],
        "tuning_method": trial.tuning_method,
        "params": _one_zero(decode(canonical(dict(trial.params)))),
        "config_hash": config_hash(trial),
        "data_digest": trial.data_digest or None,
        "returns_sha256": hashlib.sha256(returns).hexdigest() if returns else None,
        "window_start": None if first is None else parse_instant(int(first)),
        "window_end": None if last is None else parse_instant(int(last)),
        "state": trial.state,
        "objective": trial.objective,
        "score": _real(trial.score, "score"),
        "n_obs": int(trial.n_obs),
        "total_trades": int(trial.total_trades),
        "seed": int(trial.seed),
        "metrics": _one_zero(decode(canonical(dict(trial.metrics)))),
        "duration_seconds": _real(trial.duration_seconds, "duration_seconds"),
        "n_configs": int(trial.n_configs),
        "block_sha256": hashlib.sha256(trial.block).hexdigest() if trial.block else None,
        "identity": trial.identity or None,
        "recipe": trial.recipe or None,
        "active_sha256": hashlib.sha256(active).hexdigest() if active else None,
        "intervals": [[int(a), int(b)] for a, b in trial.intervals] or None,
        "mean_exposure": _one_zero(decode(canonical(dict(trial.mean_exposure)))) or None,
    }
    return row | {name: _real(trial.metrics.get(name), name) for name in _MOMENTS}


def _real(value: object, what: str) -> float | None:
    result = finite_or_none(value, what)
    return None if result is None else result + 0.0  # the database knows one zero


def _one_zero(value: JsonValue) -> JsonValue:
    """JSON without minus zero, which PostgreSQL's decimals do not have: a row has one hash on every database."""
    if isinstance(value, dict):
        return {name: _one_zero(holding) for name, holding in value.items()}
    if isinstance(value, list):
        return [_one_zero(holding) for holding in value]
    return value + 0.0 if isinstance(value, float) else value


def _identical(connection: sa.Connection, row: Row, *, whatever_returns: bool = False) -> int | None:
    t = TRIALS.c
    names = ["identity", "data_digest", "window_start", "window_end", "seed"]
    names += [] if whatever_returns else ["returns_sha256"]
    same = [t[k].is_not_distinct_from(row[k]) for k in names]
    query = sa.select(t.seq).where(t.market_key == row["market_key"], t.config_hash == row["config_hash"], *same)
    result = connection.execute(query.order_by(t.seq).limit(1)).scalar()
    return None if result is None else int(result)


def _walk(connection: sa.Connection, market_key: str | None) -> int:
    count, last = 0, {"market_key": "", "seq": 0, "row_hash": FIRST}
    available = bases(connection)
    query = sa.select(TRIALS).order_by(TRIALS.c.market_key, TRIALS.c.seq)
    query = query if market_key is None else query.where(TRIALS.c.market_key == market_key)
    for result in connection.execute(query).mappings():
        row = dict(result)
        seq, row_hash = available.get(row["market_key"], (0, FIRST))
        if row["market_key"] != last["market_key"]:
            last = {"market_key": row["market_key"], "seq": seq, "row_hash": row_hash}
        if row["seq"] > seq:  # rows of before missing ones were accepted are walked by nobody
            _check_link(row, last)
            last = row
        count += 1
    return count


def _check_link(row: Row, last: Row) -> None:
    key, seq = row["market_key"], row["seq"]
    if seq != last["seq"] + 1:
        raise chain_error(key, seq, f"follows number {last['seq']}")
    if row["prev_hash"] != last["row_hash"]:
        why = "does not point to the row before it"
        raise chain_error(key, seq, why, actual=row["prev_hash"], wanted=last["row_hash"])
    if (now := row_hash(row)) != row["row_hash"]:
        raise chain_error(key, seq, "has been changed", actual=now, wanted=row["row_hash"])


def _check_end(connection: sa.Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    value = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'trials'").scalar() or 0
    highest = connection.execute(sa.select(sa.func.coalesce(sa.func.max(TRIALS.c.id), 0))).scalar_one()
    accepted = connection.execute(sa.select(sa.func.max(LEDGER_EPOCHS.c.highest_id))).scalar()
    if value != highest and not (value == accepted and highest < value):
        raise chain_error("?", highest, f"is the last row, but {value} were written")
