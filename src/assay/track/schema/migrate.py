"""Bringing a database to the tables that this program knows. Alembic is imported only when there is work."""

from pathlib import Path

import sqlalchemy as sa

from assay.kernel.errors import StoreError

HEAD = "0001"


def version(connection: sa.Connection) -> str | None:
    """The database's schema version; None for an empty database.

    StoreError ``STORE_SCHEMA_NEWER`` for a version that this program does not know, ``STORE_SCHEMA_FOREIGN`` for a
    database with tables that are not ours.
    """
    names = set(sa.inspect(connection).get_table_names())
    where = connection.engine.url.set(query={}).render_as_string()  # the password is masked
    if "alembic_version" not in names:
        if names:
            raise StoreError(
                f"{where} holds tables that are no record of Assay: {', '.join(sorted(names)[:8])}",
                code="STORE_SCHEMA_FOREIGN",
                hint="Name another file or database; an older experiment database can be imported.",
            )
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if found is not None and found > HEAD:
        raise StoreError(
            f"{where} has schema {found}; this program knows up to {HEAD}",
            code="STORE_SCHEMA_NEWER",
            hint="Use the newer program, or another record.",
            found=found,
            known=HEAD,
        )
    return found


def upgrade(engine: sa.Engine) -> str:
    """Bring the database to `HEAD` and return it; parallel starts migrate once. No work when it is there already."""
    with engine.connect() as connection:
        if version(connection) == HEAD:
            return HEAD
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

    from assay.track.schema.guards import create_views, drop_views

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
