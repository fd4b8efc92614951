"""Feature importance: screening, clusters, importances and selection inside each train fold."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.features.importance.ranking import rank_features as rank_features
    from assay.features.importance.report import ImportanceReport as ImportanceReport
    from assay.features.importance.report import nogueira as nogueira
    from assay.features.importance.report import psi as psi
    from assay.features.importance.report import rank_corr as rank_corr
    from assay.features.importance.screening import Screen as Screen
    from assay.features.importance.screening import screen_columns as screen_columns
    from assay.features.importance.selection import Chosen as Chosen
    from assay.features.importance.selection import select_features as select_features

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ranking": ("rank_features",),
        "report": ("ImportanceReport", "nogueira", "psi", "rank_corr"),
        "screening": ("Screen", "screen_columns"),
        "selection": ("Chosen", "select_features"),
    },
)  # fmt: skip
