"""The record on TimescaleDB: ``python -m tests.track.timescale [postgresql://superuser@host/database]``.

Without an address a server of its own is started, whose PostgreSQL must have the extension. No part of the test run:
there nothing is skipped, and few machines have TimescaleDB. Fails where it is not.
"""

import sys
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from assay.track.maintenance.upgrade import initialise_store
from assay.track.tracking_store import open_store
from tests.track.relics import VERSIONS, relic
from tests.track.relics.make import fill
from tests.track.server import server
from tests.track.test_acceptance import NAMES

_AVAILABLE = "SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'"


def sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def fresh(url: str, name: str) -> str:
    sql(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    sql(url, f"CREATE DATABASE {name}")
    made = psycopg.conninfo.conninfo_to_dict(url)
    address = f"postgresql://{made['user']}:{made.get('password', '')}@{made['host']}:{made.get('port', 5432)}/{name}"
    sql(address, "CREATE EXTENSION timescaledb")
    return address


def demand_hypertable(url: str, points: int) -> None:
    (count,) = sql(url, "SELECT COUNT(*) FROM timescaledb_information.hypertables WHERE hypertable_name = 'metrics'")
    assert count == (1,), "metrics is no hypertable"
    assert sql(url, "SELECT COUNT(*) FROM metrics") == [(points,)]


def laid_anew(url: str) -> None:
    with open_store(url) as record:
        fill(record)
        start = datetime(2026, 1, 1, tzinfo=UTC)
        record.metrics.log_points(
            [
                {"experiment_id": 1, "metric_name": "a", "value": 1.0, "timestamp": start + timedelta(days=day)}
                for day in range(60)
            ]
        )
        assert len(record.metrics.read(1, name="a")) == 60 and record.ledger.check() == 4
        with record.database.read() as connection:
            for name in NAMES:
                connection.exec_driver_sql(f"SELECT * FROM {name} LIMIT 3").fetchall()
    demand_hypertable(url, 62)
    (chunks,) = sql(url, "SELECT COUNT(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'metrics'")
    assert chunks[0] >= 8, chunks
    open_store(url).close()


def upgraded(url: str, version: str) -> None:
    sql(url, relic(version, "postgresql"))
    initialise_store(url)
    demand_hypertable(url, 2)
    initialise_store(url)


def main(given: list[str]) -> int:
    with nullcontext() if given else server(preload="") as own:
        url = given[0] if given else own.url("postgres")
        if not sql(url, _AVAILABLE):
            sys.stderr.write("this PostgreSQL has no TimescaleDB to install: name a server that has\n")
            return 1
    with nullcontext() if given else server(preload="timescaledb") as own:
        url = given[0] if given else own.url("postgres")
        laid_anew(fresh(url, "assay_anew"))
        for version in VERSIONS:
            upgraded(fresh(url, "assay_old"), version)
    sys.stdout.write("the record holds on TimescaleDB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
