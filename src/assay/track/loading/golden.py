"""Golden outputs: eight windows with a model's decisions, checked again at each load.

Arrays are base64 of little-endian float64 or int64, so that "equal" means equal in every bit.
Forecasts need only be near: two processors may round an exponential differently.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import PRICES, Bars, Joined
from assay.kernel.contracts import Forecaster, Model
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ArtifactError, AssayError
from assay.kernel.instrument import Instrument
from assay.kernel.panel import Panel, Window

PROBES = 8
_DECIDED = 4  # rows of a probe after the model's lookback
_SEEN = 4_000  # newest rows among which the probes lie
_ACTING = PROBES // 2
_VERSION = 1
_DECISION = ("target", "stop", "take", "hold")
_NEAR = 1e-6
_Array = FloatArray | NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a model says on a probe; a forecaster's forecast too, since its decisions may be the same for years."""

    decisions: Decisions
    forecast: FloatArray | None


class JoinedDocument(TypedDict):
    """A joined series, each array in base64."""

    value_time: str
    known_at: str
    value: str


class WindowDocument(TypedDict):
    """A window as the self-test keeps it, each array in base64."""

    exchange: str
    symbol: str
    timeframe: str
    timestamp: str
    prices: dict[str, str]
    volume: str | None
    columns: dict[str, str]
    joined: dict[str, JoinedDocument]
    features: str


class AnswerDocument(TypedDict):
    """What a model said on a probe, each array in base64; classes is the width of the forecast."""

    target: str
    stop: str
    take: str
    hold: str
    forecast: str | None
    classes: int | None


class Probe(TypedDict):
    """A window, and the answer that is expected on it."""

    window: WindowDocument
    answer: AnswerDocument


class SelfTest(TypedDict):
    """The ``self_test`` of a manifest. What is read back is nobody's yet: `unpack` finds what does not fit."""

    version: int
    features: list[str]
    probes: list[Probe]


def golden_outputs(model: Model, window: Window) -> SelfTest:
    """Probe windows of one instrument, and what the model decides on them; goes into the manifest.

    Half of the probes end on rows on which the model acts, where it does; the rest are spread over the newest 4,000
    rows. A window with fewer than 8 rows gives fewer probes. Cost: one pass over those rows.
    """
    names = list(window.names)
    width = model.lookback + _DECIDED
    seen = window.without_labels()[max(0, len(window) - _SEEN - width) :]
    probes: list[Probe] = []
    for end in _ends(model, seen):
        probe = seen[max(0, end - width) : end]
        probes.append({"window": _packed(probe), "answer": _answer_document(_answered(model, probe))})
    return {"version": _VERSION, "features": names, "probes": probes}


def demand_alike(model: Model, document: SelfTest, *, tolerance: float, where: str) -> None:
    """Ask the model its self-test. Raises ArtifactError ``ARTIFACT_SELFTEST`` naming probe, array, row, both values.

    ``ARTIFACT_SELFTEST`` also for a model without probes; ``ARTIFACT_HEADER_MISMATCH`` where it wants other features
    than its manifest names; ``ARTIFACT_CORRUPT`` for probes that are no windows.
    """
    for number, (window, expected) in enumerate(unpack(document, where)):
        at = f"{where}: probe {number}"
        try:
            result = _answered(model, window)
        except AssayError as error:
            code = "ARTIFACT_HEADER_MISMATCH" if error.code == "DATA_FEATURES" else "ARTIFACT_SELFTEST"
            raise ArtifactError(f"{at}: {error.message}", code=code) from error
        for name in _DECISION:
            _demand_equal(name, getattr(result.decisions, name), getattr(expected.decisions, name), tolerance, at)
        if result.forecast is not None and expected.forecast is not None:
            _demand_equal("forecast", result.forecast, expected.forecast, _NEAR, at)
        elif result.forecast is not expected.forecast:
            raise _differs(f"{at}: a forecast is on one side only")


def _ends(model: Model, window: Window) -> list[int]:
    """Where the probes end: behind rows that act, and evenly spread ones."""
    rows = len(window)
    first = min(model.lookback + 1, rows)
    spread = np.unique(np.linspace(first, rows, PROBES).astype(np.int64))
    target = _decided(model, window).target
    acting = np.isfinite(target) & (target != 0)
    turning = acting & (target != np.r_[0.0, target[:-1]])
    result = np.flatnonzero(turning if turning.any() else acting) + 1
    result = result[result >= first]
    chosen = result[np.linspace(0, result.size - 1, min(_ACTING, result.size)).astype(np.int64)]
    rest = [end for end in spread if end not in chosen]
    stored = np.linspace(0, len(rest) - 1, min(PROBES - len(set(chosen)), len(rest))).astype(np.int64)
    return sorted({int(end) for end in chosen} | {int(rest[place]) for place in stored})


