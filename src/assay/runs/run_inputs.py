"""Stored inputs of a run besides its spec: candle snapshots and user files, by content hash."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from assay.kernel.bars import Bars
from assay.kernel.errors import ArtifactError, ConfigError, printable
from assay.kernel.instrument import Instrument
from assay.kernel.user_source import SourceFile, UserCode, lay_out, read_user_code
from assay.runs.context import Context
from assay.track import BLOB_FILE, Blobs, Run, load_snapshot, save_snapshot

if TYPE_CHECKING:
    from assay.features import FeatureFile

SOURCE, FEATURES = "strategy_file", "features_file"


def keep(
    bars: Sequence[Bars], file: Path | None, spec: Mapping[str, Any], run: Run, context: Context, *,
    features: "FeatureFile | None" = None,
) -> None:  # fmt: skip
    """Snapshot the bars, link them to the run, and keep the source of a user's own strategy and features.

    ConfigError ``CONFIG_STRATEGY_FILE`` and ``CONFIG_FEATURE_FILE`` where a file is no longer the one that was run.
    """
    if file is not None:
        _source(file, origin(spec), run, context)
    if features is not None and features.code is not None:
        features.demand_unchanged()
        _stored(features.code, FEATURES, run, context)
    for each in bars:
        _dataset(each, run, context)


def origin(spec: Mapping[str, Any]) -> str:
    """SHA-256 of the strategy file that a stored spec names, or empty."""
    return str(spec.get("origin") or spec.get("params", {}).get("origin") or "")


def bars_of(run: int, context: Context) -> dict[str, Bars]:
    """The bars that a run stood on, by symbol, from its snapshots.

    ArtifactError ``ARTIFACT_GONE`` where one is missing or none is linked, ``ARTIFACT_CORRUPT`` for a changed one.
    """
    rows = [row for row in context.record.datasets.of_run(run) if row["usage_type"] == "train" and row["symbol"]]
    if not rows:
        raise ArtifactError(f"run {run} has no snapshot of its candles", code="ARTIFACT_GONE", run=run)
    return {row["symbol"]: load_snapshot(row["data_hash"] or "", context.snapshots) for row in rows}


@contextmanager
def source_of(run: int, spec: Mapping[str, Any], context: Context) -> Iterator[Path | None]:
    """The strategy file that a run was given, under its own name in a folder that is gone afterwards; None without.

    ArtifactError ``ARTIFACT_GONE`` where the spec names a file and none was kept, ``ARTIFACT_CORRUPT`` for a changed
    one.
    """
    wanted = origin(spec)
    if not wanted:
        yield None
        return
    with _kept_file(run, SOURCE, wanted, context) as file:
        yield file


@contextmanager
def features_of(run: int, spec: Mapping[str, Any], context: Context) -> Iterator[Path | None]:
    """The file of features that a run was given, as `source_of` gives a strategy's; None without."""
    wanted = str(spec.get("features_digest") or "")
    if not wanted:
        yield None
        return
    with _kept_file(run, FEATURES, wanted, context) as file:
        yield file


@contextmanager
def _kept_file(run: int, kind: str, wanted: str, context: Context) -> Iterator[Path]:
    rows = [row for row in context.record.artifacts.read(run) if row["artifact_type"] == kind]
    rows = [row for row in rows if row["metadata"].get("digest", row["sha256"]) == wanted]
    message = f"run {run} ran a {kind.replace('_', ' ')} with hash {wanted[:12]}…"
    if not rows:
        raise ArtifactError(f"{message}, whose source was not kept", code="ARTIFACT_GONE", run=run)
    blobs = Blobs(context.artifacts)
    files = [SourceFile(str(i), _place(row, kind), blobs.get(row["sha256"])) for i, row in enumerate(rows)]
    with TemporaryDirectory(prefix="assay-") as folder:
        path = lay_out(UserCode(files[0], tuple(files[1:])), Path(folder))
        result = read_user_code(path).digest
        if result != wanted:
            raise ArtifactError(
                f"{message}; what it kept hashes to {result[:12]}…: a module of it is not there, or is found elsewhere",
                code="ARTIFACT_CORRUPT",
                hint="Modules on Python's path come before those that were kept: take theirs out of PYTHONPATH.",
                run=run,
            )
        yield path


def _place(row: Mapping[str, Any], kind: str) -> str:
    """Where a kept file belongs below its folder; a name that would leave it is cut to its last part."""
    place = PurePath(row["artifact_name"])
    inside = not place.is_absolute() and ".." not in place.parts
    return str(place if inside else place.name) or f"{kind}.py"


def _source(file: Path, wanted: str, run: Run, context: Context) -> None:
    """No hash brings a file back once it is changed; modules of the user's that it loads are kept with it."""
    code = read_user_code(file)
    if code.digest != wanted:
        what = "or a module that it loads was changed" if code.modules else "was changed"
        raise ConfigError(
            f"strategy file {printable(file.name)} {what} while it ran", code="CONFIG_STRATEGY_FILE", file=file.name
        )
    _stored(code, SOURCE, run, context)


def _stored(code: UserCode, kind: str, run: Run, context: Context) -> None:
    """An artifact a file, the main one first; those of a file with modules say the digest of them all."""
    blobs = Blobs(context.artifacts)
    whole = {"digest": code.digest} if code.modules else {}
    for each in code.files:
        blob = blobs.put(each.text)
        place = blobs.path(blob) / BLOB_FILE
        context.record.artifacts.add(run.id, kind, place, name=each.path, sha256=blob, metadata={"blob": blob} | whole)


def _dataset(bars: Bars, run: Run, context: Context) -> None:
    digest, path = save_snapshot(bars, context.snapshots)
    instrument = bars.instrument
    dataset = context.record.datasets.add(
        instrument.key,
        exchange=instrument.exchange,
        symbol=instrument.symbol,
        timeframe=instrument.timeframe,
        data_path=str(path),
        data_hash=digest,
        num_samples=len(bars),
        metadata={"first": int(bars.timestamp[0]), "last": int(bars.timestamp[-1])} | _locked(instrument, context),
    )
    context.record.datasets.link(run.id, dataset, "train")


def _locked(instrument: Instrument, context: Context) -> dict[str, int]:
    """From where on bars were locked away when these were read; they end before it."""
    lock = None if context.again is not None else context.record.vault.of(instrument.exchange, instrument.symbol)
    return {} if lock is None else {"locked_from": lock.since}
