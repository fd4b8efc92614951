"""Closed processes for user files: they see the candles of the question and nothing else."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.validate.isolation.allowlists import landlock_version as landlock_version
    from assay.validate.isolation.probes import FileProbe as FileProbe
    from assay.validate.isolation.probes import probe_feature_file as probe_feature_file
    from assay.validate.isolation.probes import probe_strategy_file as probe_strategy_file
    from assay.validate.isolation.process import Confinement as Confinement
    from assay.validate.isolation.user_files import IsolatedFeatures as IsolatedFeatures
    from assay.validate.isolation.user_files import IsolatedStrategy as IsolatedStrategy
    from assay.validate.isolation.user_files import isolated_feature_file as isolated_feature_file
    from assay.validate.isolation.user_files import isolated_strategy as isolated_strategy
    from assay.validate.isolation.user_files import source_gaps as source_gaps
    from assay.validate.isolation.user_files import user_source as user_source

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "allowlists": ("landlock_version",),
        "probes": ("FileProbe", "probe_feature_file", "probe_strategy_file"),
        "process": ("Confinement",),
        "user_files": (
            "IsolatedFeatures", "IsolatedStrategy", "isolated_feature_file", "isolated_strategy",
            "source_gaps", "user_source"
        ),
    },
)  # fmt: skip
