"""What the mirror costs a run: trainings without it, and with its server up, down and dead; JSON lines.

``python benchmarks/mirror.py [ROUNDS]``. Each round trains once in each way, in an order that moves on. Beside the
training `assay mirror` runs as it would in life. The server is MLflow's own (extra ``mlflow`` of the tests); dead is
a port that takes connections and never answers. The last line is what the words for the mirror cost by themselves.
"""

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.kernel.spec import TrainSpec
from assay.market.sources.synthetic import synthetic
from assay.runs.context import Context
from assay.runs.train import train
from assay.track.outbox import announce
from assay.track.record import open_record

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


def once(home: Path, uri: str | None, seed: int) -> tuple[float, float]:
    """Wall and CPU seconds of a training."""
    candles = f"duckdb:///{home / 'candles.duckdb'}"
    context = Context(home=home, record_url=str(home / "ml_experiments.db"), candles_url=candles, mlflow_uri=uri)
    bars = synthetic(bars=6_000, seed=1, ic=0.2)
    context.candles.upsert(bars, source="benchmark")
    instrument = bars.instrument
    spec = TrainSpec(exchange=instrument.exchange, symbols=(instrument.symbol,), timeframe="1h", seed=seed)
    wall, cpu = time.perf_counter(), time.process_time()
    train(spec, context, force=True)
    taken = time.perf_counter() - wall, time.process_time() - cpu
    context.record.close()
    return taken


def word(folder: Path) -> float:
    """Seconds that one word for the mirror adds to a transaction that there is anyway."""
    taken = {}
    for tells in ((), ("mlflow",)):
        with open_record(folder / f"{len(tells)}.db", tells=tells) as record, record.database.write() as connection:
            begin = time.perf_counter()
            for n in range(5_000):
                announce(connection, "run", str(n), run_id=str(n))
            taken[bool(tells)] = time.perf_counter() - begin
    return (taken[True] - taken[False]) / 5_000


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name, mlflow_server(Path(name)) as server:
        dead = Line(server.port)
        dead.dead()
        uris = {"off": None, "up": server.uri, "down": "http://127.0.0.1:9", "dead": dead.uri}
        taken: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for number in range(rounds + 1):  # the first warms up
            for way in WAYS[number % 4 :] + WAYS[: number % 4]:
                home = Path(name) / way
                home.mkdir(exist_ok=True)
                with mirroring(home, uris[way]):
                    found = once(home, uris[way], number)
                if number:
                    taken[way].append(found)
        for way, each in taken.items():
            wall, cpu = (statistics.median(part) for part in zip(*each, strict=True))
            line = {"wall": round(wall, 3), "cpu": round(cpu, 3), "least_wall": round(min(w for w, _ in each), 3)}
            print(json.dumps({"benchmark": "mirror", "server": way, "rounds": rounds} | line), flush=True)
        cost = word(Path(name))
        print(json.dumps({"benchmark": "mirror word", "microseconds": round(cost * 1e6, 1)}), flush=True)
        dead.cut()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
