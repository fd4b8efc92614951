"""The columns that a training reads: those of its spec, and those of the user's own file."""

from collections.abc import Sequence

import numpy as np

from assay.features.compute import Table, is_own_column, table
from assay.features.registry import Feature
from assay.features.user_features import FEATURE_FILE_CODE, FeatureFile
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError
from assay.kernel.spec import TrainSpec


def training_table(
    spec: TrainSpec, bars: Bars, own: FeatureFile | None = None, *, names: Sequence[str] | None = None
) -> Table:
    """Compute the columns of a training; the one function behind fit, audit, health and a loaded model.

    A set with a name is followed by all columns of the file; a list holds all that are computed.
    own:   the file that the spec names by its digest; None where it names none.
    names: columns to compute in place of ``spec.features``, such as those that a first table turned out to have.
    Raises what `check_features_file` and `assay.features.table` raise; TrainError ``TRAIN_FEATURE`` with file and line
    for what a function of the file raises.
    """
    check_features_file(spec, own)
    chosen = spec.features if names is None else tuple(names)
    return table(bars, chosen) if own is None else table(bars, chosen, own=own.columns)


def check_features_file(spec: TrainSpec, own: FeatureFile | None) -> None:
    """Raise ConfigError ``CONFIG_FEATURE_FILE`` unless `own` is the file that the spec names by its digest.

    And for a list of columns that names none of the file's.
    """
    digest = "" if own is None else own.digest
    if digest != spec.features_digest:
        raise _another(spec.features_digest, own)
    if own is not None and not isinstance(spec.features, str) and not own_names(spec.features, own):
        raise ConfigError(
            f"features names no column of {own.title}; it declares {', '.join(own.columns)}",
            code=FEATURE_FILE_CODE,
            hint="Name them in the list, or name a set: all columns of the file are added to a set.",
            field="features",
        )


def own_names(names: Sequence[str], own: FeatureFile | None) -> tuple[str, ...]:
    """Those of `names` that are columns of the file, lags or relative forms of them."""
    return () if own is None else tuple(name for name in names if is_own_column(name, own.columns))


def check_own_columns(made: Table, bars: Bars, own: FeatureFile) -> None:
    """Raise ConfigError ``CONFIG_FEATURE`` for an own column with an infinity or without any number, lookback aside.

    On the candles of a training, that is: on those of an audit an honest division by zero may stand.
    """
    for name, entry, first in zip(made.names, made.features, made.lookbacks, strict=True):
        if not is_own_column(name, own.columns):
            continue
        values = made.column(name)[first:]
        wild = np.flatnonzero(np.isinf(values))
        if wild.size:
            raise _unsound(own, entry, f"is infinite at row {first + wild[0]}; a zero denominator gives NaN", bars)
        if len(values) and not np.isfinite(values).any():
            raise _unsound(own, entry, f"gives no finite number in {len(values):,} rows after its lookback", bars)


def _unsound(own: FeatureFile, entry: Feature, why: str, bars: Bars) -> ConfigError:
    text = f"{own.title}: feature {entry.name} {why} ({bars.instrument})"
    return ConfigError(text, code="CONFIG_FEATURE", file=own.name, feature=entry.name)


def _another(wanted: str, own: FeatureFile | None) -> ConfigError:
    if own is None:
        text = f"the spec names a file of features with hash {wanted}, and no file is given"
        hint = "Give it with --features-file."
    elif not wanted:
        text, hint = f"{own.title} is given, and the spec names no file of features", "Name its digest in the spec."
    else:
        text = f"the spec names a file of features with hash {wanted}, {own.title} has {own.digest}"
        hint = "Give the file that it names, or take features_digest out of the spec to train with this one."
    return ConfigError(text, code=FEATURE_FILE_CODE, hint=hint, field="features_digest")
