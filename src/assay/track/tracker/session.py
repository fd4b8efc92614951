"""Base of the five tracking classes: an open record."""

import os
from types import TracebackType
from typing import Self

from assay.track.tracker.shared import Shared, share_for
from assay.track.tracking_store import TrackingStore

DEFAULT = "ml_experiments.db"
Where = str | os.PathLike[str] | TrackingStore


class TrackingClient:
    """A record, opened and laid when it is not there. Objects of one process on one record share its connections.

    db_path: a path, ``sqlite:///…``, ``postgresql://…``, or an open record.
    """

    def __init__(self, db_path: Where = DEFAULT) -> None:
        self._shared: Shared = share_for(db_path)

    @property
    def record(self) -> TrackingStore:
        """The record, with everything that this process has logged to it on disk."""
        self._shared.settle()
        return self._shared.record

    def flush(self) -> None:
        """Return when all metric points of this process are on disk; StoreError for points that were refused."""
        self._shared.settle()

    def close(self) -> None:
        """Flush and give the connections back. Using it again opens new ones."""
        self._shared.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
