"""The kinds of model that are known: which part tells them, how they are read, how exactly they must answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.kernel.contracts import Model
from assay.kernel.errors import ArtifactError, printable


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of model.

    part:      the file that every such model has.   read: from the folder of parts, and the user's own strategy file.
    tolerance: how far a number of a decision may lie from the one that was stored; 0 is equal in every bit.
    """

    part: str
    read: Callable[[Path, Path | None], Model]
    tolerance: float = 0.0


def _ensemble(folder: Path, own: Path | None) -> Model:
    from assay.learn import EnsembleModel

    return EnsembleModel.load(folder)


def _rules(folder: Path, own: Path | None) -> Model:
    from assay.learn import RuleModel, load_strategy_file

    return RuleModel.load(folder, strategy=None if own is None else load_strategy_file(own))


FORMATS: Mapping[str, Format] = {
    "ensemble-parts": Format("ensemble.json", _ensemble),
    "rules-json": Format("rules.json", _rules),
}


def check_format(name: object, where: str) -> Format:
    """The format of this name. Raises ArtifactError ``ARTIFACT_FORMAT`` with what is accepted."""
    result = FORMATS.get(name) if isinstance(name, str) else None
    if result is None:
        raise ArtifactError(
            f"{where} has format {printable(name)}, which Assay does not load; it loads {', '.join(FORMATS)}",
            code="ARTIFACT_FORMAT",
            hint="Files of other tools are registered and hashed, never opened. Train the model with Assay.",
        )
    return result
