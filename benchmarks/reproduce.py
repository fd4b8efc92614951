"""Twenty runs, each reproduced in a process of its own: how many are equal to the last bit.

    python benchmarks/reproduce.py [RUNS]      an even number; half of them ensembles, half searches of rules

Markets are synthetic; seeds, markets, targets, strategies and search methods change from run to run. The candle store
is deleted before anything is reproduced. One JSON line a run, then the count. Exit code 1 unless all are equal.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

ASSAY = (sys.executable, "-c", "from assay.cli.main import run; run()")
BARS = 2_400
SYMBOLS = ("GOLD/USDT:USDT", "IRON/USDT")
SEARCHES = (
    ("sma_cross", "--method", "grid", "--space", "fast=5:20:4", "--space", "slow=30,60,90"),
    ("sma_cross", "--method", "random", "--trials", "60"),
    ("liquidity_sweep", "--method", "bayesian", "--trials", "40"),
    ("range_sweep", "--method", "random", "--trials", "80", "--walk-forward", "split"),
    ("volume_breakout", "--method", "bayesian", "--sampler", "tpe", "--trials", "32", "--objective", "deflated"),
)


def assay(*words: str, home: Path) -> tuple[int, Any, float]:
    """Exit code, document and seconds of a command in a new process."""
    began = time.perf_counter()
    done = subprocess.run([*ASSAY, *words, "--home", str(home), "--json"], capture_output=True, text=True)
    try:
        return done.returncode, json.loads(done.stdout), time.perf_counter() - began
    except ValueError as error:
        raise SystemExit(f"{words}\n{done.stdout}\n{done.stderr}") from error


def stock(home: Path) -> None:
    """Candles of both markets."""
    from assay.market import synthetic

    home.mkdir()
    for seed, symbol in enumerate(SYMBOLS, 3):
        bars = synthetic(bars=BARS, seed=seed, ic=0.2, symbol=symbol)
        columns = {name: getattr(bars, name) for name in ("timestamp", "open", "high", "low", "close", "volume")}
        file = home / f"{seed}.csv"
        pl.DataFrame(columns).write_csv(file)
        assay("import", str(file), *market(symbol), home=home)


def market(*symbols: str) -> tuple[str, ...]:
    return ("-e", "test", *(word for symbol in symbols for word in ("-s", symbol)), "-t", "1h")


def ensembles() -> Iterator[tuple[str, ...]]:
    """Commands without end: seeds, symbols (one or both), feature sets and targets change."""
    number = 0
    while True:
        symbols = (SYMBOLS[:1], SYMBOLS[1:], SYMBOLS)[number % 3]
        more = (("--features", "mini5"), ("--features", "mini5", "--set", "target.horizon=12"))[number % 2]
        yield (
            "train", "ensemble", *market(*symbols), *more, "--train-bars", "800", "--test-bars", "500",
            "--set", "trees=30", "--set", "forest_trees=10", "--seed", str(100 + number),
        )  # fmt: skip
        number += 1


def searches() -> Iterator[tuple[str, ...]]:
    """Commands without end: strategies, methods, markets and seeds change."""
    number = 0
    while True:
        name, *more = SEARCHES[number % len(SEARCHES)]
        words = more if "--walk-forward" in more else [*more, "--walk-forward", "30/15/1"]
        symbol = SYMBOLS[number // len(SEARCHES) % 2]
        yield ("optimize", name, *market(symbol), *words, "--min-trades", "1", "--seed", str(200 + number))
        number += 1


def main(runs: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        stock(home)
        commands = [*islice(ensembles(), runs // 2), *islice(searches(), runs - runs // 2)]
        made = [(words, *assay(*words, home=home)) for words in commands]
        refused = [(words[:3], document) for words, code, document, _ in made if code]
        if refused:
            raise SystemExit(f"these did not run: {refused}")
        (home / "candles.duckdb").unlink()
        equal = 0
        for words, _, document, took in made:
            code, found, again = assay("runs", "reproduce", document["run_id"], home=home)
            equal += code == 0 and found["equal"]
            line = {"run": " ".join(words[:2]), "equal": found.get("equal", found), "first": found.get("first")}
            line |= {"decisions": _size(found, "decisions"), "trades": _size(found, "trades")}
            print(json.dumps(line | {"seconds": round(took, 1), "again": round(again, 1)}), flush=True)
        print(json.dumps({"what": "reproduced in a new process", "runs": len(made), "equal": equal}), flush=True)
        return int(equal != len(made))


def _size(found: Any, what: str) -> int | None:
    return next((each["size"] for each in found.get("compared", ()) if each["what"] == what), None)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
