"""The whole record, as first laid."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the frozen DDL of this step: what the tables look like today is not what they looked like then."""
    connection = op.get_bind()
    folder = Path(__file__).with_name("0001_record")
    text = (folder / f"{connection.dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split("\n;\n"):
        if statement.strip():
            connection.exec_driver_sql(statement)


def downgrade() -> None:
    """Not offered: a record is never made smaller. Restore a backup."""
    raise NotImplementedError("the record does not go back; restore a backup")
