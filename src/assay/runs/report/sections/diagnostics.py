"""Sections: diagnostics of the verdict, sensitivity to costs, and the data."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from assay.runs.report.components import (
    NONE,
    Card,
    Cards,
    Code,
    Note,
    Part,
    Section,
    Table,
    bars_of,
    count,
    day_of,
    figure,
    floats,
    general,
    number,
    percent,
    ratio,
    table,
)
from assay.runs.report.search_summary import stress_text
from assay.runs.report.svg import Canvas, Scale, pad_range, ticks
from assay.runs.run_artifacts import RunArtifacts
from assay.validate import Thresholds

_SPA = {
    "record": "This record and other trials on the same bars",
    "search": "Configurations of the newest search, on its own window",
}
_LINES = {
    "error": "chance that the best of all looks is GOLD without skill",
    "confidence": "deflated probability that the gate's first version asked for",
    "min_trades": "closed trades",
    "min_bars": "judged bars",
    "max_loss_share": "splits in which the best of a search may lose",
    "pyrite_share": "above it, overfitting is a failure",
    "cost_factor": "times the assumed costs",
    "min_cost": "basis points a side that must be survived, whatever was assumed",
    "max_doubtful_fills": "of the notional may be filled where a market would hardly fill it",
    "pyrite_doubtful_fills": "above it, such fills are a failure",
    "min_regime_bars": "bars that a regime needs to count",
    "min_regime_share": "of the regimes must earn",
    "min_seeds": "seeds, where a seed matters",
    "min_seed_share": "of the seeds must earn",
    "mature_trades": "trades of a mature configuration",
    "mature_annual_sharpe": "Sharpe ratio a year of a mature configuration",
}


def section(evidence: RunArtifacts) -> Section | None:
    """Spread between trials, overfitting, plateau, tests against cash and buying and holding, thresholds."""
    document = evidence.document
    if not document.get("information"):
        return None
    summary = document["information"]
    parts: list[Part] = [_cards(summary, document["evidence"])]
    parts += [_superior(summary["spa"])] if any(summary["spa"].values()) else []
    parts += _holdout(document.get("holdout") or {"locks": [], "readings": []})
    parts.append(_limits(document["thresholds"]))
    lead = "None of these numbers decides. They say how the same record looks from other sides."
    return Section("beside", "Beside the verdict", lead, tuple(parts))


def _cards(document: Mapping[str, object], used: Mapping[str, object]) -> Cards:
    trials = f"of {count(document['trials_with_sharpe'])} of {count(used['n_trials'])} trials on this market"
    return Cards(
        (
            Card(
                "Deflated, by the spread of trials",
                ratio(document["deflated_by_spread"], 3),
                "probability, as published",
            ),
            *_deflated(document),
            Card(
                "Sharpe ratio of the luckiest",
                ratio(document["luck_by_spread"], 4),
                "a bar, expected without any skill",
            ),
            Card("Variance between trials", general(document["trials_variance"]), trials),
            Card("Effective trials", _trials(used["effective_trials"]), f"of {count(used['n_trials'])} counted"),
            Card("Overfitting probability", ratio(document["pbo"]), "share of splits; 0.5 is a coin"),
            Card("Plateau", ratio(document["plateau"]), "share of the best score that its neighbours keep"),
        )
    )


def _trials(count: object) -> str:
    """Effective trials: a whole number as one."""
    return ratio(count, 1).removesuffix(".0")


def _deflated(document: Mapping[str, object]) -> list[Card]:
    """Runs of before have neither."""
    if "deflated" not in document:
        return []
    return [
        Card("Deflated Sharpe ratio", ratio(document["deflated"], 3), "probability, variance of trials 1/(n - 1)"),
        Card("Haircut", ratio(document["haircut"]), "share of the Sharpe ratio that Bonferroni takes"),
    ]


def _superior(spa: Mapping[str, Any]) -> Table:
    rows = []
    for name, words in _SPA.items():
        result = spa[name]
        if result:
            shown = [
                ratio(result[side][kind], 3) for side in ("cash", "buy_and_hold") for kind in ("consistent", "upper")
            ]
            rows.append((words, count(result["configurations"]), *shown))
    return table(
        "Would luck explain the best of them?",
        ("p-values", "Configurations", "cash", "cash, at most", "buy and hold", "buy and hold, at most"),
        rows,
        caption="Hansen's test of superior predictive ability: how often the best of these configurations would look "
        "as good as it does if none of them really beat cash (or buying and holding). A small value speaks against "
        "luck. Shown are the consistent p-value and its upper bound. Each row has its own configurations only, not all "
        "trials on this market.",
    )


def _holdout(result: Mapping[str, Any]) -> list[Part]:
    parts: list[Part] = []
    if result["locks"]:
        rows = [
            (f"{each['exchange']} {each['symbol']}", day_of(each["from"]), count(each["trials_before"]), each["by"])
            for each in result["locks"]
        ]
        head = ("Locked away from this run", "From", "Trials before", "By")
        caption = "Trials before: scored on the stretch before it was locked. Who chose by them has seen it."
        parts.append(table("The holdout", head, rows, caption=caption, words=True))
    if result["readings"]:
        reads = [
            (each["market"], count(each["number"]), count(each["run"]), day_of(each["from"]), day_of(each["to"]))
            for each in result["readings"]
        ]
        columns = ("Readings of it", "Trial", "Run", "From", "To")
        parts.append(
            table("Who read the holdout", columns, reads, caption="Each is a trial of the market.", words=True)
        )
    return parts


def _limits(limits: Mapping[str, object]) -> Table:
    usual = asdict(Thresholds())
    rows = [
        (name.replace("_", " ").capitalize(), general(value), _moved(value, usual.get(name)), _LINES.get(name, ""))
        for name, value in limits.items()
    ]
    return table("Where the checks draw their lines", ("Threshold", "Value", "Default", "Meaning"), rows, meaning=4)


def _moved(value: object, usual: object) -> str:
    return "the same" if number(value) == number(usual) else general(usual)


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


def costs_section(evidence: RunArtifacts) -> Section:
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
        parts.append(_cost_cards(evidence, gross, sum(paid)))
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


def _cost_cards(evidence: RunArtifacts, gross: float, paid: float) -> Cards:
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


_MOST = 12  # rows of one kind of finding that are listed
_ELSEWHERE = {"instrument", "holes"}  # stands in the heading; is the size of ``gaps``
_COLUMNS = ("row", "time", "after", "before", "missing", "code", "text")  # of findings, in this order; others follow
_MEASURES = {
    "bars": ("Bars", "stored, closed"),
    "first": ("First bar", "opens, UTC"),
    "last": ("Last bar", "opens, UTC"),
    "gaps": ("Holes", "stretches without bars"),
    "missing_bars": ("Missing bars", "in all holes"),
    "longest_gap": ("Longest hole", "bars"),
    "zero_volume": ("Without trade", "volume is 0"),
    "flat": ("Flat bars", "open, high, low and close are equal"),
    "equal_closes": ("Equal closes", "close as the one before"),
    "flat_share": ("Share of equal closes", "training refuses more than half"),
    "null_volume": ("Without volume", "volume is not known"),
    "jumps": ("Jumps", "moves too large for the market"),
    "splits": ("Splits", "look like unadjusted splits"),
    "spikes": ("Spikes", "out and straight back"),
    "odd_prices": ("Odd prices", "far outside their bar"),
    "volume_units": ("Changes of volume unit", ""),
    "duplicates": ("Duplicates", "at import"),
    "unsorted": ("Unsorted rows", "at import"),
    "set_aside": ("Rows set aside", "at import"),
    "quarantined": ("Set aside by reason", "at import"),
    "open_until": ("Open bar dropped", "at import"),
    "warnings": ("Warnings", "shown below"),
}


def quality(evidence: RunArtifacts) -> Section:
    """Counts, warnings and findings of each symbol's candles, and its labels."""
    lead = "Holes are counted against an unbroken grid around the clock: a market's nights and weekends count too."
    document = evidence.document
    parts: list[Part] = [_counts(document["quality"])]
    for symbol, each in document["quality"].items():
        parts += _warnings(symbol, each)
    for symbol, each in document["quality"].items():
        for name, result in each.items():
            if name != "warnings" and isinstance(result, list) and result and isinstance(result[0], Mapping):
                parts.append(_findings(symbol, name, result))
    if document["labels"]:
        parts.append(_labels(document["labels"]))
    return Section("quality", "Data quality", lead, tuple(parts))


