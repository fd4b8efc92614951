import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.kernel.errors import StoreError
from assay.testing.store_contract import MARKET, a_trial
from assay.track.codecs import canonical
from assay.track.model_files.artifact_store import Blobs
from assay.track.schema.tables import TRIALS
from assay.track.tracking_store import TrackingStore, open_store

GUARDS = {"trials_no_update", "trials_no_delete", "trial_heads_grow", "trial_heads_stay"}


def unguarded(record: TrackingStore, *statements: str) -> None:
    """What an attacker with the file, or with the database owner's rights, could do."""
    with record.database.write() as connection:
        if connection.dialect.name == "sqlite":
            for guard in sorted(GUARDS):
                connection.exec_driver_sql(f"DROP TRIGGER {guard}")
        else:
            connection.exec_driver_sql("ALTER TABLE trials DISABLE TRIGGER USER")
            connection.exec_driver_sql("ALTER TABLE trial_heads DISABLE TRIGGER USER")
        for statement in statements:
            connection.exec_driver_sql(statement)


def guarded(record: TrackingStore) -> None:
    """Undo `unguarded`, as far as appending needs it."""
    with record.database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE trials ENABLE TRIGGER USER")


def filled(record: TrackingStore, rows: int = 5) -> None:
    run = record.experiments.start("a", "rules").id
    for seed in range(rows):
        record.ledger.append(a_trial(seed=seed), run)


def test_the_chain_by_hand(record: TrackingStore) -> None:
    record.ledger.append(a_trial())
    record.ledger.append(a_trial(seed=8))
    first, second = record.ledger.read(MARKET)
    assert (first["seq"], second["seq"]) == (1, 2)
    assert (first["prev_hash"], second["prev_hash"]) == ("0" * 64, first["row_hash"])
    times = ("window_start", "window_end", "created_at")
    since_0004 = ("identity", "recipe", "active_sha256", "intervals", "mean_exposure")
    body = {k: v for k, v in first.items() if k not in ("id", "prev_hash", "row_hash", *since_0004)}
    body |= {k: f"{body[k]:%Y-%m-%dT%H:%M:%S}.{body[k].microsecond // 1000:03d}Z" for k in times}
    assert first["row_hash"] == hashlib.sha256(f"{'0' * 64}\n{canonical(body)}".encode()).hexdigest()
    assert (first["exchange"], first["symbol"], first["timeframe"]) == ("binance", "BTC/USDT", "1h")
    assert (first["sharpe"], first["skew"], first["n_obs"], first["params"]) == (0.1, None, 3, {"fast": 3, "slow": 2.5})


@pytest.mark.parametrize(
    "changed",
    [{"params": {"fast": 4}}, {"data_digest": "e" * 64}, {"data_digest": ""}, {"window": (0, 1)}, {"window": None},
     {"seed": 1}, {"strategy": "other"}, {"extra": {"target": "up"}}, {"identity": "a" * 64},
     {"returns": np.array([0.01, -0.02, 1e-9])}],
    ids=str,
)  # fmt: skip
def test_only_the_identical_trial_is_counted_once(record: TrackingStore, changed: dict[str, Any]) -> None:
    assert record.ledger.append(a_trial()) == 1
    assert record.ledger.append(a_trial(score=9.0, params={"slow": 2.5, "fast": 3})) == 1
    assert record.ledger.append(a_trial(**changed)) == 2
    assert record.ledger.append(a_trial(**changed)) == 2
    assert record.ledger.count(MARKET) == 2


SINCE_0004 = {
    "identity": "1" * 64, "recipe": "2" * 64, "intervals": ((0, 3_600_000), (7_200_000, 7_200_000)),
    "active": np.array([0.0, -0.0, 0.5]), "times": np.arange(3) * 3_600_000, "mean_exposure": {"BTC/USDT": -0.25},
}  # fmt: skip


