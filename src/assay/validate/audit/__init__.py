"""Does anything that was said at t depend on bars after t?"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.validate.audit.asking import FULL as FULL
    from assay.validate.audit.asking import QUICK as QUICK
    from assay.validate.audit.asking import Questions as Questions
    from assay.validate.audit.asking import audit as audit
    from assay.validate.audit.pipeline import Columns as Columns
    from assay.validate.audit.pipeline import Pipeline as Pipeline
    from assay.validate.audit.replay import JudgedWalk as JudgedWalk
    from assay.validate.audit.report import AuditReport as AuditReport
    from assay.validate.audit.report import Violation as Violation

_HOMES = {
    "AuditReport": "report",
    "Columns": "pipeline",
    "FULL": "asking",
    "Pipeline": "pipeline",
    "QUICK": "asking",
    "Questions": "asking",
    "Violation": "report",
    "JudgedWalk": "replay",
    "audit": "asking",
}
__all__ = ["FULL", "QUICK", "AuditReport", "Columns", "Pipeline", "Questions", "Violation", "JudgedWalk", "audit"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
