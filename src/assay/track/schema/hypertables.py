"""TimescaleDB, where the record's database has it: the metric points in chunks of seven days."""

import sqlalchemy as sa

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
