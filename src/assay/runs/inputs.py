"""What a run stands on besides spec and code: candles and strategy source, kept under the hash of what they hold."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from assay.kernel.bars import Bars
from assay.kernel.errors import ArtifactError, ConfigError, shown
from assay.kernel.instrument import Instrument
from assay.kernel.usercode import read_user_code
from assay.runs.context import Context
from assay.track.blobs.store import BYTES, Blobs
from assay.track.experiments import Run
from assay.track.snapshots import load_snapshot, snapshot

SOURCE, MODULE = "strategy_file", "strategy_module"


def keep(bars: Sequence[Bars], file: Path | None, spec: Mapping[str, Any], run: Run, context: Context) -> None:
    """Snapshot the bars, link them to the run, and keep the source of a user's own strategy.

    ConfigError ``CONFIG_STRATEGY_FILE`` where the file is no longer the one that the spec names.
    """
    if file is not None:
        _source(file, origin(spec), run, context)
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
    rows = context.record.artifacts.read(run)
    for row in rows:
        if row["artifact_type"] == SOURCE and wanted in (row["sha256"], (row["metadata"] or {}).get("digest")):
            with TemporaryDirectory(prefix="assay-") as folder:
                file = Path(folder) / (PurePath(row["artifact_name"]).name or "strategy.py")
                file.write_bytes(Blobs(context.artifacts).get(row["sha256"]))
                _modules([each for each in rows if each["artifact_type"] == MODULE], wanted, Path(folder), context)
                yield file
            return
    raise ArtifactError(
        f"run {run} ran a strategy file with hash {wanted[:12]}…, whose source was not kept", code="ARTIFACT_GONE"
    )


def _modules(rows: Sequence[Mapping[str, Any]], wanted: str, folder: Path, context: Context) -> None:
    """Lay the modules of the user's out beside the file, as they lay when it ran."""
    for row in rows:
        path = PurePosixPath(row["artifact_name"])
        if (row["metadata"] or {}).get("digest") != wanted:
            continue
        if path.is_absolute() or ".." in path.parts:
            raise ArtifactError(f"module {shown(str(path))} of a strategy leaves its folder", code="ARTIFACT_CORRUPT")
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(Blobs(context.artifacts).get(row["sha256"]))


def _source(file: Path, wanted: str, run: Run, context: Context) -> None:
    """No hash brings a file back once it is changed; modules of the user's that it loads are kept with it."""
    code = read_user_code(file)
    if code.digest != wanted:
        what = "or a module that it loads was changed" if code.modules else "was changed"
        raise ConfigError(
            f"strategy file {shown(file.name)} {what} while it ran", code="CONFIG_STRATEGY_FILE", file=file.name
        )
    blobs = Blobs(context.artifacts)
    for each in code.files:
        blob = blobs.put(each.text)
        context.record.artifacts.add(
            run.id, MODULE if each.module else SOURCE, blobs.path(blob) / BYTES, name=each.path, sha256=blob,
            metadata={"blob": blob} | ({"digest": wanted} if code.modules else {}),
        )  # fmt: skip


def _dataset(bars: Bars, run: Run, context: Context) -> None:
    digest, path = snapshot(bars, context.snapshots)
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
