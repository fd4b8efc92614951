"""Bytes of a file, unpacked where it is packed, and never more than there should be."""

import gzip
import io
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from assay.kernel.errors import DataError, printable, unread_hint

LIMIT = 1 << 30
RATIO = 100
_CHUNK = 1 << 20
_DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, OSError, UnicodeDecodeError, NotImplementedError, RuntimeError)
_PACKED = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zX": "xz",
    b"7z\xbc\xaf": "7z",
}
_NESTED = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar", ".zst")


def regular(path: Path, source: str) -> None:
    """Raise ``DATA_PATH`` unless the path is a file that may be read; says which of the three it is not."""
    where = printable(str(path))
    problem: OSError | None = None
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            with path.open("rb"):
                return
        what = "is a directory" if stat.S_ISDIR(mode) else "is no regular file"
    except FileNotFoundError as error:
        what, problem = "is missing: no such file", error
    except PermissionError as error:
        what, problem = "may not be read: permission denied", error
    except (OSError, ValueError) as error:
        what = f"cannot be opened: {error}"
    text = f"{source}: {where} {what}; give a candle file (CSV, gz, zip or Parquet)"
    hint = "" if problem is None else unread_hint(path, problem)
    raise DataError(text, code="DATA_PATH", hint=hint, path=str(path)[:200])


def decompress(path: Path, source: str) -> bytes:
    """Text bytes of a plain, gzip or zip file. Nothing is written; ``DATA_ARCHIVE`` for bombs and odd members.

    Refused: more than 1 GiB, more than 100 times the packed size, a zip with anything but one plain CSV, an archive
    inside an archive, a member whose name leaves the folder, a damaged or encrypted archive.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        kind = _kind(file.read(4))
        file.seek(0)
        try:
            if kind == "gzip":
                with gzip.GzipFile(fileobj=file) as stream:
                    content = _drained(stream, size, source)
            elif kind == "zip":
                content = _only_member(file, source)
            elif kind:
                raise _refused(source, f"{kind} archives are not read; use gzip, zip with one CSV, or plain text")
            else:
                return _plain(file, size, source)
        except _DAMAGES as wrong:
            raise _refused(source, f"the archive is damaged or encrypted: {wrong}") from wrong
    if _kind(content[:4]) or content[:4] == b"PAR1" or content[257:262] == b"ustar":
        raise _refused(source, "the archive holds another archive or a binary file; one plain CSV is expected")
    return content


def _kind(head: bytes) -> str:
    return next((name for magic, name in _PACKED.items() if head.startswith(magic)), "")


def _plain(file: IO[bytes], size: int, source: str) -> bytes:
    if size > LIMIT:
        text = f"{source}: {size} bytes of text are more than 1 GiB; split the file or bring it as Parquet"
        raise DataError(text, code="DATA_CSV", size=size)
    return file.read()


def _only_member(file: IO[bytes], source: str) -> bytes:
    with zipfile.ZipFile(file) as archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        for member in archive.infolist():
            _check_name(member.filename, source)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise _refused(source, f"member {printable(member.filename)} is a link")
        if len(members) != 1:
            names = ", ".join(printable(m.filename) for m in members[:5])
            raise _refused(source, f"a zip must hold one CSV, this one holds {len(members)} members: {names}")
        with archive.open(members[0]) as stream:
            return _drained(stream, members[0].compress_size, source, members[0].filename)


def _check_name(name: str, source: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] if path.parts else True:
        raise _refused(source, f"member {printable(name)} leaves the folder; nothing was written")
    if path.suffix.lower() in _NESTED:
        raise _refused(source, f"member {printable(name)} is an archive inside the archive")


def _drained(stream: IO[bytes] | gzip.GzipFile, packed: int, source: str, member: str = "") -> bytes:
    """All of a packed stream, or an error as soon as it is too much."""
    holding = io.BytesIO()
    while chunk := stream.read(_CHUNK):
        holding.write(chunk)
        if holding.tell() > min(LIMIT, RATIO * max(packed, 1)):
            which = f"member {printable(member)}" if member else "the gzip"
            raise _refused(
                source,
                f"{which} unpacks to more than {holding.tell()} bytes from {packed}, over the ratio of {RATIO} or the "
                "limit of 1 GiB",
            )
    return holding.getvalue()


def _refused(source: str, text: str) -> DataError:
    return DataError(f"{source}: {text}", code="DATA_ARCHIVE")
