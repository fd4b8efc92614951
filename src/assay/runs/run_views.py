"""Runs as the CLI, pages and the API show them: list, one run, and the comparison of two."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.kernel.errors import ArtifactError, ConfigError, StoreError, did_you_mean, printable
from assay.kernel.parse import JsonObject
from assay.kernel.spec import canonical
from assay.kernel.timeframe import iso
from assay.runs import run_outputs
from assay.runs.context import Context
from assay.runs.provenance import provenance_differences, stored_environment
from assay.runs.run_artifacts import VERDICT, to_jsonable
from assay.track import BLOB_FILE, Blobs, Row, load_snapshot
from assay.track import HOLDOUT as HOLDOUT

AUDIT = "audit"
_LOG = logging.getLogger(__name__)


def load_documents(run: int, kind: str, context: Context) -> list[dict[str, object]]:
    """All of a kind, oldest first. Raises ArtifactError ``ARTIFACT_GONE`` for one whose file is not there."""
    return [_read(row, context) for row in _rows(run, kind, context)]


def load_or_note_gone(run: int, kind: str, context: Context) -> list[dict[str, Any]]:
    """As `load_documents`, for pages: of one whose file is not there ``{"gone": …}`` with what is missing, and a
    warning.
    """
    return [_read_or_gone(row, kind, run, context) for row in _rows(run, kind, context)]


def _rows(run: int, kind: str, context: Context) -> list[dict[str, object]]:
    return [row for row in context.record.artifacts.read(run) if row["artifact_type"] == kind]


def _read(row: Mapping[str, Any], context: Context) -> dict[str, object]:
    return dict(json.loads(Blobs(context.artifacts).get(row["metadata"]["blob"])))


def _read_or_gone(row: Mapping[str, object], kind: str, run: int, context: Context) -> dict[str, object]:
    try:
        return _read(row, context)
    except ArtifactError as error:
        if error.code != "ARTIFACT_GONE":
            raise
        _LOG.warning("a document (%s) that run %d kept is gone: %s", kind, run, error)
        return {"gone": error.message}


def keep_beside(run: int, kind: str, document: Mapping[str, object], context: Context) -> None:
    """Keep one; inside the transaction of what it tells of."""
    blobs = Blobs(context.artifacts)
    blob = blobs.put(json.dumps(document, sort_keys=True, allow_nan=False).encode())
    place = blobs.path(blob) / BLOB_FILE
    context.record.artifacts.add(run, kind, place, name=kind, sha256=blob, metadata={"blob": blob})


_VERDICT_FIELDS = ("verdict", "stage", "reasons")


@dataclass(frozen=True, slots=True)
class RunRow:
    """One line of the list of runs.

    Times in ISO 8601, None until known.   spec_hash, data_digest: SHA-256, hex.   verdict: of its model.
    metrics: of the test split, fractions, undefined ones None.
    """

    run_id: str
    experiment_id: int
    name: str
    spec: JsonObject | None
    spec_hash: str | None
    data_digest: str | None
    status: str
    start_time: str | None
    end_time: str | None
    seconds: float | None
    verdict: str | None
    model_id: str | None
    metrics: dict[str, float | None]

    @property
    def document(self) -> JsonObject:
        """The line as JSON."""
        return asdict(self)


def list_runs(context: Context, *, limit: int, status: str | None = None) -> list[RunRow]:
    """Runs, newest first: id, name, status, times, spec hash, verdict word and test metrics (undefined is None)."""
    result = context.record.experiments.recent(limit, status=status)
    return [_row(row, context) for row in result]


def show_run(run: int | str, context: Context) -> dict[str, object]:
    """One run: its row, and ``run.json`` of a completed training beside it. StoreError ``STORE_NOT_FOUND``.

    Where that file is gone: metrics and model of the record, ``gone`` with what is missing, and a warning. Where the
    run's model was judged otherwise since, `apply_later_verdict`.
    """
    row = context.record.experiments.get(run)
    document = apply_later_verdict(_left(row, context), row, context)
    shown = {
        "status": row["status"],
        "start_time": iso_or_none(row["start_time"]),
        "end_time": iso_or_none(row["end_time"]),
        "notes": row["notes"],
        "git_commit": row["git_commit"],
        "environment": row["environment"],
        "seed": row["random_seed"],
        "audits": load_or_note_gone(row["id"], AUDIT, context),
        "holdouts": load_or_note_gone(row["id"], HOLDOUT, context),
    }
    return _identity(row) | {"seconds": row["duration_seconds"]} | document | shown


def apply_later_verdict(
    document: Mapping[str, object], row: Mapping[str, object], context: Context
) -> dict[str, object]:
    """The document of a run with the word that its model has now, by a later audit; else the document itself.

    row: of the run. The run's own word is then ``verdict_then``, with stage, reasons and advice; and there is no
    ``advice``, which spoke of that word.
    """
    now = _judged(row, context) if document.get("verdict") else {}
    now = {name: now[name] for name in _VERDICT_FIELDS if now.get(name)}
    then = {name: document[name] for name in (*_VERDICT_FIELDS, "advice") if name in document}
    if all(then.get(name) == value for name, value in now.items()):
        return dict(document)
    return {k: v for k, v in document.items() if k != "advice"} | now | {"verdict_then": then}


def _left(row: Row, context: Context) -> dict[str, object]:
    try:
        return run_outputs.document_of(row["id"], context) or {}
    except ArtifactError as error:
        if error.code != "ARTIFACT_GONE":
            raise
        _LOG.warning("the report of run %d is gone, the record alone tells of it: %s", row["id"], error)
        line = _row(row, context)
        document = {"seconds": line.seconds, "model_id": line.model_id, "metrics": line.metrics}
        return document | _judged(row, context) | {"gone": error.message}


def _judged(row: Mapping[str, Any], context: Context) -> dict[str, object]:
    """The verdict that the run's model has; nothing where it has none."""
    result = [model["verdict"] for model in context.record.models.recent(row["id"], limit=1) if model["verdict"]]
    return {"verdict": result[0].get("word")} | {k: result[0][k] for k in VERDICT if k in result[0]} if result else {}


