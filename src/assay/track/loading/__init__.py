"""From a row of the models table to a model that decides: nothing on the way can run what a file says."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.track.loading.checking import check_files as check_files
    from assay.track.loading.live import load_document as load_document
    from assay.track.loading.live import load_model as load_model
    from assay.track.loading.places import ModelPaths as ModelPaths

_HOMES = {
    "ModelPaths": "assay.track.loading.places",
    "check_files": "assay.track.loading.checking",
    "load_model": "assay.track.loading.live",
    "load_document": "assay.track.loading.live",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"assay.track.loading has no {name}")
