"""Searches that are small enough to test."""

from typing import Any

from assay.kernel.contracts import NullReport, Report
from assay.kernel.decisions import Costs
from assay.kernel.panel import Panel
from assay.testing.trainers import TinyTrainer
from assay.validate.search.result import SearchResult
from assay.validate.search.search import Search
from assay.validate.search.space import Space
from assay.validate.splits import WalkForward
from tests.validate.search_killed import SEED, panel

PLAN = WalkForward(400, 200)


def found(made: Search, on: Panel | None = None, *, report: Report | None = None, seed: int = SEED) -> SearchResult:
    return made.search(on or panel(), seed=seed, report=report or NullReport())


def tiny(**changes: Any) -> Search:
    plain: dict[str, Any] = {
        "make": lambda p: TinyTrainer(p["keep"]),
        "space": Space.of({"keep": (1, 4)}),
        "plan": WalkForward(120, 60),
        "costs": Costs(),
        "trials": 3,
        "min_trades": 1,
    }
    return Search(**(plain | changes))