def test_what_a_look_is_comes_back(record: TrackingStore, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "artifacts")
    record.ledger.append(a_trial(), blobs=blobs)
    record.ledger.append(a_trial(**SINCE_0004), blobs=blobs)
    old, new = record.ledger.looks([MARKET])
    assert (old.identity, old.intervals, old.active(blobs), old.is_record) == (None, ((0, 7_200_000),), None, True)
    assert (new.identity, new.recipe, new.seq) == ("1" * 64, "2" * 64, 2)
    assert new.intervals == SINCE_0004["intervals"] and new.last == 7_200_000
    times, active = new.active(blobs) or (None, None)
    np.testing.assert_array_equal(times, SINCE_0004["times"])
    np.testing.assert_array_equal(active, SINCE_0004["active"])
    assert record.ledger.read(MARKET)[1]["mean_exposure"] == {"BTC/USDT": -0.25}
    assert record.ledger.find_markets("2" * 64) == record.ledger.chains() == [MARKET]
    assert [look.seq for look in record.ledger.looks([MARKET, "x|Y/Z|1h"], {MARKET: 1})] == [1]
    assert record.ledger.check() == 2


@pytest.mark.parametrize("column", ["identity", "recipe", "active_sha256", "intervals", "mean_exposure"])
def test_a_look_cannot_be_made_one_of_before(record: TrackingStore, column: str) -> None:
    record.ledger.append(a_trial(**SINCE_0004))
    unguarded(record, f"UPDATE trials SET {column} = NULL")
    with pytest.raises(StoreError) as told:
        record.ledger.check()
    assert told.value.code == "STORE_CORRUPT"


def test_chains_are_apart(record: TrackingStore) -> None:
    panel = "binance|BTC/USDT|1h+binance|ETH/USDT|1h"
    assert [record.ledger.append(a_trial(market_key=key)) for key in (MARKET, panel, MARKET)] == [1, 1, 1]
    assert record.ledger.append(a_trial(n_configs=12, seed=1)) == 2
    assert (record.ledger.count(MARKET), record.ledger.count(panel), record.ledger.count("x|Y/Z|1h")) == (13, 1, 0)
    assert record.ledger.read(panel)[0]["symbol"] == "BTC/USDT"
    assert record.ledger.check() == 3


def test_a_failed_trial_counts(record: TrackingStore) -> None:
    failed = a_trial(state="failed", returns=np.empty(0), window=None, metrics={}, score=math.nan)
    assert record.ledger.append(failed) == 1
    (row,) = record.ledger.read(MARKET)
    assert (row["score"], row["returns_sha256"], row["n_obs"]) == (None, None, 0)
    assert record.ledger.count(MARKET) == record.ledger.check() == 1


def test_minus_zero_holds(record: TrackingStore) -> None:
    record.ledger.append(a_trial(score=-0.0, metrics={"sharpe": -0.0}))
    assert record.ledger.check() == 1


def test_returns_are_kept_in_the_blobs(record: TrackingStore, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "artifacts")
    record.ledger.append(a_trial(), blobs=blobs)
    (row,) = record.ledger.read(MARKET)
    assert np.array_equal(np.frombuffer(blobs.get(row["returns_sha256"]), "<f8"), a_trial().returns)


CHANGES = {
    "text": "'tampered'", "int": "12345", "real": "0.123456789", "json": "'{\"tampered\":1}'", "hash": f"'{'f' * 64}'",
    "ts": "'2031-01-01T00:00:00.000Z'",
}  # fmt: skip
WORDS = {"tuning_method": "'grid'", "state": "'pruned'", "experiment_id": "NULL"}
KINDS = {
    "params": "json", "metrics": "json", "window_start": "ts", "window_end": "ts", "created_at": "ts",
    "intervals": "json", "mean_exposure": "json", "identity": "hash", "recipe": "hash",
}  # fmt: skip


def change_to(column: str) -> str:
    if column in WORDS:
        return WORDS[column]
    if column in KINDS:
        return CHANGES[KINDS[column]]
    if column.endswith(("hash", "digest", "sha256")):
        return CHANGES["hash"]
    kind = str(TRIALS.c[column].type).split("(")[0]
    return CHANGES[{"TEXT": "text", "BIGINT": "int", "DOUBLE": "real", "DOUBLE PRECISION": "real"}[kind]]


