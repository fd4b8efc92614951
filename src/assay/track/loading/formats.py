"""The kinds of model that are known: which part tells them, how they are read, how exactly they must answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from assay.kernel.contracts import Model
from assay.kernel.errors import ArtifactError, printable
from assay.kernel.user_source import SourceFile, UserCode
from assay.track.model_files.manifest import FEATURES_PART, MODULES_PART


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


def features_parts(code: UserCode) -> dict[str, bytes]:
    """The parts that a model carries for the file that computes columns of it, and for the modules that it loads."""
    return {FEATURES_PART: code.main.text} | {f"{MODULES_PART}/{each.path}": each.text for each in code.modules}


def features_source(manifest: Mapping[str, Any], parts: Mapping[str, bytes], where: str) -> UserCode | None:
    """The user's file that computes columns of a model; None for a model that names none.

    Raises ArtifactError ``ARTIFACT_FEATURES`` where the model does not carry the very file that it needs.
    """
    needed = manifest.get("features_file")
    if needed is None or not needed["name"]:
        return None
    code = _carried(str(needed["name"]), parts)
    if code is None or code.digest != needed["sha256"]:
        what = "does not carry it" if code is None else f"carries one with hash {code.digest}"
        raise ArtifactError(
            f"{where} reads columns of {printable(needed['name'])} with hash {needed['sha256']}, and {what}",
            code="ARTIFACT_FEATURES",
            hint="Restore the model's files from a backup, or train it again with --features-file.",
            file=needed["name"],
        )
    return code


def _carried(name: str, parts: Mapping[str, bytes]) -> UserCode | None:
    if FEATURES_PART not in parts:
        return None
    main = SourceFile("", PurePath(name).name or FEATURES_PART, parts[FEATURES_PART])
    below = f"{MODULES_PART}/"
    paths = sorted(part.removeprefix(below) for part in parts if part.startswith(below))
    return UserCode(main, tuple(SourceFile(_module(path), path, parts[below + path]) for path in paths))


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
