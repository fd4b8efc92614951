"""Messages between parent and closed process: JSON, then raw numbers. Never a pickle."""

import json
import os
import select
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.kernel.bars import PRICES, Bars, Joined
from assay.kernel.instrument import Instrument

Array = NDArray[Any]
_HEAD = struct.Struct("<4sIQ")
_MAGIC = b"ASSA"
_TYPES = ("<f8", "<i8", "<i4", "|i1", "|b1")
_MOST_TEXT = 16 << 20
_CHUNK = 1 << 20


class Broken(Exception):
    """What came is no message: the other side ended, or wrote something of its own."""


class TooMuch(Broken):
    """A message is larger than allowed."""


class TooLate(Broken):
    """Nothing came in time."""


def _nothing() -> Mapping[str, Array]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Message:
    """Words, and arrays by name. facts: JSON-able."""

    facts: Mapping[str, Any]
    arrays: Mapping[str, Array] = field(default_factory=_nothing)


def pack(message: Message) -> bytes:
    """The message as bytes."""
    arrays = {name: np.ascontiguousarray(each) for name, each in message.arrays.items()}
    shapes = [[name, each.dtype.str, list(each.shape)] for name, each in arrays.items()]
    for name, kind, _ in shapes:
        if kind not in _TYPES:
            raise TypeError(f"array {name} has type {kind}; {', '.join(_TYPES)} can be sent")
    text = json.dumps({"facts": message.facts, "arrays": shapes}, allow_nan=False).encode()
    numbers = b"".join(each.tobytes() for each in arrays.values())
    return _HEAD.pack(_MAGIC, len(text), len(numbers)) + text + numbers


def unpack(text: bytes, numbers: bytes) -> Message:
    """Inverse of `pack`, of its two parts. Raises `Broken`."""
    try:
        document = json.loads(text)
        arrays, at = {}, 0
        for name, kind, shape in document["arrays"]:
            if kind not in _TYPES or any(not isinstance(n, int) or n < 0 for n in shape):
                raise Broken(f"array {name!r} of type {kind!r} and shape {shape!r}")
            size = np.dtype(kind).itemsize * int(np.prod(shape, dtype=object))
            if at + size > len(numbers):
                raise Broken(f"array {name!r} is cut off")
            arrays[str(name)] = np.frombuffer(numbers, kind, offset=at, count=size // np.dtype(kind).itemsize)
            arrays[str(name)] = arrays[str(name)].reshape(shape).copy()
            at += size
        facts = document["facts"]
        if not isinstance(facts, dict):
            raise Broken("a message without facts")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Broken(f"a message that cannot be read: {error}") from error
    return Message(facts, arrays)


def send(handle: int, message: Message, *, until: float | None = None) -> None:
    """Write a message. until: monotonic time (s); with it the handle must not block. Raises `TooLate`, `Broken`."""
    left = memoryview(pack(message))
    while left:
        if until is not None and not select.select([], [handle], [], max(0.0, until - time.monotonic()))[1]:
            raise TooLate("the process takes no question")
        try:
            left = left[os.write(handle, left[:_CHUNK]) :]
        except BlockingIOError:
            continue
        except BrokenPipeError as error:
            raise Broken("the process has ended") from error


def receive(handle: int, *, most: int, until: float | None = None) -> Message:
    """Read one message. most: bytes of numbers.   until: monotonic time (s). Raises `TooLate`, `TooMuch`, `Broken`."""
    magic, text_size, size = _HEAD.unpack(_read(handle, _HEAD.size, until))
    if magic != _MAGIC:
        raise Broken("something else than an answer was written")
    if text_size > _MOST_TEXT or size > most:
        raise TooMuch(f"an answer of {text_size + size:,} bytes")
    return unpack(_read(handle, text_size, until), _read(handle, size, until))


def _read(handle: int, size: int, until: float | None) -> bytes:
    parts, left = [], size
    while left:
        if until is not None and not select.select([handle], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TooLate("no answer in time")
        part = os.read(handle, min(left, _CHUNK))
        if not part:
            raise Broken("the process has ended")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def bars_message(facts: Mapping[str, object], bars: Bars) -> Message:
    """A question about these bars; `bars_of` reads them again."""
    arrays: dict[str, Array] = {"timestamp": bars.timestamp} | {name: getattr(bars, name) for name in PRICES}
    if bars.volume is not None:
        arrays["volume"] = bars.volume
    arrays |= {f"column:{name}": values for name, values in bars.columns.items()}
    for name, series in bars.joined.items():
        arrays |= {f"joined:{part}:{name}": getattr(series, part) for part in ("value_time", "known_at", "value")}
    own = bars.instrument
    market = {"exchange": own.exchange, "symbol": own.symbol, "timeframe": own.timeframe}
    return Message({**facts, "market": market}, arrays)


def bars_of(message: Message) -> Bars:
    """The bars of a question, as arrays of their own."""
    arrays = message.arrays
    names = [name.partition(":")[2] for name in arrays if name.startswith("column:")]
    series = [name.removeprefix("joined:value:") for name in arrays if name.startswith("joined:value:")]
    prices: dict[str, Any] = {name: arrays[name] for name in PRICES}
    parts = ("value_time", "known_at", "value")
    return Bars(
        Instrument(**message.facts["market"]),
        arrays["timestamp"],
        **prices,
        volume=arrays.get("volume"),
        columns={name: arrays[f"column:{name}"] for name in names},
        joined={name: Joined(*(arrays[f"joined:{part}:{name}"] for part in parts)) for name in series},
    )
