"""Ranking inside the fold: what is planted is found, what is noise is not, and nothing outside the fold is asked."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.features.importance import Chosen, ImportanceReport, rank_features
from assay.kernel.contracts import Fold
from assay.kernel.errors import AssayError, ConfigError, DataError, LeakError
from assay.learn.ensemble.importance_model import fit_quick
from assay.validate.splits import PurgedKFold, WalkForward

N, K = 3000, 12
NAMES = tuple(f"f{j:02d}" for j in range(K))
PLANTED = {"f00", "f01", "f02"}
TWIN = "twin"


def market(n: int = N, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Twelve columns, three of them about y, and a thirteenth that is the first doubled."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, K + 1))
    x[:, K] = 2 * x[:, 0]
    signal = x[:, 0] + 0.8 * x[:, 1] - 0.8 * x[:, 2]
    return x, (0.4 * signal + rng.normal(size=n) > 0).astype(float)


def ranked(x: np.ndarray, y: np.ndarray, **more: Any) -> ImportanceReport:
    given = {"names": (*NAMES, TWIN), "fit": fit_quick, "classes": (0.0, 1.0), "weights": None, "seed": 7} | more
    folds = given.pop("folds", None) or WalkForward(len(y) // 3, len(y) // 8).folds(np.arange(len(y)) + 1)
    return rank_features(x, y, given.pop("weights"), folds, given.pop("seed"), **given)


@pytest.fixture(scope="module")
def report() -> ImportanceReport:
    return ranked(*market())


def test_what_is_planted_is_kept_and_noise_is_not(report: ImportanceReport) -> None:
    verdicts = {row.name: row.verdict for row in report.rows}
    kept = set(report.recommended)
    assert {"f01", "f02"} < kept and len(kept & {"f00", TWIN}) == 1 and len(kept) == 3
    assert all(verdicts[name] in ("weak", "unstable") for name in NAMES if name not in PLANTED)
    assert {row.name for row in report.rows[:4]} == PLANTED | {TWIN}
    assert report.nogueira > 0.8 and report.rank_corr > 0.8 and not report.warnings


def test_a_duplicate_lies_in_the_cluster_of_its_twin(report: ImportanceReport) -> None:
    for fold in report.folds:
        assert (0, K) in fold.clusters and len(fold.clusters) == K
        assert len({0, K} & set(fold.selected)) == 1
    first, twin = (next(row for row in report.rows if row.name == name) for name in ("f00", TWIN))
    assert (first.cluster, first.rank_mean, first.perm_mean) == (twin.cluster, twin.rank_mean, twin.perm_mean)
    assert (first.verdict, twin.verdict) == ("keep", "redundant")
    assert (first.twin_of, twin.twin_of) == ("", "f00")


def test_rows_are_the_folds_together(report: ImportanceReport) -> None:
    for row in report.rows:
        j = report.names.index(row.name)
        assert row.rank_mean == report.ranks[:, j].mean() and row.rank_std == report.ranks[:, j].std(ddof=1)
        assert row.selection_frequency == report.selected[:, j].mean()
        assert row.psi_max == report.psi[:, j].max()
        assert row.gain_share == np.mean([fold.gain_share[j] for fold in report.folds])
    for fold in report.folds:
        assert fold.gain_share.sum() == pytest.approx(1) and fold.shap_share.sum() == pytest.approx(1)
        assert [fold.rank[j] for j in fold.selected] == sorted(fold.rank[list(fold.selected)])
        assert all(fold.perm_mean[j] > 0 for j in fold.selected)


def same(one: Chosen, two: Chosen) -> bool:
    pairs = [(getattr(one, f.name), getattr(two, f.name)) for f in fields(Chosen)]
    return all(np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a == b for a, b in pairs)


@pytest.fixture(scope="module")
def walled() -> tuple[np.ndarray, np.ndarray, Fold, ImportanceReport]:
    """A fold with train rows on both sides of the test rows, labels that look five rows ahead, and weights of it."""
    x, y = market(900)
    known = np.minimum(np.arange(900) + 5, 905)
    fold = list(PurgedKFold(3).folds(known))[1]
    return x, y, fold, ranked(x, y, folds=[fold], weights=by_rows)


def by_rows(rows: np.ndarray) -> np.ndarray:
    return 1.0 + (rows % 3)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["noise", "answer", "void"]))
def test_rows_outside_the_train_fold_change_nothing(walled: Any, seed: int, how: str) -> None:
    x, y, fold, before = walled
    outside = np.setdiff1d(np.arange(len(y)), fold.train)
    rng = np.random.default_rng(seed)
    x, y = x.copy(), y.copy()
    if how == "void":
        x[outside], y[outside] = np.nan, np.nan
    else:
        y[outside] = rng.integers(0, 2, len(outside))
        x[outside] = rng.normal(size=(len(outside), K + 1)) if how == "noise" else y[outside, None]
    after = ranked(x, y, folds=[fold], weights=by_rows)
    assert same(before.folds[0], after.folds[0])
    assert not np.array_equal(before.psi, after.psi), "drift, which selects nothing, has to see them"


def test_equal_seeds_give_equal_reports_for_any_number_of_threads(report: ImportanceReport) -> None:
    x, y = market()
    again, other = ranked(x, y, threads=3), ranked(x, y, seed=8)
    assert all(same(a, b) for a, b in zip(report.folds, again.folds, strict=True))
    assert report.rows == again.rows and np.array_equal(report.psi, again.psi)
    assert not np.array_equal(report.folds[0].perm_mean, other.folds[0].perm_mean)


def test_noise_alone_leaves_the_best_with_a_warning_and_no_verdict_to_keep() -> None:
    x, _ = market()
    y = (np.random.default_rng(9).random(N) > 0.5).astype(float)
    found = ranked(x, y)
    assert found.warnings and not found.recommended
    assert all(len(fold.selected) >= 1 for fold in found.folds)


def test_folds_that_rank_nothing_are_told_beside_the_agreement_of_the_others() -> None:
    from dataclasses import replace

    from assay.features.importance.ranking import _unranked

    folds = ranked(*market()).folds
    level = replace(folds[0], rank=np.where(np.isfinite(folds[0].rank), 3.0, np.nan))
    assert _unranked(folds) == ()
    (text,) = _unranked((*folds, level))
    assert text.startswith(f"1 of {len(folds) + 1} folds rank no column above another")


def test_at_most_max_features_are_selected_best_first() -> None:
    found = ranked(*market(), max_features=2)
    full = ranked(*market())
    assert all(a.selected == b.selected[:2] for a, b in zip(found.folds, full.folds, strict=True))


@pytest.mark.parametrize("kind", ["real", "three"])
def test_real_values_and_three_classes(kind: str) -> None:
    x, _ = market()
    line = x[:, 1] + 1.5 * np.random.default_rng(2).normal(size=N)
    y = 5 + 3 * line if kind == "real" else np.digitize(line, [-1.0, 1.0]) - 1.0
    found = ranked(x, y, classes=() if kind == "real" else (-1.0, 0.0, 1.0))
    assert found.recommended == ("f01",)


def test_what_is_not_finite_is_missing() -> None:
    x, y = market(900)
    x[::10, 3] = np.inf
    holed = x.copy()
    holed[::10, 3] = np.nan
    with np.errstate(all="raise"):
        assert same(ranked(x, y).folds[0], ranked(holed, y).folds[0])


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_what_says_nothing_is_dropped_with_its_value() -> None:
    x, y = market()
    x[:, 4], x[: N // 2, 5], x[:, 6] = 3.5, np.nan, 0.0
    x[::500, 6] = 1.0
    found = ranked(x, y, folds=WalkForward(2000, 900).folds(np.arange(N) + 1))
    rows = {row.name: row for row in found.rows}
    assert "constant (3.5)" in rows["f04"].dropped
    assert "NaN share 0.75" in rows["f05"].dropped
    assert "near-constant" in rows["f06"].dropped and "0.998" in rows["f06"].dropped
    for name in ("f04", "f05", "f06"):
        row = rows[name]
        assert row.verdict == "weak" and row.cluster is None and np.isnan(row.gain_share) and row.twin_of == ""
        assert row.rank_mean == len(found.folds[0].clusters) + 1


def test_warm_up_rows_do_not_count_as_missing() -> None:
    x, y = market()
    x[:400, 1] = np.nan
    assert "f01" in ranked(x, y).folds[0].dropped
    assert "f01" not in ranked(x, y, warm_up=400).folds[0].dropped


@pytest.mark.parametrize("name", ["future_return", "target_x", "base_w20_s2.0_high_brekout"])
def test_names_that_speak_of_the_future_stop_the_run(name: str) -> None:
    with pytest.raises(LeakError, match=name) as caught:
        ranked(*market(900), names=(*NAMES, name))
    assert caught.value.code == "LEAK_COLUMN"


def test_a_column_that_is_the_answer_stops_the_run() -> None:
    x, y = market(900)
    x[:, K] = y + 1e-3 * x[:, K]
    real = y + 0.1 * x[:, 3]
    x[:, 5] = real
    with pytest.raises(LeakError, match="'f05'") as caught:
        ranked(x, real, classes=())
    assert caught.value.code == "LEAK_SUSPECT"


def test_base_columns_stand_in_a_part_of_their_own() -> None:
    x, y = market(900)
    events = (np.random.default_rng(8).random((900, 3)) < [0.05, 0.001, 0.0]).astype(float)
    events[0, 1] = 1.0
    names = ("base_w20_s2.0_high_breakout", "base_w20_s2.0_low_breakout", "base_w50_s1.0_low_breakout")
    lag = "w20_s2.0_high_breakout_lag_20"
    found = ranked(np.column_stack([x, events]), y, names=(*NAMES, lag, *names))
    assert found.names == (*NAMES, lag), "a lag may stay"
    told = {c.name: c for c in found.candidates}
    assert set(told) == set(names)
    best = told[names[0]]
    folds = list(WalkForward(300, 112).folds(np.arange(900) + 1))
    rates = [events[f.train, 0].mean() for f in folds]
    assert (best.lowest, best.highest) == (min(rates), max(rates))
    assert best.events == min(int(events[f.train, 0].sum()) for f in folds)
    assert best.verdict in ("usable", "drifting") and (best.window, best.std_dev) == (20, "2.0")
    assert told[names[1]].verdict == told[names[2]].verdict == "constant"
    with_none = ranked(x, y, names=(*NAMES, lag))
    assert all(same(a, b) for a, b in zip(found.folds, with_none.folds, strict=True)), "they tell X nothing"


def _short(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    return {"folds": WalkForward(60, 20).folds(np.arange(len(y)) + 1)}


def _long_labels(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    return {"folds": WalkForward(300, 20).folds(np.arange(len(y)) + 60)}


def _unlabelled(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    y[:] = np.nan
    return {}


def _one_class(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    y[:] = 1.0
    return {}


def _other_class(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    y[5] = 0.5
    return {}


def _all_constant(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    x[:] = 1.0
    return {}


@pytest.mark.parametrize(
    ("change", "kind", "code"),
    [
        (_short, DataError, "DATA_TOO_FEW"),
        (_long_labels, DataError, "DATA_TOO_FEW"),
        (_unlabelled, DataError, "DATA_TOO_FEW"),
        (_one_class, DataError, "DATA_DEGENERATE"),
        (_other_class, DataError, "DATA_SCHEMA"),
        (_all_constant, DataError, "DATA_DEGENERATE"),
        (lambda x, y: {"weights": np.zeros(len(y))}, DataError, "DATA_DEGENERATE"),
        (lambda x, y: {"weights": -np.ones(len(y))}, DataError, "DATA_SCHEMA"),
        (lambda x, y: {"names": NAMES}, DataError, "DATA_SCHEMA"),
        (lambda x, y: {"lookbacks": (1, 2)}, DataError, "DATA_SCHEMA"),
        (lambda x, y: {"names": (*NAMES, NAMES[0])}, ConfigError, "CONFIG_FEATURE_DUPLICATE"),
        (lambda x, y: {"max_features": 0}, ConfigError, "CONFIG_PARAMETER"),
        (lambda x, y: {"folds": iter(())}, ConfigError, "CONFIG_FOLDS"),
    ],
)
def test_bad_input_is_told(change: Callable[..., dict[str, Any]], kind: type[AssayError], code: str) -> None:
    x, y = market(900)
    more = change(x, y)
    with pytest.raises(kind) as caught:
        ranked(x, y, **more)
    assert caught.value.code == code
