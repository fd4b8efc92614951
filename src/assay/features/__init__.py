"""What is known at t: functions of bars with a declared lookback. Loads Numba and TA-Lib on first use only."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.features.columns import Feature as Feature
    from assay.features.columns import feature as feature
    from assay.features.study import FeatureContext as FeatureContext
    from assay.features.tables import Table as Table
    from assay.features.tables import set_columns as set_columns
    from assay.features.tables import set_digest as set_digest
    from assay.features.tables import table as table

_HOMES = {
    "Feature": "columns",
    "feature": "columns",
    "FeatureContext": "study",
    "Table": "tables",
    "set_columns": "tables",
    "set_digest": "tables",
    "table": "tables",
}
__all__ = ["Feature", "FeatureContext", "Table", "feature", "set_columns", "set_digest", "table"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
