"""What the ensemble can be told, and what it refuses to be told."""

import logging
import os
from typing import Any

import pytest

from assay.kernel.errors import ConfigError
from assay.learn.ensemble.params import EnsembleParams, ensemble_params


@pytest.mark.parametrize("value", [float("nan"), 0, -1, float("inf"), 10**400, "0.1", True, None, [0.1]])
def test_learning_rate(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"learning_rate.*\[1e-06, 1\]") as caught:
        ensemble_params({"learning_rate": value})
    assert caught.value.code == "CONFIG_PARAMETER"


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"lerning_rate": 0.1}, r"unknown key 'params.lerning_rate'; did you mean learning_rate\?"),
        ({"members": ["xgbost"]}, r"'xgbost'; did you mean xgboost\?"),
        ({"members": []}, "at least one"),
        ({"members": ["xgboost", "xgboost"]}, "each member once"),
        ({"members": "xgboost"}, "must be a list"),
        ({"weights": [1, 2]}, "must be 3 numbers"),
        ({"weights": [0, 0, 0]}, "not all 0"),
        ({"weights": [1, 2, -1]}, ">= 0"),
        ({"trees": 0}, r"params.trees is 0, must be in \[1, 10000\]"),
        ({"trees": 2.5}, "must be an integer"),
        ({"max_features": 0}, "max_features is 0"),
        ({"validation_share": 0.9}, r"\[0.05, 0.5\]"),
        ({"calibration": "sigmod"}, "must be one of sigmoid, isotonic, none"),
        ({"balance": 1}, "true or false"),
        ({"device": "cuda"}, "params.device is 'cuda', the ensemble runs on the CPU"),
        ({"device": "tpu"}, "must be one of cpu, auto, cuda"),
        ({"num_threads": 0}, "num_threads is 0"),
    ],
)
def test_what_is_refused(params: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        ensemble_params(params)
    assert caught.value.code == "CONFIG_PARAMETER"


def test_threads_are_cut_to_the_machine_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    with caplog.at_level(logging.WARNING):
        assert ensemble_params({"num_threads": 64}).num_threads == 2
    assert "num_threads is 64, this machine has 2" in caplog.text
    assert ensemble_params({"device": "auto"}).device == "auto"


def test_votes_sum_to_one() -> None:
    assert EnsembleParams().votes == {m: 1 / 3 for m in ("random_forest", "xgboost", "lightgbm")}
    chosen = ensemble_params({"members": ["lightgbm", "random_forest"], "weights": [3, 1]})
    assert chosen.votes == {"lightgbm": 0.75, "random_forest": 0.25}