def inputs_section(evidence: RunArtifacts) -> Section:
    """The full spec, digests and versions."""
    document = evidence.document
    names = (
        "run_id",
        "experiment_id",
        "model_id",
        "spec_hash",
        "data_digest",
        "code_digest",
        "warm_up",
        "bars_per_year",
    )
    facts = [(_words(name), general(document[name])) for name in names]
    facts.append(("Seconds", general(document["seconds"])))
    facts += [(f"Snapshot of {s}", str(digest)) for s, digest in document["snapshots"].items()]
    facts += [(_words(k), _inline(v)) for k, v in sorted(document["environment"].items())]
    spec = json.dumps(document["spec"], indent=2, sort_keys=True, ensure_ascii=False)
    parts = (
        Code("Specification", spec),
        table("Identity and environment", ("What", "Value"), facts, words=True),
    )
    return Section("spec", "Full specification", "The same spec, candles and code give the same run again.", parts)


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _inline(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_inline(v)}" for k, v in value.items()) or NONE
    if isinstance(value, list | tuple):
        return ", ".join(_inline(v) for v in value) or NONE
    text = general(value)
    return text[:16].replace("T", " ") if len(text) == 24 and text[10] == "T" and text.endswith("Z") else text or NONE


def _counts(result: Mapping[str, Mapping[str, object]]) -> Part:
    """One row a measure, one column a symbol: plain values, sizes of lists, counts of runs."""
    names = sorted({name for each in result.values() for name in each if name not in _ELSEWHERE}, key=_place)
    rows = [
        (*_MEASURES.get(name, (_words(name), "")), *(_measure(each.get(name)) for each in result.values()))
        for name in names
    ]
    return table(
        "Candles",
        ("Count", "Meaning", *result),
        rows,
        caption="Of all stored candles, not only the judged ones.",
        meaning=2,
    )


