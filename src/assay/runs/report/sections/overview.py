"""Sections: verdict, checklist and key numbers; what the audit asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.kernel.errors import amount
from assay.runs.report.components import (
    METRICS,
    NONE,
    Card,
    Cards,
    Note,
    Part,
    Section,
    Table,
    count,
    day_of,
    general,
    metric,
    number,
    percent,
    ratio,
    table,
)
from assay.runs.report.search_summary import objective
from assay.runs.run_artifacts import RunArtifacts

_WORDS = {
    "GOLD": "Every check passed: the record is hard to explain by luck.",
    "UNPROVEN": "Nothing failed, but not every check could be passed yet.",
    "PYRITE": "At least one check failed: this glitters, but it is not gold.",
}
_CHECKS = {
    "audit": "No look into the future",
    "ledger": "Every trial is counted",
    "sample": "Enough bars and trades",
    "profit": "Earns after costs",
    "edge": "Better than holding and luck",
    "overfitting": "The best of the search stays good on other bars",
    "cost": "Survives higher costs",
    "fills": "Its fills were possible",
    "data": "Sound candles",
    "regimes": "Earns in several regimes",
    "seeds": "Does not depend on its random seed",
}
_WAITING = 10  # times the judged bars from which on nobody should wait
_TINY = 5e-4  # below it three decimals say nothing
_CARDS = ("net_profit", "sharpe_annual", "max_drawdown", "total_trades", "win_rate", "profit_factor", "exposure")


@dataclass(frozen=True, slots=True)
class Check:
    """A line of the checklist."""

    state: str
    name: str
    text: str
    measured: str


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above the first chart."""

    name: str
    market: str
    facts: tuple[tuple[str, str], ...]
    verdict: str
    meaning: str
    advice: str
    stage: str
    outlook: str
    standing: str
    checks: tuple[Check, ...]
    cards: Cards
    results: str


def head(evidence: RunArtifacts) -> Head:
    """The head of the page."""
    document = evidence.document
    if evidence.is_backtest:
        return _of_backtest(evidence)
    if document["verdict"] is None:
        return _of_fit(evidence)
    spec = document["spec"]
    symbols, learner = spec["symbols"], document["strategy"] if evidence.is_search else spec["learner"]
    shown = ", ".join(symbols[:4]) + (f" and {len(symbols) - 4} more" if len(symbols) > 4 else "")
    return Head(
        name=str(document["name"]),
        market=f"{shown} on {spec['exchange']}, {spec['timeframe']} bars, {learner}",
        facts=_facts(evidence),
        verdict=document["verdict"],
        meaning=_WORDS.get(document["verdict"], ""),
        advice=_advice(document),
        stage=f"stage {document['stage']}" if evidence.is_search else f"may go up to stage {document['stage']}",
        outlook=_outlook(document, _advice(document), number(document["bars_per_year"])),
        standing=_standing(document),
        checks=tuple(_check(r) for r in document["reasons"]),
        cards=_cards(evidence),
        results="Out-of-sample results",
    )


def _advice(document: Mapping[str, Any]) -> str:
    """Of a word that a later audit gave, what it was before."""
    then = document.get("verdict_then")
    if then is None:
        return str(document["advice"])
    if then["verdict"] == document["verdict"]:
        return "An audit since it was trained changed its checks, and not its word."
    return f"It was {then['verdict']} when it was trained; an audit since judged its model otherwise."


def _standing(document: Mapping[str, Any]) -> str:
    """A page is a copy: when the word on it was given, and where one that was given since is found."""
    return (
        f"Judged when it was trained, {_minute(document['created'])}. A later audit may say otherwise: "
        f"assay runs show {document['experiment_id']} has the newest word."
    )


def _of_backtest(evidence: RunArtifacts) -> Head:
    """A backtest was judged by nobody: no word of the gate, no stage, no checks."""
    document = evidence.document
    facts = (
        ("Traded", f"{day_of(document['from'])} – {day_of(document['to'])}"),
        ("Bars", count(document["bars"])),
        ("Trials on this market", count(document["n_trials"])),
        ("Run", str(document["run_id"])),
        ("Made", _minute(document["created"])),
    )
    return Head(
        name=str(document["name"]),
        market=f"{document['symbol']} on {document['exchange']}, {document['timeframe']} bars, {document['strategy']}",
        facts=facts,
        verdict="BACKTEST",
        meaning="No part of these candles was held back, so no verdict can be given.",
        advice="One rule at parameters that were chosen by hand, over the whole stretch of candles.",
        stage="",
        outlook="",
        standing="",
        checks=(),
        cards=_cards(evidence),
        results="In-sample results",
    )


def _of_fit(evidence: RunArtifacts) -> Head:
    """A search over all candles: nothing was held back that could judge it."""
    document = evidence.document
    spec = document["spec"]
    return Head(
        name=str(document["name"]),
        market=f"{', '.join(spec['symbols'])} on {spec['exchange']}, {spec['timeframe']} bars, {document['strategy']}",
        facts=_facts(evidence),
        verdict="SEARCH",
        meaning="No part of these candles was held back, so no verdict can be given.",
        advice="The best parameters of a search, on the very candles that it searched: expect less of them.",
        stage=f"stage {document['stage']}" if document["stage"] else "",
        outlook="",
        standing="",
        checks=(),
        cards=_cards(evidence),
        results="In-sample results",
    )


