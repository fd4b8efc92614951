"""Closed trades of a run."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from assay.track.database import Database
from assay.track.retry import writes
from assay.track.rows import Row, check_fields, rows
from assay.track.schema.ledger_tables import TRADES


class Trades:
    """The trades table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def add(self, run: int, trades: Sequence[Mapping[str, Any]], **shared: Any) -> int:
        """Write many trades in one transaction; returns how many.

        trades: the table's columns by name; times in UTC ms, aware datetimes or ISO text. `shared` holds columns that
        are the same in all of them (``strategy_name exchange symbol timeframe fold``). Every trade has the same keys.
        StoreError ``STORE_VALUE`` for a price, side, reason or time that the table refuses.
        """
        values = [check_fields(trade, TRADES) | shared | {"experiment_id": run} for trade in trades]
        if values:
            with self._database.write() as connection:
                connection.execute(sa.insert(TRADES), values)
        return len(values)

    def count(self, run: int) -> int:
        """How many trades the run has."""
        query = sa.select(sa.func.count()).select_from(TRADES).where(TRADES.c.experiment_id == run)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def read(self, run: int) -> list[Row]:
        """The run's trades in the order in which they were written."""
        query = sa.select(TRADES).where(TRADES.c.experiment_id == run).order_by(TRADES.c.id)
        with self._database.read() as connection:
            return rows(connection.execute(query))
