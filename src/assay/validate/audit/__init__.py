"""Causality audit: does anything at t depend on bars after t?"""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.validate.audit.pipeline import AuditReport as AuditReport
    from assay.validate.audit.pipeline import Columns as Columns
    from assay.validate.audit.pipeline import Pipeline as Pipeline
    from assay.validate.audit.pipeline import Violation as Violation
    from assay.validate.audit.replay import JudgedWalk as JudgedWalk
    from assay.validate.audit.runner import FULL as FULL
    from assay.validate.audit.runner import QUICK as QUICK
    from assay.validate.audit.runner import Questions as Questions
    from assay.validate.audit.runner import audit_trainer as audit_trainer

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "pipeline": ("AuditReport", "Columns", "Pipeline", "Violation"),
        "replay": ("JudgedWalk",),
        "runner": ("FULL", "QUICK", "Questions", "audit_trainer"),
    },
)  # fmt: skip
