"""Configurations of a made-up search: as it came out, and as one that the gate called GOLD."""

from dataclasses import replace
from functools import cache
from typing import Any

from assay.kernel.bars import Bars
from assay.runs.bot_config import Configured, configure
from assay.runs.run_artifacts import RunArtifacts

from .report_evidence import SYMBOL, market
from .report_search import search_of

CREATED = 1_767_268_800_000  # 2026-01-01 12:00 UTC
ENGINE = "e" * 64


@cache
def bars() -> Bars:
    return market(3_000)[SYMBOL]


@cache
def searched() -> RunArtifacts:
    return search_of({SYMBOL: bars()})


def changed(**document: Any) -> RunArtifacts:
    """The search's evidence with these keys of its document replaced."""
    return replace(searched(), document={**searched().document, **document})


def configured(
    run_id: str = "a-run", created: int = CREATED, experiment_id: int | None = None, **document: Any
) -> Configured:
    return configure(
        changed(**document), bars(), run_id=run_id, created=created, engine_hash=ENGINE, experiment_id=experiment_id
    )


def golden(run_id: str = "a-run", created: int = CREATED, *, overfit: str = "ACCEPT", **document: Any) -> Configured:
    """One that is VALIDATION and eligible for MATURE."""
    found = searched().document
    metrics = found["metrics"] | {"total_trades": 150.0}
    windows = {**found["overfit"], "detected": False, "reasons": [], "stability_score": 0.8, "verdict": overfit}
    return configured(run_id, created, verdict="GOLD", metrics=metrics, overfit=windows, **document)
