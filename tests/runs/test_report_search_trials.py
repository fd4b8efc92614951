"""Trials as places on paper, and what explains their scores, by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.runs.report.components import Figure
from assay.runs.report.search_summary import Axis, Trials, axis, explained_share, fair_rows, trials
from assay.runs.report.sections import parameters
from assay.runs.report.sections.folds import quartiles
from assay.runs.report.sections.parameters import draw_trials, grid, rank_axes
from assay.runs.report.sections.windows import convergence_section
from assay.runs.run_artifacts import SHOWN_BEST, SHOWN_TRIALS

from .report_evidence import evidence_of, market
from .report_search import SPACE, search_of


def number_axis(name: str, values: list[float], low: float, high: float, bins: int = 2) -> Axis:
    return axis(name, pl.Series(values, dtype=pl.Float64), {"type": "float", "low": low, "high": high}, bins)


def of(window: list[int], score: list[float], *axes: Axis) -> Trials:
    """Trials whose gain is worked out here as the module promises it: less the window's median."""
    w, s = np.array(window), np.array(score)
    medians = {k: np.median(s[(w == k) & np.isfinite(s)]) for k in set(window)}
    return Trials(w, s, s - np.array([medians[k] for k in window]), axes, np.ones(len(s), bool))


# -- trials and axes --------------------------------------------------------------------------------------------------


def test_gain_is_the_score_less_its_windows_median() -> None:
    evidence = search_of(market(600), windows=2, trials=3, space={"pierce_depth": SPACE["pierce_depth"]})
    table = pl.DataFrame(
        {
            "window": pl.Series([0, 0, 0, 1, 1, 1], dtype=pl.Int32),
            "number": [0, 1, 2, 0, 1, 2],
            "p_pierce_depth": [0.001, 0.002, 0.003, 0.001, 0.002, 0.003],
            "score": [1.0, 2.0, 4.0, 10.0, None, 20.0],
            "valid": [True, True, True, True, False, True],
        }
    )
    found = trials(replace(evidence, trials=table))
    assert found is not None
    assert np.array_equal(found.gain, [-1, 0, 2, -5, np.nan, 5], equal_nan=True)
    assert found.valid.tolist() == [True, True, True, True, False, True] and not found.flat


def test_a_score_without_the_word_valid_does_not_count() -> None:
    evidence = search_of(market(600), windows=1, trials=5)
    assert evidence.trials is not None
    claimed = evidence.trials.with_columns(
        score=pl.Series([9.0, np.inf, np.nan, 1.0, 2.0]), valid=pl.Series([False] + 4 * [True])
    )
    found = trials(replace(evidence, trials=claimed))
    assert found is not None and found.valid.tolist() == [False, False, False, True, True]
    assert found.gain[3:].tolist() == [-0.5, 0.5]


def test_a_search_without_trials_has_none() -> None:
    assert trials(evidence_of(market(600))) is None
    evidence = search_of(market(600), windows=1, trials=5)
    assert evidence.trials is not None
    assert trials(replace(evidence, trials=evidence.trials.clear())) is None


def test_the_best_that_are_kept_on_top_do_not_bias_the_rest() -> None:
    made = np.random.default_rng(1).normal(size=100_000)
    order = np.argsort(-made)
    rest = np.random.default_rng(2).choice(order[SHOWN_BEST:], SHOWN_TRIALS - SHOWN_BEST, replace=False)
    kept = np.sort(np.concatenate([order[:SHOWN_BEST], rest]))
    fair = fair_rows(made[kept], len(made))
    assert fair[np.isin(kept, rest)].all() and fair[np.isin(kept, order[:SHOWN_BEST])].sum() == 40
    assert np.quantile(made[kept][fair], [0.5, 0.99]) == pytest.approx(np.quantile(made, [0.5, 0.99]), abs=0.06)
    assert np.median(made[kept]) > 0.2
    assert fair_rows(made[:300], 300).all()


def test_a_window_with_one_valid_trial_compares_nothing() -> None:
    a = number_axis("a", [0.1, 0.2, 0.3, 0.4], 0, 1)
    found = of([0, 0, 1, 1], [1.0, 3.0, 8.0, np.nan], a).sample()
    assert found.window.tolist() == [0, 0] and found.gain.tolist() == [-1, 1]
    assert found.axes[0].at.tolist() == [0.1, 0.2]


