"""Publish a model (files first, then one transaction) and query published models."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assay.kernel.errors import ArtifactError, StoreError, printable
from assay.kernel.instrument import slug
from assay.track.codecs import format_instant
from assay.track.database import Row, enqueue, nan_for_null, rows
from assay.track.model_files.artifact_store import Blobs, disk, sync, write_checked
from assay.track.model_files.manifest import (
    LARGEST_MANIFEST,
    MANIFEST,
    SUFFIX,
    Keys,
    ModelFacts,
    content_sha256,
    manifest_bytes,
    read_parts,
    settle_parts,
    signature_bytes,
)
from assay.track.model_files.pkl_envelope import Envelope, dump
from assay.track.model_files.remote import Shared
from assay.track.model_files.safe_read import LARGEST
from assay.track.schema.service import EVENTS, JOBS
from assay.track.schema.tables import ALIASES, MODELS
from assay.track.tracking_store import TrackingStore

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Written:
    """A model whose files are on disk and that no row points to yet; without one they are orphans."""

    facts: ModelFacts
    manifest_sha256: str
    content_sha256: str
    file: Path
    relative: str
    envelope_sha256: str
    bytes: int
    signature_key_id: str | None = None


def write_files(
    parts: Path,
    facts: ModelFacts,
    *,
    artifacts: Blobs,
    models: Path,
    keys: Keys | None = None,
    shared: Shared | None = None,
) -> Written:
    """Write the canonical blob and the documented file ``{strategy}/{slug}/model_YYYYMMDD_HHMMSS.pkl`` under `models`.

    Each is staged, synced, read back and renamed; the second file of a second is ``_2``. With `keys` a signature lies
    beside the file; with `shared` all of it is brought there, now or, where that store is away, with the next model.
    StoreError ``STORE_FULL`` and its siblings; ArtifactError ``ARTIFACT_MANIFEST`` for parts that are no plain files,
    ``ARTIFACT_TOO_LARGE`` for what no reader would take.
    """
    with disk(parts):
        data = read_parts(parts)
    manifest = manifest_bytes(data, facts)
    stamp = f"{datetime.fromtimestamp(facts.created_at // 1000, UTC):%Y%m%d_%H%M%S}"
    envelope = dump(Envelope(facts.strategy_type, facts.symbol, stamp, data))
    if max(len(envelope) - LARGEST, len(manifest) - LARGEST_MANIFEST) > 0:
        raise ArtifactError(
            f"model of {printable(facts.symbol)} has {len(envelope):,} bytes of parts and a manifest of "
            f"{len(manifest):,}; "
            f"at most {LARGEST:,} and {LARGEST_MANIFEST:,} are read",
            code="ARTIFACT_TOO_LARGE",
        )
    name = settle_parts(artifacts, data, manifest)
    with disk(models):
        file = _settle_envelope(models / slug(facts.strategy_type) / slug(facts.symbol), stamp, envelope)
        relative = file.relative_to(models).as_posix()
        if keys is not None:
            signed = signature_bytes(keys, file=(relative, envelope), manifest=(f"{name}/{MANIFEST}", manifest))
            write_checked(file.with_name(file.name + SUFFIX), signed)
            sync(file.parent)
    if shared is not None:
        shared.bring(name, relative)
    return Written(
        facts,
        name,
        content_sha256(data),
        file,
        relative,
        hashlib.sha256(envelope).hexdigest(),
        sum(len(part) for part in data.values()),
        None if keys is None else keys.current,
    )


def publish(
    record: TrackingStore, run: int, models: Sequence[Written], *, fence: tuple[int, int] | None = None,
    by_symbol: Mapping[str, Mapping[str, Any]] | None = None, **fields: Any,
) -> list[Row]:  # fmt: skip
    """Make written models known: their rows and word for the mirror, in one transaction; the rows in the order given.

    fence:  (job, token) of the job that publishes: one that was claimed again, or has ended, is StoreError
            ``STORE_CONFLICT`` and leaves nothing.
    fields: further columns of the models table that hold for all of them, such as ``val_metric`` or ``audit_status``.
    by_symbol: columns that one symbol has in place of these.
    """
    rows = []
    with record.together():
        if fence is not None:
            _demand_token(record, *fence)
            fields = fields | {"job_id": fence[0]}
        for model in models:
            facts = model.facts
            metadata = {**(fields.get("metadata") or {}), "envelope_sha256": model.envelope_sha256}
            metadata |= {"features": list(facts.features), "lookback": facts.lookback}
            described = {
                "strategy_type": facts.strategy_type,
                "exchange": facts.exchange,
                "symbol": facts.symbol,
                "timeframe": facts.timeframe,
                "manifest_sha256": model.manifest_sha256,
                "signature_key_id": model.signature_key_id,
                "content_sha256": model.content_sha256,
                "checkpoint_size_mb": model.bytes / _MIB,
                "integrity": "verified",
            }
            own = dict((by_symbol or {}).get(facts.symbol, {}))
            columns = fields | own | described | {"metadata": metadata, "created_at": facts.created_at}
            row = record.models.add(run, model.relative, **columns)
            rows.append(row)
            with record.database.write() as connection:
                enqueue(connection, "model", str(row["id"]), id=row["id"])
    return rows


def _demand_token(record: TrackingStore, job: int, token: int) -> None:
    """The job runs under this token, and goes on doing so until the transaction ends."""
    query = sa.select(JOBS.c.id).where(JOBS.c.id == job, JOBS.c.token == token, JOBS.c.status == "running")
    with record.database.write() as connection:
        if connection.execute(query.with_for_update(key_share=True)).first() is None:
            raise StoreError(
                f"job {job} does not run under token {token} any more; its models are not published",
                code="STORE_CONFLICT",
                job=job,
                token=token,
            )


def _settle_envelope(folder: Path, stamp: str, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stage = folder / f".{stamp}.{datetime.now(UTC).timestamp():.6f}.staging"
    try:
        write_checked(stage, data)
        number = 1
        while True:
            final = folder / (f"model_{stamp}.pkl" if number == 1 else f"model_{stamp}_{number}.pkl")
            try:
                final.hardlink_to(stage)  # fails where the name is taken, unlike a rename
                break
            except FileExistsError:
                number += 1
    finally:
        stage.unlink(missing_ok=True)
    sync(folder)
    return final


_METRICS = ("train_metric", "val_metric", "test_metric")
_M, _A, _E = MODELS.c, ALIASES.c, EVENTS.c


@dataclass(frozen=True, slots=True)
class ModelStanding:
    """aliases: that it holds now, in the order of the alphabet.

    override: ``by``, ``reason``, ``time`` and ``verdict`` of the newest promotion that went against the verdict, which
              stays with the model for ever; None when there was none.
    """

    aliases: tuple[str, ...] = ()
    override: Mapping[str, object] | None = None


def find_models(
    record: TrackingStore, where: Mapping[str, str], *, serving: bool = False, limit: int = 50
) -> list[Row]:
    """Models that have files, newest first. where: columns and their values; serving: only those with an alias."""
    query = sa.select(MODELS).where(_M.deleted_at.is_(None), *(_M[name] == value for name, value in where.items()))
    query = query.where(sa.exists().where(_A.model_id == _M.id)) if serving else query
    with record.database.read() as connection:
        result = rows(connection.execute(query.order_by(_M.created_at.desc(), _M.id.desc()).limit(limit)))
    return [nan_for_null(row, _METRICS) for row in result]


def model_standings(record: TrackingStore, models: Sequence[int]) -> dict[int, ModelStanding]:
    """By number, each of them."""
    subjects = {f"model:{model}": model for model in models}
    aliases = sa.select(_A.model_id, _A.alias).where(_A.model_id.in_(models))
    promoted = sa.select(EVENTS).where(_E.action == "promote", _E.subject.in_(subjects)).order_by(_E.id)
    with record.database.read() as connection:
        holding = connection.execute(aliases).all()
        events = rows(connection.execute(promoted))
    overrides = {subjects[event["subject"]]: _override(event) for event in events if event["details"]["override"]}
    return {
        model: ModelStanding(tuple(sorted(alias for of, alias in holding if of == model)), overrides.get(model))
        for model in models
    }


def model_history(record: TrackingStore, model: int) -> list[Row]:
    """All that was done with a model, in order: promoted, rolled back to, challenged, deleted."""
    query = sa.select(EVENTS).where(_E.subject == f"model:{model}").order_by(_E.id)
    with record.database.read() as connection:
        return rows(connection.execute(query))


def _override(event: Row) -> Row:
    details = event["details"]
    document = {"by": event["actor"], "reason": details["override"], "verdict": details["verdict"]}
    return document | {"time": format_instant(event["timestamp"])}
