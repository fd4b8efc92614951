"""Features: functions of bars with a declared lookback, known at t. Loads Numba and TA-Lib on first use only."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.features.compute import NO_USER_COLUMNS as NO_USER_COLUMNS
    from assay.features.compute import FeatureContext as FeatureContext
    from assay.features.compute import Table as Table
    from assay.features.compute import UserColumns as UserColumns
    from assay.features.compute import find_feature as find_feature
    from assay.features.compute import set_columns as set_columns
    from assay.features.compute import set_digest as set_digest
    from assay.features.compute import table as table
    from assay.features.importance.ranking import pattern_candidates as pattern_candidates
    from assay.features.importance.ranking import rank_features as rank_features
    from assay.features.importance.report import DRIFT_PSI as DRIFT_PSI
    from assay.features.importance.report import STABLE_PSI as STABLE_PSI
    from assay.features.importance.report import FeatureScore as FeatureScore
    from assay.features.importance.report import ImportanceReport as ImportanceReport
    from assay.features.importance.report import PatternCandidate as PatternCandidate
    from assay.features.importance.report import psi as psi
    from assay.features.importance.screening import screen_columns as screen_columns
    from assay.features.importance.selection import CLUSTER_CUT as CLUSTER_CUT
    from assay.features.importance.selection import TrainRows as TrainRows
    from assay.features.importance.selection import cluster_order as cluster_order
    from assay.features.importance.selection import select_features as select_features
    from assay.features.kernels import compiled as compiled
    from assay.features.kernels import deviation as deviation
    from assay.features.kernels import log_change as log_change
    from assay.features.kernels import rolling_max as rolling_max
    from assay.features.kernels import rolling_min as rolling_min
    from assay.features.kernels import true_range as true_range
    from assay.features.patterns import PATTERN_EVENTS as PATTERN_EVENTS
    from assay.features.patterns import Pattern as Pattern
    from assay.features.patterns import base_columns as base_columns
    from assay.features.patterns import base_values as base_values
    from assay.features.patterns import format_number as format_number
    from assay.features.patterns import parse_name as parse_name
    from assay.features.patterns import refuse_twins as refuse_twins
    from assay.features.regime import REGIME_LOOKBACK as REGIME_LOOKBACK
    from assay.features.regime import REGIME_NAMES as REGIME_NAMES
    from assay.features.regime import regime_codes as regime_codes
    from assay.features.registry import FEATURE_SETS as FEATURE_SETS
    from assay.features.registry import Clock as Clock
    from assay.features.registry import Feature as Feature
    from assay.features.registry import feature as feature
    from assay.features.registry import feature_registry as feature_registry
    from assay.features.training import check_features_file as check_features_file
    from assay.features.training import check_own_columns as check_own_columns
    from assay.features.training import own_names as own_names
    from assay.features.training import training_table as training_table
    from assay.features.user_features import FEATURE_FILE_CODE as FEATURE_FILE_CODE
    from assay.features.user_features import FeatureFile as FeatureFile
    from assay.features.user_features import find_imported_features as find_imported_features
    from assay.features.user_features import find_imported_source as find_imported_source
    from assay.features.user_features import load_feature_file as load_feature_file

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "compute": (
            "FeatureContext", "NO_USER_COLUMNS", "Table", "UserColumns", "find_feature",
            "set_columns", "set_digest", "table"
        ),
        "importance.ranking": ("pattern_candidates", "rank_features"),
        "importance.report": (
            "DRIFT_PSI", "FeatureScore", "ImportanceReport", "PatternCandidate", "STABLE_PSI", "psi"
        ),
        "importance.screening": ("screen_columns",),
        "importance.selection": ("CLUSTER_CUT", "TrainRows", "cluster_order", "select_features"),
        "kernels": ("compiled", "deviation", "log_change", "rolling_max", "rolling_min", "true_range"),
        "patterns": (
            "PATTERN_EVENTS", "Pattern", "base_columns", "base_values", "format_number",
            "parse_name", "refuse_twins"
        ),
        "regime": ("REGIME_LOOKBACK", "REGIME_NAMES", "regime_codes"),
        "registry": ("Clock", "FEATURE_SETS", "Feature", "feature", "feature_registry"),
        "training": ("check_features_file", "check_own_columns", "own_names", "training_table"),
        "user_features": (
            "FEATURE_FILE_CODE", "FeatureFile", "find_imported_features", "find_imported_source",
            "load_feature_file"
        ),
    },
)  # fmt: skip
