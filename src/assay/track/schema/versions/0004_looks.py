"""What a look is: identities, scored stretches and active returns of trials; markets by their candles; epochs."""

from assay.track.schema.migrate import frozen

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, which stay NULL in the rows that are there, the three tables and their guards."""
    frozen(__file__)


def downgrade() -> None:
    """Not offered: a record is never made smaller. Restore a backup."""
    raise NotImplementedError("the record does not go back; restore a backup")
