"""The files of a model that a user's own script trained."""

from assay.kernel.contracts import Model
from assay.kernel.errors import ArtifactError
from assay.kernel.panel import Window
from assay.kernel.timestamps import now_ms
from assay.track.environment import distributions
from assay.track.loading.formats import FORMATS
from assay.track.loading.golden import golden_outputs
from assay.track.loading.model_paths import ModelPaths
from assay.track.model_files.manifest import ModelFacts
from assay.track.registry.publish import Written, write_files
from assay.track.rows import Row

_DECIDING = frozenset({"assay", "numpy", "lightgbm", "xgboost-cpu", "scikit-learn", "skops", "ta-lib", "numba"})


def write_model(
    model: Model, history: Window, run: Row, places: ModelPaths, *, strategy: str, warm_up: int, at: int | None
) -> tuple[Written, Row]:
    """The files, which no row points to yet, and the columns that tell their kind.

    ArtifactError ``ARTIFACT_FORMAT`` for a model that saves itself as nothing that Assay loads.
    """
    instrument = history.bars.instrument
    with places.blobs.staging() as parts:
        model.save(parts)
        kind = next((name for name, available in FORMATS.items() if (parts / available.part).is_file()), None)
        if kind is None:
            holding = ", ".join(sorted(path.name for path in parts.iterdir())) or "nothing"
            raise ArtifactError(
                f"a {type(model).__name__} saves itself as {holding}; Assay loads {', '.join(FORMATS)}",
                code="ARTIFACT_FORMAT",
                hint="register_model keeps the path and hash of any file; publish is for models of Assay's trainers.",
            )
        facts = ModelFacts(
            strategy_type=strategy,
            exchange=instrument.exchange,
            symbol=instrument.symbol,
            timeframe=instrument.timeframe,
            features=history.names,
            lookback=warm_up + model.lookback,
            spec_hash=run["spec_hash"] or "",
            data_digest=run["data_digest"] or history.bars.digest(),
            created_at=now_ms() if at is None else at,
            target=None if history.labels is None else history.labels.name,
            commit=run["git_commit"],
            lock_hash=run["lock_hash"],
            versions={name: version for name, version in distributions() if name in _DECIDING},
            self_test=golden_outputs(model, history),
        )
        files = write_files(
            parts, facts, artifacts=places.blobs, models=places.models, keys=places.keys, shared=places.shared
        )
    return files, {"format": kind, "architecture_type": kind.partition("-")[0]}
