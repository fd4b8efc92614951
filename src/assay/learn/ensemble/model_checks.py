"""Validate stored trees before a library follows their indices.

A file's hash says that nothing was damaged by chance. These checks are for a file that somebody made, hash and all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.kernel.errors import ArtifactError

_LEAF = -1
_SPLITS = (
    "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child", "internal_value",
    "internal_weight", "internal_count",
)  # fmt: skip
_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_TREE = {*_SPLITS, *_LEAVES, "num_leaves", "num_cat", "is_linear", "shrinkage"}
_HEAD = {
    "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective", "feature_names",
    "feature_infos", "tree_sizes",
}  # fmt: skip


def demand_tree(
    left: NDArray[Any], right: NDArray[Any], feature: NDArray[Any], value: NDArray[Any], columns: int, *, where: str
) -> None:
    """Raise ArtifactError ``ARTIFACT_CORRUPT`` unless these arrays, one entry a node, make one binary tree.

    left, right: children, later than their node, each node but the first once; -1 in both is a leaf.
    feature:     column of an inner node, in ``0..columns-1``.   value: finite.
    """
    inner = np.asarray(left) != _LEAF
    nodes = np.arange(len(inner))
    children = np.concatenate([left[inner], right[inner]])
    sound = (
        len(left) == len(right) == len(feature) == len(value) > 0
        and (inner == (np.asarray(right) != _LEAF)).all()
        and np.array_equal(np.sort(children), nodes[1:])
        and (left[inner] > nodes[inner]).all()
        and (right[inner] > nodes[inner]).all()
        and ((feature[inner] >= 0) & (feature[inner] < columns)).all()
        and np.isfinite(value).all()
    )
    if not sound:
        raise ArtifactError(f"{where} points outside itself or holds no number", code="ARTIFACT_CORRUPT")


def demand_xgboost(document: Mapping[str, Any], columns: int, n_classes: int, *, name: str) -> None:
    """Check every tree of an XGBoost model's JSON form. Raises ArtifactError ``ARTIFACT_CORRUPT``."""
    try:
        model = document["learner"]["gradient_booster"]["model"]
        groups = set(model["tree_info"])
        for number, tree in enumerate(model["trees"]):
            left, right, feature = (
                np.asarray(tree[k], np.int64) for k in ("left_children", "right_children", "split_indices")
            )
            value = np.asarray(tree["split_conditions"], np.float64)
            demand_tree(left, right, feature, value, columns, where=f"{name}: tree {number}")
            if tree["categories"] or any(tree["split_type"]):
                raise ArtifactError(f"{name}: tree {number} splits by category", code="ARTIFACT_CORRUPT")
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise ArtifactError(f"{name} is damaged: {error!r}", code="ARTIFACT_CORRUPT") from error
    if not groups <= set(range(1 if n_classes == 2 else n_classes)):
        raise ArtifactError(f"{name}: trees of classes {sorted(groups)} for {n_classes}", code="ARTIFACT_CORRUPT")


