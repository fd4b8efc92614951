"""Run the self-test in parallel processes, from its sizes to its table; see ``docs/reference/selftest.md``."""

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from assay.kernel.errors import ConfigError, TrainError, printable
from assay.memory import give_back
from assay.runs.context import Listener
from assay.runs.provenance import code_digest, describe_environment
from assay.runs.selftest.figures import Figure, figures, whole_suite
from assay.runs.selftest.simulations import (
    CONTROL,
    DRIFT,
    EDGE,
    LEAKS,
    NO_EDGE,
    SEARCH,
    SEARCH_EDGE,
    STATISTICS,
    TRAINERS,
    Repetition,
    Suite,
    Task,
    run_task,
)
from assay.runs.selftest.trial_runs import ideas
from assay.validate import STUDY_CASES

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


MOST_MARKETS = 10_000  # markets of a kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many repetitions of each kind; none leaves its figure out.

    no_edge, edge, control, drift: markets.   search, search_edge: markets that are searched, without and with an edge.
    trainers: markets for each trainer.   statistics: cases of `assay.validate.gate_study`, the last a rising market;
    drawn: markets of each of them that has the most looks.
    Raises ConfigError ``CONFIG_FIELD`` for counts outside 0..10,000.
    """

    no_edge: int = 60
    edge: int = 30
    control: int = 30
    trainers: int = 1
    drift: int = 20
    search: int = 20
    search_edge: int = 10
    statistics: int = len(STUDY_CASES) + 1
    drawn: int = 200

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value <= MOST_MARKETS:
                raise ConfigError(
                    f"{name} is {printable(value)}, must be in 0..{MOST_MARKETS:,}", code="CONFIG_FIELD", field=name
                )

    def of(self, markets: int) -> "Size":
        """The same with so many markets without an edge, half as many with one and without costs, and a third or a
        sixth of the others.
        """
        half, third = ceil(markets / 2), ceil(markets / 3)
        return replace(
            self, no_edge=markets, edge=half, control=half, drift=third, search=third, search_edge=ceil(markets / 6)
        )  # fmt: skip

    @property
    def kinds(self) -> Mapping[str, int]:
        """Repetitions by kind, the dearest kinds first: so no worker is left with one at the end."""
        dear = {name: self.trainers for name in reversed(TRAINERS)}
        searched = {SEARCH: self.search, SEARCH_EDGE: self.search_edge, DRIFT: self.drift}
        return dear | searched | {
            NO_EDGE: self.no_edge, EDGE: self.edge, CONTROL: self.control,
            STATISTICS: min(self.statistics, len(STUDY_CASES) + 1),
        }  # fmt: skip


CI_SIZE = Size()
NIGHTLY_SIZE = Size(no_edge=200, edge=100, control=100, trainers=3, drift=100, search=100, search_edge=50, drawn=2_000)


@dataclass(frozen=True, slots=True, eq=False)
class SelfTestResult:
    """What a self-test came to."""

    seed: int
    size: Size
    workers: int
    seconds: float
    figures: Sequence[Figure]
    repetitions: Sequence[Repetition]
    suite: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """PASS where all figures pass, FAIL where any fails, else UNKNOWN: there were too few repetitions."""
        states = {each.state for each in self.figures}
        return "FAIL" if "FAIL" in states else "PASS" if states == {"PASS"} else "UNKNOWN"

    @property
    def document(self) -> dict[str, Any]:
        """Plain and JSON-able. Seed, size and code decide all but ``seconds``, ``workers`` and ``environment``."""
        return {
            "format_version": 1,
            "word": self.verdict,
            "passed": self.verdict == "PASS",
            "seed": self.seed,
            "size": asdict(self.size),
            "tried": [idea.name for idea in ideas()],
            "figures": [each.document for each in self.figures],
            "repetitions": [each.document for each in self.repetitions],
            "leaks": dict(self.suite),
            "code_digest": code_digest(),
            "workers": self.workers,
            "seconds": self.seconds,
            "environment": describe_environment(workers=self.workers),
        }


def run_selftest(
    size: Size, *, seed: int, workers: int, listener: Listener, suite: Suite | None = None, parts: int = 1
) -> SelfTestResult:  # fmt: skip
    """Judge the judge. The same seed, size and code give the same figures, whatever the number of workers.

    suite: of planted leaks, attacks and sound pipelines; a function of a part's number that another process can import.
    Gives ``planted``, ``found``, ``clean``, ``alarms``. None leaves its figures out.   parts: of the suite.
    Cost: seven seconds of processor time a market, twenty for an ensemble. Raises what `all_done` raises.
    """
    began = time.monotonic()
    tasks = [] if suite is None else [Task(LEAKS, part, seed, suite) for part in range(parts)]
    tasks += [
        Task(kind, number, seed, drawn=size.drawn) for kind, count in size.kinds.items() for number in range(count)
    ]
    if not tasks:
        raise ConfigError("the self-test is asked for nothing", code="CONFIG_FIELD", field="size")

    def heard(count: int) -> None:
        listener(count / len(tasks), f"{count} of {len(tasks)} repetitions")

    result = all_done(tasks, workers=workers, heard=heard)
    request = whole_suite([each.suite for each in result if each.kind == LEAKS])
    return SelfTestResult(
        seed, size, workers, time.monotonic() - began, figures(result, tried=len(ideas())),
        [each for each in result if each.kind not in (LEAKS, STATISTICS)], request,
    )  # fmt: skip
