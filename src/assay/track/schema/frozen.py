"""The DDL that the table definitions mean, as text: what a migration step freezes and what tests compare with."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.mock import MockConnection

from assay.track.schema import configuration_tables, ledger_tables, model_tables, run_tables, service
from assay.track.schema.column_types import RECORD
from assay.track.schema.triggers import guards

TOPICS = (run_tables, model_tables, ledger_tables, configuration_tables, service)
NAMED = {
    "sqlite": "INSERT INTO ledger_chain (chain_id) VALUES (lower(hex(randomblob(16))))",
    "postgresql": "INSERT INTO ledger_chain (chain_id) VALUES (replace(gen_random_uuid()::text, '-', ''))",
}
_DIALECTS: dict[str, Any] = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}


def statements(dialect: str) -> list[str]:
    """Every CREATE and ALTER of the current tables, with their guards and the 64 job slots, in order of creation."""
    written: list[str] = []
    engine = MockConnection(_DIALECTS[dialect](), lambda ddl, *a, **k: written.append(_text(ddl, dialect)))
    RECORD.create_all(engine, checkfirst=False)
    slots = ", ".join(f"({slot})" for slot in range(64))
    return [*written, *guards(dialect), f"INSERT INTO job_slots (slot_no) VALUES {slots}", NAMED[dialect]]


def _text(ddl: Any, dialect: str) -> str:
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
