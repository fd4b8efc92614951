"""Searches that came to little: one window, one parameter, nothing valid, nothing held back, undefined numbers."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from assay.kernel.bars import Bars
from assay.runs.report import render
from assay.runs.report.components import percent, ratio
from assay.runs.run_artifacts import RunArtifacts

from .report_evidence import SYMBOL, market
from .report_page import chapter, rows_of, words_of
from .report_search import SPACE, search_of
from .test_report import changed, read


@pytest.fixture(scope="module")
def candles() -> dict[str, Bars]:
    return market()


@pytest.fixture(scope="module")
def evidence(candles: Mapping[str, Bars]) -> RunArtifacts:
    return search_of(candles, left_out=(2,))


def test_one_window(candles: Mapping[str, Bars]) -> None:
    evidence = search_of(candles, windows=1, trials=40)
    overfit = dict.fromkeys(evidence.document["overfit"]) | {"reasons": []}
    page = render(changed(evidence, overfit=overfit), candles)
    words = words_of(page)
    assert "needs two windows" in words and "at least two judged windows" in words
    assert "Earlier windows" not in words and "in 1 window," in words
    assert re.search(r"Compared are only \d\d valid trials: patterns of chance", words)
    assert page.count('class="line earlier"') == 0 and "Correlation" not in words


def test_a_single_parameter_has_a_profile_and_no_map(candles: Mapping[str, Bars]) -> None:
    page = render(search_of(candles, windows=3, space={"pierce_depth": SPACE["pierce_depth"]}), candles)
    words = words_of(page)
    assert "Colour is" not in words and "Score along pierce_depth" in words and " against pierce_depth" not in words
    assert page.count('class="combination chosen"') == 2


def test_the_newest_window_found_nothing(candles: Mapping[str, Bars]) -> None:
    page = render(search_of(candles, windows=3, left_out=(0, 2)), candles)
    words = words_of(page)
    assert "Window 2" in words and "in sample, window 2" in words and "not drawn: 2" in words
    assert "0 of 200 trials had 10 trades or more" in words
    assert "valid trials of window 2, one line each" in words


def test_no_window_found_anything(candles: Mapping[str, Bars]) -> None:
    page = render(search_of(candles, windows=3, rejected=(0, 1, 2)), candles)
    words = words_of(page)
    assert "No window had a valid trial" in words and "Every trial was rejected" in words
    assert "there is nothing to compare" in words and "there are no parameters to trade" in words
    assert "<figure" not in chapter(page, "search") + chapter(page, "parameters") + chapter(page, "overfit")


def test_a_constant_score_draws_no_map(candles: Mapping[str, Bars]) -> None:
    page = render(search_of(candles, windows=2, constant=True), candles)
    words = words_of(page)
    assert "scored the same (Sharpe ratio a year 0.53): there is nothing to map" in words
    assert "<figure" not in chapter(page, "parameters") and "Combinations" not in words
    assert "Convergence" in words


def test_trials_that_were_not_kept(candles: Mapping[str, Bars], evidence: RunArtifacts) -> None:
    page = render(replace(evidence, trials=None), candles)
    assert "parameters" not in read(page).ids
    assert "were not kept" in words_of(page)


def test_parameters_that_were_given_and_not_searched(candles: Mapping[str, Bars], evidence: RunArtifacts) -> None:
    windows = [{**w, "trials": 0, "valid_trials": 0, "curve": []} for w in evidence.document["windows"]]
    given = changed(evidence, windows=windows, searched=[], space={}, mode="fixed", trials=0, valid_trials=0)
    page = render(replace(given, trials=None), candles)
    ids = read(page).ids
    assert "search" not in ids and "parameters" not in ids and {"windows", "overfit"} <= set(ids)
    assert "the same parameters in all windows" in words_of(page)


def test_parameters_that_the_first_window_found_and_all_hold(
    candles: Mapping[str, Bars], evidence: RunArtifacts
) -> None:
    first, *others = evidence.document["windows"]
    none = {"trials": 0, "valid_trials": 0, "curve": [], "plateau": None, "note": ""}
    held = [first, *({**w, **none, "parameters": first["parameters"], "score": first["score"]} for w in others)]
    assert evidence.trials is not None
    fixed = changed(evidence, windows=held, mode="fixed", trials=200, valid_trials=first["valid_trials"])
    page = render(replace(fixed, trials=evidence.trials.filter(pl.col("window") == 0)), candles)
    words = words_of(page)
    assert "200 trials in 1 window," in words and "that the first window found, on the train bars" in words
    searches = rows_of(page, "windows", "Search by window")
    assert [row[-1] for row in searches] == ["", *["parameters held"] * 5]
    assert [row[3] for row in searches] == [ratio(first["score"]), *["—"] * 5]
    assert "the same in every window" in words


def test_too_few_valid_trials_are_not_mapped(candles: Mapping[str, Bars]) -> None:
    page = render(search_of(candles, windows=3, trials=6), candles)
    assert re.search(r"Too few to map: \d+ trials? to compare with another valid one", words_of(page))
    assert "<figure" not in chapter(page, "parameters")


def test_nothing_was_held_back(candles: Mapping[str, Bars]) -> None:
    whole = search_of(candles, windows=1)
    (window,) = whole.document["windows"]
    fitted = changed(
        whole,
        windows=[{**window, "test_from": None, "test_to": None, "test": {}}],
        folds=[],
        walk_forward="none",
        verdict=None,
        stage="PAPER",
        reasons=[],
    )
    words = words_of(render(fitted, candles))
    assert "no verdict can be given" in words and "In-sample results" in words
    assert "there is no out-of-sample result, only a fitted one" in words
    assert "in sample: nothing was held back" in words and "No look into the future" not in words


def test_nothing_but_undefined_numbers(candles: Mapping[str, Bars], evidence: RunArtifacts) -> None:
    def empty(window: Mapping[str, Any]) -> dict[str, Any]:
        none = {part: dict.fromkeys(window[part]) for part in ("train", "test")}
        return {**window, **none, "score": None, "plateau": None, "curve": [None] * 5}

    assert evidence.trials is not None
    nothing = changed(
        evidence,
        windows=[empty(w) for w in evidence.document["windows"]],
        overfit=dict.fromkeys(evidence.document["overfit"]) | {"reasons": []},
        by_regime={"bull": {"total_trades": 0, "win_rate": None}},
        best_score=None,
        config_id=None,
        engine_seconds=0.0,
    )
    trials = evidence.trials.with_columns(pl.lit(None, pl.Float64).alias("p_pierce_depth"))
    assert "no configuration was stored" in words_of(render(replace(nothing, trials=trials), candles))


@pytest.mark.parametrize(
    ("objective", "name"),
    [
        ("net_profit", "net profit"),
        ("sortino", "Sortino ratio a year"),
        ("calmar", "Calmar ratio"),
        ("profit_factor", "profit factor"),
        ("deflated", "deflated Sharpe probability"),
        ("of_my_own", "of my own"),
    ],
)
def test_every_objective_has_a_name_and_a_form(candles: Mapping[str, Bars], objective: str, name: str) -> None:
    evidence = changed(search_of(candles, windows=2, trials=30), objective=objective)
    page = render(evidence, candles)
    assert f"Best {name}" in words_of(page) and f">{name}</text>" in chapter(page, "search")
    best = evidence.document["best_score"]
    written = percent(best, 2) if objective == "net_profit" else ratio(best)
    assert f'<dt>Best {name}</dt><dd><span class="number">{written}</span>' in page


def test_many_windows_of_many_trials_stay_light(candles: Mapping[str, Bars]) -> None:
    long = market(6_000)
    evidence = search_of(long, windows=49, trials=5_000)
    page = render(evidence, long)
    read(page)
    assert evidence.trials is not None and len(evidence.trials) == 245_000
    assert len(page.encode()) < 3_000_000
    drawn = re.findall(r'<path class="combination[^"]*" d="([^"]*)"', chapter(page, "search"))
    assert sum(d.count("M") for d in drawn) <= 2 * 300
    assert SYMBOL in page
