"""A search's result as what a bot runs: the V3 document, its published schema, its row. Loads on first use."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.runs.configuration.document import Configured as Configured
    from assay.runs.configuration.document import configure as configure
    from assay.runs.configuration.document import engine_hash as engine_hash

__all__ = ["Configured", "configure", "engine_hash"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from assay.runs.configuration import document

    globals()[name] = value = getattr(document, name)
    return value
