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
from assay.learn.ensemble.model_checks import demand_tree

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

TRUSTED = ("sklearn.tree._tree.Tree",)
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LARGEST = 512 * 1024 * 1024


def write_forest(forest: "RandomForestClassifier", path: Path) -> None:
    """Write the forest; equal forests give equal bytes in any process."""
    import skops.io

    path.write_bytes(_canonical(skops.io.dumps(forest)))


def read_forest(path: Path, *, columns: int, n_classes: int) -> "RandomForestClassifier":
    """Read a forest over `columns` features that votes for classes in ``0..n_classes-1``.

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
    except ArtifactError:
        raise
    except Exception as error:  # a hostile zip raises whatever its parts meet; no part is used then
        raise ArtifactError(f"{path.name} is not a forest: {error!r}"[:300], code="ARTIFACT_CORRUPT") from error
    try:
        _check(forest, path.name, columns, n_classes)
    except (AttributeError, TypeError, ValueError, IndexError, KeyError) as error:
        raise ArtifactError(f"{path.name} is damaged: {error!r}"[:300], code="ARTIFACT_CORRUPT") from error
    return forest


def _check(forest: Any, name: str, columns: int, n_classes: int) -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier
    from sklearn.tree._tree import Tree

    if not isinstance(forest, RandomForestClassifier) or getattr(forest, "n_features_in_", None) != columns:
        raise ArtifactError(f"{name} is no forest over {columns} features", code="ARTIFACT_CORRUPT")
    classes = np.asarray(forest.classes_)
    available = classes.dtype.kind == "i" and classes.size == forest.n_classes_ and (np.diff(classes) > 0).all()
    if not (available and classes.size and classes[0] >= 0 and classes[-1] < n_classes and forest.n_outputs_ == 1):
        raise ArtifactError(f"{name} votes for other classes", code="ARTIFACT_CORRUPT")
    if not forest.estimators_:
        raise ArtifactError(f"{name} holds no tree", code="ARTIFACT_CORRUPT")
    for number, member in enumerate(forest.estimators_):
        tree: Any = member.tree_ if isinstance(member, DecisionTreeClassifier) else None
        # node_count is believed by everything that reads the arrays, so it comes first.
        if type(tree) is not Tree or tree.node_count != tree.capacity or tree.max_n_classes != classes.size:
            raise ArtifactError(f"{name}: tree {number} is damaged", code="ARTIFACT_CORRUPT", tree=number)
        if member.n_classes_ != classes.size or member.n_outputs_ != 1 or member.n_features_in_ != columns:
            raise ArtifactError(f"{name}: tree {number} is of another forest", code="ARTIFACT_CORRUPT", tree=number)
        demand_tree(
            tree.children_left, tree.children_right, tree.feature, tree.value.sum(axis=(1, 2)), columns,
            where=f"{name}: tree {number}",
        )  # fmt: skip


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
