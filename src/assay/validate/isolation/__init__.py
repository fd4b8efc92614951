"""Files of the user's own in a fresh, closed process: they see the candles that they are given, and nothing else."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.validate.isolation.answers import IsolatedFeatures as IsolatedFeatures
    from assay.validate.isolation.answers import IsolatedStrategy as IsolatedStrategy
    from assay.validate.isolation.files import isolated_feature_file as isolated_feature_file
    from assay.validate.isolation.files import isolated_strategy as isolated_strategy
    from assay.validate.isolation.files import source_gaps as source_gaps
    from assay.validate.isolation.landlock import landlock_version as landlock_version
    from assay.validate.isolation.probes import FileProbe as FileProbe
    from assay.validate.isolation.probes import probe_feature_file as probe_feature_file
    from assay.validate.isolation.probes import probe_strategy_file as probe_strategy_file
    from assay.validate.isolation.process import Confinement as Confinement

_HOMES = {
    "Confinement": "process",
    "FileProbe": "probes",
    "IsolatedFeatures": "answers",
    "IsolatedStrategy": "answers",
    "isolated_feature_file": "files",
    "isolated_strategy": "files",
    "landlock_version": "landlock",
    "probe_feature_file": "probes",
    "probe_strategy_file": "probes",
    "source_gaps": "files",
}
__all__ = [
    "Confinement",
    "FileProbe",
    "IsolatedFeatures",
    "IsolatedStrategy",
    "isolated_feature_file",
    "isolated_strategy",
    "landlock_version",
    "probe_feature_file",
    "probe_strategy_file",
    "source_gaps",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
