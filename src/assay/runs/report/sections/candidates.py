"""Base pattern columns: what may be learnt, in a part of its own."""

from assay.features import ImportanceReport, PatternCandidate
from assay.runs.report.components import Section, table
from assay.runs.report.formatting import count, percent, ratio

_HEAD = ("Column", "Verdict", "Rate", "Lowest fold", "Highest fold", "Events in the thinnest fold", "PSI")


def section(report: ImportanceReport) -> Section | None:
    """The table; None where there are none."""
    if not report.candidates:
        return None
    lead = (
        "They say what a swing has come to at a bar. They may be learnt some bars ahead and never stand among the "
        "columns that a model learns from; their lags may."
    )
    rows = [_row(each) for each in report.candidates]
    caption = "Rare: below 1 % in some train fold. Constant: only one value in some train fold."
    return Section(
        "targets", "Candidates for a target", lead, (table("Pattern columns", _HEAD, rows, caption=caption),)
    )


def _row(each: PatternCandidate) -> tuple[str, ...]:
    return (
        each.name, each.verdict, percent(each.rate, 2), percent(each.lowest, 2), percent(each.highest, 2),
        count(each.events), ratio(each.psi_max),
    )  # fmt: skip