@pytest.mark.parametrize("column", [c.name for c in TRIALS.columns if c.name != "id"])
def test_a_change_of_any_column_is_found(record: TrackingStore, column: str) -> None:
    filled(record)
    assert record.ledger.check() == 5
    unguarded(record, f"UPDATE trials SET {column} = {change_to(column)} WHERE seq = 3")
    with pytest.raises(StoreError) as told:
        record.ledger.check()
    assert told.value.code == "STORE_CORRUPT"
    if column not in ("seq", "market_key", "row_hash"):
        assert (told.value.facts["market_key"], told.value.facts["seq"]) == (MARKET, 3)


@pytest.mark.parametrize("cut", ["seq = 1", "seq = 3", "seq = 5", "seq >= 3", "seq > 0"])
def test_missing_rows_are_found_and_still_counted(record: TrackingStore, cut: str) -> None:
    filled(record)
    record.ledger.append(a_trial(market_key="binance|ETH/USDT|1h"))
    unguarded(record, f"DELETE FROM trials WHERE market_key = '{MARKET}' AND {cut}")
    with pytest.raises(StoreError, match=r"BTC/USDT") as told:
        record.ledger.check()
    assert (told.value.code, told.value.facts["market_key"]) == ("STORE_CORRUPT", MARKET)
    assert record.ledger.count(MARKET) == 5
    guarded(record)
    assert record.ledger.append(a_trial(seed=99)) == 6  # the chain goes on behind what was cut
    assert record.ledger.count(MARKET) == 6
    with pytest.raises(StoreError):
        record.ledger.check()
    assert record.ledger.check("binance|ETH/USDT|1h") == 1


def test_a_row_that_is_not_the_next_is_refused(record: TrackingStore, run: int) -> None:
    filled(record, 2)
    names = ", ".join(c.name for c in TRIALS.columns if c.name not in ("id", "seq", "row_hash"))
    for seq, of in ((2, 1), (4, 2), (3, 1)):
        with pytest.raises(StoreError) as told, record.database.write() as connection:
            connection.exec_driver_sql(
                f"INSERT INTO trials ({names}, seq, row_hash) SELECT {names}, {seq}, '{'b' * 64}' FROM trials "
                f"WHERE seq = {of}"
            )
        assert told.value.code in ("STORE_APPEND_ONLY", "STORE_CONFLICT")
    assert record.ledger.count(MARKET) == record.ledger.check() == 2


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM trial_heads",
        "UPDATE trial_heads SET seq = 1",
        "UPDATE trial_heads SET n_configs = 1, seq = seq + 1",
    ],
)
def test_a_head_does_not_go_back(record: TrackingStore, statement: str) -> None:
    filled(record)
    with pytest.raises(StoreError) as told, record.database.write() as connection:
        connection.exec_driver_sql(statement)
    assert told.value.code == "STORE_APPEND_ONLY"


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM trial_heads", "UPDATE trial_heads SET n_configs = 1", "UPDATE trial_heads SET seq = 4",
     f"UPDATE trial_heads SET row_hash = '{'f' * 64}'"],
)  # fmt: skip
def test_a_changed_head_is_found(record: TrackingStore, change: str) -> None:
    filled(record)
    unguarded(record, change)
    with pytest.raises(StoreError) as told:
        record.ledger.check()
    assert (told.value.code, told.value.facts["seq"]) == ("STORE_CORRUPT", 5)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None)
@given(
    st.dictionaries(TEXTS, VALUES | st.lists(VALUES, max_size=2), max_size=4),
    st.floats(),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["sharpe", "kurtosis", "other"]),
)
def test_every_row_that_is_written_holds(
    record: TrackingStore, params: dict[str, Any], score: float, seed: int, name: str
) -> None:
    record.ledger.append(a_trial(params=params, score=score, seed=seed, metrics={name: score}, duration_seconds=0.1))
    assert record.ledger.check() >= 1


def test_two_processes_append_to_one_chain(place: str) -> None:
    import subprocess
    import sys

    code = """
import sys
from assay.testing.store_contract import a_trial
from assay.track.tracking_store import open_store
record = open_store(sys.argv[1])
for seed in range(25):
    record.ledger.append(a_trial(seed=seed + 100 * int(sys.argv[2])))
"""
    open_store(place).close()
    started = [subprocess.Popen([sys.executable, "-c", code, place, str(k)]) for k in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]
    with open_store(place) as record:
        assert record.ledger.check() == record.ledger.count(MARKET) == 50
