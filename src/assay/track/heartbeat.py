"""A thread that says, every few seconds, that a run lives."""

import logging
import threading
from collections.abc import Callable
from types import TracebackType

from assay.kernel.errors import StoreError

_LOG = logging.getLogger(__name__)


class Heartbeat:
    """Calls `beat` every `seconds` while its block runs. A beat that the record refuses is logged and tried again."""

    def __init__(self, beat: Callable[[], None], seconds: float) -> None:
        self._beat = beat
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="assay-heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self._beat()
            except StoreError as error:
                _LOG.warning("a heartbeat was not written: %s", error)
