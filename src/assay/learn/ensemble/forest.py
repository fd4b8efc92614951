"""The random forest's bytes: skops with our own list of types, the same bytes for the same forest.

skops names its parts by memory address and stamps them with the clock; both are replaced by numbers in order of
appearance and a fixed date, so that a content hash means something. On reading, only the types below are built, and
every tree's indices are checked before anything walks along them.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.kernel.errors import ArtifactError

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

TRUSTED = ("sklearn.tree._tree.Tree",)
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LARGEST = 512 * 1024 * 1024


def write_forest(forest: "RandomForestClassifier", path: Path) -> None:
    """Write the forest; equal forests give equal bytes in any process."""
    import skops.io

    path.write_bytes(_canonical(skops.io.dumps(forest)))


def read_forest(path: Path, *, columns: int) -> "RandomForestClassifier":
    """Read a forest over `columns` features.

    Raises ArtifactError: ``ARTIFACT_FORBIDDEN_TYPE`` (a type outside our list), ``ARTIFACT_TOO_LARGE``,
    ``ARTIFACT_CORRUPT`` (not a forest, or a tree that points outside itself).
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    if path.stat().st_size > _LARGEST:
        raise ArtifactError(f"{path.name} is larger than {_LARGEST:,} bytes", code="ARTIFACT_TOO_LARGE")
    data = path.read_bytes()
    try:
        unknown = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED))
        if unknown:
            raise ArtifactError(f"{path.name} holds type {unknown[0]}", code="ARTIFACT_FORBIDDEN_TYPE", types=unknown)
        forest = skops.io.loads(data, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise ArtifactError(f"{path.name}: {error}", code="ARTIFACT_FORBIDDEN_TYPE") from error
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, EOFError) as error:
        raise ArtifactError(f"{path.name} is not a forest: {error}", code="ARTIFACT_CORRUPT") from error
    _check(forest, path.name, columns)
    return forest


def _check(forest: Any, name: str, columns: int) -> None:
    from sklearn.ensemble import RandomForestClassifier

    if not isinstance(forest, RandomForestClassifier) or getattr(forest, "n_features_in_", None) != columns:
        raise ArtifactError(f"{name} is no forest over {columns} features", code="ARTIFACT_CORRUPT")
    for number, member in enumerate(forest.estimators_):
        tree = member.tree_
        nodes = tree.node_count
        left, right, feature = tree.children_left, tree.children_right, tree.feature
        inner = left != -1
        children = np.concatenate([left[inner], right[inner]])
        own = np.arange(nodes)[inner]
        sound = (
            (inner == (right != -1)).all()
            and ((children > 0) & (children < nodes)).all()
            and (left[inner] > own).all()
            and (right[inner] > own).all()
            and ((feature[inner] >= 0) & (feature[inner] < columns)).all()
            and np.isfinite(tree.value).all()
        )
        if not sound:
            raise ArtifactError(f"{name}: tree {number} points outside itself", code="ARTIFACT_CORRUPT", tree=number)


def _canonical(data: bytes) -> bytes:
    source = zipfile.ZipFile(io.BytesIO(data))
    numbers: dict[str, str] = {}
    schema = _renumbered(json.loads(source.read("schema.json")), numbers)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for old in sorted(
            (n for n in source.namelist() if n != "schema.json"), key=lambda n: int(numbers[Path(n).stem])
        ):
            target.writestr(zipfile.ZipInfo(numbers[Path(old).stem] + Path(old).suffix, _EPOCH), source.read(old))
        target.writestr(zipfile.ZipInfo("schema.json", _EPOCH), json.dumps(schema, separators=(",", ":")))
    return out.getvalue()


def _renumbered(part: Any, numbers: dict[str, str]) -> Any:
    """The schema with every address replaced by its order of appearance; depth first, in document order."""
    if isinstance(part, list):
        return [_renumbered(p, numbers) for p in part]
    if not isinstance(part, dict):
        return part
    return {key: _number(key, value, numbers) for key, value in part.items()}


def _number(key: str, value: Any, numbers: dict[str, str]) -> Any:
    if key == "__id__":
        return int(numbers.setdefault(str(value), str(len(numbers) + 1)))
    if key == "file":
        stem, suffix = Path(value).stem, Path(value).suffix
        return numbers.setdefault(stem, str(len(numbers) + 1)) + suffix
    return _renumbered(value, numbers)
