"""Load models of the registry; nothing in their files is executed."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.track.loading.formats import ModelPaths as ModelPaths
    from assay.track.loading.formats import check_files as check_files
    from assay.track.loading.formats import load_document as load_document
    from assay.track.loading.formats import load_model as load_model

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "formats": ("ModelPaths", "check_files", "load_document", "load_model"),
    },
)  # fmt: skip
