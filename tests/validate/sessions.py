"""Sessions of a bayesian search whose points are worth what a formula says."""

import math
from pathlib import Path
from typing import Literal

from assay.validate.search.optuna_sampler import Bayesian
from assay.validate.search.sampler import Row, Session
from assay.validate.search.space import Point, Space

SPACE = Space.of({"x": (0.0, 1.0), "n": (0, 50), "kind": ["a", "b", "c"], "step": [1, 2, 5, 10]}, ["n < 45"])


def worth(point: Point) -> float:
    kind = {"a": 0.2, "b": 0.0, "c": 0.4}[point["kind"]]
    return -float((point["x"] - 0.3) ** 2 + (point["n"] / 50 - 0.5) ** 2 + kind)


def judged(number: int, point: Point) -> Row:
    """Every fifth is rejected; the metrics hold what JSON has no word for."""
    valid = number % 5 != 3
    metrics = {"sharpe": worth(point), "calmar": math.nan, "profit_factor": math.inf, "total_trades": number}
    score = worth(point) if valid else math.nan
    return Row(number, point, score, valid, "" if valid else "rejected: too_few_trades", 7, metrics, 100 + number)


def begun(
    journal: Path | None,
    trials: int = 60,
    *,
    identity: str = "one",
    sampler: Literal["tpe", "gp"] = "tpe",
    batch: int = 8,
) -> Session:
    return Bayesian(sampler, journal).start(SPACE, trials=trials, batch=batch, seed=3, identity=identity)


def driven(session: Session, *, most: int = 10**9) -> tuple[list[Row], int]:
    """Rows in the order of asking, and how many of them were judged here; gives up when `most` were."""
    rows: list[Row] = []
    fresh = 0
    while asked := session.ask():
        for each in asked:
            if each.row is None:
                if fresh == most:
                    return rows, fresh
                session.tell(judged(len(rows), each.point))
                fresh += 1
            rows.append(each.row or judged(len(rows), each.point))
    return rows, fresh


WHOLE, _ = driven(begun(None))
