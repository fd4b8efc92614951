"""Section: in-sample against out-of-sample performance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.runs.report.components import Card, Cards, Key, Note, Part, Section, figure, table
from assay.runs.report.formatting import NONE, alike, number, ratio
from assay.runs.report.scale import Scale, pad_range, ticks
from assay.runs.report.search_summary import part
from assay.runs.report.svg import CHAR, Canvas, line
from assay.runs.run_artifacts import RunArtifacts
from assay.validate import windows_stability

_TESTS = {
    "SHARPE_DROP": "Sharpe drops",
    "WIN_RATE_DROP": "Win rate drops",
    "NEGATIVE_TEST": "Loses",
    "UNSTABLE": "Unstable",
    "FEW_PROFITABLE": "Few earn",
}
_MOOD = {"ACCEPT": "good", "REJECT": "bad"}


def section(evidence: RunArtifacts) -> Section:
    """Verdict and scores, the reasons with their limits, and a dot a window against the diagonal."""
    result = evidence.document["overfit"]
    windows = evidence.document["windows"]
    lead = (
        "A search always finds something. These numbers ask whether it found the market or the noise in its train bars."
    )
    parts: list[Part] = [_cards(result, windows), _scatter(windows), _reasons(result)]
    return Section("overfit", "Overfit and stability", lead, tuple(parts))


def pairs(windows: Sequence[Mapping[str, Any]]) -> tuple[list[int], FloatArray, FloatArray]:
    """Numbers of the windows, and ``(k,)`` annual Sharpe ratios in and out of sample, where both are known."""
    numbers, both = [], []
    for w in windows:
        pair = [number(part(w, which, "sharpe_annual")) for which in ("train", "test")]
        if np.isfinite(pair).all():
            numbers.append(int(w["number"]))
            both.append(pair)
    values = np.array(both, np.float64).reshape(-1, 2)
    return numbers, values[:, 0], values[:, 1]


def _cards(result: Mapping[str, Any], windows: Sequence[Mapping[str, Any]]) -> Cards:
    verdict = result["verdict"]
    message = {None: "needs two windows", True: "overfitting detected", False: "no overfitting detected"}
    return Cards(
        (
            Card("Walk-forward verdict", verdict or NONE, message[result["detected"]], _MOOD.get(verdict or "", "")),
            _out_of_sample_card(windows),
            Card("Stability score", ratio(result["stability_score"]), "0 to 1; below 0.6 asks for caution"),
            Card("Plateau score", ratio(result["plateau_score"]), "share of the best score that its neighbours keep"),
            Card(
                "Parameter stability",
                ratio(result["parameter_stability"]),
                "1: the same in every window; 0: as if drawn",
            ),
            Card("Spread in sample", ratio(result["train_sharpe_std"]), "standard deviation of train Sharpe ratios"),
        )
    )


def _out_of_sample_card(windows: Sequence[Mapping[str, Any]]) -> Card:
    means = windows_stability(windows)
    if not means.windows:
        return Card("Sharpe out of sample", NONE, "no window was judged")
    mood = "good" if means.test_sharpe > 0 else "bad" if means.test_sharpe < 0 else ""
    note = f"mean of windows, 0 without trades; in sample {ratio(means.train_sharpe)}"
    return Card("Sharpe out of sample", ratio(means.test_sharpe), note, mood)


def _reasons(result: Mapping[str, Any]) -> Part:
    if result["detected"] is None:
        return Note("Overfitting cannot be told: that needs at least two judged windows.", half=True)
    if not result["reasons"]:
        return Note("None of the five tests of overfitting struck.", half=True)
    rows = [
        (_TESTS.get(r["code"], r["code"]), f"{ratio(r['value'])} / {ratio(r['limit'])}", r["text"])
        for r in result["reasons"]
    ]
    return table("Reasons", ("Test", "Found / limit", "In words"), rows, meaning=3, half=True)


def _scatter(windows: Sequence[Mapping[str, Any]]) -> Part:
    numbers, inside, outside = pairs(windows)
    if not numbers:
        return Note("No window has a Sharpe ratio both in and out of sample: there is nothing to compare.", half=True)
    below = int((outside < inside).sum())
    caption = (
        "One dot a window. On the diagonal, out of sample gave what the search saw in sample; "
        f"{below} of {len(numbers)} lie below."
    )
    if len(numbers) >= 3 and np.ptp(inside) > 0 and np.ptp(outside) > 0:
        caption += f" Correlation {ratio(float(np.corrcoef(inside, outside)[0, 1]))}."
    if len(numbers) < len(windows):
        caption += f" Windows without trades on both sides are not drawn: {len(windows) - len(numbers)}."
    legend = [Key("s-dot", f"Window {numbers[-1] + 1}, the newest"), Key("s-ideal", "Out of sample as in sample")]
    if len(numbers) > 1:
        legend.insert(1, Key("s-pale", "Earlier windows"))
    title = "In sample against out of sample"
    return figure(title, lambda w: _draw(numbers, inside, outside, w, title), caption=caption, legend=legend, half=True)


def _draw(numbers: list[int], inside: FloatArray, outside: FloatArray, width: float, title: str) -> Canvas:
    x_range, y_range = (pad_range(v, share=0.08, include=0.0) for v in (inside, outside))
    words = ticks(*y_range, 6)
    marks = list(zip(words, alike(words), strict=True))
    left, right, top, bottom = 14 + CHAR * max(len(w) for _, w in marks), width - 12, 26.0, 320.0
    x, y = Scale(*x_range, left, right), Scale(*y_range, bottom, top)
    canvas = Canvas(width, bottom + 46, f"{title}, {len(numbers)} windows")
    canvas.text(2, 11, "Sharpe ratio a year, out of sample", "unit")
    canvas.rows(y, marks, left, right)
    values = ticks(*x_range, 6 if width > 400 else 4)
    canvas.columns(x, list(zip(values, alike(values), strict=True)), bottom)
    canvas.text((left + right) / 2, bottom + 40, "Sharpe ratio a year, in sample", "unit", "middle")
    canvas.add("line", "zero", x1=left, x2=right, y1=y.at(0.0), y2=y.at(0.0))
    canvas.add("line", "zero", x1=x.at(0.0), x2=x.at(0.0), y1=top, y2=bottom)
    ends = np.array([max(x.low, y.low), min(x.high, y.high)])
    if ends[1] > ends[0]:
        canvas.path(line(x(ends), y(ends)), "line ideal")
    for k, (a, b) in enumerate(zip(inside.tolist(), outside.tolist(), strict=True)):
        newest = k == len(numbers) - 1
        tip = f"Window {numbers[k] + 1}: in sample {ratio(a)}, out of sample {ratio(b)}"
        canvas.add("circle", "dot" if newest else "dot soft", tip, cx=x.at(a), cy=y.at(b), r=6 if newest else 4.5)
    return canvas
