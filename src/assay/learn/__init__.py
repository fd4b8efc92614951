"""Four trainers, strangers to each other."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.learn.ensemble.boosting import lightgbm_options as lightgbm_options
    from assay.learn.ensemble.importance_model import fit_quick as fit_quick
    from assay.learn.ensemble.model import EnsembleModel as EnsembleModel
    from assay.learn.ensemble.params import EnsembleParams as EnsembleParams
    from assay.learn.ensemble.params import ensemble_params as ensemble_params
    from assay.learn.ensemble.trainer import EnsembleTrainer as EnsembleTrainer
    from assay.learn.rules import RuleModel as RuleModel
    from assay.learn.rules import RuleTrainer as RuleTrainer
    from assay.learn.sizing import sizing_rule as sizing_rule
    from assay.learn.strategies.batch_evaluator import BatchEvaluator as BatchEvaluator
    from assay.learn.strategies.candidates import build_exits as build_exits
    from assay.learn.strategies.candidates import lazy_candidates as lazy_candidates
    from assay.learn.strategies.candidates import threshold_matrix as threshold_matrix
    from assay.learn.strategies.checks import check_honest as check_honest
    from assay.learn.strategies.checks import check_strategy as check_strategy
    from assay.learn.strategies.checks import setup_columns as setup_columns
    from assay.learn.strategies.declaration import ALLOW_SHORT as ALLOW_SHORT
    from assay.learn.strategies.declaration import Strategy as Strategy
    from assay.learn.strategies.declaration import strategy as strategy
    from assay.learn.strategies.indicators import share_indicators as share_indicators
    from assay.learn.strategies.indicators import sma as sma
    from assay.learn.strategies.parameters import Constraint as Constraint
    from assay.learn.strategies.parameters import Exit as Exit
    from assay.learn.strategies.parameters import Parameter as Parameter
    from assay.learn.strategies.parameters import Range as Range
    from assay.learn.strategies.parameters import Structural as Structural
    from assay.learn.strategies.parameters import Threshold as Threshold
    from assay.learn.strategies.parameters import Value as Value
    from assay.learn.strategies.regimes import check_regime as check_regime
    from assay.learn.strategies.registry import all_strategies as all_strategies
    from assay.learn.strategies.registry import load_strategy_file as load_strategy_file
    from assay.learn.strategies.registry import strategy_named as strategy_named
    from assay.learn.strategies.setups import LEVEL_NAMES as LEVEL_NAMES
    from assay.learn.strategies.setups import Above as Above
    from assay.learn.strategies.setups import Crossing as Crossing
    from assay.learn.strategies.setups import Setups as Setups
    from assay.learn.strategies.setups import Side as Side
    from assay.learn.strategies.setups import State as State
    from assay.learn.strategies.setups import flat_decisions as flat_decisions

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ensemble.boosting": ("lightgbm_options",),
        "ensemble.importance_model": ("fit_quick",),
        "ensemble.model": ("EnsembleModel",),
        "ensemble.params": ("EnsembleParams", "ensemble_params"),
        "ensemble.trainer": ("EnsembleTrainer",),
        "rules": ("RuleModel", "RuleTrainer"),
        "sizing": ("sizing_rule",),
        "strategies.batch_evaluator": ("BatchEvaluator",),
        "strategies.candidates": ("build_exits", "lazy_candidates", "threshold_matrix"),
        "strategies.checks": ("check_honest", "check_strategy", "setup_columns"),
        "strategies.declaration": ("ALLOW_SHORT", "Strategy", "strategy"),
        "strategies.indicators": ("share_indicators", "sma"),
        "strategies.parameters": ("Constraint", "Exit", "Parameter", "Range", "Structural", "Threshold", "Value"),
        "strategies.regimes": ("check_regime",),
        "strategies.registry": ("all_strategies", "load_strategy_file", "strategy_named"),
        "strategies.setups": ("Above", "Crossing", "LEVEL_NAMES", "Setups", "Side", "State", "flat_decisions"),
    },
)  # fmt: skip
