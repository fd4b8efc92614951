"""Logging calls of a running run."""

import os
from collections.abc import Mapping
from typing import Any

from assay.track.tracker import edits
from assay.track.tracker.current import CurrentRun
from assay.track.tracker.metric_points import Clock, check_metric, encode_value, place
from assay.track.tracker.session import DEFAULT, Where
from assay.track.tracker.validators import among, check_name, free_text, mapping, path_text, refusal, whole

_KINDS = {"float": float, "int": int, "str": str, "bool": bool, "json": None, "none": None}


class Logs(CurrentRun):
    """Metrics, settings and files of the current run; without one, StoreError ``STORE_NO_EXPERIMENT``."""

    def __init__(self, db_path: Where = DEFAULT) -> None:
        super().__init__(db_path)
        self._clock = Clock()

    def log_metric(
        self,
        metric_name: str,
        value: object,
        episode: int | None = None,
        step: int | None = None,
        epoch: int | None = None,
        split: str = "train",
        phase: str = "training",
        model_id: int | None = None,
        value_json: object = None,
        metadata: Mapping[str, Any] | None = None,
        metric_type: str | None = None,
    ) -> None:
        """Queue one point; some microseconds, and no disk until 100,000 points wait.

        value:      a number of Python or numpy, or a 0-d tensor; NaN and infinities are kept as what they are, read as
                    null in SQL, and are never best.
        value_json: JSON text or a JSON-able object; the point is then a ``distribution`` unless `metric_type` says
                    ``image`` or ``text``.
        phase:      ``training``, ``evaluation`` or ``inference``; `split` is a free word.
        StoreError ``STORE_VALUE`` for a value, name or place that the record does not take. What only the database can
        refuse (an unknown `model_id`) is raised by a later call or by `flush`.
        """
        run, names = self._run()
        names.check(metric_name)
        plain = value_json is None and metric_type is None
        kind, text = ("scalar", None) if plain else encode_value(value_json, metric_type)
        where = place(episode, step, epoch, split, phase, model_id, metadata)
        point = (run, metric_name, *check_metric(metric_name, value), kind, text, *where, self._clock.text())
        self._shared.buffer.put((point,))

    def log_metrics_batch(
        self,
        metrics: Mapping[str, object],
        episode: int | None = None,
        step: int | None = None,
        epoch: int | None = None,
        split: str = "train",
        phase: str = "training",
        model_id: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Queue one point a name, with one timestamp: all or nothing. Values and errors as in `log_metric`."""
        run, names = self._run()
        if not isinstance(metrics, Mapping):
            raise refusal("metrics are a dict of name to number", field="metrics")
        where = ("scalar", None, *place(episode, step, epoch, split, phase, model_id, metadata), self._clock.text())
        points = []
        for name, value in metrics.items():
            names.check(name)
            points.append((run, name, *check_metric(name, value), *where))
        if points:
            self._shared.buffer.put(points)

    def log_hyperparameter(
        self, param_name: str, param_value: Any, param_type: str | None = None, model_id: int | None = None
    ) -> None:
        """Keep one setting of the run, or of a model of it.

        param_type: ``float int str bool json none``, inferred when not given; the value is brought to it. The same
        value again does nothing, another one is StoreError ``STORE_CONFLICT`` with both.
        """
        self.log_hyperparameters_batch({param_name: _typed(param_value, param_type)}, model_id)

    def log_hyperparameters_batch(self, hyperparams: Mapping[str, Any], model_id: int | None = None) -> None:
        """Keep settings, all or nothing; see `log_hyperparameter`."""
        run, _ = self._run()
        checked = {check_name(name, "param_name"): value for name, value in hyperparams.items()}
        self._shared.record.hyperparameters.log(run, checked, model_id=whole(model_id, "model_id"))

    def add_artifact(
        self,
        artifact_type: str,
        artifact_path: str | os.PathLike[str],
        artifact_name: str | None = None,
        description: str = "",
        metadata: Mapping[str, Any] | None = None,
        model_id: int | None = None,
    ) -> int:
        """Keep where a file of the run lies, with size and SHA-256 when it is there (a WARN when not); the id.

        The file itself is neither copied nor parsed. A path with ``..`` or NUL is StoreError ``STORE_VALUE``.
        """
        run, _ = self._run()
        return self._shared.record.artifacts.add(
            run,
            check_name(artifact_type, "artifact_type"),
            path_text(artifact_path, "artifact_path"),
            name=None if artifact_name is None else check_name(artifact_name, "artifact_name"),
            description=free_text(description, "description"),
            metadata=mapping(metadata, "metadata"),
            model_id=whole(model_id, "model_id"),
        )

    def update_experiment_metadata(self, metadata: Mapping[str, Any], merge: bool = False) -> None:
        """Replace the current run's metadata, or add to it key by key."""
        edits.set_metadata(self._shared.record, self._run()[0], mapping(metadata, "metadata"), merge=merge)


def _typed(value: Any, kind: str | None) -> Any:
    """The value brought to the type that the caller names."""
    if kind is None:
        return value
    make = _KINDS[among(kind, tuple(_KINDS), "param_type")]
    if kind == "none" and value is not None:
        raise refusal(f"param_type is 'none' and the value is {value!r:.64}", field="param_type")
    if kind == "bool" and value not in (True, False, "True", "False", "true", "false"):
        raise refusal(f"param_type is 'bool' and the value is {value!r:.64}", field="param_type")
    if kind == "bool":
        return value in (True, "True", "true")
    try:
        return value if make is None else make(value)
    except (TypeError, ValueError, OverflowError):
        raise refusal(f"param_type is {kind!r} and the value is {value!r:.64}", field="param_type") from None
