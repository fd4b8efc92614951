"""Searches that are killed, stopped, or run beside each other: nothing half-done counts, nothing is counted twice."""

import os
import pty
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.doors.commands import ASSAY, MARKET, assay, ended, process, told
from tests.doors.searching import GRID, KEY, Found, evidence, left, same
from tests.doors.test_backtest import record_of
from tests.doors.test_processes import killed, statuses, until_running

pytestmark = pytest.mark.slow
BAYES = ("optimize", "liquidity_sweep", *MARKET, "--method", "bayesian", "--trials", "400", "--min-trades", "2",
         "--walk-forward", "40/20/1", "--space", "pierce_depth=0.0002:0.003", "--space", "reversal_candles=1,2,3",
         "--space", "min_level_touches=2,3", "--space", "volume_spike_threshold=1.0:2.5")  # fmt: skip


def counted(home: Path) -> int:
    with record_of(home) as record:
        record.ledger.check()
        return record.ledger.count(KEY)


@pytest.fixture(scope="module")
def unbroken(_stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """The search as it comes out when nobody disturbs it."""
    home = tmp_path_factory.mktemp("unbroken") / "home"
    shutil.copytree(_stocked, home)
    return home, told(*BAYES, home=home)


def _is_the_unbroken_one(found: dict[str, Any], home: Path, unbroken: Found) -> None:
    assert same(found) == same(unbroken[1])
    assert evidence(home, found).trials.equals(evidence(*unbroken).trials)
    assert counted(home) == counted(unbroken[0]) == found["trials"] + 1
    assert list((home / "searches").iterdir()) == []
    assert len(told("config", "list", home=home)["configurations"]) == 1


def test_a_search_that_is_killed_anywhere_goes_on_to_the_same_answer(stocked: Path, unbroken: Found) -> None:
    draw = random.Random(4)
    for _ in range(4):
        started = process(*BAYES, "--json", home=stocked)
        until_running(stocked, started)
        time.sleep(draw.uniform(0.05, 2.5))
        if started.poll() is None:
            started.kill()
        started.communicate()
        if not any((stocked / "searches").iterdir()):
            continue
        with record_of(stocked) as record:
            newest = record.experiments.recent(1)[0]
        assert newest["status"] == "crashed"
    found = told(*BAYES, home=stocked)
    _is_the_unbroken_one(found, stocked, unbroken)


@pytest.mark.parametrize(
    "moment",
    [
        ("assay.track.ledger", "Ledger.append"),  # a batch is judged, not counted
        ("assay.validate.search.journal", "SearchJournal.record_score"),  # counted, the first of it not told
        ("assay.runs._optimize", "evaluate_walk"),  # every window is searched
        ("assay.runs.run_outputs", "publish"),  # the model's files lie there, no row points to them
        ("assay.runs._optimize", "configure"),  # the model's rows are written, not committed
        ("assay.track.experiments", "Experiments.finish"),  # everything is written, not committed
    ],
    ids=lambda m: m[1],
)
def test_a_search_that_is_killed_at_a_moment(moment: tuple[str, str], stocked: Path, unbroken: Found) -> None:
    killed(*moment, *BAYES, home=stocked)
    assert statuses(stocked) == ["completed", "running"]
    assert [file.suffix for file in (stocked / "searches").iterdir()] == [".jsonl"]
    assert told("config", "list", home=stocked)["configurations"] == []
    assert statuses(stocked) == ["completed", "crashed"]
    with record_of(stocked) as record:
        assert record.models.recent() == []
    _is_the_unbroken_one(told(*BAYES, home=stocked), stocked, unbroken)


COUNTED = """
import os, signal, sys
from assay.validate.search.journal import SearchJournal
record, seen = SearchJournal.record_score, [0]
def die(self, batch, row, *, last):
    seen[0] += 1
    record(self, batch, row, last=last)
    if seen[0] == int(os.environ["DIE_AFTER"]):
        os.kill(os.getpid(), signal.SIGKILL)
SearchJournal.record_score = die
from assay.cli.main import run
sys.argv = ["assay", *sys.argv[1:]]
run()
"""


@pytest.mark.parametrize("after", [[1], [17, 33], [399, 5, 300], [401], [799]])
def test_a_search_that_is_killed_after_so_many_trials(after: list[int], stocked: Path, unbroken: Found) -> None:
    """Within a batch, between batches, in the second window, again and again."""
    for count in after:
        command = [sys.executable, "-c", COUNTED, *BAYES, "--home", str(stocked)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "DIE_AFTER": str(count)})
        assert done.returncode == -signal.SIGKILL, done
    assert counted(stocked) <= unbroken[1]["trials"]
    _is_the_unbroken_one(told(*BAYES, home=stocked), stocked, unbroken)


