"""The ensemble: what it learns from, what it weighs, and what it says."""

from dataclasses import replace

import numpy as np
import pytest

from assay.kernel.contracts import NullReport
from assay.kernel.errors import ConfigError, DataError
from assay.kernel.panel import Panel
from assay.kernel.spec import SizingChoice
from assay.learn.ensemble import model as homes
from assay.learn.ensemble.model import EnsembleModel
from assay.learn.ensemble.preprocessing import Learning, gather, inner_split
from assay.targets import uniqueness
from assay.testing.trainers import save_and_load
from tests.learn.markets import market, trainer

CLASSES = (-1.0, 0.0, 1.0)


def fitted(panel: Panel, seed: int = 1, **params: object) -> EnsembleModel:
    return trainer(**params).fit(panel, seed=seed, report=NullReport())


@pytest.mark.parametrize("member", ["random_forest", "xgboost", "lightgbm"])
@pytest.mark.parametrize("target", ["profitable", "direction"])
def test_each_member_alone(member: str, target: str) -> None:
    panel = market(target=target)
    model = fitted(panel, members=[member], calibration="none")
    assert list(model.members) == [member]
    p = model.forecast(panel)[next(iter(panel.windows))]
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(p, model.members[member].vote(model.columns.apply(panel.one.features)))
    assert sum(model.importance().values()) == pytest.approx(1.0)


def test_a_weighted_subset_is_the_weighted_vote() -> None:
    panel = market()
    model = fitted(panel, members=["lightgbm", "random_forest"], weights=[3, 1], calibration="none")
    x = model.columns.apply(panel.one.features)
    want = 0.75 * model.members["lightgbm"].vote(x) + 0.25 * model.members["random_forest"].vote(x)
    np.testing.assert_allclose(model.forecast(panel)["GOLD/USDT"], want, rtol=1e-12)
    alone = fitted(panel, members=["lightgbm"], calibration="none")
    np.testing.assert_array_equal(alone.members["lightgbm"].vote(x), model.members["lightgbm"].vote(x))


def test_the_planted_edge_is_found() -> None:
    window = market(2500, ic=0.5, target="direction").one
    close = np.log(window.bars.close)
    momentum = np.r_[np.full(24, np.nan), close[24:] - close[:-24]]
    window = replace(window, names=("momentum", *window.names), features=np.column_stack([momentum, window.features]))
    model = fitted(Panel.of(window[:1500]))
    later = window[1500:]
    p = model.forecast(Panel.of(later))["GOLD/USDT"]
    assert later.labels is not None
    good = np.isfinite(later.labels.y)
    assert np.corrcoef(p[good, 2] - p[good, 0], later.labels.y[good])[0, 1] > 0.2
    importance = model.importance()
    assert max(importance, key=importance.__getitem__) == "momentum"


def test_one_model_for_two_symbols_of_different_length() -> None:
    panel = market(symbols=2)
    gold, silver = panel.windows.values()
    assert gold.bars.timestamp[0] < silver.bars.timestamp[0]
    samples = gather(panel, CLASSES, weigh=True)
    assert (np.diff(samples.decided_at) >= 0).all()
    assert len(samples) == sum(int(np.isfinite(w.labels.y).sum()) for w in (gold, silver) if w.labels)
    model = fitted(panel)
    both = model.decide(panel)
    for symbol, window in panel:
        alone = model.decide(Panel.of(window))[symbol]
        np.testing.assert_array_equal(alone.target, both[symbol].target)
    early = panel.train_view(np.arange(150))
    assert list(early.windows) == ["GOLD/USDT"], "a symbol that has not begun is not there"


def test_symbols_with_other_columns_or_targets_are_refused() -> None:
    gold, silver = market(symbols=2).windows.values()
    turned = replace(silver, names=silver.names[::-1], features=silver.features[:, ::-1].copy())
    with pytest.raises(DataError) as caught:
        fitted(Panel.of(gold, turned))
    assert caught.value.code == "DATA_FEATURES"
    assert silver.labels is not None
    with pytest.raises(ConfigError) as wrong:
        fitted(Panel.of(gold, replace(silver, labels=replace(silver.labels, classes=(0.0, 1.0)))))
    assert wrong.value.code == "CONFIG_TARGET"
    with pytest.raises(ConfigError) as wrong:
        fitted(Panel.of(replace(gold, labels=replace(gold.labels, classes=()))))  # type: ignore[type-var]
    assert wrong.value.code == "CONFIG_TARGET"


