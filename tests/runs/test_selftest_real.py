"""The real path of a self-test, and its processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from assay.kernel.decisions import Costs
from assay.kernel.errors import DataError, TrainError
from assay.market.sources.synthetic import synthetic
from assay.runs import run_outputs
from assay.runs.context import Context
from assay.runs.evaluation import evidence_of
from assay.runs.selftest import trial_runs
from assay.runs.selftest.runner import Size, all_done, run_selftest
from assay.runs.selftest.simulations import CONTROL, EDGE, LEAKS, NO_EDGE, Task, run_task
from assay.runs.selftest.trial_runs import BARS, choose_attempt, ideas
from tests.runs.selftested import SEED, good, some, table

ROOT = Path(__file__).resolve().parents[2]
FREE = Costs(fee=0.0, slippage_bps=0.0)


# -- the real path ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_tiny_self_test_takes_the_real_path_and_its_figures_do_not_depend_on_the_workers() -> None:
    heard: list[float] = []
    found = run_selftest(
        Size(no_edge=1, edge=1, control=0, trainers=0, drift=0, search=0, search_edge=0, statistics=0),
        seed=SEED,
        workers=2,
        listener=lambda share, _: heard.append(share),
    )
    nothing, edge = sorted(found.repetitions, key=lambda each: each.kind, reverse=True)
    assert (nothing.kind, nothing.bars, nothing.trials, nothing.verdict) == (NO_EDGE, 4_000, 20, "PYRITE")
    assert (edge.bars, edge.trials, edge.verdict, edge.chosen_outcome) == (4_000, 20, "GOLD", "GOLD")
    assert nothing.checks["audit"] == nothing.checks["ledger"] == edge.checks["audit"] == "PASS"
    assert found.verdict == "UNKNOWN"
    assert heard[-1] == 1.0
    assert replace(run_task(Task(EDGE, 0, SEED)), seconds=edge.seconds) == edge
    json.dumps(found.document, allow_nan=False)


@pytest.mark.slow
def test_a_gate_without_deflation_calls_luck_an_edge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    task = Task(CONTROL, 1, SEED)  # a market on which luck looks like an edge to those who count one trial
    with researched(task, tmp_path) as (walked, context):
        honest = choose_attempt(walked, context)
        one = {"n_trials": 1, "effective_trials": 1.0}
        monkeypatch.setattr(
            "assay.runs.gate_decision.evidence_of", lambda found, past, **given: evidence_of(found, past, **given | one)
        )
        broken = choose_attempt(walked, context)
    assert (honest.alone.reason("edge").state, honest.naive.reason("edge").state) == ("UNKNOWN", "PASS")
    assert broken.alone.verdict == "GOLD"
    many = some(CONTROL, 30, edge=broken.alone.reason("edge").state, naive_edge=broken.naive.reason("edge").state)
    assert table(many)["deflated"].state == "FAIL"
    wrong = [replace(r, verdict=broken.alone.verdict) if r.kind == NO_EDGE and r.number < 4 else r for r in good()]
    assert table(wrong)["false_promotion"].state == "FAIL"


@contextmanager
def researched(
    task: Task, folder: Path, *, costs: Costs = FREE, which: slice = slice(None)
) -> Iterator[tuple[list[trial_runs.Tried], Context]]:
    bars = synthetic(bars=BARS, seed=task.own_seed, symbol="GOLD/USDT:USDT")
    with trial_runs.open_laboratory(folder / "home") as context:
        context.candles.upsert(bars, source="test")
        some_ideas = ideas()[which]
        yield [trial_runs.try_idea(i, bars, context, costs=costs, seed=task.own_seed) for i in some_ideas], context


def test_the_ledger_counts_what_was_tried_and_the_best_goes_to_the_gate(tmp_path: Path) -> None:
    with researched(Task(NO_EDGE, 0, SEED), tmp_path, costs=Costs(), which=slice(3, 6)) as (walked, context):
        found = choose_attempt(walked, context)
        states = [context.record.experiments.get(run)["status"] for run in (1, 2, 3)]
        told = [run_outputs.document_of(run, context) or {} for run in (1, 2, 3)]
    assert states == ["completed"] * 3
    assert [each.number for each in walked] == [1, 2, 3]
    assert [each["evidence"]["n_trials"] for each in told] == [1, 2, 3]
    assert found.trials == 3
    assert found.best.sharpe == max(each.sharpe for each in walked)
    assert "every trial is counted: 3" in found.alone.reason("ledger").text
    assert found.naive.reason("edge").value < found.alone.reason("edge").value  # p-values: one look, and three
    assert found.audit.report is not None
    assert found.audit.report.passed


# -- processes --------------------------------------------------------------------------------------------------------


def dies(part: int) -> dict[str, Any]:
    os._exit(9)


def raises(part: int) -> dict[str, Any]:
    raise DataError("no bars", code="DATA_EMPTY")


def sleeps(part: int) -> dict[str, Any]:
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    time.sleep(600)
    return {}


def test_a_worker_that_dies_is_told() -> None:
    with pytest.raises(TrainError, match="a worker of the self-test died") as error:
        all_done([Task(LEAKS, 0, 1, dies)], workers=1, heard=lambda _: None)
    assert error.value.code == "TRAIN_WORKER"


def test_what_a_repetition_raises_is_raised() -> None:
    with pytest.raises(DataError, match="no bars"):
        all_done([Task(LEAKS, 0, 1, raises), Task(LEAKS, 1, 1, sleeps)], workers=2, heard=lambda _: None)


_STARTS = """
from assay.runs.selftest.runner import all_done
from assay.runs.selftest.simulations import LEAKS, Task
from tests.runs.test_selftest_real import sleeps
if __name__ == "__main__":
    all_done([Task(LEAKS, 0, 1, sleeps)], workers=1, heard=lambda _: None)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "how"), [(os.kill, signal.SIGKILL), (os.kill, signal.SIGINT), (os.killpg, signal.SIGTERM)]
)
def test_nothing_outlives_a_self_test_that_is_stopped(
    stop: Callable[[int, int], None], how: signal.Signals, tmp_path: Path
) -> None:
    script = tmp_path / "starts.py"
    script.write_text(_STARTS, encoding="utf-8")
    surroundings = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=surroundings,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    assert [*tmp_path.glob("assay-selftest-*")]
    stop(process.pid, how)
    process.wait(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=60)
    process.stdout.close()
    assert not alive
    assert not [*tmp_path.glob("assay-selftest-*")]
