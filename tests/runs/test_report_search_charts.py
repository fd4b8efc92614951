"""The arithmetic behind a search's charts, by hand."""

import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from assay.runs.report.components import Figure
from assay.runs.report.search_summary import Axis, Trials, objective, place_in_range, trials
from assay.runs.report.sections import parameters
from assay.runs.report.sections.parameters import draw_trials, rank_axes
from assay.runs.report.sections.windows import convergence_section, course, pairs, reach, stairs

from .report_evidence import market
from .report_search import SPACE, search_of


def of(window: list[int], score: list[float], *axes: Axis) -> Trials:
    """Trials whose gain is worked out here as the module promises it: less the window's median."""
    w, s = np.array(window), np.array(score)
    medians = {k: np.median(s[(w == k) & np.isfinite(s)]) for k in set(window)}
    return Trials(w, s, s - np.array([medians[k] for k in window]), axes, np.ones(len(s), bool))


def test_a_thinned_curve_ends_at_the_last_trial() -> None:
    asked, best = course({"curve": [None, 1.0, 2.0, 2.5], "trials": 1_000})
    assert asked.tolist() == [1, 334, 667, 1_000]
    assert np.array_equal(best, [np.nan, 1, 2, 2.5], equal_nan=True)
    assert course({"curve": [], "trials": 0})[0].size == 0


def test_a_curve_is_level_until_it_is_bettered() -> None:
    x, y = stairs(np.arange(1.0, 7), np.array([np.nan, 1, 1, 2, 2, 2]))
    assert x.tolist() == [2, 4, 4, 6] and y.tolist() == [1, 1, 2, 2]
    assert [v.tolist() for v in stairs(np.array([3.0]), np.array([5.0]))] == [[3, 3], [5, 5]]
    assert [v.tolist() for v in stairs(np.array([1.0]), np.array([np.nan]))] == [[], []]


def test_a_steep_start_does_not_take_the_axis() -> None:
    start, late = np.linspace(-9, 1, 5), np.linspace(1, 5, 96)
    low, high = reach([np.concatenate([start, late])])
    assert high > 5 and -1 < low < 1
    flat = np.concatenate([start, np.full(96, 5.0)])
    assert reach([flat])[0] < -9
    assert reach([late])[0] < 1


def test_the_crosshair_reads_the_curve() -> None:
    found = convergence_section(search_of(market(600), windows=3, trials=50))
    assert found is not None
    chart = found.parts[0]
    assert isinstance(chart, Figure)
    samples = json.loads(re.findall(r'data-hover="([^"]*)"', chart.wide)[0].replace("&#34;", '"'))
    newest = search_of(market(600), windows=3, trials=50).document["windows"][-1]
    assert samples[-1][1].startswith(f"trial 50 · window 3: {objective('sharpe_ratio').write(newest['score'])} · ")
    assert len(samples) == 50


def test_the_crosshair_reads_each_trial() -> None:
    evidence = search_of(market(600), windows=1, trials=3)
    windows = [{**w, "curve": [None, 1.0, 2.0]} for w in evidence.document["windows"]]
    found = convergence_section(replace(evidence, document={**evidence.document, "windows": windows}))
    assert found is not None and isinstance(found.parts[0], Figure)
    said = re.findall(r"window 1: ([^&]*)", found.parts[0].wide)
    assert said == ["—", "1.00", "2.00"]


def test_no_more_than_six_maps() -> None:
    names = ["a", "b", "c", "d", "e"]
    evidence = search_of(market(600), windows=1, trials=900, space={n: SPACE["atr_multiplier_sl"] for n in names})
    assert evidence.trials is not None
    summed = evidence.trials.with_columns(score=pl.sum_horizontal(f"p_{n}" for n in names), valid=pl.lit(value=True))
    found = trials(replace(evidence, trials=summed))
    assert found is not None and len(rank_axes(found)[1]) == 10
    chapter = parameters.section(replace(evidence, trials=summed))
    assert chapter is not None and sum(" against " in p.title for p in chapter.parts if isinstance(p, Figure)) == 6


def test_the_best_are_drawn_over_an_even_sample() -> None:
    score = np.concatenate([np.arange(1_000.0), [np.nan, 5_000.0]])
    shown = draw_trials(of([1] * 1_001 + [0], score.tolist()))
    assert shown.number == 1 and len(shown.rows) == 300
    assert shown.rows[-30:].tolist() == list(range(970, 1_000)) and (shown.tint[-30:] == 4).all()
    assert shown.rows[0] == 0 and shown.tint[:270].tolist() == sorted(shown.tint[:270]) and shown.tint[0] == 0
    few = draw_trials(of([0, 0, 0], [3.0, 1.0, 2.0]))
    assert few.rows.tolist() == [1, 2, 0] and few.tint[-1] == 4


def test_of_equal_scores_the_first_asked_is_the_best() -> None:
    shown = draw_trials(of([0, 0, 0], [1.0, 2.0, 2.0]))
    assert shown.rows.tolist() == [0, 2, 1]


def test_dots_are_windows_with_both_numbers() -> None:
    windows = [
        {"number": 0, "train": {"sharpe_annual": 2.0}, "test": {"sharpe_annual": 1.0}},
        {"number": 1, "train": {}, "test": {}},
        {"number": 2, "train": {"sharpe_annual": 3.0}, "test": {"sharpe_annual": None}},
        {"number": 3, "train": {"sharpe_annual": 4.0}, "test": {"sharpe_annual": -1.0}},
    ]
    numbers, inside, outside = pairs(windows)
    assert numbers == [0, 3] and inside.tolist() == [2, 4] and outside.tolist() == [1, -1]


def test_place_in_the_searched_range() -> None:
    assert place_in_range({"type": "float", "low": 1.0, "high": 5.0}, 2.0) == 0.25
    assert place_in_range({"type": "float", "low": 0.01, "high": 1.0, "log": True}, 0.1) == pytest.approx(0.5)
    assert place_in_range({"type": "choice", "values": [100, 50, 200]}, 100) == 0.5
    assert np.isnan(place_in_range({"type": "choice", "values": ["a", "b"]}, "a"))
    assert np.isnan(place_in_range({"type": "float", "low": 1.0, "high": 5.0}, None)) and np.isnan(
        place_in_range({}, 1)
    )


def test_scores_are_written_in_their_unit() -> None:
    assert (
        objective("sharpe_ratio").write(1.234) == "1.23" and objective("sharpe_ratio").write(0.5, sign=True) == "+0.50"
    )
    assert objective("net_profit").write(0.0123) == "1.23\u202f%"
    assert objective("net_profit").marks([0.0, 0.05], sign=True) == [(0.0, "0\u202f%"), (0.05, "+5\u202f%")]
    assert objective("sharpe_ratio").marks([-0.5, 1.0]) == [(-0.5, "−0.5"), (1.0, "1.0")]
