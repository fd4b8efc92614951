"""Shared parts of the migration steps: they run frozen SQL."""

from pathlib import Path

from alembic import op


def frozen(step: str) -> None:
    """Run ``<step>/<dialect>.sql``, statements parted by a line of ``;``.

    What the tables look like today is not what they looked like when the step was written.
    """
    connection = op.get_bind()
    text = Path(step).with_suffix("").joinpath(f"{connection.dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split("\n;\n"):
        if statement.strip():
            connection.exec_driver_sql(statement)
