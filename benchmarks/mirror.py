"""What the mirror costs a run: trainings without it, and with its server up, down and dead; JSON lines.

``python benchmarks/mirror.py [ROUNDS]``. Each round trains once in each way, in an order that moves on. Beside the
training `assay mirror` runs as it would in life. The server is MLflow's own (extra ``mlflow`` of the tests); dead is
a port that takes connections and never answers.

What counts is CPU time of the run's own process, which other work on the machine does not lengthen. ``outbox`` is the
share of it that the words for the mirror took, clocked where they are written; ``ratio`` is a mirrored run's against
the unmirrored one of its round. Of both the median over the rounds and, as their spread, the least and the most.
"""

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assay.kernel.spec import TrainSpec
from assay.market import synthetic
from assay.runs import Context, train
from assay.track import enqueue

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.track.mlflow_server import Line, mlflow_server

WAYS = ("off", "up", "down", "dead")


@contextmanager
def mirroring(home: Path, uri: str | None) -> Iterator[None]:
    """`assay mirror` beside, where there is a server to speak of."""
    if uri is None:
        yield
        return
    settings = [f"ASSAY_MLFLOW_URI={uri}", f"ASSAY_HOME={home}"]
    command = ["env", *settings, sys.executable, "-c", "from assay.cli.main import run; run()", "mirror"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(4)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def clocked() -> Iterator[list[float]]:
    """CPU seconds of each word for the mirror, wherever it is written."""
    taken: list[float] = []

    def timed(*given: Any, **more: Any) -> None:
        begin = time.process_time()
        enqueue(*given, **more)
        taken.append(time.process_time() - begin)

    users = [m for m in [*sys.modules.values()] if m.__name__ != __name__ and vars(m).get("announce") is enqueue]
    for module in users:
        vars(module)["announce"] = timed
    try:
        yield taken
    finally:
        for module in users:
            vars(module)["announce"] = enqueue


def once(home: Path, uri: str | None, seed: int) -> tuple[float, float, float]:
    """Wall and CPU seconds of a training, and CPU seconds of its words for the mirror."""
    candles = f"duckdb:///{home / 'candles.duckdb'}"
    context = Context(home=home, record_url=str(home / "ml_experiments.db"), candles_url=candles, mlflow_uri=uri)
    bars = synthetic(bars=6_000, seed=1, ic=0.2)
    context.candles.upsert(bars, source="benchmark")
    instrument = bars.instrument
    spec = TrainSpec(exchange=instrument.exchange, symbols=(instrument.symbol,), timeframe="1h", seed=seed)
    wall, cpu = time.perf_counter(), time.process_time()
    with clocked() as words:
        train(spec, context, force=True)
    taken = time.perf_counter() - wall, time.process_time() - cpu
    context.record.close()
    return *taken, sum(words)


def spread(found: Sequence[float]) -> list[float]:
    """Median, least and most."""
    return [round(value, 5) for value in (statistics.median(found), min(found), max(found))]


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name, mlflow_server(Path(name)) as server:
        dead = Line(server.port)
        dead.dead()
        uris = {"off": None, "up": server.uri, "down": "http://127.0.0.1:9", "dead": dead.uri}
        taken: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
        for number in range(rounds + 1):  # the first warms up
            for way in WAYS[number % 4 :] + WAYS[: number % 4]:
                home = Path(name) / way
                home.mkdir(exist_ok=True)
                with mirroring(home, uris[way]):
                    found = once(home, uris[way], number)
                if number:
                    taken[way].append(found)
        for way, each in taken.items():
            line = {
                "cpu_seconds": spread([cpu for _, cpu, _ in each]),
                "wall_seconds": spread([wall for wall, _, _ in each]),
                "outbox": spread([words / cpu for _, cpu, words in each]),
                "ratio": spread([run[1] / plain[1] for run, plain in zip(each, taken["off"], strict=True)]),
            }
            print(json.dumps({"benchmark": "mirror", "server": way, "rounds": rounds} | line), flush=True)
        dead.cut()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
