"""A search's result as what a bot runs: the V3 document, its published schema, its row. Loads on first use."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.runs.bot_config.document import Configured as Configured
    from assay.runs.bot_config.document import configure as configure
    from assay.runs.bot_config.document import engine_hash as engine_hash

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "document": ("Configured", "configure", "engine_hash"),
    },
)  # fmt: skip
