"""Kill -9 at random points of train -> publish -> record, and of retention; what is left afterwards.

A warm process imports everything once and begins no thread; for each kill it forks a child that does the whole work
(`assay.runs._train.train` on a synthetic market, or a pass of retention) and kills it

- ``anywhere``: after a share of the time that a whole run takes, drawn evenly (mode ``train`` alone);
- ``publishing``: a drawn moment after the child has begun to write the model's files;
- ``point``: the child kills itself at a named place, each in its turn.

Meanwhile another process reads: every row that is there, its files byte for byte, and every file that stands under its
final name. Modes: ``train`` and ``retain`` are the real thing; ``reversed`` writes the row before the files and
``in_place`` also writes these piece by piece under their final names, which must show damage.
"""

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.track.kill_sight import examined, read
from tests.track.kill_work import Plan, Work, works

ROOT = Path(__file__).resolve().parents[2]
_BEYOND = (1.2, 3.0)  # a pass of retention has more to do, the more were killed before it


def loop(plan: Plan) -> dict[str, Any]:
    """Run it, with a reader beside it, and look at what is left."""
    from assay.track.tracking_store import open_store

    home = Path(plan.home)
    home.mkdir(parents=True, exist_ok=True)
    open_store(plan.url).close()
    reader = _begun("read", plan)
    began = time.monotonic()
    killer = _begun("kill", plan)
    try:
        out, errors = killer.communicate()
        seconds = time.monotonic() - began
    finally:
        reader.send_signal(signal.SIGTERM)
        seen, reader_errors = reader.communicate()
    assert killer.returncode == 0, errors
    assert reader.returncode == 0, reader_errors
    told = asdict(plan) | {"url": plan.url.split(":", 1)[0] if "://" in plan.url else "sqlite"}
    counts = json.loads(out) | {"reader": json.loads(seen), "seconds": round(seconds, 1)}
    return {k: told[k] for k in ("url", "mode", "kills", "seed")} | counts | {"left": examined(plan)}


def _begun(role: str, plan: Plan) -> "subprocess.Popen[str]":
    quiet = {
        name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
    }
    command = [sys.executable, "-m", "tests.track.kill_loop", role, json.dumps(asdict(plan))]
    return subprocess.Popen(
        command, cwd=ROOT, env=os.environ | quiet, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def kill(plan: Plan) -> dict[str, Any]:
    """Fork, kill, again, until so many were killed; what of. Two whole runs come first and tell how long one takes."""
    work = works(plan)
    draw = random.Random(plan.seed)
    whole = [_one(work, seed=plan.seed * 100_000 + 90_000 + i) for i in range(2)]
    assert [w.how for w in whole] == ["finished"] * 2, whole
    lasts, writes = max(w.seconds for w in whole), max(w.published for w in whole)
    ends: Counter[str] = Counter()
    killed = i = 0
    while killed < plan.kills:
        how = plan.hows[i % len(plan.hows)]
        point = plan.points[i // len(plan.hows) % len(plan.points)] if how == "point" else ""
        delay = draw.uniform(0, lasts if how == "anywhere" else _BEYOND[plan.mode == "retain"] * writes)
        end = _one(work, seed=plan.seed * 100_000 + i, delay=delay, how=how, point=point)
        ends[f"{how} {point}".strip() + f": {end.how}"] += 1
        killed += end.how == "killed"
        i += 1
        assert i < 10 * plan.kills + 10, ends
    return {"killed": killed, "ends": dict(sorted(ends.items())), "run_s": round(lasts, 2), "write_s": round(writes, 3)}


@dataclass(frozen=True, slots=True)
class End:
    how: str
    seconds: float
    published: float


def _one(work: Work, *, seed: int, delay: float = 1e9, how: str = "", point: str = "") -> End:
    """One child; it says ``p`` when it begins to write files and ``c`` when it has committed."""
    out, into = os.pipe()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(out)
        _child(work, seed, into, point)
    os.close(into)
    marks: dict[str, float] = {}
    until = began + delay if how == "anywhere" else float("inf")
    while True:
        left = until - time.monotonic()
        ready, _, _ = select.select([out], [], [], max(0.0, min(left, 60.0)))
        if not ready:
            os.kill(pid, signal.SIGKILL)
            break
        mark = os.read(out, 1).decode()
        if not mark:
            break
        marks[mark] = time.monotonic()
        if mark == "p" and how == "publishing":
            until = marks["p"] + delay
    os.close(out)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work failed by itself; see stderr"
    ended = "killed" if os.WIFSIGNALED(status) else "finished"
    return End(ended, time.monotonic() - began, marks.get("c", 0.0) - marks.get("p", 0.0))


def _child(work: Work, seed: int, into: int, point: str) -> None:
    code = 3
    try:
        work(seed, lambda mark: os.write(into, mark.encode()), point)
        code = 0
    finally:  # a fork of the warm process must not end as that would
        if code:
            sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    role, given = sys.argv[1], json.loads(sys.argv[2])
    asked = Plan(**given)
    sys.stdout.write(json.dumps(kill(asked) if role == "kill" else read(asked)) + "\n")
