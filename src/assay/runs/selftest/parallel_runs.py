"""Repetitions side by side in processes; what comes out does not depend on how many there are."""

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

from assay.kernel.errors import TrainError
from assay.memory import give_back
from assay.runs.selftest.simulations import Repetition, Task, run_task

_LISTEN_SECONDS = 0.5  # a wait without an end would keep Ctrl-C waiting


def all_done(tasks: Sequence[Task], *, workers: int, heard: Callable[[int], object]) -> list[Repetition]:
    """Do all of them, in the order in which they are given; results in that order. heard: how many are done.

    Where this process is stopped, its workers end at once and what they wrote goes with them. Raises what a repetition
    raises; TrainError ``TRAIN_WORKER`` where a worker died.
    """
    with tempfile.TemporaryDirectory(prefix="assay-selftest-") as folder, _pool(workers, folder) as pool:
        waiting: list[Future[Repetition]] = [pool.submit(run_task, task, Path(folder)) for task in tasks]
        left: set[Future[Repetition]] = set(waiting)
        try:
            while left:
                ended, left = wait(left, timeout=_LISTEN_SECONDS, return_when=FIRST_COMPLETED)
                for each in ended:
                    each.result()
                heard(len(waiting) - len(left))
        except BrokenProcessPool as error:
            raise TrainError(
                "a worker of the self-test died; it may have been out of memory",
                code="TRAIN_WORKER",
                hint="Ask for fewer at once with --workers.",
            ) from error
        return [each.result() for each in waiting]


@contextmanager
def _pool(workers: int, folder: str) -> Iterator[ProcessPoolExecutor]:
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(folder,)
    )
    try:
        yield pool
    except BaseException:
        for child in set(multiprocessing.active_children()) - before:
            child.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(folder: str) -> None:
    """In a worker: Ctrl-C is the parent's affair, nobody outlives it, and one market's memory is the next one's."""
    give_back()
    parent = multiprocessing.parent_process()

    def end(*_: object) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    def watch() -> None:
        if parent is not None:
            parent.join()
            end()

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=watch, daemon=True, name="parent").start()
