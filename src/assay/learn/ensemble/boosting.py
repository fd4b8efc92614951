"""The boosted members.

Every fit runs on one thread: a float sum that is split over threads depends on their number.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import ArtifactError
from assay.kernel.seeding import integer
from assay.learn.ensemble.model_checks import check_lightgbm, demand_xgboost
from assay.learn.ensemble.preprocessing import Learning, Matrix, Tick

if TYPE_CHECKING:
    import lightgbm
    import xgboost

_LARGEST = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class XGBoost:
    """Chen & Guestrin 2016, "XGBoost", KDD."""

    name: ClassVar[str] = "xgboost"
    booster: "xgboost.Booster"
    n_classes: int

    @classmethod
    def fit(cls, learning: Learning) -> "XGBoost":
        """Boost until the validation loss has not improved for `patience` rounds; keep the best round."""
        import xgboost

        p = learning.params
        train = xgboost.QuantileDMatrix(learning.x, label=learning.y, weight=learning.weight, nthread=1)
        valid = xgboost.QuantileDMatrix(learning.vx, label=learning.vy, weight=learning.vweight, ref=train, nthread=1)
        binary = learning.n_classes == 2
        options = {
            "objective": "binary:logistic" if binary else "multi:softprob",
            "eval_metric": "logloss" if binary else "mlogloss",
            "tree_method": "hist",
            "eta": p.learning_rate,
            "max_depth": p.depth,
            "max_leaves": p.leaves,
            "min_child_weight": float(p.min_leaf) / 4,  # hessians, at most 1/4 a row
            "subsample": p.row_share,
            "colsample_bytree": p.column_share,
            "nthread": 1,
            "seed": integer(learning.seed, cls.name),
        } | ({} if binary else {"num_class": learning.n_classes})
        booster = xgboost.train(
            options,
            train,
            p.trees,
            evals=[(valid, "validation")],
            early_stopping_rounds=p.patience,
            verbose_eval=False,
            callbacks=[_xgboost_tick(learning.tick)],
        )
        return cls(booster[: booster.best_iteration + 1], learning.n_classes)

    def vote(self, x: Matrix) -> FloatArray:
        """See `Member`."""
        return _both(np.asarray(self.booster.inplace_predict(x), np.float64))

    def importance(self) -> FloatArray:
        """See `Member`; total gain."""
        gain = np.zeros(self.booster.num_features())
        for name, value in self.booster.get_score(importance_type="total_gain").items():
            gain[int(name.removeprefix("f"))] = value
        return _shares(gain)

    def write(self, folder: Path) -> None:
        """See `Member`; UBJ."""
        (folder / f"{self.name}.ubj").write_bytes(self.booster.save_raw("ubj"))

    @classmethod
    def read(cls, folder: Path, *, columns: int, n_classes: int) -> "XGBoost":
        """Inverse of `write`. Raises ArtifactError ``ARTIFACT_CORRUPT``, ``ARTIFACT_TOO_LARGE``."""
        import xgboost

        data = _bytes(folder / f"{cls.name}.ubj")
        booster = xgboost.Booster({"nthread": 1})
        try:
            booster.load_model(bytearray(data))
            document = json.loads(booster.save_raw("json"))
        except (xgboost.core.XGBoostError, ValueError) as error:
            raise ArtifactError(f"{cls.name}.ubj: {str(error)[:200]}", code="ARTIFACT_CORRUPT") from error
        _demand_width(cls.name, booster.num_features(), columns)
        demand_xgboost(document, columns, n_classes, name=f"{cls.name}.ubj")
        return cls(booster, n_classes)


@dataclass(frozen=True, slots=True, eq=False)
class LightGBM:
    """Ke et al. 2017, "LightGBM", NeurIPS."""

    name: ClassVar[str] = "lightgbm"
    booster: "lightgbm.Booster"
    n_classes: int

    @classmethod
    def fit(cls, learning: Learning) -> "LightGBM":
        """Boost until the validation loss has not improved for `patience` rounds; keep the best round."""
        import lightgbm

        p = learning.params
        options = lightgbm_options(learning.n_classes, integer(learning.seed, cls.name)) | {
            "learning_rate": p.learning_rate,
            "num_leaves": p.leaves,
            "max_depth": p.depth,
            "min_data_in_leaf": p.min_leaf,
            "bagging_fraction": p.row_share,
            "bagging_freq": 1 if p.row_share < 1 else 0,
            "feature_fraction": p.column_share,
        }
        train = lightgbm.Dataset(learning.x, learning.y, weight=learning.weight, params=options)
        valid = lightgbm.Dataset(learning.vx, learning.vy, weight=learning.vweight, reference=train, params=options)
        booster = lightgbm.train(
            options,
            train,
            p.trees,
            valid_sets=[valid],
            callbacks=[lightgbm.early_stopping(p.patience, verbose=False), lambda _: learning.tick()],
        )
        best = booster.best_iteration
        return cls(lightgbm.Booster(model_str=booster.model_to_string(num_iteration=best)), learning.n_classes)

    def vote(self, x: Matrix) -> FloatArray:
        """See `Member`."""
        return _both(np.asarray(self.booster.predict(x, num_threads=1), np.float64))

    def importance(self) -> FloatArray:
        """See `Member`; total gain."""
        return _shares(np.asarray(self.booster.feature_importance("gain"), np.float64))

    def write(self, folder: Path) -> None:
        """See `Member`; LightGBM's text."""
        (folder / f"{self.name}.txt").write_text(self.booster.model_to_string(), encoding="utf-8", newline="\n")

    @classmethod
    def read(cls, folder: Path, *, columns: int, n_classes: int) -> "LightGBM":
        """Inverse of `write`. Raises ArtifactError ``ARTIFACT_CORRUPT``, ``ARTIFACT_TOO_LARGE``."""
        import lightgbm

        data = _bytes(folder / f"{cls.name}.txt")
        try:
            text = check_lightgbm(data.decode("utf-8"), columns, n_classes, name=f"{cls.name}.txt")
            booster = lightgbm.Booster(model_str=text)
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
            raise ArtifactError(f"{cls.name}.txt: {str(error)[:200]}", code="ARTIFACT_CORRUPT") from error
        _demand_width(cls.name, booster.num_feature(), columns)
        return cls(booster, n_classes)


def lightgbm_options(n_classes: int, seed: int) -> dict[str, object]:
    """LightGBM's options for reproducible bytes on one thread; shapes of trees are the caller's."""
    objective: dict[str, object] = (
        {"objective": "binary", "metric": "binary_logloss"}
        if n_classes == 2
        else {"objective": "multiclass", "metric": "multi_logloss", "num_class": n_classes}
    )
    return objective | {
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
        "feature_pre_filter": False,
    }


def _xgboost_tick(tick: Tick) -> "xgboost.callback.TrainingCallback":
    import xgboost

    class Ticking(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: object, epoch: int, evals_log: object) -> bool:
            tick()
            return False

    return Ticking()


def _both(p: FloatArray) -> FloatArray:
    """Binary libraries give the second class only."""
    return np.column_stack([1.0 - p, p]) if p.ndim == 1 else p


def _shares(gain: FloatArray) -> FloatArray:
    total = gain.sum()
    return gain / total if total > 0 else gain


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST:
        raise ArtifactError(f"{path.name} is larger than {_LARGEST:,} bytes", code="ARTIFACT_TOO_LARGE")
    return path.read_bytes()


def _demand_width(name: str, has: int, columns: int) -> None:
    if has != columns:
        raise ArtifactError(f"{name} was fitted on {has} columns, the model says {columns}", code="ARTIFACT_CORRUPT")
