"""The end of each ledger chain, so that rows cut from it are missed on PostgreSQL as well."""

from assay.track.schema.migrate import frozen

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, fill it from the chains as they are, and set the triggers that keep it."""
    frozen(__file__)


def downgrade() -> None:
    """Not offered: a record is never made smaller. Restore a backup."""
    raise NotImplementedError("the record does not go back; restore a backup")
