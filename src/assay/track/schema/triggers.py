"""Triggers and views of the tables."""

from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

_REFUSAL = "trials is append-only: a trial that was counted stays counted"
_NOT_NEXT = "trials is append-only: this is not the next row of its chain"
_HEADS = "trials is append-only: a chain has the end that was counted"
_APPEND_ONLY = "what the trial ledger rests on is append-only: nothing of it is changed or deleted"
_FIXED = tuple(
    tuple(each.split())
    for each in (
        "ledger_chain UPDATE", "ledger_chain DELETE", "ledger_epochs UPDATE", "ledger_epochs DELETE",
        "market_fingerprints DELETE",
    )
)  # fmt: skip
_LONGER = "NEW.market_key = OLD.market_key AND NEW.first_at <= OLD.first_at AND NEW.last_at >= OLD.last_at"
_NEXT = """INSERT INTO trial_heads (market_key, seq, n_configs, row_hash)
VALUES (NEW.market_key, NEW.seq, NEW.n_configs, NEW.row_hash) ON CONFLICT (market_key) DO UPDATE SET
seq = excluded.seq, n_configs = trial_heads.n_configs + excluded.n_configs, row_hash = excluded.row_hash"""
_FOLLOWS = """NEW.seq = 1 + COALESCE((SELECT seq FROM trial_heads h WHERE h.market_key = NEW.market_key), 0)
AND NEW.prev_hash = COALESCE((SELECT row_hash FROM trial_heads h WHERE h.market_key = NEW.market_key), '{}')""".format(
    "0" * 64
)
_GROWS = "NEW.market_key = OLD.market_key AND NEW.seq = OLD.seq + 1 AND NEW.n_configs > OLD.n_configs"
_SQLITE = [
    *(
        f"CREATE TRIGGER trials_no_{verb.lower()} BEFORE {verb} ON trials BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        for verb in ("UPDATE", "DELETE")
    ),
    f"CREATE TRIGGER trials_next BEFORE INSERT ON trials WHEN NOT ({_FOLLOWS})\n"
    f"BEGIN SELECT RAISE(ABORT, '{_NOT_NEXT}'); END",
    f"CREATE TRIGGER trials_head AFTER INSERT ON trials\nBEGIN {_NEXT}; END",
    f"CREATE TRIGGER trial_heads_grow BEFORE UPDATE ON trial_heads WHEN NOT ({_GROWS})\n"
    f"BEGIN SELECT RAISE(ABORT, '{_HEADS}'); END",
    f"CREATE TRIGGER trial_heads_stay BEFORE DELETE ON trial_heads BEGIN SELECT RAISE(ABORT, '{_HEADS}'); END",
    *(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, "
        f"'{_APPEND_ONLY}'); END"
        for table, verb in _FIXED
    ),
    f"CREATE TRIGGER market_fingerprints_grow BEFORE UPDATE ON market_fingerprints WHEN NOT ({_LONGER})\n"
    f"BEGIN SELECT RAISE(ABORT, '{_APPEND_ONLY}'); END",
]
_POSTGRESQL = [
    "CREATE FUNCTION trials_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = '25006'; END $$",
    "CREATE TRIGGER trials_append_only BEFORE UPDATE OR DELETE ON trials "
    "FOR EACH ROW EXECUTE FUNCTION trials_append_only()",
    "CREATE TRIGGER trials_no_truncate BEFORE TRUNCATE ON trials "
    "FOR EACH STATEMENT EXECUTE FUNCTION trials_append_only()",
    f"CREATE FUNCTION trials_head() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\nIF NOT ({_FOLLOWS}) THEN\n"
    f"RAISE EXCEPTION '{_NOT_NEXT}' USING ERRCODE = '25006'; END IF;\n{_NEXT};\nRETURN NULL; END $$",
    "CREATE TRIGGER trials_head AFTER INSERT ON trials FOR EACH ROW EXECUTE FUNCTION trials_head()",
    "CREATE FUNCTION trial_heads_grow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\n"
    f"IF TG_OP = 'UPDATE' AND {_GROWS} THEN RETURN NEW; END IF;\n"
    f"RAISE EXCEPTION '{_HEADS}' USING ERRCODE = '25006'; END $$",
    "CREATE TRIGGER trial_heads_grow BEFORE UPDATE OR DELETE ON trial_heads "
    "FOR EACH ROW EXECUTE FUNCTION trial_heads_grow()",
    "CREATE TRIGGER trial_heads_no_truncate BEFORE TRUNCATE ON trial_heads "
    "FOR EACH STATEMENT EXECUTE FUNCTION trial_heads_grow()",
    "CREATE FUNCTION ledger_kept() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{_APPEND_ONLY}' USING ERRCODE = '25006'; END $$",
    *(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION ledger_kept()"
        for table, verb in _FIXED
    ),
    "CREATE TRIGGER market_fingerprints_grow BEFORE UPDATE ON market_fingerprints FOR EACH ROW\n"
    f"WHEN (NOT ({_LONGER})) EXECUTE FUNCTION ledger_kept()",
]
_AGGREGATE = {"sqlite": "json_group_object", "postgresql": "jsonb_object_agg"}


def guards(dialect: str) -> list[str]:
    """DDL, by dialect name, that keeps the ledger append-only and its heads true, whoever writes."""
    return _SQLITE if dialect == "sqlite" else _POSTGRESQL


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