def _decided(model: Model, window: Window) -> Decisions:
    (decided,) = model.decide(Panel.of(window)).values()
    return decided


def _answered(model: Model, window: Window) -> Answer:
    forecast = None
    if isinstance(model, Forecaster):
        (forecast,) = model.forecast(Panel.of(window)).values()
    return Answer(_decided(model, window), forecast)


def _demand_equal(name: str, result: _Array, expected: _Array, tolerance: float, where: str) -> None:
    if result.shape != expected.shape:
        raise _differs(f"{where}: {name} has shape {result.shape}, stored is {expected.shape}")
    near = np.isclose(result, expected, rtol=0.0, atol=tolerance) if tolerance else result == expected
    odd = ~(near | (np.isnan(result) & np.isnan(expected)))
    if odd.any():
        row = int(np.argwhere(odd)[0][0])
        raise _differs(f"{where}: {name} in row {row} is {result[row]}, stored is {expected[row]}")


def _differs(text: str) -> ArtifactError:
    return ArtifactError(text, code="ARTIFACT_SELFTEST", hint="Do not trade on it. Restore its files, or train again.")


def _packed(window: Window) -> WindowDocument:
    bars = window.bars
    return {
        "exchange": bars.instrument.exchange,
        "symbol": bars.instrument.symbol,
        "timeframe": bars.instrument.timeframe,
        "timestamp": _base64(bars.timestamp, "<i8"),
        "prices": {name: _base64(getattr(bars, name)) for name in PRICES},
        "volume": None if bars.volume is None else _base64(bars.volume),
        "columns": {name: _base64(column) for name, column in bars.columns.items()},
        "joined": {name: _joined(series) for name, series in bars.joined.items()},
        "features": _base64(window.features),
    }


def _joined(series: Joined) -> JoinedDocument:
    return {
        "value_time": _base64(series.value_time, "<i8"),
        "known_at": _base64(series.known_at, "<i8"),
        "value": _base64(series.value),
    }


def _answer_document(answer: Answer) -> AnswerDocument:
    decided, forecast = answer.decisions, answer.forecast
    classes = None if forecast is None else forecast.shape[1]
    return {
        "target": _base64(decided.target),
        "stop": _base64(decided.stop),
        "take": _base64(decided.take),
        "hold": _base64(decided.hold, "<i8"),
        "forecast": None if forecast is None else _base64(forecast),
        "classes": classes,
    }


def unpack(document: SelfTest, where: str) -> list[tuple[Window, Answer]]:
    """The probes of a manifest; errors as `demand_alike`."""
    if not document.get("probes"):
        raise ArtifactError(
            f"{where} carries no self-test rows", code="ARTIFACT_SELFTEST", hint="Train the model again."
        )
    try:
        if document["version"] != _VERSION or len(document["probes"]) > PROBES:
            raise ValueError("not of this version")
        names = tuple(str(name) for name in document["features"])
        return [(_window(each["window"], names), _answer(each["answer"])) for each in document["probes"]]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, AssayError) as error:
        raise ArtifactError(f"{where}: its self-test rows are damaged: {error}", code="ARTIFACT_CORRUPT") from error


def _window(document: WindowDocument, names: tuple[str, ...]) -> Window:
    instrument = Instrument(document["exchange"], document["symbol"], document["timeframe"])
    high, low, first, last = (_floats(document["prices"][name]) for name in ("high", "low", "open", "close"))
    bars = Bars(
        instrument,
        _integers(document["timestamp"]),
        open=first,
        high=high,
        low=low,
        close=last,
        volume=None if document["volume"] is None else _floats(document["volume"]),
        columns={name: _floats(column) for name, column in document["columns"].items()},
        joined={
            name: Joined(_integers(s["value_time"]), _integers(s["known_at"]), _floats(s["value"]))
            for name, s in document["joined"].items()
        },
    )
    return Window(bars, _floats(document["features"]).reshape(len(bars), len(names)), names)


def _answer(document: Mapping[str, Any]) -> Answer:
    target, stop, take = (_floats(document[name]) for name in _DECISION[:3])
    forecast = (
        None
        if document["forecast"] is None
        else _floats(document["forecast"]).reshape(len(target), document["classes"])
    )
    return Answer(Decisions(target, stop, take, _integers(document["hold"]).astype(np.int32)), forecast)


def _base64(array: NDArray[np.generic], kind: str = "<f8") -> str:
    return base64.b64encode(np.ascontiguousarray(array).astype(kind).tobytes()).decode()


def _floats(text: str) -> FloatArray:
    return np.frombuffer(_bytes(text), "<f8").astype(np.float64)


def _integers(text: str) -> IntArray:
    return np.frombuffer(_bytes(text), "<i8").astype(np.int64)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
