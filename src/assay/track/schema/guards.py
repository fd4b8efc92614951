"""What the tables themselves refuse, and the views over them."""

from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

_REFUSAL = "trials is append-only: a trial that was counted stays counted"
_AGGREGATE = {"sqlite": "json_group_object", "postgresql": "jsonb_object_agg"}


def guards(dialect: str) -> list[str]:
    """DDL, by dialect name, that keeps the ledger append-only, whoever writes."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER trials_no_{verb.lower()} BEFORE {verb} ON trials "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        "CREATE FUNCTION trials_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = '25006'; END $$",
        "CREATE TRIGGER trials_append_only BEFORE UPDATE OR DELETE ON trials "
        "FOR EACH ROW EXECUTE FUNCTION trials_append_only()",
        "CREATE TRIGGER trials_no_truncate BEFORE TRUNCATE ON trials "
        "FOR EACH STATEMENT EXECUTE FUNCTION trials_append_only()",
    ]


def views(dialect: str) -> Iterator[tuple[str, str]]:
    """Name and DDL of every view, in an order in which they can be created."""
    text = Path(__file__).with_name("views.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            ddl = statement.strip().rstrip(";").replace("{JSON_OBJECT_AGG}", _AGGREGATE[dialect])
            yield ddl.split()[2], ddl


def drop_views(connection: sa.Connection) -> None:
    """Take the views away, so that the tables under them may change."""
    for name in _view_names(connection):
        connection.exec_driver_sql(f'DROP VIEW "{name}"')


def _view_names(connection: sa.Connection) -> list[str]:
    if connection.dialect.name == "sqlite":
        return sa.inspect(connection).get_view_names()
    # Extensions keep views of their own in the same schema; ours carry the trigger that makes them read only.
    ours = connection.exec_driver_sql(
        "SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
        "WHERE c.relkind = 'v' AND t.tgname = c.relname || '_read_only' "
        "AND c.relnamespace = current_schema()::regnamespace"
    )
    return [str(name) for name in ours.scalars()]


def create_views(connection: sa.Connection) -> None:
    """Lay the views; on PostgreSQL each refuses writes, as SQLite's do by themselves."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION view_read_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'a view is read only' USING ERRCODE = '25006'; END $$"
        )
    for name, ddl in views(dialect):
        connection.exec_driver_sql(ddl)
        if dialect == "postgresql":
            connection.exec_driver_sql(
                f"CREATE TRIGGER {name}_read_only INSTEAD OF INSERT OR UPDATE OR DELETE ON {name} "
                "FOR EACH ROW EXECUTE FUNCTION view_read_only()"
            )
