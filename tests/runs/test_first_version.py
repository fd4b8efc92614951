"""Runs that the gate's first version judged: eight checks, a confidence, no exposures. They are shown as they were."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from assay.cli.command import print_verdict
from assay.runs.report import render
from assay.runs.run_artifacts import RunArtifacts
from tests.runs.report_evidence import SYMBOL, evidence_of, market

OLD = ("audit", "ledger", "sample", "edge", "overfitting", "cost", "regimes", "seeds")
THRESHOLDS = {"confidence": 0.95, "min_trades": 30, "min_bars": 250, "cost_factor": 2.0, "mature_trades": 100}
INFORMATION = {
    "trials_variance": 0.0001, "trials_with_sharpe": 7, "luck_by_spread": 0.01, "deflated_by_spread": 0.9, "pbo": None,
    "plateau": None, "spa": {"record": None, "search": None},
}  # fmt: skip


@pytest.fixture(scope="module")
def old() -> RunArtifacts:
    now = evidence_of(market(1_200))
    dropped = ("nature", "gate_version")
    document: dict[str, Any] = {name: value for name, value in now.document.items() if name not in dropped}
    document |= {
        "reasons": [each for each in now.document["reasons"] if each["check"] in OLD],
        "thresholds": THRESHOLDS,
        "evidence": {"n_trials": 7, "effective_trials": 7.0, "luck": 0.02},
        "information": INFORMATION,
    }
    return replace(
        now, document=document, account=now.account.drop("active_return"), bars=now.bars.drop("exposure")
    )  # fmt: skip


def test_it_has_no_active_returns_before_and_after_the_disk(old: RunArtifacts, tmp_path: Path) -> None:
    assert old.active_returns is None
    old.write(tmp_path)
    assert RunArtifacts.read(tmp_path).active_returns is None
    now = evidence_of(market(1_200))
    now.write(tmp_path)
    kept = RunArtifacts.read(tmp_path)
    assert kept.active_returns is not None and "exposure" in kept.bars.columns
    assert kept.document["gate_version"] == 3 and len(kept.document["reasons"]) == 11


def test_its_page_is_drawn(old: RunArtifacts) -> None:
    page = render(old, market(1_200))
    assert "Better than holding and luck" in page and "Its fills were possible" not in page
    assert "deflated probability that the gate&#39;s first version asked for" in page
    assert SYMBOL in page and "Haircut" not in page


def test_its_word_is_told(old: RunArtifacts) -> None:
    out = io.StringIO()
    print_verdict(Console(file=out, width=200), {**old.document, "verdict": "UNPROVEN"})
    assert out.getvalue().startswith("UNPROVEN") and out.getvalue().count("\n  ") >= len(OLD)