def _place(name: str) -> tuple[int, str]:
    order = list(_MEASURES)
    return (order.index(name) if name in order else len(order), name)


def _measure(value: object) -> str:
    if isinstance(value, list):
        return count(len(value))
    if isinstance(value, Mapping):
        if "count" in value:
            longest = value.get("longest")
            return count(value["count"]) + (f" (longest row {count(longest)})" if longest else "")
        return ", ".join(f"{_words(k).lower()} {_measure(v)}" for k, v in value.items() if v) or "0"
    if value == "":
        return NONE
    if isinstance(value, float) and 0 < value < 1:
        return percent(value, 2)
    return _inline(value)


def _warnings(symbol: str, each: Mapping[str, Any]) -> list[Part]:
    return [Note(f"{symbol}: {w['text'] if isinstance(w, Mapping) else w}") for w in each.get("warnings", [])]


def _findings(symbol: str, name: str, result: list[Mapping[str, Any]]) -> Part:
    """The first rows of one kind of finding, the largest holes first."""
    if name == "gaps":
        result = sorted(result, key=lambda g: -g["missing"])
    head = sorted(result[0], key=lambda k: (_COLUMNS.index(k) if k in _COLUMNS else len(_COLUMNS), k))
    rows = [[_inline(row.get(k)) for k in head] for row in result[:_MOST]]
    which = "largest" if name == "gaps" else "first"
    more = f"The {which} {_MOST} of {len(result):,}." if len(result) > _MOST else ""
    return table(f"{symbol}: {_words(name).lower()}", [_words(k) for k in head], rows, caption=more, words=True)


def _labels(result: Mapping[str, Mapping[str, Any]]) -> Part:
    rows = []
    for symbol, each in result.items():
        shares = ", ".join(f"{c}: {percent(s)}" for c, s in each["shares"].items()) or NONE
        dropped = ", ".join(f"{why} {count(k)}" for why, k in each["dropped"].items()) or "none"
        rows.append((symbol, each["name"], bars_of(each["horizon"]), count(each["labelled"]), shares, dropped))
    head = ("Symbol", "Target", "Horizon", "Labelled rows", "Share of each class", "Rows without a label")
    return table("Labels", head, rows, words=True)
