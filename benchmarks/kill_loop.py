"""Kill -9 in training, publishing and retention, on SQLite and on PostgreSQL: what is left, one JSON line a loop.

``python benchmarks/kill_loop.py [KILLS] [SEED]``: by default 200 kills of a training on each database and 100 of a pass
of retention on each; then the same with the order of publishing reversed, and with files written in place, which must
show damage. The driver is `tests.track.kill_loop`, whose small form is in the tests. Exit 1 when a promise is broken or
a control shows nothing.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.track.kill_loop import loop
from tests.track.kill_sight import damage
from tests.track.kill_work import Plan
from tests.track.server import Server, server


def plans(kills: int, seed: int, folder: Path, postgres: Server) -> Iterator[Plan]:
    for number, (mode, count) in enumerate(
        [("train", kills), ("retain", kills // 2), ("reversed", kills // 8), ("in_place", kills // 8)]
    ):
        for dialect in ("sqlite", "postgresql"):
            home = folder / f"{number}-{dialect}"
            url = str(home / "record.db") if dialect == "sqlite" else postgres.fresh()
            yield Plan(url, str(home), mode, count, seed)


def main(kills: int = 200, seed: int = 1) -> int:
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="assay-kill-loop-") as folder, server() as postgres:
        for plan in plans(kills, seed, Path(folder), postgres):
            told: dict[str, Any] = loop(plan)
            is_control = plan.mode in ("reversed", "in_place")
            wrong += (damage(told) > 0) != is_control
            print(json.dumps({"bench": "kill_loop"} | told | {"damage": damage(told)}), flush=True)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:3])))
