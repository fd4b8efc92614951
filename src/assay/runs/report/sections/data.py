"""The candles, the labels, and everything that is needed to make the run again."""

import json
from collections.abc import Mapping
from typing import Any

from assay.runs.report.components import Code, Note, Part, Section, table
from assay.runs.report.formatting import NONE, bars_of, count, general, percent
from assay.runs.run_artifacts import RunArtifacts

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


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_inline(v)}" for k, v in value.items()) or NONE
    if isinstance(value, list | tuple):
        return ", ".join(_inline(v) for v in value) or NONE
    text = general(value)
    return text[:16].replace("T", " ") if len(text) == 24 and text[10] == "T" and text.endswith("Z") else text or NONE


def _counts(result: Mapping[str, Mapping[str, Any]]) -> Part:
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


def _measure(value: Any) -> str:
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
