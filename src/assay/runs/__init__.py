"""Each piece of work as data: a spec and one function."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.runs._backtest import backtest as backtest
    from assay.runs._holdout import list_locks as list_locks
    from assay.runs._holdout import lock_holdout as lock_holdout
    from assay.runs._holdout import read_holdout as read_holdout
    from assay.runs._holdout import unlock_holdout as unlock_holdout
    from assay.runs._reproduce import reproduce as reproduce
    from assay.runs._train import train as train
    from assay.runs.audits import audit_features_file as audit_features_file
    from assay.runs.audits import audit_run as audit_run
    from assay.runs.audits import audit_strategy as audit_strategy
    from assay.runs.bot_config.schema import configuration_schema as configuration_schema
    from assay.runs.bot_config.schema import parse_configuration as parse_configuration
    from assay.runs.configuration_views import ConfigurationRow as ConfigurationRow
    from assay.runs.configuration_views import ConfigurationView as ConfigurationView
    from assay.runs.configuration_views import approve_configuration as approve_configuration
    from assay.runs.configuration_views import export_configurations as export_configurations
    from assay.runs.configuration_views import list_configurations as list_configurations
    from assay.runs.configuration_views import select_configurations as select_configurations
    from assay.runs.configuration_views import show_configuration as show_configuration
    from assay.runs.configuration_views import switch_configuration as switch_configuration
    from assay.runs.configuration_views import write_text_file as write_text_file
    from assay.runs.context import Context as Context
    from assay.runs.context import Listener as Listener
    from assay.runs.dataset_views import DatasetLineage as DatasetLineage
    from assay.runs.dataset_views import DatasetRow as DatasetRow
    from assay.runs.dataset_views import DatasetView as DatasetView
    from assay.runs.dataset_views import ModelLineage as ModelLineage
    from assay.runs.dataset_views import list_datasets as list_datasets
    from assay.runs.dataset_views import show_dataset as show_dataset
    from assay.runs.dataset_views import show_lineage as show_lineage
    from assay.runs.demo import DemoRow as DemoRow
    from assay.runs.demo import run_demo as run_demo
    from assay.runs.feature_ranking import FeatureRanking as FeatureRanking
    from assay.runs.feature_ranking import compute_features as compute_features
    from assay.runs.feature_ranking import describe_set as describe_set
    from assay.runs.feature_ranking import rank_spec_features as rank_spec_features
    from assay.runs.feature_ranking import rank_targets as rank_targets
    from assay.runs.ingest import HoldingRow as HoldingRow
    from assay.runs.ingest import check_candles as check_candles
    from assay.runs.ingest import collect_candles as collect_candles
    from assay.runs.ingest import import_file as import_file
    from assay.runs.ingest import list_holdings as list_holdings
    from assay.runs.ingest import show_candles as show_candles
    from assay.runs.learners import execute_spec as execute_spec
    from assay.runs.maintenance import mirror_once as mirror_once
    from assay.runs.maintenance import mirror_status as mirror_status
    from assay.runs.maintenance import run_mirror as run_mirror
    from assay.runs.maintenance import run_query as run_query
    from assay.runs.model_health import check_health as check_health
    from assay.runs.model_health import check_serving_models as check_serving_models
    from assay.runs.model_views import LoadTest as LoadTest
    from assay.runs.model_views import ModelExport as ModelExport
    from assay.runs.model_views import ModelRow as ModelRow
    from assay.runs.model_views import ModelSwitch as ModelSwitch
    from assay.runs.model_views import ModelView as ModelView
    from assay.runs.model_views import PruneReport as PruneReport
    from assay.runs.model_views import VerifyReport as VerifyReport
    from assay.runs.model_views import export_model as export_model
    from assay.runs.model_views import list_models as list_models
    from assay.runs.model_views import load_test_model as load_test_model
    from assay.runs.model_views import promote_model as promote_model
    from assay.runs.model_views import prune_models as prune_models
    from assay.runs.model_views import rollback_model as rollback_model
    from assay.runs.model_views import show_model as show_model
    from assay.runs.model_views import verify_models as verify_models
    from assay.runs.report.page import check_page_path as check_page_path
    from assay.runs.report.page import write_ranking_page as write_ranking_page
    from assay.runs.run_artifacts import to_jsonable as to_jsonable
    from assay.runs.run_inputs import load_history as load_history
    from assay.runs.run_views import RunRow as RunRow
    from assay.runs.run_views import compare_runs as compare_runs
    from assay.runs.run_views import diff_runs as diff_runs
    from assay.runs.run_views import list_runs as list_runs
    from assay.runs.run_views import show_run as show_run
    from assay.runs.run_views import write_run_page as write_run_page
    from assay.runs.selftest.runner import CI_SIZE as CI_SIZE
    from assay.runs.selftest.runner import MOST_MARKETS as MOST_MARKETS
    from assay.runs.selftest.runner import NIGHTLY_SIZE as NIGHTLY_SIZE
    from assay.runs.selftest.runner import SelfTestResult as SelfTestResult
    from assay.runs.selftest.runner import run_selftest as run_selftest
    from assay.runs.selftest.selftest_page import write_selftest_page as write_selftest_page
    from assay.runs.selftest.trial_runs import CandidateRule as CandidateRule
    from assay.runs.selftest.trial_runs import choose_attempt as choose_attempt
    from assay.runs.selftest.trial_runs import momentum as momentum
    from assay.runs.selftest.trial_runs import open_laboratory as open_laboratory
    from assay.runs.selftest.trial_runs import try_idea as try_idea
    from assay.runs.specs import build_spec as build_spec
    from assay.runs.specs import optimize_spec as optimize_spec
    from assay.runs.strategies import check_enough_bars as check_enough_bars
    from assay.runs.strategies import count_signals as count_signals
    from assay.runs.strategies import describe_strategy as describe_strategy
    from assay.runs.strategies import list_strategies as list_strategies
    from assay.runs.strategies import load_strategy as load_strategy
    from assay.runs.strategies import name_user_line as name_user_line
    from assay.runs.trial_views import TrialRow as TrialRow
    from assay.runs.trial_views import TrialsView as TrialsView
    from assay.runs.trial_views import list_trials as list_trials
    from assay.runs.trial_views import list_tried_markets as list_tried_markets
    from assay.runs.user_files import candles_for_check as candles_for_check
    from assay.runs.user_files import check_features as check_features
    from assay.runs.user_files import check_probe as check_probe
    from assay.runs.user_files import probe_document as probe_document
    from assay.runs.user_files import probe_rule as probe_rule

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "_backtest": ("backtest",),
        "_holdout": ("list_locks", "lock_holdout", "read_holdout", "unlock_holdout"),
        "_reproduce": ("reproduce",),
        "_train": ("train",),
        "audits": ("audit_features_file", "audit_run", "audit_strategy"),
        "bot_config.schema": ("configuration_schema", "parse_configuration"),
        "configuration_views": (
            "ConfigurationRow", "ConfigurationView", "approve_configuration",
            "export_configurations", "list_configurations", "select_configurations",
            "show_configuration", "switch_configuration", "write_text_file"
        ),
        "context": ("Context", "Listener"),
        "dataset_views": (
            "DatasetLineage", "DatasetRow", "DatasetView", "ModelLineage", "list_datasets",
            "show_dataset", "show_lineage"
        ),
        "demo": ("DemoRow", "run_demo"),
        "feature_ranking": (
            "FeatureRanking", "compute_features", "describe_set", "rank_spec_features",
            "rank_targets"
        ),
        "ingest": ("HoldingRow", "check_candles", "collect_candles", "import_file", "list_holdings", "show_candles"),
        "learners": ("execute_spec",),
        "maintenance": ("mirror_once", "mirror_status", "run_mirror", "run_query"),
        "model_health": ("check_health", "check_serving_models"),
        "model_views": (
            "LoadTest", "ModelExport", "ModelRow", "ModelSwitch", "ModelView", "PruneReport",
            "VerifyReport", "export_model", "list_models", "load_test_model", "promote_model",
            "prune_models", "rollback_model", "show_model", "verify_models"
        ),
        "report.page": ("check_page_path", "write_ranking_page"),
        "run_artifacts": ("to_jsonable",),
        "run_inputs": ("load_history",),
        "run_views": ("RunRow", "compare_runs", "diff_runs", "list_runs", "show_run", "write_run_page"),
        "selftest.runner": ("CI_SIZE", "MOST_MARKETS", "NIGHTLY_SIZE", "SelfTestResult", "run_selftest"),
        "selftest.selftest_page": ("write_selftest_page",),
        "selftest.trial_runs": ("CandidateRule", "choose_attempt", "momentum", "open_laboratory", "try_idea"),
        "specs": ("build_spec", "optimize_spec"),
        "strategies": (
            "check_enough_bars", "count_signals", "describe_strategy", "list_strategies",
            "load_strategy", "name_user_line"
        ),
        "trial_views": ("TrialRow", "TrialsView", "list_trials", "list_tried_markets"),
        "user_files": ("candles_for_check", "check_features", "check_probe", "probe_document", "probe_rule"),
    },
)  # fmt: skip
