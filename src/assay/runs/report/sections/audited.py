"""Section: causality audit, its coverage, and what no audit can see."""

from collections.abc import Mapping
from typing import Any

from assay.runs.report.components import Card, Cards, Note, Part, Section, table
from assay.runs.report.formatting import count, percent
from assay.runs.run_artifacts import RunArtifacts

_PROBES = {
    "repeat": "columns, computed again from the same candles",
    "truncate": "columns, with all later bars cut off",
    "scramble": "columns, with all later bars changed",
    "symbols": "columns of one instrument, with the others changed",
    "label": "labels that were known, with later bars changed",
    "fit": "a model, fitted again with the bars of its test fold changed",
    "decide": "decisions of the published model, with later bars changed",
    "replay": "judged decisions, made again from bars that end there",
    "simulate": "fills, with later bars changed",
    "warm-up": "columns and decisions, with no more history than they declare",
    "outside": "your own file in a closed process: does it read files, network or environment",
    "state": "your own file in two closed processes: does it remember, draw or read the clock",
    "calendar": "your own file on the same bars 28 years later: does it hold dates",
}
OUTSIDE = (
    "Outside any audit: candles that are themselves wrong, a model or signals that were made elsewhere, and a person "
    "who looked at the future: whoever chose a rule, a price level or a date by these very years has used what the "
    "audit cannot see. Only bars that nobody has looked at test that: a locked holdout, or the time from now on."
)


def section(evidence: RunArtifacts) -> Section | None:
    """Coverage of the judged record, comparisons by kind, what was not complete; None for what no gate judged."""
    document = evidence.document
    if evidence.is_backtest or document["verdict"] is None:
        return None
    lead = "Does any decision depend on a bar that came later? The audit asks again with less, or with another, future."
    audit = document.get("audit")
    parts = [Note("The causality audit was not run.")] if audit is None else _of_audit(audit)
    return Section("audit", "Audit", lead, (*parts, Note(OUTSIDE)))


def _of_audit(audit: Mapping[str, Any]) -> list[Part]:
    parts: list[Part] = [_covered(audit.get("coverage"))]
    checks = audit["checks"]
    kinds = [probe for probe in _PROBES if probe in checks] + sorted(checks.keys() - _PROBES.keys())
    rows = [(probe, count(checks[probe]), _PROBES.get(probe, "")) for probe in kinds]
    if rows:
        mode = "The full audit." if audit["mode"] == "full" else f"The {audit['mode']} audit; a full one compares more."
        parts.append(table("Comparisons", ("Kind", "Made", "What is compared"), rows, caption=mode, meaning=3))
    violations = [(v["probe"], v["name"], v["text"]) for v in audit["violations"]]
    if violations:
        parts.append(table("What knew the future", ("Kind", "Where", "What differs"), violations, words=True))
    if audit["notes"] or not audit["complete"]:
        parts.append(
            Note("; ".join(["The audit is not complete" if not audit["complete"] else "Notes", *audit["notes"]]))
        )
    return parts


def _covered(coverage: Mapping[str, Any] | None) -> Part:
    """How much of the judged record was decided again."""
    if coverage is None:
        return Note("How much of the judged record the audit covers is not stored: no judged decision was made again.")
    judged, again = coverage["rows_judged"], coverage["rows_asked"]
    return Cards(
        (
            Card("Judged decisions", count(judged), "one a bar and instrument"),
            Card(
                "Made again",
                count(again),
                f"from earlier bars only; {percent(again / judged if judged else None)} of all",
            ),
            Card("Gains covered", percent(coverage["profit_share"]), "share of all gains that began at one of these"),
        )
    )
