"""The documented model file: a protocol-4 pickle of four keys that holds text and bytes and cannot run anything.

It is written opcode by opcode and read by a small machine whose few opcodes can neither import nor call. The pickle
module itself is not used in either direction.
"""

import pickletools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.kernel.errors import ArtifactError, printable
from assay.kernel.instrument import slug
from assay.track.model_files.artifact_store import check_bytes
from assay.track.model_files.safe_read import read_file

KEYS = ("strategy_type", "symbol", "timestamp", "model_state")
_MOST_NODES = 10_000
_NAME = re.compile(r"model_(\d{8}_\d{6})(?:_\d+)?\.pkl")
_PLUMBING = ("PROTO", "FRAME", "STOP", "MARK", "EMPTY_DICT", "SETITEM", "SETITEMS", "MEMOIZE", "BINGET", "LONG_BINGET")
_VALUES = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8")
_ALLOWED = frozenset((*_PLUMBING, *_VALUES))
_FOREIGN = {
    b"PK": "a zip archive, as torch, Stable-Baselines3, Keras, skops and npz write them",
    b"\x1f\x8b": "a gzip file, as joblib writes it",
    b"x\x9c": "a zlib stream, as joblib writes it",
    b"\x89HDF": "an HDF5 file, as Keras writes it",
    b"\x93NUMPY": "a NumPy array",
}
_MODULES = ("stable_baselines3", "torch", "joblib", "sklearn", "keras")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a model file says: the two names, ``YYYYMMDD_HHMMSS`` (UTC), and the model's parts as bytes by name."""

    strategy_type: str
    symbol: str
    timestamp: str
    model_state: Mapping[str, bytes]


def dump(envelope: Envelope) -> bytes:
    """The envelope as a protocol-4 pickle: any unpickler gives a dict of the four keys."""
    state = b"}(" + b"".join(_text(name) + _bytes(envelope.model_state[name]) for name in sorted(envelope.model_state))
    body = b"}("
    for key in KEYS[:3]:
        body += _text(key) + _text(getattr(envelope, key))
    return b"\x80\x04" + body + _text("model_state") + state + b"u" + b"u."


def read(path: Path, *, sha256: str | None = None) -> Envelope:
    """The envelope at `path`, read without running anything.

    ArtifactError: ``ARTIFACT_GONE``; ``ARTIFACT_CORRUPT`` (hash, or no whole pickle); ``ARTIFACT_TOO_LARGE``;
    ``ARTIFACT_MANIFEST`` (a link); ``ARTIFACT_FORBIDDEN_OPCODE`` naming it; ``ARTIFACT_HEADER_MISMATCH`` (other keys
    or types, or names that are not the path's).
    """
    data = read_file(path.parent, path.name)
    if sha256 is not None:
        check_bytes(path, data, sha256)
    return parse_named(data, path)


def parse_named(data: bytes, path: Path) -> Envelope:
    """The envelope in the bytes of the file `path`, whose names must be the path's; errors as `read`."""
    envelope = parse(data, str(path))
    _check_path(envelope, path)
    return envelope


def parse(data: bytes, where: str) -> Envelope:
    """The envelope in these bytes; errors as `read`."""
    for magic, name in _FOREIGN.items():
        if data.startswith(magic):
            raise _foreign(where, name)
    operations = _scanned(data, where)
    try:
        value = _Machine().run(operations)
    except (IndexError, KeyError, TypeError) as error:
        raise _corrupt(where, "its opcodes do not fit together") from error
    return _checked(value, where)


def _text(value: str) -> bytes:
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw if len(raw) < 256 else b"X" + len(raw).to_bytes(4, "little") + raw


def _bytes(value: bytes) -> bytes:
    if len(value) < 256:
        return b"C" + bytes([len(value)]) + value
    if len(value) < 2**32:
        return b"B" + len(value).to_bytes(4, "little") + value
    return b"\x8e" + len(value).to_bytes(8, "little") + value


def _scanned(data: bytes, where: str) -> list[tuple[str, object]]:
    """Opcode names and arguments, all of them allowed and the whole file used."""
    result: list[tuple[str, object]] = []
    end = 0
    marked = (
        data[:1] == b"\x80"
    )  # without it, text may look like opcodes for a while: only a whole pickle is called one
    try:
        for opcode, argument, position in pickletools.genops(data):
            if marked and opcode.name not in _ALLOWED:
                _refuse_foreign(where, result, argument)
                raise _forbidden(where, opcode.name)
            result.append((opcode.name, argument))
            end = (position or 0) + 1
            if len(result) > _MOST_NODES:
                raise ArtifactError(f"{where} has more than {_MOST_NODES} opcodes", code="ARTIFACT_TOO_LARGE")
    except (ValueError, OverflowError, IndexError, MemoryError) as error:
        raise _corrupt(where, str(error)[:100]) from error
    if result[0] != ("PROTO", 4):
        raise _forbidden(where, "no protocol 4")
    if end != len(data):
        raise _corrupt(where, f"{len(data) - end} bytes follow its end")
    return result


