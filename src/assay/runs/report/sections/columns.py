"""Every ranked column with its verdict."""

from assay.features import FeatureScore, ImportanceReport
from assay.runs.report.components import Note, Part, Section, table
from assay.runs.report.formatting import percent, ratio

_HEAD = (
    "Column", "Verdict", "Rank", "± folds", "Gain", "Permuted", "± again", "SHAP", "Selected", "PSI",
    "Lookback", "Group",
)  # fmt: skip


def section(report: ImportanceReport) -> Section:
    """The table, the warnings, and what the screen dropped."""
    parts: list[Part] = [Note(text[0].upper() + text[1:] + ".") for text in report.warnings]
    parts.append(table("Columns by mean rank", _HEAD, [_row(row) for row in report.rows], caption=_CAPTION))
    dropped = [(row.name, row.dropped) for row in report.rows if row.dropped]
    if dropped:
        parts.append(table("Dropped by the screen", ("Column", "Newest reason"), sorted(dropped), words=True))
    lead = "Measured inside each train fold; no test row took part in any number but PSI, and PSI selects nothing."
    return Section("columns", "Columns and verdicts", lead, tuple(parts))


_CAPTION = (
    "Rank: of the column's cluster, mean of its ranks by gain, permutation and SHAP, 1 is best. Permuted: what the "
    "score loses when the column's cluster is shuffled in blocks as long as a label. Selected: share of the folds. "
    "Redundant: another column of its cluster stands for it, see the clusters below. Unstable: selected in fewer than "
    "half of the folds. Drifting: PSI above 0.25 between some train fold and its test fold."
)


def _row(row: FeatureScore) -> tuple[str, ...]:
    return (
        row.name, row.verdict, ratio(row.rank_mean, 1), ratio(row.rank_std, 1), percent(row.gain_share),
        ratio(round(row.perm_mean, 4), 4), ratio(round(row.perm_std, 4), 4), percent(row.shap_share),
        percent(row.selection_frequency, 0), ratio(round(row.psi_max, 2)), str(row.lookback), row.group,
    )  # fmt: skip
