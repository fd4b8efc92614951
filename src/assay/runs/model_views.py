"""Models as they are shown, switched and retired from outside."""

import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assay.kernel.errors import StoreError, printable
from assay.runs.context import Context
from assay.runs.model_health import Today, edge_today, fault_of
from assay.runs.run_artifacts import to_jsonable
from assay.runs.run_views import HOLDOUT, load_or_note_gone
from assay.track import ModelSlot, ModelStanding, Row, find_models, model_history, model_standings

_IDENTITY = ("id", "model_id", "name", "version", "strategy_type", "exchange", "symbol", "timeframe", "experiment_id")
_STATE = ("format", "integrity", "audit_status", "lifecycle_stage", "train_metric", "val_metric", "test_metric")
_TIMES = ("created_at", "verified_at", "last_used_at", "deleting_at", "deleted_at")


def list_models(
    context: Context,
    *,
    limit: int,
    strategy: str | None = None,
    exchange: str | None = None,
    symbol: str | None = None,
    timeframe: str | None = None,
    serving: bool = False,
) -> list[dict[str, Any]]:
    """Models, newest first, those without files hidden: identity, verdict word, override, aliases, metric.

    serving: only those that are champion, challenger or previous. A filter that is None takes all.
    """
    request = {"strategy_type": strategy, "exchange": exchange, "symbol": symbol, "timeframe": timeframe}
    result = find_models(
        context.record, {k: v for k, v in request.items() if v is not None}, serving=serving, limit=limit
    )
    standing = model_standings(context.record, [row["id"] for row in result])
    return [_line(row, standing[row["id"]]) | _now(row, context) for row in result]


def show_model(request: int | str, context: Context) -> dict[str, Any]:
    """One model: its row, verdict with reasons, aliases, and all that people did with it. ``STORE_NOT_FOUND``.

    holdouts: what its run earned where its markets were locked, see `assay.runs._holdout`.
    """
    row = _row(request, context)
    run = context.record.experiments.get(row["experiment_id"])
    document = to_jsonable(
        {name: row[name] for name in ("verdict", "hyperparameters", "performance_metrics", "metadata")}
    )
    events = [
        {"time": _iso(e["timestamp"]), "by": e["actor"], "action": e["action"], "details": e["details"]}
        for e in model_history(context.record, row["id"])
    ]
    line = _line(row, model_standings(context.record, [row["id"]])[row["id"]]) | _now(row, context)
    hashes = {name: row[name] for name in ("checkpoint_path", "manifest_sha256", "content_sha256", "signature_key_id")}
    more = {"run_id": run["run_id"], "run_name": run["name"], "events": events}
    times = {name: _iso(row[name]) for name in _TIMES}
    more["holdouts"] = load_or_note_gone(row["experiment_id"], HOLDOUT, context)
    return document | line | hashes | more | times | {"judgement": document["verdict"]}


def promote_model(
    request: int | str, context: Context, *, by: str, override: str, expected_version: int | None, file: Path | None
) -> dict[str, Any]:
    """Make it champion; the alias as it is then. The files are read and the self-test asked first.

    A verdict that was GOLD is asked again with the looks that its bars have had by now; where it is not GOLD any more
    a person gives a reason. Who is champion stays it.
    """
    row = _row(request, context)
    version = context.record.champions.promote(
        row["id"], by=by, works=works(context, file), expected_version=expected_version, override=override,
        limits=context.thresholds, since=fault_of(_today(row, context, walk=True), row["verdict"]),
    )  # fmt: skip
    return show_model(row["id"], context) | {"version_of_alias": version}


def rollback_model(
    context: Context, post: ModelSlot, *, by: str, expected_version: int | None, file: Path | None
) -> dict[str, Any]:
    """Champion and previous change places; the model that serves now."""
    champions = context.record.champions
    version = champions.rollback(post, by=by, works=works(context, file), expected_version=expected_version)
    return show_model(champions.of(post)["champion"]["model_id"], context) | {"version_of_alias": version}


def verify_models(request: Sequence[str], context: Context, *, every: bool) -> dict[str, Any]:
    """Read files again and write down what was found: ``checked``, and ``faults`` with their reasons."""
    from assay.track import check_files
    from assay.track import verify_files as verifying

    places = context.places
    wanted = [_row(each, context)["id"] for each in request] or None
    faults, count = [], 0
    for checked in verifying(context.record, lambda row: check_files(row, places), wanted, every=every):
        count += 1
        if checked.why:
            document = {"id": checked.row["id"], "model_id": checked.row["model_id"], "integrity": checked.faults}
            faults.append(document | {"before": checked.row["integrity"], "code": checked.code, "why": checked.why})
    return {"checked": count, "faults": faults}


