"""Section: diagnostics that decide nothing, and the thresholds of the checks."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from assay.runs.report.components import Card, Cards, Part, Section, Table, table
from assay.runs.report.formatting import count, day_of, general, number, ratio
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


def _cards(document: Mapping[str, Any], used: Mapping[str, Any]) -> Cards:
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


def _trials(count: Any) -> str:
    """Effective trials: a whole number as one."""
    return ratio(count, 1).removesuffix(".0")


def _deflated(document: Mapping[str, Any]) -> list[Card]:
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


def _limits(limits: Mapping[str, Any]) -> Table:
    usual = asdict(Thresholds())
    rows = [
        (name.replace("_", " ").capitalize(), general(value), _moved(value, usual.get(name)), _LINES.get(name, ""))
        for name, value in limits.items()
    ]
    return table("Where the checks draw their lines", ("Threshold", "Value", "Default", "Meaning"), rows, meaning=4)


def _moved(value: Any, usual: Any) -> str:
    return "the same" if number(value) == number(usual) else general(usual)