def test_maps_are_of_fair_rows_and_lines_of_the_best() -> None:
    evidence = search_of(market(600), windows=1, trials=SHOWN_TRIALS)
    windows = [{**w, "trials": 1_000_000, "valid_trials": 800_000} for w in evidence.document["windows"]]
    cut = replace(evidence, document={**evidence.document, "windows": windows, "trials": 1_000_000})
    found = trials(cut)
    assert found is not None and found.fair.sum() == 4_004 and len(found.sample().score) == 4_004
    assert all(len(each.at) == len(each.bins) == 4_004 for each in found.sample().axes)
    assert np.nanmedian(found.sample().gain) == pytest.approx(0, abs=1e-12)
    shown = draw_trials(found)
    assert found.score[shown.rows[-1]] == np.nanmax(found.score)
    assert found.fair[shown.rows[:-30]].all() and len(shown.rows) == 300
    search, maps = convergence_section(cut), parameters.section(cut)
    assert search is not None and maps is not None
    captions = " ".join(p.caption for p in search.parts if isinstance(p, Figure))
    assert "300 of the 800,000 valid trials of window 1" in captions
    assert "Of 1,000,000 trials a fair sample of 4,004 is looked at." in maps.lead


def test_a_range_is_cut_into_equal_bins() -> None:
    found = number_axis("a", [0.0, 2.4, 2.5, 10.0], 0, 10, 4)
    assert found.edges.tolist() == [0, 2.5, 5, 7.5, 10] and found.bins.tolist() == [0, 0, 1, 3]
    assert found.span(1) == "2.5 to 5" and found.place(5.0) == 5.0 and np.isnan(found.place(11))


def test_a_logarithmic_range_is_cut_by_ratios() -> None:
    space = {"type": "float", "low": 0.01, "high": 100.0, "log": True}
    found = axis("a", pl.Series([0.05, 0.5, 5.0, 50.0]), space, 4)
    assert found.edges == pytest.approx([0.01, 0.1, 1, 10, 100]) and found.bins.tolist() == [0, 1, 2, 3]
    assert found.scale(0, 100).at(1.0) == pytest.approx(50)
    assert [text for _, text in found.marks(5)] == ["0.01", "0.1", "1", "10", "100"]


def test_whole_numbers_lie_inside_their_bins() -> None:
    found = axis("a", pl.Series(range(1, 41)), {"type": "int", "low": 1, "high": 40}, 4)
    assert [found.span(k) for k in range(4)] == ["1 to 10", "11 to 20", "21 to 30", "31 to 40"]
    assert np.bincount(found.bins).tolist() == [10, 10, 10, 10]


@pytest.mark.parametrize(
    ("column", "space", "labels", "bins"),
    [
        (
            pl.Series([50.0, 200.0, 100.0]),
            {"type": "choice", "values": [200, 50, 100]},
            ("50", "100", "200"),
            [0, 2, 1],
        ),
        (pl.Series([True, False]), {"type": "choice", "values": [True, False]}, ("yes", "no"), [0, 1]),
        (pl.Series(["4h", "1h"]), {"type": "choice", "values": ["4h", "1h"]}, ("4h", "1h"), [0, 1]),
        (pl.Series([3, 1]), {"type": "int", "low": 1, "high": 3}, ("1", "2", "3"), [2, 0]),
        (pl.Series([0.5, 0.25, 0.5, 0.25]), {"type": "float", "low": 0.0, "high": 1.0}, ("0.25", "0.5"), [1, 0, 1, 0]),
        (
            pl.Series([20, 200, 65, 65, 20, 200]),
            {"type": "int", "low": 20, "high": 200, "points": 3},
            ("20", "65", "200"),
            [0, 2, 1, 1, 0, 2],
        ),
        (pl.Series(["a", None]), {}, ("a",), [0, -1]),
    ],
)
def test_few_values_stand_each_for_itself(
    column: pl.Series, space: dict[str, Any], labels: Any, bins: list[int]
) -> None:
    found = axis("a", column, space, 4)
    assert found.labels == labels and found.bins.tolist() == bins
    assert found.place(column[0]) == bins[0] and np.isnan(found.place("elsewhere"))


