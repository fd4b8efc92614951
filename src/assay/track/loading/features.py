"""The user's features file as parts of a model: stored with it, checked by hash, not executed here."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from assay.kernel.errors import ArtifactError, printable
from assay.kernel.user_source import SourceFile, UserCode
from assay.track.model_files.manifest import FEATURES_PART, MODULES_PART


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
