"""Section: the configuration of a search, its stage and its parameters."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.runs.report.components import (
    METRICS,
    NONE,
    Card,
    Cards,
    Note,
    Part,
    Section,
    count,
    general,
    metric,
    number,
    ratio,
    table,
)
from assay.runs.report.search_summary import has_unseen_window, newest, objective, place_in_range
from assay.runs.run_artifacts import RunArtifacts

_EDGE = 0.02  # of the searched range: closer to an end, the best may lie beyond it
_REGIMES = ("bull", "bear", "sideways", "volatile")
_BY_REGIME = (
    "total_trades", "win_rate", "net_profit", "expectancy", "profit_factor", "sharpe_annual", "max_drawdown",
)  # fmt: skip


def section(evidence: RunArtifacts) -> Section:
    """Stage, id, and what each parameter is."""
    document = evidence.document
    lead = "What the newest successful window found. A bot would trade these parameters, at the size its stage allows."
    parts: list[Part] = [_cards(document)]
    if document["best_parameters"]:
        parts.append(_parameters(document))
    else:
        parts.append(Note("No window found a valid trial: there are no parameters to trade."))
    return Section("configuration", "Configuration", lead, tuple(parts))


def regimes(evidence: RunArtifacts) -> Section | None:
    """Metrics by the regime at entry; None where no regime was told apart."""
    result = evidence.document["by_regime"]
    if not result:
        return None
    which = "out of sample" if has_unseen_window(evidence.document) else "in sample"
    lead = f"Trades by the regime that they were decided in, bars by the one known when they opened, {which}."
    order = sorted(result, key=lambda r: (_REGIMES.index(r) if r in _REGIMES else len(_REGIMES), r))
    names = [n for n in _BY_REGIME if any(n in result[r] for r in order)]
    rows = [(r.capitalize(), *(metric(n, result[r].get(n))[1] for n in names)) for r in order]
    wanted = evidence.document["regime_filter"]
    caption = (
        f"Entries were allowed in the regime {wanted} only." if wanted else "Entries were allowed in every regime."
    )
    parts = (table("By regime", ("Regime", *(METRICS[n][0] for n in names)), rows, caption=caption),)
    return Section("regimes", "Regimes", lead, parts)


def _cards(document: Mapping[str, Any]) -> Cards:
    aim = objective(document["objective"])
    engine = number(document["engine_seconds"])
    window = newest(document["windows"])
    result = "in sample" if window is None else f"in sample, window {window['number'] + 1}"
    speed = document["trials"] / engine if engine > 0 else float("nan")
    return Cards(
        (
            Card("Stage", document["stage"] or NONE, document["config_id"] or "no configuration was stored"),
            Card(f"Best {aim.name}", aim.write(document["best_score"]), result),
            Card("Trials", count(document["trials"]), f"{count(document['valid_trials'])} valid"),
            Card(
                "Engine",
                f"{ratio(engine, 1)} s",
                f"{count(speed)} trials a second; {ratio(document['seconds'], 1)} s in all",
            ),
        )
    )


def _parameters(document: Mapping[str, Any]) -> Part:
    space, searched = document["space"], document["searched"]
    best = document["best_parameters"]
    names = [n for n in searched if n in best] + [n for n in best if n not in searched]
    rows = [
        (
            n,
            general(best[n]),
            range_of(space[n], grid=document["method"] == "grid") if n in searched and n in space else "not searched",
            _boundary_notes(document, n),
        )
        for n in names
    ]
    caption = "Constraints: " + "; ".join(document["constraints"]) + "." if document["constraints"] else ""
    return table("Parameters", ("Parameter", "Value", "Searched in", "Remark"), rows, caption=caption, words=True)


def range_of(space: Mapping[str, Any], *, grid: bool = False) -> str:
    """A dimension in words; its points only where a `grid` was searched."""
    if space["type"] == "choice":
        return ", ".join(general(v) for v in space["values"])
    steps = f", steps of {general(space['step'])}" if space.get("step") else ""
    steps += f", {general(space['points'])} points" if space.get("points") and grid else ""
    log = ", logarithmic" if space.get("log") else ""
    return f"{general(space['low'])} to {general(space['high'])}{steps}{log}"


def _boundary_notes(document: Mapping[str, Any], name: str) -> str:
    """Whether the best lies at the end of its range, and how far the windows disagree."""
    if name not in document["searched"]:
        return ""
    space = document["space"].get(name, {})
    place = place_in_range(space, document["best_parameters"][name])
    words = []
    if space.get("type") != "choice" and np.isfinite(place):
        if place <= _EDGE:
            words.append("at the low end of its range")
        elif place >= 1 - _EDGE:
            words.append("at the high end of its range")
    values = [w["parameters"][name] for w in document["windows"] if name in w["parameters"]]
    if len(values) > 1:
        words.append(_among(values))
    return "; ".join(words)


def _among(values: list[object]) -> str:
    numbers = [number(v) for v in values]
    if np.isfinite(numbers).all():
        low, high = min(numbers), max(numbers)
        return "the same in every window" if low == high else f"{low:.4g} to {high:.4g} over the windows"
    many = len({general(v) for v in values})
    return "the same in every window" if many == 1 else f"{many} values over the windows"