@pytest.mark.parametrize("method", ["bayesian", "random", "grid"])
def test_ctrl_c_ends_a_search_clean(method: str, stocked: Path) -> None:
    space = ("--space", "N=5:200", "--space", "p=0.0001:0.01:50", "--space", "k=0.5:4.0:50")
    words = ("optimize", "range_sweep", *MARKET, *space, "--method", method, "--trials", "400000", "--min-trades", "1")
    started = process(*words, "--json", home=stocked)
    until_running(stocked, started)
    time.sleep(1.5)
    began = time.monotonic()
    started.send_signal(signal.SIGINT)
    said = ended(started)
    assert time.monotonic() - began < 20, "it did not listen"
    assert said.code == 130, said
    assert said.error["code"] == "STOPPED"
    assert statuses(stocked) == ["completed", "stopped"]
    assert not [file for file in left(stocked) if file.startswith("models")]
    assert told("config", "list", home=stocked)["configurations"] == []
    kept = list((stocked / "searches").iterdir())
    assert bool(kept) is (method == "bayesian")


def test_two_equal_searches_at_once_come_to_the_same(stocked: Path, unbroken: Found) -> None:
    both = [ended(each) for each in [process(*BAYES, "--json", home=stocked) for _ in range(2)]]
    assert [said.code for said in both] == [0, 0], both
    assert [same(said.document) for said in both] == [same(unbroken[1])] * 2
    assert counted(stocked) == counted(unbroken[0])
    assert list((stocked / "searches").iterdir()) == []
    assert statuses(stocked) == ["completed"] * 3


def test_two_equal_searches_that_are_both_killed_go_on_to_the_same(stocked: Path, unbroken: Found) -> None:
    both = [process(*BAYES, "--json", home=stocked) for _ in range(2)]
    for each in both:
        while each.poll() is None and not _half_told(stocked):
            time.sleep(0.01)
        each.kill()
        each.communicate()
    assert set(statuses(stocked)) <= {"completed", "running", "crashed"}
    found = told(*BAYES, home=stocked)
    assert same(found) == same(unbroken[1])
    assert counted(stocked) == counted(unbroken[0]) and list((stocked / "searches").iterdir()) == []


def _half_told(home: Path) -> bool:
    lines = [line for file in (home / "searches").glob("*.jsonl") for line in file.read_text().splitlines()]
    return len(lines) > 150


def test_a_terminal_shows_trials_a_second_and_the_best_so_far(stocked: Path) -> None:
    master, slave = pty.openpty()
    words = [*ASSAY, *BAYES, "--home", str(stocked)]
    started = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=slave, env={**os.environ, "TERM": "xterm"})
    os.close(slave)
    said = b""
    while True:
        ready, _, _ = select.select([master], [], [], 60)
        try:
            part = os.read(master, 65_536) if ready else b""
        except OSError:
            break
        if not part:
            break
        said += part
    out, _ = started.communicate(timeout=60)
    os.close(master)
    text = said.decode()
    assert started.returncode == 0, text
    paces = re.findall(r"window (\d): ([\d,]+) trials, ([\d,]+)/s(?:, best (-?[\d.]+(?:e[+-]?\d+)?))?", text)
    assert {window for window, *_ in paces} == {"1", "2"}, text[-2_000:]
    counts = [int(count.replace(",", "")) for _, count, *_ in paces]
    assert counts == sorted(counts) and counts[-1] > 500
    assert any(best for *_, best in paces) and re.search(r"━|\[#", text) and "100%" in text
    assert b"configuration LIQUIDITY_SWEEP_V3_" in out and b"trials," not in out.split(b"\n")[0]


def test_a_search_that_is_done_already_needs_no_bar(searched: Found) -> None:
    home, _ = searched
    said = ended(process(*GRID, home=home))
    assert said.code == 0 and "already ran" in said.out and "/s" not in said.err
    assert assay(*GRID, home=home).out == said.out