def test_weights_are_those_of_uniqueness() -> None:
    panel = market()
    window = panel.one
    assert window.labels is not None
    weighed, plain = gather(panel, CLASSES, weigh=True), gather(panel, CLASSES, weigh=False)
    there = np.isfinite(window.labels.y)
    np.testing.assert_array_equal(weighed.weight, uniqueness(window.labels)[there])
    np.testing.assert_array_equal(plain.weight, 1.0)
    assert weighed.weight.std() > 0
    assert save_and_load(fitted(panel, members=["lightgbm"])) != save_and_load(
        fitted(panel, members=["lightgbm"], uniqueness=False)
    )


def test_rows_with_too_few_features_are_not_learnt_from() -> None:
    window = market().one
    features = window.features.copy()
    features[:100, 0] = np.nan  # one of five
    assert window.labels is not None
    samples = gather(Panel.of(replace(window, features=features)), CLASSES, weigh=True)
    assert samples.decided_at[0] == window.bars.known_at[100:][np.isfinite(window.labels.y[100:])][0]
    with pytest.raises(DataError) as caught:
        gather(Panel.of(replace(window, features=np.full_like(features, np.nan))), CLASSES, weigh=True)
    assert caught.value.code == "DATA_TOO_FEW"


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("target", ["profitable", "triple_barrier"])
def test_the_inner_split_is_purged(share: float, target: str) -> None:
    samples = gather(market(symbols=2, target=target), CLASSES, weigh=True)
    older, newest = inner_split(samples, share)
    assert older.known_at.max() < newest.decided_at.min()
    assert len(newest) == pytest.approx(share * len(samples), abs=3)
    purged = len(samples) - len(older) - len(newest)
    assert purged == ((samples.decided_at < newest.decided_at.min()) & (samples.known_at >= newest.decided_at[0])).sum()
    assert purged > 0


def test_members_are_fitted_balanced_on_the_older_and_stopped_on_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Learning] = []
    honest = homes.FITS["lightgbm"]

    def spy(learning: Learning) -> object:
        seen.append(learning)
        return honest(learning)

    monkeypatch.setitem(homes.FITS, "lightgbm", spy)
    panel = market()
    model = fitted(panel, members=["lightgbm"])
    fitted(panel, members=["lightgbm"], balance=False)
    older, newest = inner_split(gather(panel, CLASSES, weigh=True), 0.2)
    for learning in seen:
        np.testing.assert_array_equal(learning.y, older.y)
        np.testing.assert_array_equal(learning.vy, newest.y)
        np.testing.assert_allclose(learning.x, model.columns.apply(older.x), atol=1e-6)
    totals = np.bincount(seen[0].y, weights=seen[0].weight)
    np.testing.assert_allclose(totals, totals[0])
    np.testing.assert_array_equal(seen[1].weight, older.weight)


def test_scale_and_fill_are_those_of_the_older_rows() -> None:
    panel = market()
    older, _ = inner_split(gather(panel, CLASSES, weigh=True), 0.2)
    columns = fitted(panel, members=["random_forest"]).columns
    np.testing.assert_allclose(columns.centre, older.x.astype(np.float64).mean(axis=0))
    np.testing.assert_allclose(columns.spread, older.x.astype(np.float64).std(axis=0))
    np.testing.assert_allclose(columns.fill, np.median(older.x, axis=0))
    robust = fitted(panel, members=["random_forest"], scale="robust").columns
    np.testing.assert_allclose(robust.centre, np.median(older.x, axis=0), rtol=1e-6)
    low, high = np.quantile(older.x.astype(np.float64), [0.25, 0.75], axis=0)
    np.testing.assert_allclose(robust.spread, (high - low) / 1.349, rtol=1e-6)


def told() -> Panel:
    """Labels that follow two columns of their own; beside them the first again with a grain of salt, and noise."""
    window, draw = market(1500, target="direction").one, np.random.default_rng(7)
    assert window.labels is not None
    noise, one, two = draw.standard_normal((len(window), 3)), *draw.standard_normal((2, len(window)))
    salted = 3 * one + 0.01 * draw.standard_normal(len(window))
    y = np.where(np.isfinite(window.labels.y), np.sign(one + two + 0.5 * noise[:, 0]), np.nan)
    columns = np.column_stack([noise[:, 1:], one, salted, two])
    labels = replace(window.labels, y=y)
    return Panel.of(replace(window, names=("x", "y", "one", "salted", "two"), features=columns, labels=labels))


def test_the_selector_takes_one_of_twins_and_nothing_whose_permutation_costs_nothing() -> None:
    columns = fitted(told(), max_features=5).columns
    first, *_ = kept = [columns.names[j] for j in columns.kept]
    assert len(kept) == 2 and first in ("one", "salted") and kept[1] == "two"
    (twin,) = {"one", "salted"} - {first}
    assert columns.dropped[twin] == f"says what {first} says"
    assert {columns.dropped[name] for name in "xy"} == {"to permute it costs nothing"}


