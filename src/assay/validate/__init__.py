"""Folds, the one loop, statistics and the verdict."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.validate._walk_forward import FoldResult as FoldResult
    from assay.validate._walk_forward import SymbolResult as SymbolResult
    from assay.validate._walk_forward import judge_model as judge_model
    from assay.validate._walk_forward import mask_filtered_bars as mask_filtered_bars
    from assay.validate._walk_forward import walk_forward as walk_forward
    from assay.validate.active import NATURE_SENTENCES as NATURE_SENTENCES
    from assay.validate.active import active_returns as active_returns
    from assay.validate.active import count_independent_trades as count_independent_trades
    from assay.validate.active import market_returns as market_returns
    from assay.validate.argument_checks import check_share as check_share
    from assay.validate.audit.feature_probes import audit_features as audit_features
    from assay.validate.audit.perturbations import first_changed_decision as first_changed_decision
    from assay.validate.audit.pipeline import AuditReport as AuditReport
    from assay.validate.audit.pipeline import Columns as Columns
    from assay.validate.audit.pipeline import Coverage as Coverage
    from assay.validate.audit.pipeline import Features as Features
    from assay.validate.audit.pipeline import Pipeline as Pipeline
    from assay.validate.audit.pipeline import Violation as Violation
    from assay.validate.audit.pipeline import no_columns as no_columns
    from assay.validate.audit.pipeline import per_symbol as per_symbol
    from assay.validate.audit.replay import PROBES as PROBES
    from assay.validate.audit.replay import JudgedWalk as JudgedWalk
    from assay.validate.audit.replay import ReplaySources as ReplaySources
    from assay.validate.audit.runner import FULL as FULL
    from assay.validate.audit.runner import QUICK as QUICK
    from assay.validate.audit.runner import Questions as Questions
    from assay.validate.audit.runner import audit_trainer as audit_trainer
    from assay.validate.diagnostics import BreakEven as BreakEven
    from assay.validate.diagnostics import CostSides as CostSides
    from assay.validate.diagnostics import Fills as Fills
    from assay.validate.diagnostics import at_side as at_side
    from assay.validate.diagnostics import bar_fills as bar_fills
    from assay.validate.diagnostics import break_even as break_even
    from assay.validate.diagnostics import cost_sides as cost_sides
    from assay.validate.diagnostics import deflated_by_spread as deflated_by_spread
    from assay.validate.diagnostics import forecast_quality as forecast_quality
    from assay.validate.diagnostics import span_sums as span_sums
    from assay.validate.diagnostics import summarize_fills as summarize_fills
    from assay.validate.diagnostics import superiority_p_values as superiority_p_values
    from assay.validate.gate import GATE_VERSION as GATE_VERSION
    from assay.validate.gate import Reason as Reason
    from assay.validate.gate import Verdict as Verdict
    from assay.validate.gate import audit_reason as audit_reason
    from assay.validate.gate import evaluate_gate as evaluate_gate
    from assay.validate.gate import gate_input_document as gate_input_document
    from assay.validate.gate import verdict_of_states as verdict_of_states
    from assay.validate.gate_input import GateInput as GateInput
    from assay.validate.gate_input import find_data_problems as find_data_problems
    from assay.validate.gate_study import FAR_LEVEL as FAR_LEVEL
    from assay.validate.gate_study import STUDY_BARS as STUDY_BARS
    from assay.validate.gate_study import STUDY_CASES as STUDY_CASES
    from assay.validate.gate_study import Case as Case
    from assay.validate.gate_study import GateStudyResult as GateStudyResult
    from assay.validate.gate_study import Rule as Rule
    from assay.validate.gate_study import count_errors as count_errors
    from assay.validate.gate_study import draw_moments as draw_moments
    from assay.validate.gate_study import drift_study as drift_study
    from assay.validate.gate_study import edge_rule as edge_rule
    from assay.validate.gate_study import run_gate_study as run_gate_study
    from assay.validate.gate_study import study_cases as study_cases
    from assay.validate.isolation.probes import PROBE_QUESTIONS as PROBE_QUESTIONS
    from assay.validate.isolation.probes import FileProbe as FileProbe
    from assay.validate.isolation.probes import probe_feature_file as probe_feature_file
    from assay.validate.isolation.probes import probe_strategy_file as probe_strategy_file
    from assay.validate.isolation.process import Attempt as Attempt
    from assay.validate.isolation.process import ClosedProcess as ClosedProcess
    from assay.validate.isolation.process import Confinement as Confinement
    from assay.validate.isolation.user_files import IsolatedFeatures as IsolatedFeatures
    from assay.validate.isolation.user_files import IsolatedStrategy as IsolatedStrategy
    from assay.validate.isolation.user_files import isolated_feature_file as isolated_feature_file
    from assay.validate.isolation.user_files import isolated_strategy as isolated_strategy
    from assay.validate.isolation.user_files import source_gaps as source_gaps
    from assay.validate.isolation.user_files import user_source as user_source
    from assay.validate.lifecycle import STAGES as STAGES
    from assay.validate.lifecycle import Placement as Placement
    from assay.validate.lifecycle import Portfolio as Portfolio
    from assay.validate.lifecycle import circuit_breakers as circuit_breakers
    from assay.validate.lifecycle import confidence_score as confidence_score
    from assay.validate.lifecycle import metric_value as metric_value
    from assay.validate.lifecycle import place_stage as place_stage
    from assay.validate.lifecycle import position_size as position_size
    from assay.validate.lifecycle import refusal as refusal
    from assay.validate.monitoring import Finding as Finding
    from assay.validate.monitoring import age_finding as age_finding
    from assay.validate.monitoring import input_drift_finding as input_drift_finding
    from assay.validate.monitoring import monitor_performance as monitor_performance
    from assay.validate.monitoring import performance_finding as performance_finding
    from assay.validate.monitoring import recommendation_of as recommendation_of
    from assay.validate.search.dimensions import Categorical as Categorical
    from assay.validate.search.dimensions import FloatRange as FloatRange
    from assay.validate.search.dimensions import IntRange as IntRange
    from assay.validate.search.optuna_sampler import Bayesian as Bayesian
    from assay.validate.search.result import SearchResult as SearchResult
    from assay.validate.search.sampler import Grid as Grid
    from assay.validate.search.sampler import Method as Method
    from assay.validate.search.sampler import Random as Random
    from assay.validate.search.search import Search as Search
    from assay.validate.search.search import SearchOverfit as SearchOverfit
    from assay.validate.search.search import search_overfit as search_overfit
    from assay.validate.search.space import Space as Space
    from assay.validate.search.space import parse_space_text as parse_space_text
    from assay.validate.search.successive_halving import Halving as Halving
    from assay.validate.search.sweep_evaluator import RuleSweep as RuleSweep
    from assay.validate.splits.base import Splitter as Splitter
    from assay.validate.splits.splitters import MIN_ROWS as MIN_ROWS
    from assay.validate.splits.splitters import WalkForward as WalkForward
    from assay.validate.splits.splitters import split_plan as split_plan
    from assay.validate.stability import MIN_STABILITY_WINDOWS as MIN_STABILITY_WINDOWS
    from assay.validate.stability import parameter_stability as parameter_stability
    from assay.validate.stability import plateau_score as plateau_score
    from assay.validate.stability import windows_stability as windows_stability
    from assay.validate.statistics.overfitting import Overfitting as Overfitting
    from assay.validate.statistics.overfitting import effective_number_of_trials as effective_number_of_trials
    from assay.validate.statistics.overfitting import overfitting_of as overfitting_of
    from assay.validate.statistics.sharpe import best_of_many_p_value as best_of_many_p_value
    from assay.validate.statistics.sharpe import deflated_sharpe_ratio as deflated_sharpe_ratio
    from assay.validate.statistics.sharpe import expected_max_sharpe as expected_max_sharpe
    from assay.validate.statistics.sharpe import half_spread as half_spread
    from assay.validate.statistics.sharpe import probabilistic_sharpe_ratio as probabilistic_sharpe_ratio
    from assay.validate.statistics.sharpe import sharpe_p_value as sharpe_p_value
    from assay.validate.statistics.sharpe import sharpe_that_passes as sharpe_that_passes
    from assay.validate.thresholds import Thresholds as Thresholds
    from assay.validate.thresholds import looser_thresholds as looser_thresholds
    from assay.validate.thresholds import thresholds_from_document as thresholds_from_document

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "_walk_forward": ("FoldResult", "SymbolResult", "judge_model", "mask_filtered_bars", "walk_forward"),
        "active": ("NATURE_SENTENCES", "active_returns", "count_independent_trades", "market_returns"),
        "argument_checks": ("check_share",),
        "audit.feature_probes": ("audit_features",),
        "audit.perturbations": ("first_changed_decision",),
        "audit.pipeline": (
            "AuditReport", "Columns", "Coverage", "Features", "Pipeline", "Violation", "no_columns",
            "per_symbol"
        ),
        "audit.replay": ("JudgedWalk", "PROBES", "ReplaySources"),
        "audit.runner": ("FULL", "QUICK", "Questions", "audit_trainer"),
        "diagnostics": (
            "BreakEven", "CostSides", "Fills", "at_side", "bar_fills", "break_even", "cost_sides",
            "deflated_by_spread", "forecast_quality", "span_sums", "summarize_fills",
            "superiority_p_values"
        ),
        "gate": (
            "GATE_VERSION", "Reason", "Verdict", "audit_reason", "evaluate_gate",
            "gate_input_document", "verdict_of_states"
        ),
        "gate_input": ("GateInput", "find_data_problems"),
        "gate_study": (
            "Case", "FAR_LEVEL", "GateStudyResult", "Rule", "STUDY_BARS", "STUDY_CASES",
            "count_errors", "draw_moments", "drift_study", "edge_rule", "run_gate_study",
            "study_cases"
        ),
        "isolation.probes": ("FileProbe", "PROBE_QUESTIONS", "probe_feature_file", "probe_strategy_file"),
        "isolation.process": ("Attempt", "ClosedProcess", "Confinement"),
        "isolation.user_files": (
            "IsolatedFeatures", "IsolatedStrategy", "isolated_feature_file", "isolated_strategy",
            "source_gaps", "user_source"
        ),
        "lifecycle": (
            "Placement", "Portfolio", "STAGES", "circuit_breakers", "confidence_score",
            "metric_value", "place_stage", "position_size", "refusal"
        ),
        "monitoring": (
            "Finding", "age_finding", "input_drift_finding", "monitor_performance",
            "performance_finding", "recommendation_of"
        ),
        "search.dimensions": ("Categorical", "FloatRange", "IntRange"),
        "search.optuna_sampler": ("Bayesian",),
        "search.result": ("SearchResult",),
        "search.sampler": ("Grid", "Method", "Random"),
        "search.search": ("Search", "SearchOverfit", "search_overfit"),
        "search.space": ("Space", "parse_space_text"),
        "search.successive_halving": ("Halving",),
        "search.sweep_evaluator": ("RuleSweep",),
        "splits.base": ("Splitter",),
        "splits.splitters": ("MIN_ROWS", "WalkForward", "split_plan"),
        "stability": ("MIN_STABILITY_WINDOWS", "parameter_stability", "plateau_score", "windows_stability"),
        "statistics.overfitting": ("Overfitting", "effective_number_of_trials", "overfitting_of"),
        "statistics.sharpe": (
            "best_of_many_p_value", "deflated_sharpe_ratio", "expected_max_sharpe", "half_spread",
            "probabilistic_sharpe_ratio", "sharpe_p_value", "sharpe_that_passes"
        ),
        "thresholds": ("Thresholds", "looser_thresholds", "thresholds_from_document"),
    },
)  # fmt: skip
