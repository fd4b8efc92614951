"""PostgreSQL's own dump of a record, of one state, read back whole before it counts as a backup."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from assay.kernel.errors import ConfigError, StoreError
from assay.track.postgres import PostgresDatabase
from assay.track.schema.hypertables import timescale

_DEBIAN_FOLDER = Path("/usr/lib/postgresql")  # Debian keeps the programs off the PATH, by version


def program(name: str) -> Path:
    """Path of one of PostgreSQL's client programs; the newest is fine for every older server.

    ConfigError ``CONFIG_EXTRA`` where there is none.
    """
    stored = sorted(_DEBIAN_FOLDER.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    result = stored[-1] if stored else shutil.which(name)
    if result is None:
        raise ConfigError(
            f"PostgreSQL's program {name} is not on the PATH",
            code="CONFIG_EXTRA",
            hint="Install PostgreSQL's client programs, e.g. apt-get install postgresql-client.",
        )
    return Path(result)


def dump(place: PostgresDatabase, target: Path) -> dict[str, int]:
    """Write ``pg_dump -Fc`` of one state to `target` and return the rows of each table in it.

    StoreError ``STORE_BACKUP`` when the program fails, or when the dump, read back, lacks rows.
    """
    dumping, reading = program("pg_dump"), program("pg_restore")
    engine = place.engine(30.0)
    try:
        with engine.connect() as connection, connection.begin(), _login(place.url) as login:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            state = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
            options = ["--format=custom", "--no-owner", "--no-privileges", "--no-password", f"--snapshot={state}"]
            _run([str(dumping), *options, f"--file={target}", f"--dbname={login}"], place.where)
            counted = counts(connection)
            chunked = {"metrics"} if timescale(connection) else set()  # its rows are dumped under the chunks' names
    finally:
        engine.dispose()
    _demand_rows(reading, target, {name: rows for name, rows in counted.items() if name not in chunked})
    return counted


def counts(connection: sa.Connection) -> dict[str, int]:
    """Rows of each table, by name."""
    names = sorted(sa.inspect(connection).get_table_names())
    return {name: int(connection.exec_driver_sql(f'SELECT COUNT(*) FROM "{name}"').scalar_one()) for name in names}


@contextmanager
def _login(url: sa.URL) -> Iterator[str]:
    """An address for libpq without the password, which lies in a file of our own: others see the command line."""
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder) / "pgpass"
        secret.touch(mode=0o600)
        password = (url.password or "").replace("\\", "\\\\").replace(":", "\\:")
        secret.write_text(f"*:*:*:*:{password}\n", encoding="utf-8")
        named = {"passfile": str(secret)} if url.password else {}
        bare = sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
        yield bare.update_query_dict(named).render_as_string(hide_password=False)


def _run(command: list[str], where: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StoreError(f"record {where} was not dumped: {reason}", code="STORE_BACKUP", reason=reason)


def _demand_rows(reading: Path, dumped: Path, wanted: dict[str, int]) -> None:
    with subprocess.Popen(
        [str(reading), "--data-only", "--file=-", str(dumped)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        result = _copied(process.stdout)
    short = {name: rows for name, rows in wanted.items() if result.get(name, 0) != rows}
    if process.returncode or short:
        document = ", ".join(f"{name} has {result.get(name, 0)} rows of {rows}" for name, rows in short.items())
        raise StoreError(f"the dump does not read back: {document or 'pg_restore fails'}", code="STORE_BACKUP")


def _copied(lines: Iterable[bytes]) -> dict[str, int]:
    """Rows of each COPY block of a plain dump, by the table's bare name."""
    result: dict[str, int] = {}
    name = ""
    for line in lines:
        if name and line == b"\\.\n":
            name = ""
        elif name:
            result[name] += 1
        elif line.startswith(b"COPY "):
            name = line.decode().split(" ", 2)[1].rsplit(".", 1)[-1].strip('"')
            result[name] = 0
    return result