def numbers(evidence: RunArtifacts) -> Section:
    """Every metric in words, and by symbol where there are several."""
    document = evidence.document
    available = sorted(
        document["metrics"], key=lambda m: (m not in METRICS, list(METRICS).index(m) if m in METRICS else m)
    )
    rows = [metric(name, document["metrics"][name]) for name in available]
    parts: list[Table] = []
    if len(document["by_symbol"]) > 1:
        parts.append(_by_symbol(document["by_symbol"]))
    parts.append(table("All numbers", ("Number", "Value", "Meaning"), rows, meaning=3))
    return Section(
        "numbers", "All numbers", "Fractions are shown in percent; undefined numbers as a dash.", tuple(parts)
    )


def _by_symbol(by_symbol: Mapping[str, Mapping[str, object]]) -> Table:
    names = ("net_profit", "buy_and_hold", "sharpe_annual", "max_drawdown", "total_trades", "win_rate", "exposure")
    rows = [(s, *(metric(n, values.get(n))[1] for n in names)) for s, values in by_symbol.items()]
    return table(
        "By symbol", ("Symbol", *(METRICS[n][0] for n in names)), rows, caption="Each on an account of its own."
    )


def _facts(evidence: RunArtifacts) -> tuple[tuple[str, str], ...]:
    document = evidence.document
    folds = document["folds"]
    judged = [f for f in folds if not f["left_out"]]
    span = f"{day_of(judged[0]['test_from'])} – {day_of(judged[-1]['test_to'])}" if judged else NONE
    result = [
        ("Judged", span),
        ("Windows judged" if evidence.is_search else "Folds", f"{len(judged)} of {len(folds)}"),
        *(_searched(document) if evidence.is_search else ()),
        ("Trials on this market", count(document["n_trials"])),
        ("Run", str(document["run_id"])),
        ("Model", str(document["model_id"] or "none kept")),
        ("Made", _minute(document["created"])),
    ]
    return tuple(result)


def _minute(iso: object) -> str:
    return str(iso)[:16].replace("T", " ") + " UTC"


def _searched(document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    sampler = f" ({str(document['sampler']).upper()})" if document["sampler"] else ""
    again = {"refit": "searched afresh in each window", "fixed": "the same parameters in all windows"}
    return (
        ("Search", f"{document['method']}{sampler} for the best {objective(document['objective']).name}"),
        ("Walk forward", f"{document['walk_forward']}, {again.get(document['mode'], document['mode'])}"),
    )


def _check(reason: Mapping[str, Any]) -> Check:
    value, threshold = reason["value"], reason["threshold"]
    measured = ""
    if value is not None and threshold is not None:
        measured = f"Found {_short(value)}, asked for {_short(threshold)}."
    return Check(reason["state"], _CHECKS.get(reason["check"], reason["check"].capitalize()), reason["text"], measured)


def _short(value: float) -> str:
    if isinstance(value, int):
        return general(value)
    if 0 < abs(value) < _TINY:
        return f"{value:.1e}"
    return count(value) if value == int(value) else ratio(value, 3)


def _outlook(document: Mapping[str, Any], advice: str, per_year: float) -> str:
    needed = document["bars_needed"]
    if document["verdict"] != "UNPROVEN" or needed is None or (needed and count(needed) in advice):
        return ""
    if not needed:
        return "The record is long enough; what is missing is a check, not more bars."
    years = f", about {amount(round(needed / per_year, 1), 'year')}," if per_year > 0 else ""
    if needed > _WAITING * number(document["metrics"].get("n_obs")):
        return (
            f"Waiting will not settle it: at this rate it needs {amount(needed, 'more judged bar')}{years.rstrip(',')}."
        )
    return f"At this rate, {amount(needed, 'more judged bar')}{years} would settle it."


def _cards(evidence: RunArtifacts) -> Cards:
    values = evidence.document["metrics"]
    cards = [_card(name, values.get(name)) for name in _CARDS]
    gap = number(values.get("net_profit")) - number(values.get("buy_and_hold"))
    against = Card(
        "Against buy and hold",
        percent(gap, 1, sign=True),
        f"buy and hold made {percent(values.get('buy_and_hold'), 1, sign=True)}",
        "good" if gap > 0 else "bad" if gap < 0 else "",
    )
    return Cards((cards[0], against, *cards[1:]))


def _card(name: str, value: object) -> Card:
    words, written, meaning = metric(name, value)
    v = number(value)
    mood = ""
    if name in {"net_profit", "sharpe_annual"}:
        mood = "good" if v > 0 else "bad" if v < 0 else ""
        written = percent(value, 1, sign=True) if name == "net_profit" else written
    elif name in {"win_rate", "exposure", "max_drawdown"}:
        written = percent(value, 1)
    return Card(words, written, meaning, mood)


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


def audit_section(evidence: RunArtifacts) -> Section | None:
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
