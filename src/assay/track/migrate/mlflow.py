"""Migrate runs and registered models of an MLflow server, file store or database."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import sqlalchemy as sa

from assay.kernel.errors import ConfigError, printable
from assay.track.database import Row
from assay.track.migrate.import_common import IMPORTED, ForeignRun, Imported, Tally, add, list_imported_runs, point
from assay.track.migrate.legacy import infer
from assay.track.mirror.mirrored_runs import MODEL_ID, RUN_ID
from assay.track.mirror.server import Away, Refused, check_mlflow_installed, client, redact, translate_errors
from assay.track.schema.tables import MODELS
from assay.track.tracking_store import TrackingStore

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run
    from mlflow.entities.model_registry import ModelVersion


ORIGIN = "mlflow"


def models(there: "MlflowClient", place: str, record: TrackingStore, ids: Mapping[str, int], tally: Tally) -> None:
    """Write each version of each registered model whose run is here, once; aliases are kept in its metadata.

    ids: runs here by their id there. The rows are ``external`` and unverified: no gate lets them be promoted.
    """
    here = _imported_models(record)
    for name, aliases in _registered(there, place):
        for version in _versions(there, place, name):
            tally.saw("models")
            key, run = f"{name}/{version.version}", ids.get(str(version.run_id))
            if MODEL_ID in version.tags:
                tally.flag("a model was mirrored from a record of Assay")
            elif run is None:
                tally.flag("a model's run is not here; the model was left out")
            elif key not in here:
                _add(record, run, name, version, [a for a, v in aliases.items() if str(v) == str(version.version)])
                tally.wrote("models")


def _add(record: TrackingStore, run: int, name: str, version: "ModelVersion", aliases: list[str]) -> None:
    metadata = {
        IMPORTED: {"from": ORIGIN, "key": f"{name}/{version.version}"},
        ORIGIN: {"aliases": sorted(aliases), "tags": dict(version.tags), "description": version.description or ""},
    }
    record.models.add(
        run,
        str(version.source),
        name=name,
        version=str(version.version),
        format="external",
        metadata=metadata,
        created_at=int(version.creation_timestamp),
    )


def _imported_models(record: TrackingStore) -> frozenset[str]:
    with record.database.read() as connection:
        query = sa.select(MODELS.c.metadata).where(MODELS.c.format == "external")
        marks = [metadata.get(IMPORTED) for metadata in connection.execute(query).scalars()]
    return frozenset(m["key"] for m in marks if isinstance(m, dict) and m.get("from") == ORIGIN)


def _registered(there: "MlflowClient", place: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    token: str | None = None
    while True:
        with translate_errors(place):
            page = there.search_registered_models(page_token=token)
        yield from ((str(model.name), dict(model.aliases)) for model in page)
        token = page.token
        if not token:
            return


def _versions(there: "MlflowClient", place: str, name: str) -> "Iterator[ModelVersion]":
    """Versions, the first first."""
    result: list[ModelVersion] = []
    token: str | None = None
    quote = '"' if "'" in name else "'"
    while True:
        with translate_errors(place):
            page = there.search_model_versions(f"name={quote}{name}{quote}", page_token=token)
        result += page
        token = page.token
        if not token:
            yield from sorted(result, key=lambda version: int(version.version))
            return


_STATUS = {
    "FINISHED": "completed",
    "FAILED": "failed",
    "KILLED": "stopped",
    "RUNNING": "crashed",
    "SCHEDULED": "stopped",
}
_MIB = 1024 * 1024
_RUNS_TABLES = {"alembic_version", "experiments", "runs", "latest_metrics"}


def from_mlflow(uri: str, record: TrackingStore, *, experiments: Sequence[str] = (), files: bool = True) -> Imported:
    """Bring runs and registered models over: parameters, every point of every metric, tags, and where files lie.

    uri:         ``http(s)://host``, ``sqlite:///file`` or a folder of MLflow's file store; it is only read.
    experiments: names; all when empty.   files: whether artifacts are listed; they stay where they are.
    A run that is here already, or was mirrored from here, is not written again. Each run is one transaction: cut off,
    the same call goes on. A run that is not ended there is ``crashed`` here.
    Raises ConfigError ``CONFIG_FIELD`` for a place that is none, ``CONFIG_EXTRA`` without MLflow; StoreError
    ``STORE_BUSY`` and ``STORE_VALUE`` where the server does not answer, or refuses.
    """
    place = _checked(uri)
    there, tally = _client(place), Tally()
    for kind in ("runs", "parameters", "points", "artifacts", "models"):
        tally.saw(kind, 0)
    ids = list_imported_runs(record.database, ORIGIN)
    own = _mirrored(record)
    for experiment in _experiments(there, place, experiments):
        for run in _runs(there, place, experiment):
            tally.saw("runs")
            if str(run.data.tags.get(RUN_ID)) in own:
                tally.flag("a run was mirrored from this record")
            elif run.info.run_id not in ids:
                made = _foreign(there, place, experiment, run, ids, tally, files=files)
                ids[str(run.info.run_id)] = add(record, made)
                tally.wrote("runs")
    if _registers(place):
        models(there, place, record, ids, tally)
    return tally.end()


def _checked(uri: str) -> str:
    """The place as MLflow's client takes it; in one that is not MLflow's already, it would lay its own files."""
    if uri.startswith(("http://", "https://")):
        return uri.rstrip("/")
    path = Path(uri.removeprefix("sqlite:///") if uri.startswith("sqlite:///") else uri.removeprefix("file://"))
    if uri.startswith("sqlite:///") and path.is_file() and set(_tables(path)) >= _RUNS_TABLES:
        return uri
    if path.is_dir() and any(path.glob("*/meta.yaml")):
        return path.absolute().as_uri()
    raise ConfigError(
        f"{printable(redact(uri)[-60:])} is no MLflow server, database or folder",
        code="CONFIG_FIELD",
        hint="Write http://host:5000, sqlite:///mlflow.db or the folder mlruns.",
        field="uri",
    )


def _registers(place: str) -> bool:
    """Whether there may be registered models; in a folder without, MLflow would lay one for them."""
    return not place.startswith("file:") or (Path(place.removeprefix("file://")) / "models").is_dir()


def _tables(path: Path) -> list[str]:
    """Tables of a SQLite file; none for a file of another kind."""
    try:
        with closing(sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True)) as connection:
            return [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    except sqlite3.DatabaseError:
        return []


def _client(place: str) -> "MlflowClient":
    check_mlflow_installed()
    with translate_errors(place):
        return client(place, files=place.startswith("file:"))


def _experiments(there: "MlflowClient", place: str, names: Sequence[str]) -> Iterator["Experiment"]:
    result: dict[str, Experiment] = {}
    token: str | None = None
    while True:
        with translate_errors(place):
            page = there.search_experiments(page_token=token)
        result |= {str(e.name): e for e in page}
        token = page.token
        if not token:
            break
    unknown = [name for name in names if name not in result]
    if unknown:
        raise ConfigError(
            f"there is no experiment {printable(unknown[0])}; there are {printable(', '.join(sorted(result)))}",
            code="CONFIG_FIELD",
            field="experiments",
        )
    yield from (result[name] for name in (names or sorted(result)))


def _runs(there: "MlflowClient", place: str, experiment: "Experiment") -> Iterator["Run"]:
    """Living runs, the oldest first, so that parents come before their children."""
    token: str | None = None
    while True:
        with translate_errors(place):
            page = there.search_runs(
                [experiment.experiment_id], max_results=1_000, order_by=["attributes.start_time ASC"], page_token=token
            )
        yield from page
        token = page.token
        if not token:
            return


def _foreign(
    there: "MlflowClient", place: str, experiment: "Experiment", run: "Run", ids: Mapping[str, int], tally: Tally, *,
    files: bool,
) -> ForeignRun:  # fmt: skip
    info, tags = run.info, dict(run.data.tags)
    status = _STATUS.get(str(info.status), "stopped")
    if status == "crashed":
        tally.flag("a run had not ended there; it is crashed here")
    points = list(_points(there, place, run, tally))
    listed = _listed(there, place, run, tally) if files else []
    for kind, count in (("parameters", len(run.data.params)), ("points", len(points)), ("artifacts", len(listed))):
        tally.saw(kind, count)
        tally.wrote(kind, count)
    parent = ids.get(str(tags.get("mlflow.parentRunId")))
    if parent is None and "mlflow.parentRunId" in tags:
        tally.flag("a run's parent is not here")
    return ForeignRun(
        ORIGIN, str(info.run_id), str(info.run_name or ""), ORIGIN, status, int(info.start_time or 0),
        None if status == "crashed" else int(info.end_time or info.start_time or 0),
        {ORIGIN: {"experiment": experiment.name, "uri": redact(place), "tags": tags}},
        description=tags.pop("mlflow.note.content", ""),
        params={name: None if text == "None" else infer(text) for name, text in run.data.params.items()},
        points=points, files=listed, parent_id=parent,
    )  # fmt: skip


def _points(there: "MlflowClient", place: str, run: "Run", tally: Tally) -> Iterator[Row]:
    for name in sorted(run.data.metrics):
        with translate_errors(place):
            history = there.get_metric_history(run.info.run_id, name)
        if len(name) > 200:
            tally.flag("a metric's name was cut at 200 characters")
        for one in history:
            yield point(name, float(one.value), int(one.timestamp), step=int(one.step))


def _listed(there: "MlflowClient", place: str, run: "Run", tally: Tally) -> list[Row]:
    try:
        return list(_files(there, place, run, "", tally))
    except (Away, Refused):
        if place.startswith("http"):
            raise
        tally.flag("a run's files lie with a server that was not asked; they were left out")
        return []


def _files(there: "MlflowClient", place: str, run: "Run", folder: str, tally: Tally) -> Iterator[Row]:
    """Where the run's files lie, as rows; nothing is fetched."""
    with translate_errors(place):
        listed = there.list_artifacts(run.info.run_id, folder or None)
    for one in listed:
        if ".." in PurePosixPath(one.path).parts or "\0" in one.path:
            tally.flag("a file's path holds '..'; it was left out")
        elif one.is_dir:
            yield from _files(there, place, run, one.path, tally)
        else:
            yield {
                "artifact_type": ORIGIN,
                "artifact_path": f"{str(run.info.artifact_uri).rstrip('/')}/{one.path}",
                "artifact_name": PurePosixPath(one.path).name,
                "file_size_mb": None if one.file_size is None else one.file_size / _MIB,
                "description": "",
                "metadata": {"external": True},
            }


def _mirrored(record: TrackingStore) -> frozenset[str]:
    """run_ids of this record: their runs there are our own."""
    import sqlalchemy as sa

    from assay.track.schema.tables import EXPERIMENTS

    with record.database.read() as connection:
        return frozenset(connection.execute(sa.select(EXPERIMENTS.c.run_id)).scalars())
