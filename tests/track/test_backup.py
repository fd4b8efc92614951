"""A backup is one state of the record, whole, whoever writes meanwhile."""

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from assay.kernel.errors import ConfigError, StoreError
from assay.track.engines import newest_backup
from assay.track.maintenance.backup import backup_store, program
from assay.track.schema.column_types import RECORD
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.relics.make import fill
from tests.track.server import Server

_WRITER = """
import sys
from assay.track.tracking_store import open_store
record = open_store(sys.argv[1])
run = record.experiments.start("writer", "rules").id
done = 0
while True:
    with record.together():
        for _ in range(20):
            record.metrics.log(run, {"a": 1.0, "b": 2.0}, step=done)
        record.artifacts.add(run, "log", "x", sha256="a" * 64, description="x" * 3000)
    done += 1
    print(done, flush=True)
"""


@contextmanager
def writer(place: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that writes transactions of 40 points and one artifact; a line for each that is on disk."""
    with subprocess.Popen([sys.executable, "-c", _WRITER, place], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline()
            yield process
        finally:
            process.kill()


class Acknowledged:
    """How many transactions the writer has said to be on disk."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.count = 1
        threading.Thread(target=self._follow, args=(process,), daemon=True).start()

    def wait_for_more(self) -> int:
        """The count, once it has grown."""
        before, deadline = self.count, time.monotonic() + 60
        while self.count == before:
            assert time.monotonic() < deadline, "the writer stands still"
            time.sleep(0.005)
        return self.count

    def _follow(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.count = int(line)


def restored(copy: Path, dialect: str, postgres: "Server | None", *, name: str = "t") -> str:
    if dialect == "sqlite":
        return str(copy)
    assert postgres is not None
    url = postgres.fresh()
    subprocess.run([str(program("pg_restore")), "--dbname", url, "--exit-on-error", str(copy)], check=True)
    return url


@pytest.fixture
def server(dialect: str, request: pytest.FixtureRequest) -> "Server | None":
    return request.getfixturevalue("postgres") if dialect == "postgresql" else None


def test_a_backup_is_the_record(
    record: TrackingStore, place: str, tmp_path: Path, dialect: str, server: "Server | None"
) -> None:
    fill(record)
    made = backup_store(place, tmp_path / "copy.bak")
    assert made.bytes == made.path.stat().st_size > 0
    assert set(RECORD.tables) <= set(made.rows) and all(made.rows[name] for name in RECORD.tables)
    assert sorted(p.name for p in tmp_path.iterdir() if "partial" in p.name) == []
    with open_store(restored(made.path, dialect, server), check=True) as copy:
        assert copy.ledger.check() == 4
        for run in (1,):
            assert copy.experiments.get(run) == record.experiments.get(run)
            assert str(copy.metrics.read(run)) == str(record.metrics.read(run))
        assert copy.experiments.start("goes on", "rules").id == 2


@pytest.mark.slow
def test_fifteen_backups_under_a_writer_lose_nothing(
    place: str, tmp_path: Path, dialect: str, server: "Server | None"
) -> None:
    with open_store(place) as record, writer(place) as process:
        said = Acknowledged(process)
        copies = []
        for number in range(15):
            before = said.wait_for_more()  # every backup has a writer beside it, however slow the machine
            copies.append((backup_store(place, tmp_path / f"{number}.bak"), before))
        assert record.experiments.get(1)["name"] == "writer"
    for made, before in copies:
        assert made.rows["metrics"] == 40 * made.rows["artifacts"] >= 40 * before
    last, before = copies[-1]
    with open_store(restored(last.path, dialect, server)) as copy:
        assert len(copy.metrics.read(1)) == last.rows["metrics"]


def torn(copy: Path, acknowledged: int) -> bool:
    """Whether a copy is damaged, half a transaction or behind what was on disk before it was begun."""
    try:
        with closing(sqlite3.connect(copy)) as held:
            points, files = (held.execute(f"SELECT COUNT(*) FROM {n}").fetchone()[0] for n in ("metrics", "artifacts"))
            whole = points == 40 * files and files >= acknowledged
            return not whole or held.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",)
    except sqlite3.DatabaseError:
        return True


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["sqlite"])
def test_control_copies_of_the_live_file_are_torn(place: str, tmp_path: Path) -> None:
    with open_store(place) as record:
        run = record.experiments.start("old", "rules").id  # a file that takes a moment to read
        with record.together():
            for _ in range(2_000):
                record.artifacts.add(run, "log", "y", sha256="a" * 64, description="y" * 6000)
            record.metrics.log_points(
                [{"experiment_id": run, "metric_name": "a", "value": 1.0} for _ in range(40 * 2_000)]
            )
    bad = 0
    with writer(place) as process:
        said = Acknowledged(process)
        for number in range(60):
            before = said.count + 2_000
            shutil.copyfile(place, tmp_path / f"{number}.db")
            bad += torn(tmp_path / f"{number}.db", before)
            (tmp_path / f"{number}.db").unlink()
            if bad:
                break
    assert bad >= 1


def test_nothing_is_replaced(record: TrackingStore, place: str, tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    for file in (tmp_path / "kept.txt", tmp_path, tmp_path / "no" / "such" / "folder"):
        with pytest.raises(StoreError) as told:
            backup_store(place, file)
        assert told.value.code == "STORE_PATH"
    assert (tmp_path / "kept.txt").read_text() == "mine"
    assert not [p for p in tmp_path.iterdir() if "partial" in p.name]


def test_who_takes_the_name_meanwhile_keeps_it(
    record: TrackingStore, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.track.maintenance import backup as module

    def late(path: Path) -> None:
        (tmp_path / "copy.bak").write_text("mine")

    monkeypatch.setattr(module, "_to_disk", late)
    with pytest.raises(StoreError) as told:
        backup_store(place, tmp_path / "copy.bak")
    assert told.value.code == "STORE_PATH" and (tmp_path / "copy.bak").read_text() == "mine"
    assert not [p for p in tmp_path.iterdir() if "partial" in p.name]


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_copy_that_does_not_hold_is_no_backup(
    record: TrackingStore, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.track.maintenance import backup as module

    counts = module._counts
    monkeypatch.setattr(module, "_counts", iter_of(counts))
    with pytest.raises(StoreError, match="metrics has 0 rows of 1") as told:
        backup_store(place, tmp_path / "copy.bak")
    assert told.value.code == "STORE_BACKUP" and not (tmp_path / "copy.bak").exists()


def iter_of(counts: object) -> object:
    """Counts one metric row more the first time."""
    more = [1]

    def counting(held: sqlite3.Connection) -> dict[str, int]:
        found = counts(held)  # type: ignore[operator]
        return {**found, "metrics": found["metrics"] + (more.pop() if more else 0)}

    return counting


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_damage_names_the_newest_backup(place: str, tmp_path: Path) -> None:
    with open_store(place) as record:
        fill(record)
    for name in ("a.bak", "b.bak", "c.bak"):
        backup_store(place, tmp_path / name)
    (tmp_path / "c.bak").unlink()
    assert newest_backup(Path(place)) == tmp_path / "b.bak"
    held = bytearray(Path(place).read_bytes())
    held[8192:60_000] = b"\x5a" * (60_000 - 8192)
    Path(place).write_bytes(held)
    with pytest.raises(StoreError) as told:
        open_store(place, check=True)
    assert told.value.code == "STORE_CORRUPT" and str(tmp_path / "b.bak") in told.value.hint
    with pytest.raises(StoreError):
        backup_store(place, tmp_path / "d.bak")
    assert not (tmp_path / "d.bak").exists()


def test_without_a_record_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as told:
        backup_store(tmp_path / "none.db", tmp_path / "copy.bak")
    assert told.value.code == "STORE_NOT_FOUND" and list(tmp_path.iterdir()) == []


@pytest.mark.postgres
def test_without_the_program_the_package_is_named(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.track.maintenance import backup as pgdump

    monkeypatch.setattr(pgdump, "_DEBIAN_FOLDER", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="pg_dump") as told:
        backup_store(postgres.url("laid"), tmp_path / "copy.bak")
    assert told.value.code == "CONFIG_EXTRA" and "postgresql-client" in told.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.postgres
def test_a_dump_that_fails_or_lacks_rows_is_no_backup(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.track.maintenance import backup as pgdump

    short = {"job_slots": 65}
    monkeypatch.setattr(pgdump, "counts", lambda connection: short)
    with pytest.raises(StoreError, match="job_slots has 64 rows of 65"):
        backup_store(postgres.url("laid"), tmp_path / "copy.bak")
    monkeypatch.setattr(pgdump, "program", lambda name: Path("/bin/false"))
    with pytest.raises(StoreError) as told:
        backup_store(postgres.url("laid"), tmp_path / "copy.bak")
    assert told.value.code == "STORE_BACKUP" and postgres.password not in str(told.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.postgres
def test_the_password_is_in_no_command_line(postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.track.maintenance import backup as pgdump

    seen: list[str] = []
    run = pgdump._run

    def watched(command: list[str], where: str) -> None:
        seen.extend(command)
        run(command, where)

    monkeypatch.setattr(pgdump, "_run", watched)
    backup_store(postgres.url("laid"), tmp_path / "copy.bak")
    assert seen and not any(postgres.password in word for word in seen)