def _row(row: Row, context: Context) -> RunRow:
    models = context.record.models.recent(row["id"], limit=1)
    verdict = (models[0]["verdict"] or {}) if models else {}
    return RunRow(
        **_identity(row),
        status=row["status"],
        start_time=iso_or_none(row["start_time"]),
        end_time=iso_or_none(row["end_time"]),
        seconds=row["duration_seconds"],
        verdict=verdict.get("word"),
        model_id=models[0]["model_id"] if models else None,
        metrics=to_jsonable(context.record.metrics.last(row["id"], split="test")),
    )


def _identity(row: Row) -> Row:
    return {
        "run_id": row["run_id"],
        "experiment_id": row["id"],
        "name": row["name"],
        "spec": row["spec"],
        "spec_hash": row["spec_hash"],
        "data_digest": row["data_digest"],
    }


def iso_or_none(moment: datetime | None) -> str | None:
    """A time of the record in ISO 8601, ms, UTC; None for none."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def write_run_page(run: int | str, context: Context, *, to: Path | None = None) -> Path:
    """Write a run's page, headed by the word that its model has now; its path. Default `usual`.

    Raises StoreError ``STORE_NOT_FOUND`` (no such run), ``STORE_CONFLICT`` (a run that left nothing to report),
    ``STORE_PATH`` (the file cannot be written), ArtifactError when the run's files are gone or damaged.
    """
    from assay.runs.report import write_report

    row = context.record.experiments.get(run)
    evidence = run_outputs.evidence_of(row["id"], context)
    if evidence is None:
        raise StoreError(
            f"run {row['id']} is {row['status']} and left nothing to report",
            code="STORE_CONFLICT",
            hint="Only a completed training or backtest has a report; assay runs list --status completed shows them.",
        )
    evidence = replace(evidence, document=apply_later_verdict(evidence.document, row, context))
    candles = {s: load_snapshot(d, context.snapshots) for s, d in evidence.document["snapshots"].items()}
    path = usual(row["id"], context) if to is None else to
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_report(evidence, candles, path)
    except OSError as error:
        raise StoreError(f"report {path}: {error.strerror}", code="STORE_PATH") from error
    return path


def usual(run: int, context: Context) -> Path:
    """Where the page of a run lies unless somebody says otherwise: ``reports/run_<id>.html`` in the home."""
    return context.home / "reports" / f"run_{run}.html"


_MS = ("timestamp", "entry_time", "exit_time")
_ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Compared:
    """One thing that was compared.

    what:  its name.   size: rows of a table, values of a document.
    place: empty where equal, else the first place that differs; `was` and `now` are what stands there.
    """

    what: str
    size: int
    place: str = ""
    was: Any = None
    now: Any = None

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.place

    def as_dict(self) -> dict[str, object]:
        """Plain and JSON-able; NaN and infinities as text, because null is another value."""
        shown = {name: _plain(getattr(self, name)) for name in ("was", "now")}
        return asdict(self) | shown | {"equal": self.equal}


def tables(what: str, was: pl.DataFrame | None, now: pl.DataFrame | None) -> Compared:
    """Two tables by columns, length and every value; of several differences the topmost row, then the leftmost column.

    A NaN equals a NaN, null only null, 0.0 is not -0.0. Cost: one pass.
    """
    if was is None or now is None:
        gone = "no table" if was is None else f"{len(was)} rows", "no table" if now is None else f"{len(now)} rows"
        return Compared(what, 0) if was is now else Compared(what, 0, what, *gone)
    size = len(was)
    kinds = [{name: str(kind) for name, kind in each.schema.items()} for each in (was, now)]
    if kinds[0] != kinds[1]:
        return Compared(what, size, "columns", *kinds)
    n = min(len(was), len(now))
    firsts = {name: _first(was[name][:n], now[name][:n]) for name in was.columns}
    result = min((row for row in firsts.values() if row is not None), default=None)
    if result is not None:
        name = next(name for name, row in firsts.items() if row == result)
        return Compared(what, size, f"row {result}, {name}{_when(was, result)}", was[name][result], now[name][result])
    if len(was) != len(now):
        return Compared(what, size, "rows", len(was), len(now))
    return Compared(what, size)


def documents(what: str, was: object, now: object) -> Compared:
    """Two plain JSON-able values, compared in the canonical spelling of each leaf; the first in the order of `was`."""
    size = 0
    for place, one, other in leaves(was, now):
        size += 1
        if canonical(to_jsonable(one)) != canonical(to_jsonable(other)):
            rest = sum(1 for _ in leaves(was, now))
            return Compared(what, rest, place or what, one, other)
    return Compared(what, size)


def leaves(was: object, now: object, path: str = "") -> Iterator[tuple[str, object, object]]:
    """``(path, value, value)`` of every leaf of either; a leaf that one lacks is ``"absent"`` there."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*was, *now)):
            yield from leaves(was.get(key, _ABSENT), now.get(key, _ABSENT), f"{path}.{key}" if path else str(key))
    elif isinstance(was, list | tuple) and isinstance(now, list | tuple) and len(was) == len(now):
        for i, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from leaves(one, other, f"{path}[{i}]")
    else:
        yield path, was, now