def test_many_names_are_gathered() -> None:
    names = [f"n{k}" for k in range(30)]
    found = axis("a", pl.Series(names + names[:11] * 2), {"type": "choice", "values": names}, 4)
    assert len(found.labels) == 12 and found.labels[:2] == ("n0", "n1") and found.labels[-1] == "other"
    assert (found.bins == 11).sum() == 19


def test_an_axis_of_one_value_is_one_bin() -> None:
    found = axis("a", pl.Series([0.5] * 3), {}, 4)
    assert found.labels == ("0.5",) and found.bins.tolist() == [0, 0, 0]


# -- what explains ----------------------------------------------------------------------------------------------------


def test_explained_share_by_hand() -> None:
    # ranks 1 2 | 3 4: between 4, inside 1, total 5; 1 - (1 / 2) / (5 / 3)
    assert explained_share(np.array([0, 0, 1, 1]), np.array([-5.0, 0.0, 1.0, 99.0])) == pytest.approx(0.7)
    assert explained_share(np.array([0, 1, 0, 1]), np.array([1.0, 1.0, 1.0, 1.0])) == 0.0
    assert np.isnan(explained_share(np.array([0, 1, 2]), np.array([1.0, 2.0, 3.0])))
    assert np.isnan(explained_share(np.array([], np.int64), np.array([])))


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-1e6, 1e6)), min_size=1, max_size=60))
def test_explained_share_is_a_share_of_ranks(rows: list[tuple[int, float]]) -> None:
    bins, values = np.array([b for b, _ in rows]), np.array([v for _, v in rows])
    share = explained_share(bins, values)
    if len(rows) <= len(set(bins.tolist())):
        assert np.isnan(share)
        return
    assert 0.0 <= share <= 1.0
    assert explained_share(bins * 7, values) == pytest.approx(share)
    assert explained_share(bins, np.cbrt(values)) == pytest.approx(share) or len(set(np.cbrt(values))) < len(
        set(values)
    )


def test_pairs_that_explain_most_come_first() -> None:
    found = trials(search_of(market(600), windows=3, trials=600))
    assert found is not None
    alone, best = rank_axes(found)
    names = [each.name for each in found.axes]
    assert names[int(np.argmax(alone))] == "pierce_depth"
    assert {names[best[0][1]], names[best[0][2]]} == {"pierce_depth", "atr_multiplier_sl"}
    assert [s for s, _, _ in best] == sorted((s for s, _, _ in best), reverse=True)
    noise = {"htf", "allow_short", "volume_spike_threshold"}
    assert not any({names[a], names[b]} <= noise for _, a, b in best)


def test_a_pair_of_one_trial_a_cell_is_drawn_and_claims_nothing() -> None:
    a, b = (pl.Series([float(k) for k in each]) for each in ([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]))
    axes = [axis(n, s, {"type": "choice", "values": s.unique().to_list()}, 2) for n, s in (("a", a), ("b", b))]
    alone, ((share, one, two),) = rank_axes(of([0] * 6, [1.0, 2.0, 3.0, 7.0, 8.0, 9.0], *axes))
    assert alone[0] == pytest.approx(explained_share(np.array([0, 0, 0, 1, 1, 1]), np.arange(6.0))) and alone[0] > 0.6
    assert np.isnan(share) and (one, two) == (0, 1)


def test_cells_hold_median_gain_best_score_and_counts() -> None:
    a = number_axis("a", [0.1, 0.2, 0.3, 0.9, 0.8], 0, 1)
    b = number_axis("b", [0.1, 0.2, 0.3, 0.1, 0.9], 0, 1)
    found = of([0] * 5, [1.0, 3.0, 8.0, np.nan, 2.0], a, b)
    cells = grid(found, a, b)
    assert cells.searched_values.tolist() == [[3, 0], [1, 1]] and cells.valid.tolist() == [[3, 0], [0, 1]]
    assert np.array_equal(cells.gain, [[0.5, np.nan], [np.nan, -0.5]], equal_nan=True)
    assert np.array_equal(cells.best, [[8, np.nan], [np.nan, 2]], equal_nan=True)


def test_quartiles_of_a_profile() -> None:
    a = number_axis("a", [0.1, 0.2, 0.3, 0.4, 0.9], 0, 1)
    values, held = quartiles(a, np.array([0.0, 1.0, 2.0, np.nan, np.nan]))
    assert held.tolist() == [3, 0]
    assert np.array_equal(values, [[0.5, 1.0, 1.5], [np.nan] * 3], equal_nan=True)
