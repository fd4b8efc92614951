"""Section: drift of each feature from train fold to test fold."""

import numpy as np

from assay.features import DRIFT_PSI, STABLE_PSI, ImportanceReport
from assay.kernel.arrays import FloatArray, IntArray
from assay.runs.report.components import Key, Note, Section, figure
from assay.runs.report.formatting import ratio
from assay.runs.report.scale import Scale, ticks
from assay.runs.report.svg import Canvas, line

_PENS = ("model", "hold", "normal", "stress", "ideal")
_MOST = len(_PENS)


def section(report: ImportanceReport) -> Section:
    """Lines of the columns that moved most, a pale one for each other; a note where there is but one fold."""
    lead = (
        f"Population stability index between a train fold and its test fold: below {STABLE_PSI:g} "
        f"stable, above {DRIFT_PSI:g} "
        "drifting. It is reported and selects nothing. Columns of the calendar move where a test fold is shorter than "
        "their cycle."
    )
    times = np.array([t.test_from for t in report.times])
    if len(times) < 2:
        return Section("drift", "Drift", lead, (Note("One fold has no course over time; PSI stands in the table."),))
    largest = np.where(np.isnan(report.psi), -1.0, report.psi).max(axis=0)
    order = sorted(range(len(report.names)), key=lambda j: (-largest[j], report.names[j]))
    names = [report.names[j] for j in order]
    values = report.psi[:, order].T
    legend = [Key(f"s-{pen}", name) for pen, name in zip(_PENS, names, strict=False)]
    drawn = figure(
        "Drift over time",
        lambda width: _draw(names, times, values, width),
        caption=f"The {min(_MOST, len(names))} columns that moved most, by start of the test fold; the others pale. "
        "Rest a pointer on a line for its name.",
        legend=legend,
    )
    return Section("drift", "Drift", lead, (drawn,))


def _draw(names: list[str], times: IntArray, values: FloatArray, width: float) -> Canvas:
    left, right, top, bottom = 48.0, width - 12.0, 14.0, 300.0
    high = max(float(np.nanmax(values)) if np.isfinite(values).any() else 0.0, DRIFT_PSI) * 1.05
    x, y = Scale(float(times[0]), float(times[-1]), left, right), Scale(0.0, high, bottom, top)
    canvas = Canvas(width, bottom + 30, f"Drift of {len(names)} columns over {len(times)} folds")
    canvas.rows(y, [(v, ratio(v)) for v in ticks(0.0, high, 5)], left, right)
    canvas.clock(x, bottom)
    for limit in (STABLE_PSI, DRIFT_PSI):
        canvas.add("line", "zero", f"PSI {limit:g}", x1=left, x2=right, y1=y.at(limit), y2=y.at(limit))
    places = x(times)
    for i in reversed(range(len(names))):
        css = f"line {_PENS[i]}" if i < _MOST else "line ideal pale"
        message = f"{names[i]}: PSI up to {ratio(np.nanmax(values[i])) if np.isfinite(values[i]).any() else '—'}"
        canvas.path(line(places, y(values[i])), css, message)
    return canvas