def _first(was: pl.Series, now: pl.Series) -> int | None:
    """The first row in which two columns of one type and length differ."""
    differs = (was.is_null() != now.is_null()).to_numpy()
    if was.dtype.is_float():
        bits = [_bits(each) for each in (was, now)]
        differs = differs | (bits[0] != bits[1])
    else:
        differs = differs | was.ne_missing(now).to_numpy()
    places = np.flatnonzero(differs)
    return int(places[0]) if places.size else None


def _bits(column: pl.Series) -> np.ndarray[Any, np.dtype[np.int64]]:
    values = column.cast(pl.Float64).fill_null(0.0).to_numpy().copy()
    values[np.isnan(values)] = np.nan  # one spelling for all of them
    return values.view(np.int64)


def _when(table: pl.DataFrame, row: int) -> str:
    """The row's market and time, for people."""
    parts = [str(table["symbol"][row])] if "symbol" in table.columns else []
    parts += [iso(int(table[name][row])) for name in _MS if name in table.columns][:1]
    return f" ({' '.join(parts)})" if parts else ""


def _plain(value: object) -> object:
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else to_jsonable(value)


MOST = 100
_SHOWN = 8


def diff_runs(one: int | str, other: int | str, context: Context) -> dict[str, object]:
    """What differs between two runs: ``equal``, and of ``spec data code environment metrics`` a list of
    ``{what, a, b}`` each; ``"absent"`` or None where one side has no such thing.

    Raises StoreError ``STORE_NOT_FOUND``.
    """
    rows = [context.record.experiments.get(run) for run in (one, other)]
    around = [stored_environment(row) for row in rows]
    result: dict[str, list[dict[str, object]]] = {
        "spec": list(_parting(*(row["spec"] or {} for row in rows))),
        "data": list(_parting(*(_data(row, context) for row in rows))),
        "code": [],
        "environment": [],
        "metrics": list(_parting(*(_metrics(row["id"], context) for row in rows))),
    }
    for each in provenance_differences(*around):
        part = "code" if each["what"] in ("commit", "diff", "sources") else "environment"
        result[part].append({"what": each["what"], "a": to_jsonable(each["was"]), "b": to_jsonable(each["now"])})
    return {
        **{side: _named(row) for side, row in zip("ab", rows, strict=True)},
        "equal": not any(result.values()),
        **result,
    }


