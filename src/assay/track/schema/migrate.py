"""Migrate a database to the tables that this program knows: steps, frozen DDL, TimescaleDB hypertables."""

import re
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.mock import MockConnection

from assay.kernel.errors import StoreError
from assay.track.schema import service, tables
from assay.track.schema.column_types import RECORD
from assay.track.schema.triggers import guards

TOPICS = (tables, service)
NAMED = {
    "sqlite": "INSERT INTO ledger_chain (chain_id) VALUES (lower(hex(randomblob(16))))",
    "postgresql": "INSERT INTO ledger_chain (chain_id) VALUES (replace(gen_random_uuid()::text, '-', ''))",
}
_DIALECTS: dict[str, Callable[[], sa.Dialect]] = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}


def statements(dialect: str) -> list[str]:
    """Every CREATE and ALTER of the current tables, with their guards and the 64 job slots, in order of creation."""
    written: list[str] = []
    engine = MockConnection(_DIALECTS[dialect](), lambda ddl, *a, **k: written.append(_text(ddl, dialect)))
    RECORD.create_all(engine, checkfirst=False)
    slots = ", ".join(f"({slot})" for slot in range(64))
    return [*written, *guards(dialect), f"INSERT INTO job_slots (slot_no) VALUES {slots}", NAMED[dialect]]


def _text(ddl: sa.schema.ExecutableDDLElement, dialect: str) -> str:
    text = str(ddl.compile(dialect=_DIALECTS[dialect]())).strip()
    if dialect == "postgresql":  # a hypertable's key holds its time; NULL is the largest value unless told otherwise
        text = text.replace(
            "CONSTRAINT pk_metrics PRIMARY KEY (id)", "CONSTRAINT pk_metrics PRIMARY KEY (id, timestamp)"
        )
        text = text.replace(
            "step, episode, epoch, id, split", "step NULLS FIRST, episode NULLS FIRST, epoch NULLS FIRST, id, split"
        )
    lines = text.splitlines()
    return "\n".join(line.rstrip() for line in lines)


def frozen(step: str) -> None:
    """Run ``<step>/<dialect>.sql``, statements parted by a line of ``;``.

    What the tables look like today is not what they looked like when the step was written.
    """
    connection = op.get_bind()
    text = Path(step).with_suffix("").joinpath(f"{connection.dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split("\n;\n"):
        if statement.strip():
            connection.exec_driver_sql(statement)


_METRICS = (
    "SELECT create_hypertable('metrics', 'timestamp', chunk_time_interval => INTERVAL '7 days', migrate_data => true)"
)


def timescale(connection: sa.Connection) -> str | None:
    """Version of the extension in this database; None where it is not, and on SQLite."""
    if connection.dialect.name != "postgresql":
        return None
    request = connection.exec_driver_sql("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    result = request.scalar()
    return None if result is None else str(result)


def lay_hypertables(connection: sa.Connection) -> bool:
    """Make ``metrics`` a hypertable where the extension is installed, once; whether this call did. Never installs it.

    Points that are there move into chunks: minutes for many millions, with the table locked.
    """
    if timescale(connection) is None:
        return False
    there = connection.exec_driver_sql(
        "SELECT 1 FROM timescaledb_information.hypertables "
        "WHERE hypertable_schema = current_schema() AND hypertable_name = 'metrics'"
    ).scalar()
    if there is None:
        connection.exec_driver_sql(_METRICS)
    return there is None


HEAD = "0004"
_OURS = re.compile(r"\d{4}")
# Of the candle and feature stores, which may live in the record's PostgreSQL database.
_OTHER_TABLES = {"assay_store", "candles", "candle_revisions", "series", "covered", "ml_features"}


def version(connection: sa.Connection) -> str | None:
    """The database's schema version; None for an empty database, or one that holds candles alone.

    StoreError ``STORE_SCHEMA_NEWER`` for a version that this program does not know, ``STORE_SCHEMA_FOREIGN`` for a
    database with tables that are not ours.
    """
    names = set(sa.inspect(connection).get_table_names())
    where = _where(connection)
    if "alembic_version" not in names:
        if connection.dialect.name == "postgresql":
            names -= _OTHER_TABLES
        if names:
            raise _foreign(where, names)
        return None
    result = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if result is None:
        return None
    if not _OURS.fullmatch(result):  # MLflow and Optuna keep a version in a table of that name, too
        raise _foreign(where, names)
    if result > HEAD:
        raise StoreError(
            f"{where} has schema {result}; this program knows up to {HEAD}",
            code="STORE_SCHEMA_NEWER",
            hint="Use the newer program, or another record.",
            found=result,
            known=HEAD,
        )
    return str(result)


def lay(engine: sa.Engine) -> str:
    """Lay the tables in an empty database, and return `HEAD`; parallel starts lay once.

    An older record is not touched: StoreError ``STORE_SCHEMA_OLDER``, else errors as `version`.
    """
    with engine.connect() as connection:
        match, where = version(connection), _where(connection)
    if match is None:
        return upgrade(engine)
    if match != HEAD:
        raise StoreError(
            f"{where} has schema {match}; this program works on {HEAD}",
            code="STORE_SCHEMA_OLDER",
            hint="Run: assay db upgrade. It makes a backup first.",
            found=match,
            known=HEAD,
        )
    return match


def upgrade(engine: sa.Engine) -> str:
    """Bring the database to `HEAD` and return it: every step that is missing and the views in one transaction.

    A kill at any instant leaves the old schema or the new one. Parallel upgrades wait for each other and happen once.
    """
    if engine.dialect.name == "sqlite":
        _upgrade_sqlite(engine)
    else:
        _upgrade_postgresql(engine)
    return HEAD


def _upgrade_postgresql(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '30s'")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended('assay schema', 0))")
        if version(connection) != HEAD:
            _steps(connection)
        lay_hypertables(connection)


def _upgrade_sqlite(engine: sa.Engine) -> None:
    with engine.execution_options(begin="EXCLUSIVE", foreign_keys="OFF").connect() as connection, connection.begin():
        if version(connection) == HEAD:
            return
        _steps(connection)
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise StoreError(f"the upgrade would leave {len(broken)} dangling rows", code="STORE_CORRUPT")


def _steps(connection: sa.Connection) -> None:
    from alembic.config import Config
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    from assay.track.schema.triggers import create_views, drop_views

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    context = MigrationContext.configure(
        connection,
        opts={"fn": lambda revision, _: scripts._upgrade_revs("head", revision), "transactional_ddl": True},
    )
    drop_views(connection)
    with Operations.context(context):
        context.run_migrations()
    create_views(connection)


def _where(connection: sa.Connection) -> str:
    """The database's address, its password masked."""
    return connection.engine.url.set(query={}).render_as_string()


def _foreign(where: str, names: set[str]) -> StoreError:
    return StoreError(
        f"{where} holds tables that are no record of Assay: {', '.join(sorted(names)[:8])}",
        code="STORE_SCHEMA_FOREIGN",
        hint="Name another file or database; an older experiment database can be imported: assay migrate legacy FILE.",
    )
