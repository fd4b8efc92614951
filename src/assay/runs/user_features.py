"""The user's features file in a training: named in the spec, stored with the run, carried by the model."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.features import FEATURE_FILE_CODE, FeatureFile, check_features_file, find_imported_features
from assay.kernel.errors import ArtifactError, ConfigError
from assay.kernel.spec import TrainSpec
from assay.runs.context import Context
from assay.runs.run_inputs import features_of
from assay.runs.user_files import own_features
from assay.track import VerifiedFiles, features_source


def with_features(spec: TrainSpec, file: Path | None) -> tuple[TrainSpec, FeatureFile | None]:
    """The spec with the digest of the user's file in it, and the columns of that file; both as they are without a file.

    Columns that were imported into this process stand for a file where the spec's list names one of them and no file is
    given: an edited one is another spec. Of them nothing is kept, so such a run can not be executed again.

    Raises ConfigError ``CONFIG_FEATURE_FILE`` with both hashes where the spec names another file already, and where it
    names one and none is given; what `own_features` raises.
    """
    if file is not None:
        own: FeatureFile | None = own_features(file)
    else:
        own = None if isinstance(spec.features, str) else find_imported_features(spec.features)
    if own is not None and not spec.features_digest:
        spec = replace(spec, features_digest=own.digest)
    check_features_file(spec, own)
    return spec, own


def demand_none(spec: TrainSpec, file: Path | None) -> None:
    """Raise ConfigError ``CONFIG_FEATURE_FILE`` where a learner that reads no columns is given some."""
    if file is not None or spec.features_digest:
        raise ConfigError(
            f"learner {spec.learner} reads candles and no features; a file of features is given",
            code=FEATURE_FILE_CODE,
            hint="Leave --features-file out. A rule computes what it needs in its own strategy file.",
            field="features_file",
        )


def facts_of(own: FeatureFile, names: tuple[str, ...]) -> dict[str, Any]:
    """What manifest and ``run.json`` say of a file: its name, digest, and those of its columns that are used."""
    return {"name": own.name, "sha256": own.digest, "columns": list(names)}


@contextmanager
def load_stored_features(run: int, spec: Mapping[str, Any], context: Context) -> Iterator[FeatureFile | None]:
    """The file of features that a run kept, executed; None for a run without. Raises as `features_of`."""
    with features_of(run, spec, context) as path:
        yield None if path is None else own_features(path)


@contextmanager
def model_features(opened: VerifiedFiles, where: str) -> Iterator[FeatureFile | None]:
    """The file of features that a model carries, executed; None for a model that needs none.

    Its bytes are those that the manifest, and so the record, says. Raises ArtifactError ``ARTIFACT_FEATURES`` where the
    model needs a file and does not carry it, ConfigError as `load_feature_file`.
    """
    needed = opened.manifest.get("features_file")
    if needed is not None and not needed["name"]:
        raise ArtifactError(
            f"{where} reads columns that were imported where it was trained; their source was not kept",
            code="ARTIFACT_FEATURES",
            hint="Train it again with --features-file.",
        )
    code = features_source(opened.manifest, opened.parts, where)
    if code is None:
        yield None
        return
    yield own_features(Path(code.main.path), code)
