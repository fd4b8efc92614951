"""Rows of the trial ledger from before schema 0004, and what they cannot tell."""

import sqlalchemy as sa

from assay.kernel.plural import amount
from assay.track.schema.ledger_tables import TRIALS


def count_old_trials(connection: sa.Connection) -> int:
    """Rows of the ledger without an identity."""
    query = sa.select(sa.func.count()).select_from(TRIALS).where(TRIALS.c.identity.is_(None))
    return int(connection.execute(query).scalar_one())


def describe_old_trials(rows: int) -> str:
    """What so many rows cannot tell, and how they are counted."""
    return (
        f"{amount(rows, 'row')} of the trial ledger without an identity or scored intervals, as rows from before "
        "schema 0004 are. Nobody can tell which of them belong to one spec, or which bars of their span they scored;"
        " so each counts as a trial of its own, on its whole span, with all its configurations: never too few, maybe"
        " too many. See docs/why/which-trials-count.md."
    )