def prune_models(context: Context, *, dry_run: bool, by: str) -> dict[str, Any]:
    """One pass of retention; what went, or in a dry run would go."""
    from assay.track import prune_files as pruning

    pruned = pruning(
        context.record, artifacts=context.artifacts, models=context.models, shared=context.places.shared,
        days=context.retention_days, keep_last=context.models_keep_last, dry_run=dry_run, by=by,
    )  # fmt: skip
    return {
        "dry_run": pruned.dry_run,
        "why": pruned.why,
        "days": context.retention_days,
        "keep_last": context.models_keep_last,
        "bytes": pruned.bytes,
        "models": [asdict(each) for each in pruned.models],
        "orphans": [{"path": str(each.path), "bytes": each.bytes} for each in pruned.orphans],
    }


def export_model(request: int | str, context: Context, to: Path) -> dict[str, Any]:
    """Copy the parts and the manifest of a model, checked, into a new folder, or a new ``.tar`` where `to` ends so.

    StoreError ``STORE_PATH`` for a place that is taken or cannot be written; ArtifactError as loading says.
    """
    from assay.track import check_files

    row = _row(request, context)
    check_files(row, context.places)
    source = context.places.blobs.path(row["manifest_sha256"])
    if to.exists():
        raise StoreError(f"{printable(str(to))} is there already", code="STORE_PATH", hint="Name a new file or folder.")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        if to.suffix == ".tar":
            with tarfile.open(to, "x") as archive:
                archive.add(source, arcname=row["model_id"])
        else:
            shutil.copytree(source, to)
    except OSError as error:
        raise StoreError(f"{printable(str(to))} cannot be written: {error.strerror}", code="STORE_PATH") from error
    files = sorted(path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    return {"model_id": row["model_id"], "to": str(to), "manifest_sha256": row["manifest_sha256"], "files": files}


def load_test_model(request: int | str, context: Context, *, file: Path | None) -> dict[str, Any]:
    """Load a model in a process of its own and ask its self-test rows; how many there are, and how long it took.

    Errors as `assay.track.load_model`.
    """
    import time

    from assay.track import LoadingSandbox, check_format, read_verified

    row = _row(request, context)
    began = time.monotonic()
    bytes_ = read_verified(row, context.places)
    check_format(row["format"], f"model {row['model_id']}")
    with LoadingSandbox() as child:
        child.prove(
            bytes_.parts, bytes_.manifest["self_test"], kind=row["format"], where=f"model {row['model_id']}",
            strategy=file,
        )  # fmt: skip
    probes = bytes_.manifest["self_test"].get("probes", [])
    document = {"id": row["id"], "model_id": row["model_id"], "format": row["format"], "loads": True}
    return document | {"probes": len(probes), "seconds": round(time.monotonic() - began, 3)}


def works(context: Context, file: Path | None) -> Any:
    """The proof that a promotion asks for: bytes and self-test; `file` of a strategy of the user's own."""
    from assay.track import load_model

    places = context.places
    return lambda row: load_model(row, places, strategy=file)


def _row(request: int | str, context: Context) -> Row:
    is_number = isinstance(request, str) and request.isdecimal() and len(request) < 19
    return context.record.models.get(int(request) if is_number else request)


def _line(row: Row, standing: ModelStanding) -> dict[str, Any]:
    verdict = (row["verdict"] or {}).get("word")
    document = {name: row[name] for name in (*_IDENTITY, *_STATE)} | {
        "created_at": _iso(row["created_at"]),
        "verdict": verdict,
    }
    return dict(to_jsonable(document | {"aliases": list(standing.aliases), "override": standing.override}))


def _today(row: Row, context: Context, *, walk: bool) -> Today | None:
    """Of a model that is GOLD, which is all that later looks can change."""
    return edge_today(row, context, walk=walk) if (row["verdict"] or {}).get("word") == "GOLD" else None


def _now(row: Row, context: Context) -> dict[str, Any]:
    """``verdict_now``, the word with today's looks, and ``looks_now``, how many; None where nothing was asked."""
    today = _today(row, context, walk=False)
    return {
        "verdict_now": None if today is None else today.verdict,
        "looks_now": None if today is None else today.looks.n,
    }


def _iso(moment: Any) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
