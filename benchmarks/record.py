"""The record beside MLflow on SQLite, in one run: points written, runs listed, the best ten found; JSON lines.

Both write to files on the same disk and are durable when a figure's clock stops. MLflow (3.17, extra `mlflow` of the
tests) is driven through its client without a server, which is its fastest way; without it only our lines are printed.
"""

import argparse
import importlib.util
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from assay.track import ExperimentTracker, MetricsLogger, ModelRegistry

REPEATS = 5
VALUES = np.random.default_rng(0).normal(size=1_000_000).tolist()


def say(name: str, **facts: Any) -> None:
    print(json.dumps({"benchmark": name} | facts), flush=True)


def median(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Seconds of a call that has run once before."""
    return clocked(work, repeats)["ms"] / 1e3


def clocked(work: Callable[[], Any], repeats: int = 4 * REPEATS) -> dict[str, float]:
    """``ms`` by the clock and ``cpu_ms`` of this process, medians; ``least_ms``: what a calm machine would show."""
    work()
    wall, cpu = [], []
    for _ in range(repeats):
        begin, spent = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - spent)
    found = {"ms": statistics.median(wall), "least_ms": min(wall), "cpu_ms": statistics.median(cpu)}
    return {name: round(seconds * 1e3, 2) for name, seconds in found.items()}


def points(folder: Path, count: int) -> None:
    """Points one by one, and by batches of ten, until they are on disk."""
    with ExperimentTracker(str(folder / "points.db")) as tracker:
        single, batched = [], []
        for _ in range(REPEATS):
            tracker.start_experiment("points", capture_git=False)
            begin = time.perf_counter()
            for step in range(count):
                tracker.log_metric("loss", VALUES[step], step=step)
            tracker.flush()
            single.append(time.perf_counter() - begin)
            names = [f"m{k}" for k in range(10)]
            begin = time.perf_counter()
            for step in range(count // 10):
                tracker.log_metrics_batch(dict(zip(names, VALUES[step * 10 : step * 10 + 10], strict=True)), step=step)
            tracker.flush()
            batched.append(time.perf_counter() - begin)
            tracker.end_experiment()
    for name, taken in (("one by one", single), ("batches of ten", batched)):
        seconds = statistics.median(taken)
        say(
            f"assay points, {name}", points=count, per_second=round(count / seconds), us=round(seconds / count * 1e6, 2)
        )


def calls(folder: Path, count: int) -> None:
    """What a `log_metric` call costs its training loop while the writer keeps up."""
    with ExperimentTracker(str(folder / "calls.db")) as tracker:
        tracker.start_experiment("calls", capture_git=False)
        taken = []
        for step in range(count):
            begin = time.perf_counter()
            tracker.log_metric("loss", VALUES[step], step=step)
            taken.append(time.perf_counter() - begin)
            if step % 100 == 0:
                time.sleep(0.001)
        tracker.end_experiment()
    found = np.array(taken) * 1e6
    say("assay log_metric call", mean_us=round(found.mean(), 2), p99_us=round(float(np.quantile(found, 0.99)), 2))


def runs(folder: Path, count: int) -> None:
    """Listing, and the best ten of many runs with a model and a thousand points each."""
    place = str(folder / "runs.db")
    with ExperimentTracker(place) as tracker:
        registry = ModelRegistry(place)
        for run in range(count):
            number = tracker.start_experiment(f"run {run}", tags=["bench"], capture_git=False)
            for step in range(1_000):
                tracker.log_metric("sharpe", VALUES[(run * 1_000 + step) % len(VALUES)], step=step)
            registry.register_model(number, f"m{run}.pth", val_metric=VALUES[run], is_best=True)
            tracker.end_experiment()
        searches: dict[str, Callable[[], Any]] = {
            f"list {count}": lambda: tracker.list_experiments(limit=count),
            "best 10 by a metric": lambda: tracker.search_experiments("", order_by="metric.sharpe", limit=10),
            "best 10 models": lambda: registry.list_models(order_by="val_metric", limit=10),
        }
        for name, work in searches.items():
            say(f"assay {name}", runs=count, **clocked(work))


def long_run(folder: Path, count: int) -> None:
    """Summary and chart of one metric with a million points."""
    place = str(folder / "long.db")
    with ExperimentTracker(place) as tracker:
        run = tracker.start_experiment("long", capture_git=False)
        for step in range(count):
            tracker.log_metric("loss", VALUES[step % len(VALUES)], step=step)
        tracker.end_experiment()
    logger = MetricsLogger(place)
    say("assay summary", points=count, **clocked(lambda: logger.get_metric_summary(run, "loss")))
    chart = clocked(lambda: logger.get_metric_timeseries(run, "loss", max_points=1_000))
    say("assay chart of 1,000 points", points=count, **chart)


def peer(folder: Path, count: int, many: int) -> None:
    """The same with MLflow's client on a SQLite file of its own."""
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    place = client.create_experiment("bench", artifact_location=(folder / "files").as_uri())
    run = client.create_run(place).info.run_id
    few = 300
    begin = time.perf_counter()
    for step in range(few):
        client.log_metric(run, "loss", VALUES[step], step=step)
    say("mlflow points, one by one", points=few, per_second=round(few / (time.perf_counter() - begin)))
    begin = time.perf_counter()
    for first in range(0, count, 1_000):
        batch = [Metric("batched", VALUES[s], 0, s) for s in range(first, first + 1_000)]
        client.log_batch(run, metrics=batch)
    say("mlflow points, batches of 1,000", points=count, per_second=round(count / (time.perf_counter() - begin)))
    for each in range(many):
        name = client.create_run(place).info.run_id
        client.log_batch(name, metrics=[Metric("sharpe", VALUES[each], 0, 0)])
    listed = median(lambda: client.search_runs([place], max_results=many), 3)
    say(f"mlflow list {many}", runs=many, ms=round(listed * 1e3, 1))
    best = median(lambda: client.search_runs([place], order_by=["metrics.sharpe DESC"], max_results=10))
    say("mlflow best 10 by a metric", runs=many, ms=round(best * 1e3, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--long", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        points(folder, given.points)
        calls(folder, given.points)
        runs(folder, given.runs)
        long_run(folder, given.long)
        if importlib.util.find_spec("mlflow"):
            peer(folder, min(given.points, 20_000), given.runs)


if __name__ == "__main__":
    main()
