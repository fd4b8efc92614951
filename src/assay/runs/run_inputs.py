"""Stored inputs of a run: candle snapshots and user files by content hash, and the history made from them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.features import FeatureFile, Table, check_own_columns, own_names, training_table
from assay.kernel.bars import USABLE, Bars
from assay.kernel.errors import ArtifactError, ConfigError, DataError, printable
from assay.kernel.instrument import Instrument
from assay.kernel.panel import Panel, Window
from assay.kernel.spec import TrainSpec
from assay.kernel.user_source import SourceFile, UserCode, lay_out, read_user_code
from assay.runs.context import Context
from assay.targets import label_bars, parse_target
from assay.track import BLOB_FILE, Blobs, Run, load_snapshot, save_snapshot
from assay.validate import MIN_ROWS

if TYPE_CHECKING:
    from assay.features import FeatureFile


SOURCE, FEATURES = "strategy_file", "features_file"


def keep(
    bars: Sequence[Bars], file: Path | None, spec: Mapping[str, object], run: Run, context: Context, *,
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
def source_of(run: int, spec: Mapping[str, object], context: Context) -> Iterator[Path | None]:
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
def features_of(run: int, spec: Mapping[str, object], context: Context) -> Iterator[Path | None]:
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
    since = context.ports.candles.locked_from(instrument.exchange, instrument.symbol, context)
    return {} if since is None else {"locked_from": since}


_FLAT = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """A panel without warm-up rows, and what it was made of.

    bars:     all stored candles, by symbol; `panel` windows are these from row `warm_up` on.
    warm_up:  rows at the start of each window that the features need.
    absent:   reason by name for the features that the data cannot give.
    horizon:  most bars that a label looks ahead.
    own:      the user's file of features that the columns were computed with; None without one.
    """

    panel: Panel
    bars: Mapping[str, Bars]
    warm_up: int
    absent: Mapping[str, str]
    horizon: int
    own: FeatureFile | None = None

    @property
    def own_columns(self) -> tuple[str, ...]:
        """Names of the panel's columns that the user's file declares, lags and relative forms of them included."""
        return own_names(next(iter(self.panel.windows.values())).names, self.own)


def load_history(spec: TrainSpec, bars: Sequence[Bars], own: FeatureFile | None = None) -> History:
    """Features and labels for every instrument of a spec.

    own: the user's file that the spec names. A feature that one instrument lacks is left out for all, and named.
    Raises DataError ``DATA_TOO_FEW`` with the arithmetic, ``DATA_FLAT``; ConfigError ``CONFIG_FEATURE`` for a column of
    the user's that is infinite, has no number, or writes into the bars; and what `training_table` and `targets` raise.
    """
    target = parse_target(spec.target.name, spec.target.params)
    for each in bars:
        demand_moving(each)
    tables = [_columns_of(spec, each, own) for each in bars]
    names = tuple(n for n in tables[0].names if all(n in t.names for t in tables))
    warm_up = max(t.lookback for t in tables)
    windows = []
    for each, features in zip(bars, tables, strict=True):
        labels = label_bars(each, target, costs=spec.costs)
        if USABLE in each.columns:
            labels = labels.only(each.columns[USABLE] == 1)
        _refuse_few(each, warm_up, labels.horizon, tables)
        windows.append(Window(each, _columns(features, names), names, labels)[warm_up:])
    absent = {n: why for t in tables for n, why in t.absent.items()}
    horizon = max(w.labels.horizon for w in windows if w.labels is not None)
    return History(Panel.of(*windows), {b.instrument.symbol: b for b in bars}, warm_up, absent, horizon, own)


def _columns_of(spec: TrainSpec, bars: Bars, own: FeatureFile | None) -> Table:
    if own is None:
        return training_table(spec, bars)
    before = bars.digest()
    made = training_table(spec, bars, own)
    if bars.digest() != before:
        raise ConfigError(
            f"{own.title}: one of {', '.join(own.columns)} writes into the bars that it is given",
            code="CONFIG_FEATURE",
            hint="assay audit --features-file names it.",
            file=own.name,
        )
    check_own_columns(made, bars, own)
    return made


def bare(bars: Sequence[Bars]) -> History:
    """Candles alone, for learners that read no feature and no label."""
    return History(Panel.of(*map(Window.of_bars, bars)), {b.instrument.symbol: b for b in bars}, 0, {}, 0)


def _columns(features: Table, names: tuple[str, ...]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    if features.names == names:
        return features.values
    return np.ascontiguousarray(features.values[:, [features.names.index(n) for n in names]])


def _refuse_few(bars: Bars, warm_up: int, horizon: int, tables: Sequence[Table]) -> None:
    usable = len(bars) - warm_up - horizon - 1
    if usable < MIN_ROWS:
        raise DataError(
            f"{bars.instrument}: {max(usable, 0)} usable rows, {MIN_ROWS} needed: {len(bars)} bars less {warm_up} of "
            f"warm-up ({_longest(tables)} reads so many) less {horizon + 1} whose label is not known yet",
            code="DATA_TOO_FEW",
            hint="Import more history, or choose a feature set with a shorter warm-up (mini5 needs 9 bars).",
            have=usable,
            need=MIN_ROWS,
        )


def _longest(tables: Sequence[Table]) -> str:
    """The name of the column that looks back furthest."""
    rows = {n: rows for t in tables for n, rows in zip(t.names, t.lookbacks, strict=True)}
    return max(rows, key=lambda name: rows[name], default="no column")


def demand_moving(bars: Bars) -> None:
    """Raise DataError ``DATA_FLAT`` where more than half of the bars close where the one before did."""
    text = describe_flat(bars)
    if text:
        raise DataError(text, code="DATA_FLAT", share=_flat_share(bars))


def describe_flat(bars: Bars) -> str:
    """How many bars do not move, where that is more than half of them; empty where it is not."""
    share = _flat_share(bars)
    if share <= _FLAT:
        return ""
    what = f"{share:.0%} of the bars close where the one before did"
    return f"{bars.instrument}: {what}; a training takes {_FLAT:.0%} at most"


def _flat_share(bars: Bars) -> float:
    return float((np.diff(bars.close) == 0).mean()) if len(bars) > 1 else 0.0
