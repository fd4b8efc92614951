"""Contract tests and fakes, for our backends and for other people's."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.testing.audit_suite import PARTS as PARTS
    from assay.testing.audit_suite import run_audit_suite as run_audit_suite
    from assay.testing.bars import random_bars as random_bars

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "audit_suite": ("PARTS", "run_audit_suite"),
        "bars": ("random_bars",),
    },
)  # fmt: skip
