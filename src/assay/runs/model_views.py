"""Models as they are shown, switched and retired from outside."""

import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from assay.kernel.errors import StoreError, printable
from assay.kernel.parse import JsonObject
from assay.runs.context import Context
from assay.runs.model_health import Today, edge_today, fault_of
from assay.runs.run_artifacts import to_jsonable
from assay.runs.run_views import HOLDOUT, iso_or_none, load_or_note_gone
from assay.track import ModelSlot, ModelStanding, Row, find_models, model_history, model_standings

_LATER = ("aliases", "override", "verdict_now", "looks_now", "created_at", "verdict")


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of the list of models; created_at in ISO 8601, undefined metrics None.

    verdict: of its run, and override, who promoted it against that and why.   verdict_now, looks_now: the verdict with
    the looks that its bars have had by now, and how many these are; None unless it was GOLD.
    """

    id: int
    model_id: str
    name: str
    version: str
    strategy_type: str | None
    exchange: str | None
    symbol: str | None
    timeframe: str | None
    experiment_id: int | None
    format: str | None
    integrity: str
    audit_status: str
    lifecycle_stage: str | None
    train_metric: float | None
    val_metric: float | None
    test_metric: float | None
    created_at: str | None
    verdict: str | None
    aliases: list[str]
    override: JsonObject | None
    verdict_now: str | None
    looks_now: int | None

    @property
    def document(self) -> JsonObject:
        """The line as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """What a person (`by`) or the registry did with a model, and when (ISO 8601)."""

    time: str | None
    by: str | None
    action: str
    details: JsonObject

    @property
    def document(self) -> JsonObject:
        """The event as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ModelView:
    """One model: its line, run, files, times (ISO 8601), and its events, oldest first.

    judgement: its verdict with stage and reasons, as stored.   holdouts: documents of the reads of its locked bars.
    """

    row: ModelRow
    hyperparameters: JsonObject | None
    performance_metrics: JsonObject | None
    metadata: JsonObject | None
    checkpoint_path: str | None
    manifest_sha256: str | None
    content_sha256: str | None
    signature_key_id: str | None
    run_id: str
    run_name: str
    events: tuple[ModelEvent, ...]
    holdouts: list[JsonObject]
    verified_at: str | None
    last_used_at: str | None
    deleting_at: str | None
    deleted_at: str | None
    judgement: JsonObject | None

    @property
    def document(self) -> JsonObject:
        """The view as one JSON object: the verdict's name first, the keys of the line among the others."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "row"}
        head = {name: own.pop(name) for name in ("hyperparameters", "performance_metrics", "metadata")}
        own["events"] = [each.document for each in self.events]
        return {"verdict": self.row.verdict, **head} | self.row.document | own


@dataclass(frozen=True, slots=True)
class ModelSwitch:
    """The model that serves after a promotion or a rollback, and the version of its alias."""

    model: ModelView
    version_of_alias: int

    @property
    def document(self) -> JsonObject:
        """The model as JSON with the version of its alias."""
        return self.model.document | {"version_of_alias": self.version_of_alias}


