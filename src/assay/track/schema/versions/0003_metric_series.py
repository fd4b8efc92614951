"""Metrics in the order of their run, so that a last value is one look and a summary reads the index alone."""

from assay.track.schema.migrate import frozen

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Put one index in the place of the other."""
    frozen(__file__)


def downgrade() -> None:
    """Not offered: a record is never made smaller. Restore a backup."""
    raise NotImplementedError("the record does not go back; restore a backup")
