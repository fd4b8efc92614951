"""The page of a search: complete, true to its document, escaped, and sane where a search is odd."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from assay.kernel.bars import Bars
from assay.runs.report import render
from assay.runs.report.components import count, day_of, general, percent, ratio
from assay.runs.run_artifacts import RunArtifacts

from .report_evidence import evidence_of, market
from .report_page import chapter, rows_of, words_of
from .report_search import SPACE, search_of
from .test_report import backwards, changed, read

ANCHORS = [
    "configuration", "equity", "windows", "overfit", "audit", "search", "parameters", "regimes", "returns", "trades",
    "costs", "quality", "numbers", "spec",
]  # fmt: skip


@pytest.fixture(scope="module")
def candles() -> dict[str, Bars]:
    return market()


@pytest.fixture(scope="module")
def evidence(candles: Mapping[str, Bars]) -> RunArtifacts:
    return search_of(candles, left_out=(2,))


@pytest.fixture(scope="module")
def html(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> str:
    return render(evidence, candles)


def test_every_chapter_is_there_and_linked(html: str) -> None:
    page = read(html)
    assert [i for i in page.ids if i != "hatch"] == ANCHORS
    assert page.fetched == [f"#{a}" for a in ANCHORS]


def test_a_training_keeps_its_own_chapters(candles: Mapping[str, Bars]) -> None:
    ids = read(render(evidence_of(candles), candles)).ids
    assert not {"configuration", "windows", "overfit", "search", "parameters", "regimes"} & set(ids)


def test_the_head_says_how_it_was_searched(evidence: RunArtifacts, html: str) -> None:
    head = words_of(html).split("Configuration")[0]
    assert "bayesian (TPE) for the best Sharpe ratio a year" in head
    assert "standard, searched afresh in each window" in head
    assert "5 of 6" in head and "stage PAPER" in head and "may go up to" not in head
    assert evidence.document["verdict"] in head and "liquidity_sweep" in head


def test_windows_are_those_of_the_document(evidence: RunArtifacts, html: str) -> None:
    results, searches = (rows_of(html, "windows", t) for t in ("Results by window", "Search by window"))
    parameters = rows_of(html, "windows", "Best parameters by window")
    windows = evidence.document["windows"]
    assert len(results) == len(searches) == len(parameters) == len(windows) == 6
    for w, result, search, chosen in zip(windows, results, searches, parameters, strict=True):
        both = [
            (w["train"].get(n), w["test"].get(n)) for n in ("sharpe_annual", "net_profit", "total_trades", "win_rate")
        ]
        forms = [ratio, lambda v: percent(v, 2), count, lambda v: percent(v, 2)]
        expected = [form(v) for form, pair in zip(forms, both, strict=True) for v in pair]
        judged = f"{day_of(w['test_from'])} – {day_of(w['test_to'])}"
        assert result == [str(w["number"] + 1), *expected, judged]
        span = f"{day_of(w['train_from'])} – {day_of(w['train_to'])}"
        counts = [count(w["trials"]), count(w["valid_trials"])]
        assert search == [result[0], *counts, ratio(w["score"]), ratio(w["plateau"]), span, w["note"]]
        assert chosen == [result[0], *(general(w["parameters"].get(n)) for n in SPACE)]


def test_overfitting_is_told_with_values_and_limits(evidence: RunArtifacts, html: str) -> None:
    found = evidence.document["overfit"]
    words = words_of(chapter(html, "overfit"))
    for reason in found["reasons"]:
        assert reason["text"] in words
        assert f"{ratio(reason['value'])} / {ratio(reason['limit'])}" in words
    for name in ("stability_score", "train_sharpe_std", "parameter_stability", "plateau_score"):
        assert ratio(found[name]) in words
    assert "REJECT" in words and "overfitting detected" in words
    assert "Sharpe drops" in words and "Unstable" in words


def test_the_configuration_is_that_of_the_document(evidence: RunArtifacts, html: str) -> None:
    document = evidence.document
    words = words_of(chapter(html, "configuration"))
    assert document["config_id"] in words and document["stage"] in words
    assert ratio(document["best_score"]) in words
    assert f"{count(document['trials'])} {count(document['valid_trials'])} valid" in words
    assert "300 trials a second; 12.5 s in all" in words
    rows = {name: rest for name, *rest in rows_of(html, "configuration", "Parameters")}
    assert set(rows) == set(document["best_parameters"])
    for name, value in document["best_parameters"].items():
        assert rows[name][0] == general(value)
    assert rows["sizing"][1] == "not searched" and rows["pierce_depth"][1] == "0.0005 to 0.005"
    assert rows["min_distance_from_level"][1] == "0.0001 to 0.01, logarithmic"
    assert rows["reversal_candles"][1] == "1, 2, 3, 4, 5" and rows["htf"][1] == "1h, 4h, 1d"
    assert "Constraints: atr_multiplier_sl &lt; 2.9." in chapter(html, "configuration")


def test_points_of_a_range_are_told_where_a_grid_was_searched(
    evidence: RunArtifacts, candles: Mapping[str, Bars]
) -> None:
    space = {**SPACE, "pierce_depth": {**SPACE["pierce_depth"], "points": 5}}
    for method, words in (("random", "0.0005 to 0.005"), ("grid", "0.0005 to 0.005, 5 points")):
        page = render(changed(evidence, method=method, space=space), candles)
        assert rows_of(page, "configuration", "Parameters")[0][2] == words


def test_a_best_at_the_end_of_its_range_is_pointed_out(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> None:
    best = {**evidence.document["best_parameters"], "pierce_depth": 0.00499, "volume_spike_threshold": 1.5}
    rows = {
        n: r
        for n, *r in rows_of(render(changed(evidence, best_parameters=best), candles), "configuration", "Parameters")
    }
    assert rows["pierce_depth"][2].startswith("at the high end of its range; ")
    assert rows["volume_spike_threshold"][2].startswith("at the low end of its range; ")
    assert "end of its range" not in rows["atr_multiplier_sl"][2]


def test_regimes_are_those_of_the_document(evidence: RunArtifacts, html: str) -> None:
    rows = rows_of(html, "regimes", "By regime")
    found = evidence.document["by_regime"]
    assert [r[0] for r in rows] == ["Bull", "Sideways", "Volatile"]
    for name, trades, won, net, sharpe in rows:
        each = found[name.lower()]
        assert trades == count(each["total_trades"]) and won == percent(each["win_rate"], 2)
        assert net == percent(each["net_profit"], 2) and sharpe == ratio(each["sharpe_annual"])


def test_charts_hold_what_was_asked(html: str) -> None:
    assert len(re.findall(r'class="dot(?: soft)?"', chapter(html, "overfit"))) == 2 * 5
    search = chapter(html, "search")
    assert len(re.findall(r'class="line (?:newest|earlier)"', search)) == 2 * 5
    assert search.count('class="line newest"') == 2
    assert len(re.findall(r'class="combination chosen"', search)) == 2
    maps = re.findall(r"<h3>\w+ against \w+</h3>", chapter(html, "parameters"))
    assert "a broad blue area is a plateau" in html and "patterns of chance" not in html
    assert 2 <= len(maps) <= 6 and maps[0] == "<h3>atr_multiplier_sl against pierce_depth</h3>"


def test_charts_stand_in_pairs(candles: Mapping[str, Bars], html: str) -> None:
    two = {name: SPACE[name] for name in ("pierce_depth", "atr_multiplier_sl")}
    for page in (html, render(search_of(candles, windows=2, space=two), candles)):
        parts = chapter(page, "parameters")
        assert len(re.findall(r'class="(?:block )?half"', parts)) % 2 == 0


def test_every_chart_has_two_sizes_axes_and_a_name(html: str) -> None:
    for anchor, units in (
        ("search", ["trials of the window", "best Sharpe ratio a year so far", "Sharpe ratio a year"]),
        ("overfit", ["Sharpe ratio a year, in sample", "Sharpe ratio a year, out of sample"]),
        ("parameters", ["pierce_depth", "median trial"]),
    ):
        figures = re.findall(r"<figure.*?</figure>", chapter(html, anchor), re.DOTALL)
        assert figures and all(f.count('role="img"') == 2 for f in figures)
        for unit in units:
            assert sum(f">{unit}</text>" in f for f in figures) >= 1, unit


def test_equal_evidence_gives_equal_bytes(candles: Mapping[str, Bars], html: str, tmp_path: Path) -> None:
    again = search_of(market(), left_out=(2,))
    again.write(tmp_path)
    assert render(RunArtifacts.read(tmp_path), candles) == html


def test_the_order_of_keys_does_not_show(evidence: RunArtifacts, candles: Mapping[str, Bars], html: str) -> None:
    document = dict(backwards(evidence.document))
    assert render(replace(evidence, document=document), candles) == html


def test_hostile_names_are_text(candles: Mapping[str, Bars], evidence: RunArtifacts) -> None:
    bad = "<script>alert(1)</script>\"'&"
    assert evidence.trials is not None
    document = evidence.document
    space = {bad: {"type": "choice", "values": [bad, "b"]}, **SPACE}
    windows = [
        {**w, "note": bad, "parameters": {**w["parameters"], bad: bad} if w["parameters"] else {}}
        for w in document["windows"]
    ]
    reasons = [{**r, "code": bad, "text": bad} for r in document["overfit"]["reasons"]]
    strings = {name: bad for name in ("strategy", "method", "sampler", "mode", "walk_forward", "config_id", "stage")}
    hostile = changed(
        evidence,
        **strings,
        name=bad,
        regime_filter=bad,
        objective=bad,
        constraints=[bad],
        space=space,
        searched=list(space),
        windows=windows,
        overfit={**document["overfit"], "reasons": reasons, "verdict": bad},
        best_parameters={**document["best_parameters"], bad: bad},
        by_regime={bad: {"total_trades": 3}},
        folds=[{**f, "left_out": f["left_out"] and bad} for f in document["folds"]],
    )
    values = pl.Series(f"p_{bad}", [bad if k % 3 else "b" for k in range(len(evidence.trials))])
    page = render(replace(hostile, trials=evidence.trials.with_columns(values)), candles)
    assert read(page).tags.count("script") == 1
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