class _Machine:
    """A stack of dicts, texts and bytes."""

    def __init__(self) -> None:
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: list[object] = []
        self._rules: dict[str, Callable[[Any], None]] = {
            "EMPTY_DICT": lambda _: self._stack.append({}),
            "MARK": lambda _: self._marks.append(len(self._stack)),
            "SETITEM": lambda _: self._set(len(self._stack) - 2),
            "SETITEMS": lambda _: self._set(self._marks.pop()),
            "MEMOIZE": lambda _: self._memo.append(self._stack[-1]),
            "BINGET": lambda place: self._stack.append(self._memo[place]),
            "LONG_BINGET": lambda place: self._stack.append(self._memo[place]),
            "PROTO": lambda _: None,
            "FRAME": lambda _: None,
            "STOP": lambda _: None,
        }

    def run(self, operations: list[tuple[str, object]]) -> object:
        for name, argument in operations:
            rule = self._rules.get(name, self._stack.append)  # the rest are texts and bytes: they stand for themselves
            rule(argument)
        (value,) = self._stack if len(self._stack) == 1 and not self._marks else [None]
        return value

    def _set(self, start: int) -> None:
        pairs = self._stack[start:]
        target = self._stack[start - 1] if start > 0 else None
        if not isinstance(target, dict) or len(pairs) % 2:
            raise TypeError("items without a dict")
        del self._stack[start:]
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, str) or key in target or value is target:
                raise TypeError("a key twice, or no text")
            target[key] = value


def _checked(value: object, where: str) -> Envelope:
    if not isinstance(value, dict) or set(value) != set(KEYS):
        holding = ", ".join(sorted(value)) if isinstance(value, dict) else type(value).__name__
        raise _mismatch(where, f"holds {printable(holding)}, must hold exactly {', '.join(KEYS)}")
    state = value["model_state"]
    if not all(isinstance(value[key], str) for key in KEYS[:3]) or not isinstance(state, dict):
        raise _mismatch(where, "must hold three texts and a dict")
    if not all(isinstance(part, bytes) for part in state.values()):
        raise _mismatch(where, "may hold nothing but bytes in model_state")
    return Envelope(value["strategy_type"], value["symbol"], value["timestamp"], state)


def _check_path(envelope: Envelope, path: Path) -> None:
    named = _NAME.fullmatch(path.name)
    wanted = (path.parent.parent.name, path.parent.name, named.group(1) if named else path.name)
    result = (slug(envelope.strategy_type), slug(envelope.symbol), envelope.timestamp)
    if result != wanted:
        raise _mismatch(str(path), f"says {printable('/'.join(result))}, its path says {printable('/'.join(wanted))}")


def _mismatch(where: str, text: str) -> ArtifactError:
    return ArtifactError(f"{where} {text}", code="ARTIFACT_HEADER_MISMATCH")


def _forbidden(where: str, opcode: str) -> ArtifactError:
    return ArtifactError(
        f"{where} is refused: {opcode}; a model file is a protocol 4 pickle of text and bytes only",
        code="ARTIFACT_FORBIDDEN_OPCODE",
        hint="Do not open this file with any other program either.",
        opcode=opcode,
    )


def _refuse_foreign(where: str, before: list[tuple[str, object]], argument: object) -> None:
    """Say whose file it is, where the module that it asks for tells: that helps more than the opcode's name."""
    words = [argument, *(value for _, value in before[-4:])]
    for module in _MODULES:
        if any(isinstance(verdict, str) and re.match(rf"{module}\b", verdict) for verdict in words):
            raise _foreign(where, f"an object of {module}")


def _foreign(where: str, name: str) -> ArtifactError:
    return ArtifactError(
        f"{where} is {name}; accepted is the model file that Assay publishes, a pickle of text and bytes",
        code="ARTIFACT_FORMAT",
        hint="Train the model with Assay; files of other tools are registered and hashed, never opened.",
    )


def _corrupt(where: str, why: str) -> ArtifactError:
    return ArtifactError(f"{where} is damaged: {why}", code="ARTIFACT_CORRUPT")
