"""Models of the record, live."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from assay.kernel.contracts import Model
from assay.track.loading.formats import check_format
from assay.track.loading.golden import demand_alike
from assay.track.loading.sandbox import LoadingSandbox, memory_for, write_parts
from assay.track.loading.verification import ModelPaths, VerifiedFiles, read_verified


def load_model(row: Mapping[str, Any], places: ModelPaths, *, strategy: Path | None = None) -> Model:
    """The model of a row, checked as `check` does; its self-test rows decided as they were when it was published.

    It is loaded in a process of its own first, with a cap on memory and time; where that one dies the model is
    ``ARTIFACT_CORRUPT`` and this process has not touched it. Then the same bytes are loaded here, and asked again.

    strategy: the file of a strategy of the user's own, which no model brings along (``ARTIFACT_STRATEGY``).
    Raises as `check`, and ArtifactError ``ARTIFACT_SELFTEST``, ``ARTIFACT_FORBIDDEN_TYPE``.
    """
    return _live(row, read_verified(row, places), strategy)


def _live(row: Mapping[str, Any], bytes_: VerifiedFiles, strategy: Path | None) -> Model:
    where = f"model {row['model_id']}"
    kind = check_format(row["format"], where)
    document = bytes_.manifest["self_test"]
    with LoadingSandbox(memory=memory_for(bytes_.parts)) as child:
        child.prove(bytes_.parts, document, kind=row["format"], where=where, strategy=strategy)
    with TemporaryDirectory(prefix="assay-model-") as folder:  # its own: the child might have changed the other one
        write_parts(bytes_.parts, Path(folder))
        model = kind.read(Path(folder), strategy)
    demand_alike(model, document, tolerance=kind.tolerance, where=where)
    return model


def load_document(row: Mapping[str, Any], places: ModelPaths, *, strategy: Path | None = None) -> dict[str, Any]:
    """The documented model: ``strategy_type``, ``symbol``, ``timestamp``, and ``model_state`` with the live model.

    ``model_state`` holds the model under the name of its kind (``ensemble``, ``rules``). Raises as `load_model`.
    """
    bytes_ = read_verified(row, places)
    envelope, model = bytes_.envelope, _live(row, bytes_, strategy)
    return {
        "strategy_type": envelope.strategy_type,
        "symbol": envelope.symbol,
        "timestamp": envelope.timestamp,
        "model_state": {str(row["format"]).partition("-")[0]: model},
    }