def compare_runs(runs: Sequence[int | str], context: Context, *, metrics: Sequence[str] = ()) -> dict[str, object]:
    """``{runs, metrics}``: what was measured out of sample, a value a run under each metric; None where undefined.

    metrics: only these, in this order; by default all that any run has. Raises StoreError ``STORE_NOT_FOUND``,
    ConfigError ``CONFIG_FIELD`` for a metric that no run has, with the nearest name, or for more than 100 runs.
    """
    if not 1 <= len(runs) <= MOST:
        raise ConfigError(f"{len(runs)} runs are given, 1 to {MOST} can be compared", field="runs")
    rows = [context.record.experiments.get(run) for run in runs]
    values = [_metrics(row["id"], context) for row in rows]
    available = sorted({name for each in values for name in each})
    for name in metrics:
        if name not in available:
            near = did_you_mean(name, available) or f"they have {_some(available)}"
            raise ConfigError(f"none of these runs has a metric {printable(name)}; {near}", field="metric", hint=near)
    wanted = list(dict.fromkeys(metrics)) or available
    return {
        "runs": [_named(row) for row in rows],
        "metrics": {name: [each.get(name) for each in values] for name in wanted},
    }


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return (", ".join(names[:_SHOWN]) or "none at all") + (f" and {rest} more; --json has all" if rest > 0 else "")


def _parting(one: Mapping[str, object], other: Mapping[str, object]) -> Iterator[dict[str, object]]:
    for place, a, b in leaves(one, other):
        if a != b:
            yield {"what": place, "a": a, "b": b}


def _data(row: Mapping[str, Any], context: Context) -> dict[str, object]:
    linked = context.record.datasets.of_run(row["id"])
    result = {f"{each['name']} ({each['usage_type']})": _dataset(each) for each in linked}
    return {"digest": row["data_digest"]} | result


def _dataset(row: Mapping[str, object]) -> dict[str, object]:
    return {"snapshot": row["data_hash"], "bars": row["num_samples"]}


def _metrics(run: int, context: Context) -> dict[str, object]:
    return dict(to_jsonable(context.record.metrics.last(run, split="test")))


def _named(row: Mapping[str, object]) -> dict[str, object]:
    return {"experiment_id": row["id"], "run_id": row["run_id"], "name": row["name"], "status": row["status"]}
