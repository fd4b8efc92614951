"""Parameters of the ensemble."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from assay.kernel.errors import ConfigError, did_you_mean
from assay.kernel.parse import parse

log = logging.getLogger(__name__)
MEMBERS = ("random_forest", "xgboost", "lightgbm")
_RANGES: dict[str, tuple[float, float]] = {
    "trees": (1, 10_000),
    "learning_rate": (1e-6, 1.0),
    "leaves": (2, 4096),
    "depth": (1, 64),
    "min_leaf": (1, 1_000_000),
    "row_share": (0.01, 1.0),
    "column_share": (0.01, 1.0),
    "forest_trees": (1, 10_000),
    "forest_depth": (1, 64),
    "patience": (1, 10_000),
    "validation_share": (0.05, 0.5),
    "max_features": (1, 100_000),
    "num_threads": (1, 1024),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleParams:
    """Parameters of the ensemble; `weights` beside `members`, one each, None is equal.

    members:          any of ``random_forest``, ``xgboost``, ``lightgbm``.
    trees:            most boosting rounds; early stopping usually takes fewer.
    learning_rate, leaves, depth, min_leaf, row_share, column_share: of the boosted members.
    forest_trees, forest_depth: of the random forest.
    patience:         rounds without a better validation loss before boosting stops.
    validation_share: newest share of the train rows that early stopping and calibration read; no member learns from it.
    calibration:      ``sigmoid`` (Platt 1999), ``isotonic`` (Zadrozny & Elkan 2002) or ``none``.
    balance:          weight classes equally while learning; calibration undoes the shift of the base rate.
    uniqueness:       weight labels by how little they overlap (López de Prado 2018, ch. 4).
    scale:            ``standard``, ``robust`` (median and quartiles) or ``none``.
    max_features:     most columns that a fit selects, as `assay features rank` does in a fold: of those that say the
                      same one, and none whose permutation costs nothing. None keeps all that pass the screen.
    num_threads:      that the forest is grown on; more than the machine has are cut. Changes no model.
    device:           ``cpu``, or ``auto``, which is the CPU too; ``cuda`` is refused: these builds have none.
    """

    members: tuple[str, ...] = MEMBERS
    weights: tuple[float, ...] | None = None
    trees: int = 300
    learning_rate: float = 0.03
    leaves: int = 15
    depth: int = 4
    min_leaf: int = 50
    row_share: float = 0.8
    column_share: float = 0.8
    forest_trees: int = 100
    forest_depth: int = 6
    patience: int = 30
    validation_share: float = 0.2
    calibration: Literal["sigmoid", "isotonic", "none"] = "sigmoid"
    balance: bool = True
    uniqueness: bool = True
    scale: Literal["standard", "robust", "none"] = "standard"
    max_features: int | None = None
    num_threads: int = 1
    device: Literal["cpu", "auto", "cuda"] = "cpu"

    def __post_init__(self) -> None:
        self._check_members()
        if self.device == "cuda":
            raise ConfigError(
                "params.device is 'cuda', the ensemble runs on the CPU; must be 'cpu' or 'auto'",
                code="CONFIG_PARAMETER",
                field="device",
            )
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ConfigError(
                    f"params.{name} is {value!r}, must be in [{low:g}, {high:g}]", code="CONFIG_PARAMETER", field=name
                )

    def _check_members(self) -> None:
        for member in self.members:
            if member not in MEMBERS:
                raise ConfigError(
                    f"params.members names {member!r}; {did_you_mean(member, MEMBERS)} known: {', '.join(MEMBERS)}",
                    code="CONFIG_PARAMETER",
                    field="members",
                )
        if not self.members or len(set(self.members)) < len(self.members):
            raise ConfigError(
                f"params.members is {list(self.members)}, must name each member once, at least one",
                code="CONFIG_PARAMETER",
                field="members",
            )
        weights = self.weights
        if weights is not None and (len(weights) != len(self.members) or min(weights) < 0 or sum(weights) <= 0):
            raise ConfigError(
                f"params.weights is {list(weights)}, must be {len(self.members)} numbers >= 0, not all 0",
                code="CONFIG_PARAMETER",
                field="weights",
            )

    @property
    def votes(self) -> dict[str, float]:
        """Share of the vote by member; sums to 1."""
        weights = self.weights or tuple(1.0 for _ in self.members)
        return {m: w / sum(weights) for m, w in zip(self.members, weights, strict=True)}


def ensemble_params(document: Mapping[str, object]) -> EnsembleParams:
    """Checked parameters from a spec's ``params``. Raises ConfigError ``CONFIG_PARAMETER`` with field and range.

    A `num_threads` above the machine's cores is cut to them, with a warning in the log.
    """
    try:
        params = parse(EnsembleParams, document, path="params", code="CONFIG_PARAMETER")
    except ConfigError as error:
        raise _with_range(error) from error
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if params.num_threads <= cores:
        return params
    log.warning("params.num_threads is %d, this machine has %d: cut", params.num_threads, cores)
    return replace(params, num_threads=cores)


def _with_range(error: ConfigError) -> ConfigError:
    """The same error with the range that would be right, where the field has one."""
    field = str(error.facts.get("field", "")).removeprefix("params.")
    if field not in _RANGES or " in [" in error.message:
        return error
    low, high = _RANGES[field]
    return ConfigError(
        f"{error.message}; must be in [{low:g}, {high:g}]", code=error.code, hint=error.hint, field=field
    )
