"""Section: trading costs, and what was left after them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.runs.report.components import Card, Cards, Note, Part, Section, Table, figure, table
from assay.runs.report.formatting import floats, general, number, percent, ratio
from assay.runs.report.scale import Scale, pad_range, ticks
from assay.runs.report.search_summary import stress_text
from assay.runs.report.svg import Canvas
from assay.runs.run_artifacts import RunArtifacts

_COSTS = ("fees", "slippage", "funding", "borrow")
_NAMES = {"fees": "Fees", "slippage": "Slippage", "funding": "Funding", "borrow": "Borrowing"}
_UNITS = {
    "fee": "of notional, per side",
    "slippage_bps": "basis points of price, per side",
    "spread_bps": "basis points, full spread; each side pays half",
    "borrow_rate": "of a short position's notional, per year",
    "funding": "stored funding payments are charged; where none are stored, none",
    "impact_coefficient": "times (quantity / bar volume) ^ exponent, of price",
    "impact_exponent": "of market impact",
}

_SPREAD_SOURCE = (
    "Half-spread: half of the bid-ask spread, estimated from open, high, low and close of the judged bars; the lower"
    " 95 % bound of the estimate, so that noise in a quiet market costs nothing; a dash where there are fewer than "
    "500 bars. Estimators: Ardia, Guidotti and Kroencke 2024 (Journal of Financial Economics 161) and Abdi and "
    "Ranaldo 2017 (Review of Financial Studies 30), the higher bound of the two. At least by the candles: fee, and "
    "the larger of assumed slippage with half-spread and this estimate. Stressed: what the check on costs asks the "
    "record to survive."
)


def section(evidence: RunArtifacts) -> Section:
    """From gross to net, and the costs that were assumed."""
    lead = "Sums over all trades as a share of the starting equity; accounts of several symbols are averaged."
    values = evidence.document["metrics"]
    net = _net(evidence)
    paid = [number(values.get(name)) for name in _COSTS]
    parts: list[Part] = []
    if len(evidence.trades) and np.isfinite([net, *paid]).all():
        gross = net + sum(paid)
        title = f"{percent(gross, 1, sign=True)} before costs, {percent(net, 1, sign=True)} after"
        caption = (
            "Before costs: the same fills without fees, slippage (spread and impact included), funding and borrowing. "
            "Funding below zero was received."
        )
        if _symbols(evidence) > 1:
            caption += " The account rebalances between symbols, this sum does not: it can differ from the net profit."
        parts.append(
            figure("From gross to net", lambda w: _draw(gross, paid, net, w, title), caption=caption, half=True)
        )
        parts.append(_cards(evidence, gross, sum(paid)))
    else:
        parts.append(Note("No trade was made or its costs are undefined: nothing was paid that could be drawn."))
    costs = evidence.document["spec"]["costs"]
    rows = [(k.replace("_", " ").capitalize(), general(v), _UNITS.get(k, "")) for k, v in costs.items()]
    parts.append(table("Assumed costs", ("Cost", "Value", "Meaning"), rows, meaning=3))
    sides = (evidence.document.get("evidence") or {}).get("cost_sides") or []
    if sides:
        parts.append(_sides(list(evidence.document["by_symbol"]), sides))
    return Section("costs", "Costs", lead, tuple(parts))


def _sides(symbols: Sequence[str], sides: Sequence[Mapping[str, Any]]) -> Table:
    """One side of a trade in basis points: assumed, as the candles show it, and as the check `cost` stresses it."""
    rows = [
        (symbol, *(_basis_points(side[name]) for name in ("half_spread", "assumed", "shown", "stressed")))
        for symbol, side in zip(symbols, sides, strict=True)
    ]
    head = ("Symbol", "Half-spread at least", "Assumed", "At least by the candles", "Stressed")
    return table("One side of a trade, basis points", head, rows, caption=_SPREAD_SOURCE)


def _basis_points(share: float | None) -> str:
    return ratio(None if share is None else share * 1e4, 1)


def _net(evidence: RunArtifacts) -> float:
    """Sum of the trades' profit over the starting equity, the mean over symbols; NaN without a judged bar."""
    account = evidence.account
    if not len(account):
        return float("nan")
    initial = floats(account, "equity")[0] / (1.0 + floats(account, "return")[0])
    return float(floats(evidence.trades, "pnl").sum() / initial / _symbols(evidence))


def _cards(evidence: RunArtifacts, gross: float, paid: float) -> Cards:
    values = evidence.document["metrics"]
    stressed = floats(evidence.account, "stressed_return")
    doubled = float(np.prod(1.0 + stressed[np.isfinite(stressed)]) - 1.0)
    trades = max(1, len(evidence.trades))
    share = percent(paid / gross, 0) if gross > 0 else "—"
    return Cards(
        (
            Card("Costs paid", percent(paid, 1), "of starting equity"),
            Card("Share of gross profit", share, "eaten by costs"),
            Card("Paid per trade", percent(paid * _symbols(evidence) / trades, 3), "of starting equity"),
            Card("Turnover", ratio(values.get("turnover"), 1), "traded notional over equity, both sides"),
            Card(
                f"At {stress_text(evidence)}",
                percent(doubled, 1, sign=True),
                "net profit",
                "good" if doubled > 0 else "bad",
            ),
        ),
        half=True,
    )


def _symbols(evidence: RunArtifacts) -> int:
    return max(1, evidence.bars["symbol"].n_unique())


def _draw(gross: float, paid: list[float], net: float, width: float, title: str) -> Canvas:
    small = width < 500
    left, right, top, bottom = 54.0, width - 8, 24.0, 250.0
    steps = [("Before", 0.0, gross, "total")]
    level = gross
    for name, cost in zip(_COSTS, paid, strict=True):
        if cost != 0:
            steps.append((_NAMES[name], level, level - cost, "cost" if cost > 0 else "income"))
            level -= cost
    steps.append(("After", 0.0, net, "total"))
    y = Scale(*pad_range(np.array([v for s in steps for v in s[1:3]]), share=0.1, include=0.0), bottom, top)
    canvas = Canvas(width, bottom + 30, title)
    reach = y.high - y.low
    decimals = 0 if reach > 0.06 else 1 if reach > 0.01 else 2
    canvas.rows(y, [(t, percent(t, decimals)) for t in ticks(y.low, y.high, 5)], left, right)
    canvas.add("line", "zero", x1=left, x2=right, y1=y.at(0.0), y2=y.at(0.0))
    slot = (right - left) / len(steps)
    for k, (name, begin, end, css) in enumerate(steps):
        a, b = sorted((y.at(begin), y.at(end)))
        x = left + slot * k + slot * 0.14
        tip = f"{name}: {percent(end - begin, 2, sign=True)}"
        canvas.add("rect", f"step {css}", tip, x=x, y=a, width=slot * 0.72, height=max(b - a, 1.0), rx=2)
        canvas.text(
            left + slot * (k + 0.5), a - 7, percent(end - begin, 0 if small else 1, sign=True), "value", "middle"
        )
        canvas.text(left + slot * (k + 0.5), bottom + 20, name, anchor="middle")
    return canvas
