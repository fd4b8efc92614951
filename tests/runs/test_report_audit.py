"""The page says what the audit covers, what lies outside of any, and where its half-spread comes from."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from assay.kernel.bars import Bars
from assay.runs.audits import Audited
from assay.runs.report import render
from assay.runs.run_artifacts import RunArtifacts, to_jsonable
from assay.validate.audit.pipeline import AuditReport, Coverage, Violation
from assay.validate.diagnostics import CostSides

from .report_evidence import evidence_of, market
from .report_page import chapter, rows_of, words_of

COVERED = Coverage(rows_judged=5_800, rows_asked=200, profit_share=0.953)
CHECKS = {"replay": 200, "truncate": 1}


@pytest.fixture(scope="module")
def candles() -> Mapping[str, Bars]:
    return market(600)


@pytest.fixture(scope="module")
def evidence(candles: Mapping[str, Bars]) -> RunArtifacts:
    return evidence_of(candles)


def page(run: RunArtifacts, candles: Mapping[str, Bars], **document: Any) -> str:
    return render(replace(run, document={**run.document, **document}), candles)


def audited(**changes: Any) -> dict[str, Any] | None:
    report = AuditReport(**{"complete": True, "violations": (), "checks": CHECKS, "coverage": COVERED, **changes})
    return Audited("quick", report, 1.0).document


def test_coverage_and_comparisons_stand_on_the_page(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> None:
    html = page(evidence, candles, audit=audited())
    words = words_of(chapter(html, "audit"))
    assert "Judged decisions 5,800" in words and "Made again 200" in words
    assert "Gains covered 95.3 %" in words
    assert [row[:2] for row in rows_of(html, "audit", "Comparisons")] == [["truncate", "1"], ["replay", "200"]]
    assert "not complete" not in words


@pytest.mark.parametrize("audit", [None, audited(), audited(coverage=None)])
def test_what_lies_outside_any_audit_is_always_named(
    evidence: RunArtifacts, candles: Mapping[str, Bars], audit: dict[str, Any] | None
) -> None:
    words = words_of(chapter(page(evidence, candles, audit=audit), "audit"))
    for outside in ("candles that are themselves wrong", "made elsewhere", "a person who looked at the future"):
        assert outside in words
    assert ("was not run" in words) == (audit is None)
    assert ("is not stored" in words) == (audit is not None and audit.get("coverage") is None)


def test_an_audit_that_is_not_complete_or_found_a_leak_says_which(
    evidence: RunArtifacts, candles: Mapping[str, Bars]
) -> None:
    leak = Violation("replay", "<b>mine</b>", 7, 7, np.nan, "LEAK_ONLINE: row 7")
    audit = audited(complete=False, violations=(leak,), notes=("a fit does not repeat",))
    html = page(evidence, candles, audit=audit)
    words = words_of(chapter(html, "audit"))
    assert "The audit is not complete; a fit does not repeat" in words and "LEAK_ONLINE: row 7" in words
    assert "<b>mine" not in html


def test_the_half_spread_is_shown_with_its_source(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> None:
    sides = [to_jsonable(asdict(CostSides(assumed=0.0005, shown=0.0012, stressed=0.0015, half_spread=0.0008)))]
    html = page(evidence, candles, evidence={"cost_sides": sides})
    (row,) = rows_of(html, "costs", "One side of a trade, basis points")
    assert row[1:] == ["8.0", "5.0", "12.0", "15.0"]
    words = words_of(chapter(html, "costs"))
    assert "Ardia, Guidotti and Kroencke 2024" in words and "Abdi and Ranaldo 2017" in words


def test_too_few_bars_for_a_half_spread_are_a_dash(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> None:
    sides = [to_jsonable(asdict(CostSides(assumed=0.0005, shown=0.0005, stressed=0.001, half_spread=float("nan"))))]
    html = page(evidence, candles, evidence={"cost_sides": sides})
    assert rows_of(html, "costs", "One side of a trade, basis points")[0][1] == "—"
    assert "One side of a trade" not in page(evidence, candles, evidence={})
