"""A run's own files answer from closed processes when its judged decisions are replayed."""

from pathlib import Path

import pytest

from assay.kernel.spec import SplitSpec, TrainSpec
from assay.learn.rules import RuleTrainer
from assay.learn.strategies import load_strategy_file
from assay.runs.audits import Audited, audit_walk
from assay.runs.context import Context
from assay.runs.rule_search import walk_trainer
from assay.runs.user_files import isolate_replay
from assay.testing.attack_catalogue import HONEST, MEMORY, OwnFile, market
from assay.validate.audit.runner import QUICK, audit_trainer

SPEC = TrainSpec(
    exchange="synthetic", symbols=("GOLD/USDT:USDT",), timeframe="1h", learner="rules", features=(),
    folds=SplitSpec(train_bars=800, test_bars=600),
)  # fmt: skip
BY_TIME = next(each for each in MEMORY if each.name == "memory_by_timestamp")


def context(home: Path) -> Context:
    return Context(home=home, record_url=f"sqlite:///{home}/assay.db", candles_url=f"duckdb:///{home}/candles.duckdb")


def run_audit(file: OwnFile, folder: Path) -> Audited:
    trainer = RuleTrainer(load_strategy_file(file.write(folder, {})))
    home = context(folder)
    with home.record:
        return audit_walk(trainer, SPEC, [market()], home)


def test_a_rule_that_remembers_is_found_by_the_replay_in_a_process_that_has_seen_no_later_bar(tmp_path: Path) -> None:
    trainer = RuleTrainer(load_strategy_file(BY_TIME.write(tmp_path, {})))
    walked = walk_trainer(trainer, SPEC, [market()], context(tmp_path), None)
    with isolate_replay(SPEC, walked, None) as online:
        assert online is not None
        report = audit_trainer(trainer, market(), spec=SPEC, seed=1, questions=QUICK, walked=walked, online=online)
    assert any(each.probe == "replay" and each.text.startswith("LEAK_ONLINE") for each in report.violations)
    in_this_process = audit_trainer(trainer, market(), spec=SPEC, seed=1, questions=QUICK, walked=walked)
    assert not any(each.probe == "replay" for each in in_this_process.violations)  # it remembers what it decided


def test_an_audit_of_a_run_asks_its_file_by_itself_too(tmp_path: Path) -> None:
    found = run_audit(BY_TIME, tmp_path).report
    assert found is not None and {"state", "replay"} <= {each.probe for each in found.violations}
    assert found.checks["outside"] == 1 and found.checks["replay"] > QUICK.replays


def test_an_honest_file_passes(tmp_path: Path) -> None:
    found = run_audit(HONEST[0], tmp_path).report
    assert found is not None and found.passed, found
    assert found.coverage is not None and found.coverage.rows_judged == 1_200


def test_rules_of_assay_need_no_closed_process(tmp_path: Path) -> None:
    from assay.learn.strategies.registry import strategy_named

    walked = walk_trainer(RuleTrainer(strategy_named("sma_cross")), SPEC, [market()], context(tmp_path), None)
    with isolate_replay(SPEC, walked, None) as online:
        assert online is None


@pytest.mark.parametrize("name", ["pathlib_read", "environment_variable"])
def test_what_a_file_tries_during_the_replay_is_named(name: str, tmp_path: Path) -> None:
    from assay.testing.attack_catalogue import OUTSIDE, temptations

    file = next(each for each in OUTSIDE if each.name == name)
    (tmp_path / "candles").mkdir()
    path = file.write(tmp_path, temptations(market(), tmp_path / "candles"))
    home = context(tmp_path)
    with home.record:
        found = audit_walk(RuleTrainer(load_strategy_file(path)), SPEC, [market()], home).report
    assert found is not None
    assert any(each.probe == "outside" and each.text.startswith("LEAK_OUTSIDE") for each in found.violations)
