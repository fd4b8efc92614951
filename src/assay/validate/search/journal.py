"""Journal of a search: batches and scores in a file that outlives the process.

JSON lines, each with a checksum and the digest of the search that it belongs to::

    {"check":"…","search":"…","version":1}                             a search began
    {"check":"…","search":"…","counted":120}                           what the ledger held then
    {"check":"…","search":"…","batch":0,"points":[[3,0.1],[4,0.2]]}    a batch was asked for
    {"check":"…","search":"…","batch":0,"row":{"number":0,"score":…}}  its next point was told

A line is handed to the operating system at once, so that a killed process loses none that it has written, and a batch
is synced to disk when its last point is told.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

from assay.kernel.errors import ArtifactError, ConfigError, StoreError
from assay.validate.search.sampler import Row
from assay.validate.search.space import Point

VERSION = 1
_MAGIC = b'{"check":"'
_HEAD = len(_MAGIC) + 8 + len(b'",')


@dataclass(slots=True)
class Batch:
    """Points that were asked for together, as the sampler names them, and what is known of the first ones."""

    points: list[list[Any]]
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class SearchJournal:
    """One search in a journal; without a path nothing is kept.

    batches: what the journal knew when it was opened, by number.
    """

    path: Path | None
    search: str
    batches: dict[int, Batch] = field(default_factory=dict)
    counted: int | None = None

    @classmethod
    def open(cls, path: Path | None, identity: str) -> "SearchJournal":
        """The search of this identity, begun or gone on with. A last line that a kill tore is dropped.

        Raises ConfigError ``CONFIG_FIELD`` where the journal's folder is missing or not writable, ArtifactError
        ``ARTIFACT_CORRUPT`` naming the line where the file is no journal, is damaged or of another version.
        """
        stored = cls(path, sha256(identity.encode()).hexdigest())
        if path is None:
            return stored
        try:
            with _locked(path) as file:
                begun = stored._read(_whole(path, file))
        except OSError as error:
            raise ConfigError(
                f"the journal {path.name} cannot be kept: {error.strerror}", code="CONFIG_FIELD", field="journal"
            ) from error
        if not begun:
            stored._write({"version": VERSION})
        return stored

    def pin_count(self, count: int) -> int:
        """`count`, or what was pinned when the search began."""
        if self.counted is None:
            self.counted = count
            self._write({"counted": count})
        return self.counted

    def record_batch(self, batch: int, points: Sequence[Sequence[object]]) -> None:
        """Keep that these points are asked for."""
        self._write({"batch": batch, "points": [list(point) for point in points]})

    def record_score(self, batch: int, row: Row, *, last: bool) -> None:
        """Keep the row of the batch's next point; on disk before this returns if it is the last one."""
        self._write({"batch": batch, "row": _plain(row)}, sync=last)

    def _write(self, document: dict[str, object], *, sync: bool = False) -> None:
        if self.path is None:
            return
        body = json.dumps({"search": self.search, **document}, separators=(",", ":"), allow_nan=False).encode()
        try:
            with _locked(self.path) as file:
                line = b'%s%08x",%s\n' % (_MAGIC, crc32(body[1:]), body[1:])
                while line:
                    line = line[os.write(file, line) :]
                if sync:
                    os.fsync(file)
        except OSError as error:
            raise StoreError(
                f"the journal {self.path.name} could not be written: {error.strerror}",
                code="STORE_IO",
                hint="what was told before is kept; free the disk and search again to go on from there",
            ) from error

    def _read(self, text: bytes) -> bool:
        """Take in the search's own lines; whether there are any."""
        mine, begun = self.search.encode(), False
        for number, line in enumerate(text.split(b"\n")[:-1], start=1):
            body = line[_HEAD:]
            if not line.startswith(_MAGIC) or line[len(_MAGIC) : _HEAD] != b'%08x",' % crc32(body):
                raise self._damaged(number, "is damaged")
            if mine in body:
                begun = True
                self._take(number, json.loads(b"{" + body))
        return begun

    def _take(self, number: int, line: dict[str, Any]) -> None:
        version, batch = line.get("version", VERSION), line.get("batch", 0)
        if version != VERSION:
            raise self._damaged(number, f"is of version {version}, this release reads version {VERSION}")
        if "counted" in line and self.counted is None:
            self.counted = int(line["counted"])
        if "points" in line:
            available = self.batches.setdefault(batch, Batch(line["points"]))
            if available.points != line["points"]:
                raise self._damaged(number, f"asks in batch {batch} for other points than before")
        elif "row" in line:
            self._store_row(number, batch, line["row"])

    def _store_row(self, number: int, batch: int, row: dict[str, object]) -> None:
        """Two processes that search the same at once tell the same twice: the first counts."""
        available = self.batches.get(batch)
        again = bool(available and available.rows and row["number"] <= available.rows[-1]["number"])
        if available is None or (not again and len(available.rows) >= len(available.points)):
            raise self._damaged(number, f"tells of a point that batch {batch} did not ask for")
        if not again:
            available.rows.append(row)

    def _damaged(self, number: int, problem: str) -> ArtifactError:
        name = self.path.name if self.path else ""
        return ArtifactError(
            f"the journal {name}:{number} {problem}",
            code="ARTIFACT_CORRUPT",
            hint="search from the start: --force, or another journal",
            line=number,
        )


def row_of(document: Mapping[str, Any], point: Point) -> Row:
    """The row that was told, of the point that the journal names another way. Raises ArtifactError."""
    floats = {each.name for each in fields(Row) if each.type is float}
    values: dict[str, Any] = {n: _number(value) if n in floats else value for n, value in document.items()}
    try:
        values["metrics"] = {name: _number(value) for name, value in document["metrics"].items()}
        values["parameters"] = point
        return Row(**values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"the journal holds a row that cannot be read: {error}", code="ARTIFACT_CORRUPT") from error


def _plain(row: Row) -> dict[str, Any]:
    """A row without its parameters, which the batch has; numbers that JSON has no word for as text."""
    values = {each.name: getattr(row, each.name) for each in fields(Row) if each.name != "parameters"}
    plain = {name: _text(value) if isinstance(value, float) else value for name, value in values.items()}
    return {**plain, "metrics": {name: _text(value) for name, value in row.metrics.items()}}


def _text(value: float) -> float | int | str:
    if isinstance(value, int):
        return value
    return float(value) if math.isfinite(value) else str(float(value))


def _number(value: float | str) -> float:
    return float(value) if isinstance(value, str) else value


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The journal opened to append, by one search at a time."""
    import fcntl

    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _whole(path: Path, file: int) -> bytes:
    """Its whole lines; what a kill tore off is cut from the file. A file that is no journal is left as it is."""
    text = path.read_bytes()
    end = text.rfind(b"\n") + 1
    head = text[: len(_MAGIC)]
    if not _MAGIC.startswith(head):
        raise ArtifactError(
            f"{path.name} is no journal of a search of this release",
            code="ARTIFACT_CORRUPT",
            hint="search from the start: --force, or another journal",
        )
    if end < len(text):
        os.ftruncate(file, end)
    return text[:end]
