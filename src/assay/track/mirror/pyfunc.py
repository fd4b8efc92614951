"""Loader for ``mlflow.pyfunc.load_model`` of mirrored models: parts are checked, no code is executed.

Named in each ``MLmodel``; where it is loaded Assay must be installed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assay.kernel.bars import PRICES, Bars
from assay.kernel.contracts import Model
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ArtifactError, DataError, printable
from assay.kernel.instrument import Instrument
from assay.kernel.panel import Panel, Window
from assay.track.loading.formats import FORMATS, Format, check_format
from assay.track.loading.golden import demand_alike
from assay.track.model_files.artifact_store import check_bytes
from assay.track.model_files.manifest import (
    FEATURES_PART,
    LARGEST_MANIFEST,
    MANIFEST,
    FeaturesFile,
    Manifest,
    parse_manifest,
)
from assay.track.model_files.safe_read import read_file

if TYPE_CHECKING:
    import pandas as pd

    from assay.features import Feature

_COLUMNS = ("target", "stop", "take", "hold")


class CandleModel:
    """A model that decides on a table of candles."""

    def __init__(self, model: Model, manifest: Manifest) -> None:
        self._model = model
        self.instrument = Instrument(manifest["exchange"], manifest["symbol"], manifest["timeframe"])
        self.features: tuple[str, ...] = tuple(manifest["features"])
        self._file: FeaturesFile | None = manifest.get("features_file")

    def predict(self, model_input: "pd.DataFrame", params: Mapping[str, object] | None = None) -> "pd.DataFrame":
        """Columns ``target stop take hold``, a row for each candle: what to hold, decided at its close.

        model_input: closed candles of the model's own market, oldest first: ``timestamp`` (open, UTC ms, or a
        time), ``open high low close`` and, where the market has it, ``volume``; further columns are those of `Bars`.
        Rows before the model has seen enough history are flat. Raises DataError ``DATA_SCHEMA`` naming what is missing,
        and what `Bars` and the features raise. Of a model that reads columns of the user's own, ArtifactError
        ``ARTIFACT_FEATURES`` until its ``features_file.py`` was imported into this process: no code is run from here.
        """
        import pandas as pd

        bars = candles(model_input, self.instrument)
        decided = self._decide(bars)
        return pd.DataFrame({name: getattr(decided, name) for name in _COLUMNS}, index=model_input.index)

    def _decide(self, bars: Bars) -> Decisions:
        if not self.features:
            return self._model.decide(Panel.of(Window.of_bars(bars)))[self.instrument.symbol]
        from assay.features import table

        made = table(bars, self.features, own=self._own())
        missing = [name for name in self.features if name not in made.names]
        if missing:
            raise DataError(
                f"{self.instrument}: these candles cannot give {missing[0]}: {made.absent.get(missing[0], 'absent')}",
                code="DATA_FEATURES",
            )
        values = np.ascontiguousarray(made.values[:, [made.names.index(name) for name in self.features]])
        window = Window(bars, values, self.features)[made.lookback :]
        if not len(window):
            return _padded(None, len(bars))
        return _padded(self._model.decide(Panel.of(window))[self.instrument.symbol], len(bars))

    def _own(self) -> "Mapping[str, Feature]":
        """The columns of the user's own that the model reads, as they were imported."""
        from assay.features import find_imported_source

        if self._file is None:
            return {}
        own = find_imported_source(str(self._file["sha256"]))
        if not own:
            raise ArtifactError(
                f"the model reads columns of {printable(self._file['name'])} with hash {self._file['sha256']}, and no "
                "such file was imported",
                code="ARTIFACT_FEATURES",
                hint=f"Read {FEATURES_PART} beside the model, and import it in this process: it is code.",
            )
        return own


def candles(frame: "pd.DataFrame", instrument: Instrument) -> Bars:
    """Bars of a table; errors as `CandleModel.predict`."""
    lacking = [name for name in ("timestamp", *PRICES) if name not in frame.columns]
    if lacking:
        raise DataError(
            f"the table has no column {', '.join(lacking)}; it has {printable(', '.join(map(str, frame.columns)))}",
            code="DATA_SCHEMA",
        )
    times = frame["timestamp"]
    if times.dtype.kind == "M" or hasattr(times.dtype, "tz"):
        times = times.dt.tz_localize("UTC") if times.dt.tz is None else times.dt.tz_convert("UTC")
        times = times.dt.tz_localize(None).astype("datetime64[ms]").astype(np.int64)
    numbers = {
        str(name): np.ascontiguousarray(frame[name].to_numpy(np.float64))
        for name in frame.columns
        if name != "timestamp" and frame[name].dtype.kind in "fiu"
    }
    opened, high, low, close = (numbers.pop(name) for name in PRICES)
    stamps = np.ascontiguousarray(times.to_numpy(np.int64))
    return Bars(instrument, stamps, opened, high, low, close, volume=numbers.pop("volume", None), columns=numbers)


def _padded(decided: Decisions | None, rows: int) -> Decisions:
    """The decisions behind as many flat rows as the features needed for history."""
    if decided is None:
        return Decisions.weights(np.zeros(rows))
    flat = Decisions.weights(np.zeros(rows - len(decided)))
    return Decisions(*(np.concatenate([getattr(flat, name), getattr(decided, name)]) for name in _COLUMNS))


def _load_pyfunc(path: str) -> CandleModel:
    """Check manifest, parts and self-test rows under `path`, and read the model. Errors as of `assay.track.loading`."""
    folder = Path(path)
    where = f"mirrored model {folder.name}"
    manifest = parse_manifest(read_file(folder, MANIFEST, most=LARGEST_MANIFEST), where)
    for entry in manifest["files"]:
        check_bytes(folder / entry["path"], read_file(folder, entry["path"]), entry["sha256"])
    kind = _format(manifest)
    model = kind.read(folder, None)
    demand_alike(model, manifest["self_test"], tolerance=kind.tolerance, where=where)
    return CandleModel(model, manifest)


def _format(manifest: Manifest) -> Format:
    parts = {entry["path"] for entry in manifest["files"]}
    return check_format(next((name for name, kind in FORMATS.items() if kind.part in parts), None), MANIFEST)
