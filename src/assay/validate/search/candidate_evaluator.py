"""Candidates judged one by one, each walked forward by its own trainer, side by side in threads."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from assay.validate.search.result import Trials
from assay.validate.search.sampler import ProposedBatch, Row, Session
from assay.validate.search.space import Point
from assay.validate.search.trial_recorder import TrialRecorder
from assay.validate.search.walk_forward_evaluator import CandidateResult, Inner

_LISTEN_SECONDS = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class OneByOne:
    """Judges what a session asks; see `Inner`. workers change no result."""

    inner: Inner
    counting: TrialRecorder
    workers: int

    @property
    def seconds(self) -> float:
        """There is no engine to time."""
        return math.nan

    def evaluate(self, session: Session) -> Trials:
        """Every candidate that the session asks for."""
        rows: list[Row] = []
        best = math.nan
        with pool_of(self.workers, self.counting) as pool:
            while request := session.ask():
                for each, judged in zip(request, self._judged(pool, request), strict=True):
                    row = each.row
                    if judged is not None:
                        row = self.counting.one(len(rows), each.point, judged)
                        session.tell(row)
                    if row is None:
                        continue
                    rows.append(row)
                    best = float(np.fmax(best, row.score))
                    self.counting.tell(len(rows), best)
        return Trials.of(rows)

    def full(self, row: Row) -> Row:
        """The best with all its metrics, which it has."""
        return row

    def _judged(self, pool: ThreadPoolExecutor, request: Sequence[ProposedBatch]) -> Iterator[CandidateResult | None]:
        """None for what a journal knew."""
        new = side_by_side(pool, self.inner, [each.point for each in request if each.row is None])
        for each in request:
            yield None if each.row else next(new)


@contextmanager
def pool_of(workers: int, counting: TrialRecorder) -> Iterator[ThreadPoolExecutor]:
    """Threads for candidates; whoever still fits as the block ends is cancelled when it next tells its progress."""
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="candidate")
    try:
        yield pool
    finally:
        counting.ears.over = True
        pool.shutdown(wait=True, cancel_futures=True)


def side_by_side(pool: ThreadPoolExecutor, inner: Inner, points: Sequence[Point]) -> Iterator[CandidateResult]:
    """In the order of the points, each as soon as it and all before it are judged."""
    for task in [pool.submit(inner.judge, point) for point in points]:
        while not task.done():
            wait([task], timeout=_LISTEN_SECONDS)  # a lock without a timeout would keep Ctrl-C waiting
        yield task.result()
