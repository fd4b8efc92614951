"""Assay trains trading models and tells which of them are worth money."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.features import feature as feature
    from assay.features import table as table
    from assay.kernel.bars import Bars as Bars
    from assay.kernel.contracts import Model as Model
    from assay.kernel.contracts import Trainer as Trainer
    from assay.kernel.decisions import Costs as Costs
    from assay.kernel.decisions import Decisions as Decisions
    from assay.kernel.instrument import Instrument as Instrument
    from assay.kernel.panel import Panel as Panel
    from assay.kernel.spec import TrainSpec as TrainSpec
    from assay.learn import Strategy as Strategy
    from assay.learn import load_strategy_file as load_strategy_file
    from assay.learn import strategy as strategy
    from assay.market import open_candles as open_candles
    from assay.market import read_file as read_file
    from assay.market import synthetic as synthetic
    from assay.runs import Context as Context
    from assay.runs import train as train
    from assay.track import DatasetManager as DatasetManager
    from assay.track import ExperimentTracker as ExperimentTracker
    from assay.track import MetricsLogger as MetricsLogger
    from assay.track import MLDatabase as MLDatabase
    from assay.track import ModelRegistry as ModelRegistry
    from assay.track import load_model as load_model
    from assay.validate import Search as Search
    from assay.validate import Space as Space
    from assay.validate import WalkForward as WalkForward
    from assay.validate import evaluate_gate as evaluate_gate
    from assay.validate import walk_forward as walk_forward

__version__ = "0.1.0"
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "features": ("feature", "table"),
        "kernel.bars": ("Bars",),
        "kernel.contracts": ("Model", "Trainer"),
        "kernel.decisions": ("Costs", "Decisions"),
        "kernel.instrument": ("Instrument",),
        "kernel.panel": ("Panel",),
        "kernel.spec": ("TrainSpec",),
        "learn": ("Strategy", "load_strategy_file", "strategy"),
        "market": ("open_candles", "read_file", "synthetic"),
        "runs": ("Context", "train"),
        "track": (
            "DatasetManager",
            "ExperimentTracker",
            "MLDatabase",
            "MetricsLogger",
            "ModelRegistry",
            "load_model",
        ),
        "validate": ("Search", "Space", "WalkForward", "evaluate_gate", "walk_forward"),
    },
)
