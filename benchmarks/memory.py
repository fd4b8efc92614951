"""Peak memory of a whole training on 1M bars x core72, beside the size of the feature matrix. Limit: 3 times.

The training runs in a process of its own, as `assay train` does; what the interpreter and the libraries take before the
candles are read is printed beside and not counted.  Usage: python benchmarks/memory.py [bars]
"""

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from assay.app import context
from assay.market import synthetic

_CHILD = """
import sys, time
from pathlib import Path
import lightgbm, xgboost, sklearn.ensemble, skops.io, polars, duckdb
from assay.app import context
from assay.kernel.spec import TrainSpec
from assay.runs._train import train
import assay.features.compute, assay.market.quality, assay.simulate.metrics
opened, _ = context(home=Path(sys.argv[1]))
print("ready", flush=True)
began = time.monotonic()
document = train(TrainSpec(exchange="synthetic", symbols=("GOLD/USDT:USDT",), timeframe="1h"), opened).document
print(time.monotonic() - began, document["metrics"]["sharpe_annual"], flush=True)
"""


def resident(pid: int) -> float:
    """Resident memory of a process, MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main(bars: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        opened, _ = context(home=Path(home))
        opened.candles.upsert(synthetic(bars=bars, seed=1, ic=0.1, symbol="GOLD/USDT:USDT"), source="synthetic")
        child = subprocess.Popen([sys.executable, "-c", _CHILD, home], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        before, peak = resident(child.pid), [0.0]

        def watch() -> None:
            while child.poll() is None:
                try:
                    peak[0] = max(peak[0], resident(child.pid))
                except (FileNotFoundError, IndexError):
                    return
                time.sleep(0.02)

        watcher = threading.Thread(target=watch)
        watcher.start()
        seconds = float(child.stdout.readline().split()[0])
        child.wait()
        watcher.join()
    matrix = bars * 49 * 8 / 2**20
    figure = {
        "bench": "train_memory",
        "bars": bars,
        "matrix_mib": round(matrix),
        "before_mib": round(before),
        "peak_mib": round(peak[0]),
        "ratio": round((peak[0] - before) / matrix, 2),
        "limit": 3.0,
        "seconds": round(seconds, 1),
    }
    print(json.dumps(figure))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
