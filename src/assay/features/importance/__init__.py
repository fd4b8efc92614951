"""Which columns are worth a model's while: screen, clusters, importances and selection inside each train fold."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.features.importance.choosing import Chosen as Chosen
    from assay.features.importance.choosing import select_features as select_features
    from assay.features.importance.ranking import rank_features as rank_features
    from assay.features.importance.report import ImportanceReport as ImportanceReport
    from assay.features.importance.screening import Screen as Screen
    from assay.features.importance.screening import screen_columns as screen_columns
    from assay.features.importance.steadiness import nogueira as nogueira
    from assay.features.importance.steadiness import psi as psi
    from assay.features.importance.steadiness import rank_corr as rank_corr

_HOMES = {
    "Chosen": "choosing",
    "ImportanceReport": "report",
    "Screen": "screening",
    "select_features": "choosing",
    "nogueira": "steadiness",
    "psi": "steadiness",
    "rank_features": "ranking",
    "rank_corr": "steadiness",
    "screen_columns": "screening",
}
__all__ = [
    "Chosen",
    "ImportanceReport",
    "Screen",
    "select_features",
    "nogueira",
    "psi",
    "rank_features",
    "rank_corr",
    "screen_columns",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