def test_the_selector_keeps_at_most_as_many_as_it_is_told() -> None:
    model = fitted(told(), max_features=1)
    assert len(model.columns.kept) == 1
    assert list(model.columns.dropped.values()).count("not among max_features") == 1
    assert sum(v > 0 for v in model.importance().values()) == 1


def test_where_no_column_tells_anything_the_best_is_kept_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    window = told().one
    assert window.labels is not None
    lot = np.random.default_rng(3).permutation(window.labels.y[np.isfinite(window.labels.y)])
    y = window.labels.y.copy()
    y[np.isfinite(y)] = lot
    model = fitted(Panel.of(replace(window, labels=replace(window.labels, y=y))), max_features=3)
    assert len(model.columns.kept) == 1
    assert "no column's permutation costs anything" in caplog.text
    assert model.columns.names[model.columns.kept[0]] in caplog.text


def test_selection_reads_no_row_that_validates() -> None:
    panel = told()
    window = panel.one
    assert window.labels is not None
    older, _ = inner_split(gather(panel, CLASSES, weigh=True), 0.2)
    ends = int(np.searchsorted(window.bars.known_at, older.known_at.max(), side="right"))
    turned = window.labels.y.copy()
    turned[ends:] = -turned[ends:]
    other = Panel.of(replace(window, labels=replace(window.labels, y=turned)))
    assert fitted(panel, max_features=2).columns.as_dict() == fitted(other, max_features=2).columns.as_dict()


def test_early_stopping_takes_fewer_rounds_and_patience_more() -> None:
    panel = market(ic=0.0)
    short, long = (
        fitted(panel, members=["lightgbm"], trees=200, patience=p, learning_rate=0.3).members["lightgbm"]
        for p in (1, 199)
    )
    assert short.booster.num_trees() < 3 * 200  # type: ignore[attr-defined]
    assert short.booster.num_trees() <= long.booster.num_trees()  # type: ignore[attr-defined]


def test_columns_are_matched_by_name() -> None:
    panel = market()
    model, window = fitted(panel), panel.one
    want = model.decide(panel)["GOLD/USDT"].target
    turned = replace(window, names=window.names[::-1], features=window.features[:, ::-1].copy())
    np.testing.assert_array_equal(model.decide(Panel.of(turned))["GOLD/USDT"].target, want)
    less = replace(window, names=window.names[1:], features=window.features[:, 1:].copy())
    with pytest.raises(DataError, match=r"missing \['latest_return'\], extra none") as caught:
        model.decide(Panel.of(less))
    assert caught.value.code == "DATA_FEATURES"
    more = replace(
        window, names=(*window.names, "moon"), features=np.column_stack([window.features, window.features[:, 0]])
    )
    with pytest.raises(DataError, match=r"missing none, extra \['moon'\]"):
        model.decide(Panel.of(more))


def test_missing_values_are_filled_and_a_row_without_any_is_flat() -> None:
    window = market().one
    features = window.features.copy()
    features[10, 1], features[11], features[12, 0] = np.nan, np.nan, np.inf
    model = fitted(market(), scale="none")
    p = model.forecast(Panel.of(replace(window, features=features)))["GOLD/USDT"]
    assert np.isfinite(p[[10, 12]]).all() and np.isnan(p[11]).all()
    assert model.decide(Panel.of(replace(window, features=features)))["GOLD/USDT"].target[11] == 0.0
    filled = window.features.copy()
    filled[10, 1] = model.columns.fill[1]
    same = model.forecast(Panel.of(replace(window, features=filled)))["GOLD/USDT"]
    np.testing.assert_array_equal(same[10], p[10])


def test_short_false_never_sells() -> None:
    panel = market(target="direction")
    choice = SizingChoice(name="proportional", params={"step": 0.01})
    for short in (True, False):
        made = trainer(choice, short=short).fit(panel, seed=1, report=NullReport()).decide(panel)["GOLD/USDT"]
        assert (made.target < 0).any() == short


def test_the_score_knows_the_side() -> None:
    model = fitted(market(), members=["random_forest"])
    p = np.array([[0.2, 0.5, 0.3]])
    assert model.score(p) == pytest.approx(0.1)
    assert replace(model, classes=(0.0, 1.0)).score(np.array([[0.2, 0.8]])) == pytest.approx(0.6)
    assert replace(model, classes=(0.0, 1.0), side=-1).score(np.array([[0.2, 0.8]])) == pytest.approx(-0.6)
    assert replace(model, classes=(0.0, 1.0)).score(np.array([[0.8, 0.2]])) == pytest.approx(0.0)


def test_seeds_and_threads() -> None:
    panel = market()
    assert save_and_load(fitted(panel, num_threads=1)) == save_and_load(fitted(panel, num_threads=2))
    assert save_and_load(fitted(panel, seed=1)) != save_and_load(fitted(panel, seed=2))
