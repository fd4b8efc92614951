"""The quality of forecasts, against scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from assay.kernel.contracts import NullReport
from assay.kernel.decisions import Costs
from assay.kernel.panel import Panel
from assay.testing.trainers import TinyTrainer
from assay.validate._walk_forward import FoldResult, walk_forward
from assay.validate.diagnostics import forecast_quality, forecasts
from assay.validate.splits import WalkForward
from tests.learn.markets import market, trainer


def outcomes(panel: Panel, made: object = None) -> list[FoldResult]:
    plan = WalkForward(400, 120)
    return list(walk_forward(made or trainer(), panel, plan, costs=Costs(), seed=1, report=NullReport()))  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["profitable", "direction"])
def test_against_scikit_learn(target: str) -> None:
    panel = market(symbols=2, target=target)
    found = outcomes(panel)
    p = np.concatenate([f for f, _, _ in forecasts(found, panel)])
    y = np.concatenate([c for _, c, _ in forecasts(found, panel)])
    quality = forecast_quality(found, panel)
    labels = [0, 1, 2]
    assert quality["forecast_rows"] == len(y) > 300
    assert quality["log_loss"] == pytest.approx(log_loss(y, p, labels=labels), rel=1e-9)
    assert quality["accuracy"] == accuracy_score(y, p.argmax(axis=1))
    want = roc_auc_score(y, p, multi_class="ovr", average="weighted", labels=labels)
    assert quality["auc"] == pytest.approx(want, rel=1e-9)
    assert quality["brier"] == pytest.approx(((p - np.eye(3)[y]) ** 2).sum(axis=1).mean())
    share = np.bincount(y, minlength=3) / len(y)
    assert quality["base_log_loss"] == pytest.approx(log_loss(y, np.tile(share, (len(y), 1)), labels=labels), rel=1e-9)


def test_pairs_are_those_of_the_judged_rows() -> None:
    panel = market()
    for outcome in outcomes(panel):
        ((p, y, classes),) = forecasts([outcome], panel)
        tested = outcome.tested[panel.one.bars.instrument.symbol]
        labels = panel.one.labels
        assert labels is not None
        truth = labels.y[slice(*tested.rows)]
        np.testing.assert_array_equal(np.asarray(classes)[y], truth[np.isfinite(truth)])
        assert len(p) == np.isfinite(truth).sum()


def test_a_model_that_acts_has_no_quality() -> None:
    assert forecast_quality(outcomes(market(), TinyTrainer()), market()) == {}


def test_no_label_and_one_class_are_nan_and_not_numbers() -> None:
    panel = market()
    found = outcomes(panel)
    assert panel.one.labels is not None
    bare = replace(panel.one.labels, y=np.full(len(panel.one), np.nan))
    assert forecast_quality(found, Panel.of(replace(panel.one, labels=bare))) == {"forecast_rows": 0.0}
    same = replace(panel.one.labels, y=np.ones(len(panel.one)))
    one = forecast_quality(found, Panel.of(replace(panel.one, labels=same)))
    assert np.isnan(one["auc"])
    assert one["base_log_loss"] == 0.0