@dataclass(frozen=True, slots=True)
class ModelFault:
    """A model whose files are missing or damaged: its integrity now and before, error code and reason."""

    id: int
    model_id: str
    integrity: str
    before: str
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """checked: how many models were read.   faults: those with missing or damaged files."""

    checked: int
    faults: list[ModelFault]

    @property
    def document(self) -> JsonObject:
        """The report as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PruneReport:
    """One pass of retention. why: the reason that nothing was deleted.   bytes: of all that went, or would go."""

    dry_run: bool
    why: str
    days: int
    keep_last: int
    bytes: int
    models: list[JsonObject]
    orphans: list[JsonObject]

    @property
    def document(self) -> JsonObject:
        """The report as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ModelExport:
    """A copy of a model's files: where it lies, and its files, relative and sorted."""

    model_id: str
    to: str
    manifest_sha256: str
    files: list[str]

    @property
    def document(self) -> JsonObject:
        """The export as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LoadTest:
    """A model that loads and decides as published on so many probes; seconds to the ms."""

    id: int
    model_id: str
    format: str
    loads: bool
    probes: int
    seconds: float

    @property
    def document(self) -> JsonObject:
        """The test as JSON."""
        return asdict(self)


def list_models(
    context: Context,
    *,
    limit: int,
    strategy: str | None = None,
    exchange: str | None = None,
    symbol: str | None = None,
    timeframe: str | None = None,
    serving: bool = False,
) -> list[ModelRow]:
    """Models, newest first, those without files hidden: identity, verdict word, override, aliases, metric.

    serving: only those that are champion, challenger or previous. A filter that is None takes all.
    """
    request = {"strategy_type": strategy, "exchange": exchange, "symbol": symbol, "timeframe": timeframe}
    result = find_models(
        context.record, {k: v for k, v in request.items() if v is not None}, serving=serving, limit=limit
    )
    standing = model_standings(context.record, [row["id"] for row in result])
    return [_line(row, standing[row["id"]], context) for row in result]


def show_model(request: int | str, context: Context) -> ModelView:
    """One model: its row, verdict with reasons, aliases, and all that people did with it. ``STORE_NOT_FOUND``.

    holdouts: what its run earned where its markets were locked, see `assay.runs._holdout`.
    """
    row = _row(request, context)
    run = context.record.experiments.get(row["experiment_id"])
    return ModelView(
        _line(row, model_standings(context.record, [row["id"]])[row["id"]], context),
        hyperparameters=to_jsonable(row["hyperparameters"]),
        performance_metrics=to_jsonable(row["performance_metrics"]),
        metadata=to_jsonable(row["metadata"]),
        checkpoint_path=row["checkpoint_path"],
        manifest_sha256=row["manifest_sha256"],
        content_sha256=row["content_sha256"],
        signature_key_id=row["signature_key_id"],
        run_id=run["run_id"],
        run_name=run["name"],
        events=tuple(
            ModelEvent(iso_or_none(e["timestamp"]), e["actor"], e["action"], e["details"])
            for e in model_history(context.record, row["id"])
        ),
        holdouts=load_or_note_gone(row["experiment_id"], HOLDOUT, context),
        verified_at=iso_or_none(row["verified_at"]),
        last_used_at=iso_or_none(row["last_used_at"]),
        deleting_at=iso_or_none(row["deleting_at"]),
        deleted_at=iso_or_none(row["deleted_at"]),
        judgement=to_jsonable(row["verdict"]),
    )


def promote_model(
    request: int | str, context: Context, *, by: str, override: str, expected_version: int | None, file: Path | None
) -> ModelSwitch:
    """Make it champion; the alias as it is then. The files are read and the self-test asked first.

    A verdict that was GOLD is asked again with the looks that its bars have had by now; where it is not GOLD any more
    a person gives a reason. Who is champion stays it.
    """
    row = _row(request, context)
    version = context.record.champions.promote(
        row["id"], by=by, works=works(context, file), expected_version=expected_version, override=override,
        limits=context.thresholds, since=fault_of(_today(row, context, walk=True), row["verdict"]),
    )  # fmt: skip
    return ModelSwitch(show_model(row["id"], context), version)


def rollback_model(
    context: Context, post: ModelSlot, *, by: str, expected_version: int | None, file: Path | None
) -> ModelSwitch:
    """Champion and previous change places; the model that serves now."""
    champions = context.record.champions
    version = champions.rollback(post, by=by, works=works(context, file), expected_version=expected_version)
    return ModelSwitch(show_model(champions.of(post)["champion"]["model_id"], context), version)


def verify_models(request: Sequence[str], context: Context, *, every: bool) -> VerifyReport:
    """Read files again and write down what was found: ``checked``, and ``faults`` with their reasons."""
    from assay.track import check_files
    from assay.track import verify_files as verifying

    places = context.places
    wanted = [_row(each, context)["id"] for each in request] or None
    faults, count = [], 0
    for checked in verifying(context.record, lambda row: check_files(row, places), wanted, every=every):
        count += 1
        if checked.why:
            model = checked.row
            faults.append(
                ModelFault(
                    model["id"], model["model_id"], checked.faults, model["integrity"], checked.code, checked.why
                )
            )
    return VerifyReport(count, faults)


def prune_models(context: Context, *, dry_run: bool, by: str) -> PruneReport:
    """One pass of retention; what went, or in a dry run would go."""
    from assay.track import prune_files as pruning

    pruned = pruning(
        context.record, artifacts=context.artifacts, models=context.models, shared=context.places.shared,
        days=context.retention_days, keep_last=context.models_keep_last, dry_run=dry_run, by=by,
    )  # fmt: skip
    return PruneReport(
        dry_run=pruned.dry_run,
        why=pruned.why,
        days=context.retention_days,
        keep_last=context.models_keep_last,
        bytes=pruned.bytes,
        models=[asdict(each) for each in pruned.models],
        orphans=[{"path": str(each.path), "bytes": each.bytes} for each in pruned.orphans],
    )


def export_model(request: int | str, context: Context, to: Path) -> ModelExport:
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
    return ModelExport(row["model_id"], str(to), row["manifest_sha256"], files)


def load_test_model(request: int | str, context: Context, *, file: Path | None) -> LoadTest:
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
    return LoadTest(
        row["id"], row["model_id"], row["format"], loads=True, probes=len(probes),
        seconds=round(time.monotonic() - began, 3),
    )  # fmt: skip


def works(context: Context, file: Path | None) -> Callable[[Row], None]:
    """The proof that a promotion asks for: bytes and self-test; `file` of a strategy of the user's own."""
    from assay.track import load_model

    places = context.places

    def prove(row: Row) -> None:
        load_model(row, places, strategy=file)

    return prove


def _row(request: int | str, context: Context) -> Row:
    is_number = isinstance(request, str) and request.isdecimal() and len(request) < 19
    return context.record.models.get(int(request) if is_number else request)


def _line(row: Row, standing: ModelStanding, context: Context) -> ModelRow:
    today = _today(row, context, walk=False)
    columns = {each.name: to_jsonable(row[each.name]) for each in fields(ModelRow) if each.name not in _LATER}
    return ModelRow(
        **columns,
        created_at=iso_or_none(row["created_at"]),
        verdict=(row["verdict"] or {}).get("word"),
        aliases=list(standing.aliases),
        override=to_jsonable(standing.override),
        verdict_now=None if today is None else today.verdict,
        looks_now=None if today is None else today.looks.n,
    )


def _today(row: Row, context: Context, *, walk: bool) -> Today | None:
    """Of a model that is GOLD, which is all that later looks can change."""
    return edge_today(row, context, walk=walk) if (row["verdict"] or {}).get("word") == "GOLD" else None