def check_lightgbm(text: str, columns: int, n_classes: int, *, name: str) -> str:
    """LightGBM's text as it may be parsed: every tree checked, without ``tree_sizes``, which would be jumped along.

    Raises ArtifactError ``ARTIFACT_CORRUPT`` with the line.
    """
    head, *blocks = text.split("\nTree=")
    result = _fields(head, 1, name)
    if not set(result) <= _HEAD or result.get("version") != "v4":
        raise ArtifactError(f"{name}: the header is damaged", code="ARTIFACT_CORRUPT")
    width = 1 if n_classes == 2 else n_classes
    for key, want in (("max_feature_idx", columns - 1), ("num_class", width), ("num_tree_per_iteration", width)):
        if _whole(result, key) != want:
            raise ArtifactError(f"{name}: {key} is not {want}", code="ARTIFACT_CORRUPT", field=key)
    if any(len(result.get(key, "").split()) != columns for key in ("feature_names", "feature_infos")):
        raise ArtifactError(f"{name}: not {columns} columns", code="ARTIFACT_CORRUPT")
    line = head.count("\n") + 2
    for number, block in enumerate(blocks):
        body = block.split("\nend of trees")[0]
        if body.split("\n", 1)[0] != str(number):
            raise ArtifactError(f"{name}: tree {number} is missing, line {line}", code="ARTIFACT_CORRUPT", line=line)
        _lightgbm_tree(_fields(body, line, name), columns, f"{name}: tree {number}, line {line},")
        line += block.count("\n") + 1
    if not blocks or len(blocks) % width:
        raise ArtifactError(f"{name}: {len(blocks)} trees for {width} a round", code="ARTIFACT_CORRUPT")
    stored = [row for row in head.split("\n") if not row.startswith("tree_sizes=")]
    # What follows the trees (importances, the parameters of the fit) decides nothing, and its parser is not safe.
    trees, end, _ = "\nTree=".join(["\n".join(stored), *blocks]).partition("\nend of trees")
    return f"{trees}{end}\n\nparameters:\nend of parameters\n\npandas_categorical:null\n"


def _lightgbm_tree(result: Mapping[str, str], columns: int, where: str) -> None:
    """Inner nodes count from 0, leaf k is written ``-k - 1``; both together, leaves behind, make the tree."""
    leaves = _whole(result, "num_leaves")
    value = _numbers(result, "leaf_value", where)
    if len(value) != leaves or _whole(result, "num_cat") != 0 or _whole(result, "is_linear") != 0:
        raise ArtifactError(f"{where} has not {leaves} plain leaves", code="ARTIFACT_CORRUPT")
    inner = leaves - 1
    if not set(result) <= _TREE:
        raise ArtifactError(f"{where} has a field too many", code="ARTIFACT_CORRUPT")
    _numbers(result, "shrinkage", where)
    if not inner:
        return
    for keys, count in ((_SPLITS, inner), (_LEAVES, leaves)):
        for key in keys:
            if len(_numbers(result, key, where)) != count:
                raise ArtifactError(f"{where} has not {count} of {key}", code="ARTIFACT_CORRUPT")
    if not np.isin(_numbers(result, "decision_type", where), (2, 6, 10)).all():
        raise ArtifactError(f"{where} splits by category", code="ARTIFACT_CORRUPT")
    left, right, feature = (
        _numbers(result, key, where).astype(np.int64) for key in ("left_child", "right_child", "split_feature")
    )
    none, zero = np.full(leaves, _LEAF), np.zeros(leaves, np.int64)
    placed = [np.concatenate([np.where(side < 0, inner - 1 - side, side), none]) for side in (left, right)]
    demand_tree(
        placed[0], placed[1], np.concatenate([feature, zero]), np.concatenate([np.zeros(inner), value]), columns,
        where=where,
    )  # fmt: skip


def _fields(text: str, line: int, name: str) -> dict[str, str]:
    result: dict[str, str] = {}
    for at, row in enumerate(text.split("\n"), line):
        key, equals, value = row.partition("=")
        if not equals:
            continue
        if key in result:
            raise ArtifactError(f"{name}: {key[:64]} stands twice, line {at}", code="ARTIFACT_CORRUPT", line=at)
        result[key] = value
    return result


def _whole(result: Mapping[str, str], key: str) -> int:
    text = result.get(key, "")
    return int(text) if text.isdecimal() and len(text) < 10 else -1


def _numbers(result: Mapping[str, str], key: str, where: str) -> NDArray[np.float64]:
    words: Sequence[str] = result.get(key, "").split()
    try:
        numbers = np.asarray([float(verdict) for verdict in words])
    except ValueError as error:
        raise ArtifactError(f"{where} {key}: {error}", code="ARTIFACT_CORRUPT") from error
    if not np.isfinite(numbers).all():
        raise ArtifactError(f"{where} {key} holds no number", code="ARTIFACT_CORRUPT")
    return numbers
