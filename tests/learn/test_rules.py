"""Rules as a trainer: the contract of all trainers, and what is kept on disk."""

import json
from dataclasses import replace

import numpy as np
import pytest

from assay.kernel.contracts import Model, NullReport, Trainer
from assay.kernel.errors import ArtifactError, ConfigError, DataError
from assay.kernel.panel import Panel, Window
from assay.learn.rules import RuleModel, RuleTrainer
from assay.learn.strategies import all_strategies, load_strategy_file, strategy_named
from assay.testing.trainers import TRAINER_CHECKS
from tests.learn.strategy_bars import lively
from tests.learn.test_strategies_parameters import OWN

GIVEN = {"htf_sweep": {"htf": "4h", "swing_lookback_periods": 10}, "divergence_capitulation": {"ema_slow": 100}}


def panel(n=900):
    second = lively(n, seed=8)
    return Panel.of(
        Window.of_bars(lively(n, seed=7)),
        Window.of_bars(replace(second, instrument=replace(second.instrument, symbol="ETH/USDT"))),
    )


def fitted(name="range_sweep", **params):
    return RuleTrainer(strategy_named(name), params).fit(panel(), seed=1, report=NullReport())


@pytest.mark.parametrize("check", TRAINER_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", all_strategies())
def test_the_contract_of_trainers(check, name):
    trainer = RuleTrainer(strategy_named(name), GIVEN.get(name, {}))
    assert isinstance(trainer, Trainer)
    check(trainer, panel())


def test_a_model_is_what_was_saved(tmp_path):
    model = fitted(k=1.0, p=0.0002)
    assert isinstance(model, Model)
    model.save(tmp_path)
    again = RuleModel.load(tmp_path)
    assert (again.values, again.lookback, again.timeframe) == (model.values, model.lookback, "1h")
    for symbol, made in model.decide(panel()).items():
        assert np.nan_to_num(made.target).any()
        assert np.array_equal(again.decide(panel())[symbol].target, made.target, equal_nan=True)
    document = json.loads((tmp_path / "rules.json").read_text())
    assert document["format"] == "rules-json"
    assert document["params"]["k"] == 1.0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: d | {"params": d["params"] | {"k": 2.0}}, "ARTIFACT_CORRUPT"),
        (lambda d: d | {"format_version": 2}, "ARTIFACT_VERSION"),
        (lambda d: {}, "ARTIFACT_VERSION"),
        (lambda d: [], "ARTIFACT_VERSION"),
    ],
)
def test_a_file_that_was_changed_is_refused(tmp_path, change, code):
    fitted().save(tmp_path)
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ArtifactError) as caught:
        RuleModel.load(tmp_path)
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null"])
def test_bytes_that_are_no_document(tmp_path, text):
    (tmp_path / "rules.json").write_text(text)
    with pytest.raises(ArtifactError):
        RuleModel.load(tmp_path)


def test_a_parameter_that_the_strategy_has_no_more(tmp_path):
    model = fitted()
    RuleModel(model.strategy, {**model.values, "gone": 1}, "1h").save(tmp_path)
    with pytest.raises(ArtifactError, match="gone") as caught:
        RuleModel.load(tmp_path)
    assert caught.value.code == "ARTIFACT_CORRUPT"


def test_a_strategy_of_the_users_own_comes_from_its_file(tmp_path):
    source = tmp_path / "my.py"
    source.write_text(OWN)
    rule = load_strategy_file(source)
    RuleTrainer(rule, {"depth": 0.002}).fit(panel(), seed=1, report=NullReport()).save(tmp_path)
    assert RuleModel.load(tmp_path, strategy=load_strategy_file(source)).values["depth"] == 0.002
    with pytest.raises(ArtifactError, match="give its file") as lacking:
        RuleModel.load(tmp_path)
    assert lacking.value.code == "ARTIFACT_STRATEGY"
    source.write_text(OWN + "\n")
    for other in (load_strategy_file(source), strategy_named("range_sweep")):
        with pytest.raises(ArtifactError, match="was saved with") as caught:
            RuleModel.load(tmp_path, strategy=other)
        assert caught.value.code == "ARTIFACT_STRATEGY"


def test_a_spec_that_forbids_shorts_overrules_the_rule():
    trainer = RuleTrainer(strategy_named("sma_cross"), {"allow_short": True}, short=False)
    made = trainer.fit(panel(), seed=1, report=NullReport()).decide(panel())
    assert all(np.nanmin(each.target) == 0.0 and np.nanmax(each.target) == 1.0 for each in made.values())
    model = RuleTrainer(strategy_named("sma_cross")).fit(panel(), seed=1, report=NullReport())
    assert np.nanmin(model.decide(panel())["BTC/USDT"].target) == -1.0


def test_bars_that_a_fit_refuses():
    mute = lively(300)
    mute = type(mute)(mute.instrument, mute.timestamp, mute.open, mute.high, mute.low, mute.close, None)
    for params, bars, code in [
        ({"N": 0}, lively(300), "CONFIG_PARAMETER"),
        ({}, mute, "DATA_VOLUME_MISSING"),
        ({}, lively(20), "DATA_TOO_FEW"),
    ]:
        with pytest.raises((ConfigError, DataError)) as caught:
            RuleTrainer(strategy_named("range_sweep"), params).fit(
                Panel.of(Window.of_bars(bars)), seed=1, report=NullReport()
            )
        assert caught.value.code == code


def test_bars_of_another_length_are_refused():
    with pytest.raises(ConfigError, match="decides on 1h bars") as caught:
        fitted().decide(Panel.of(Window.of_bars(lively(100, timeframe="5m"))))
    assert caught.value.code == "CONFIG_TIMEFRAME"
    mixed = Panel.of(Window.of_bars(lively(100)), *[w for s, w in panel() if s == "ETH/USDT"])
    five = lively(100, timeframe="5m")
    mixed = Panel.of(
        mixed["ETH/USDT"], Window.of_bars(replace(five, instrument=replace(five.instrument, symbol="SOL/USDT")))
    )
    with pytest.raises(ConfigError, match="one timeframe"):
        RuleTrainer(strategy_named("range_sweep")).fit(mixed, seed=1, report=NullReport())
