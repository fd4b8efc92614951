"""Which columns are worth a model's while: screen, clusters, importances and selection inside each train fold."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.features.importance.choosing import Chosen as Chosen
    from assay.features.importance.choosing import choose as choose
    from assay.features.importance.ranking import rank as rank
    from assay.features.importance.report import ImportanceReport as ImportanceReport
    from assay.features.importance.screening import Screen as Screen
    from assay.features.importance.screening import screen as screen
    from assay.features.importance.steadiness import nogueira as nogueira
    from assay.features.importance.steadiness import psi as psi
    from assay.features.importance.steadiness import rank_corr as rank_corr

_HOMES = {
    "Chosen": "choosing",
    "ImportanceReport": "report",
    "Screen": "screening",
    "choose": "choosing",
    "nogueira": "steadiness",
    "psi": "steadiness",
    "rank": "ranking",
    "rank_corr": "steadiness",
    "screen": "screening",
}
__all__ = ["Chosen", "ImportanceReport", "Screen", "choose", "nogueira", "psi", "rank", "rank_corr", "screen"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
