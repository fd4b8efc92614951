"""The whole record, as first laid."""

from assay.track.schema.migrate import frozen

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Lay every table, its guards and the job slots."""
    frozen(__file__)


def downgrade() -> None:
    """Not offered: a record is never made smaller. Restore a backup."""
    raise NotImplementedError("the record does not go back; restore a backup")
