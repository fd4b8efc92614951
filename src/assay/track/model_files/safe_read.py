"""Read files safely: below one folder, no links, measured and hashed on the open handle."""

import errno
import os
import re
import stat
from itertools import islice
from pathlib import Path

from assay.kernel.errors import ArtifactError, StoreError, printable

LARGEST = 256 * 1024 * 1024
MOST_FILES = 1_000
_DEEPEST = 8
_PIECE = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~ -]{0,254}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def demand_name(name: object, where: str) -> str:
    """The relative POSIX path `name`, where it is one that may stand in a manifest.

    Letters, digits and ``_.~ -``, no piece that begins with a dot, at most 8 pieces. Raises ArtifactError
    ``ARTIFACT_MANIFEST`` naming it.
    """
    pieces = name.split("/") if isinstance(name, str) else [""]
    if len(pieces) > _DEEPEST or not all(_PIECE.fullmatch(piece) for piece in pieces):
        raise ArtifactError(
            f"{where} names the file {printable(name)}, which is no plain name", code="ARTIFACT_MANIFEST"
        )
    return "/".join(pieces)


def read_file(root: Path, relative: str, *, most: int = LARGEST) -> bytes:
    """Bytes of a plain file below `root`, of which no piece below `root` is a link.

    ArtifactError ``ARTIFACT_GONE``; ``ARTIFACT_MANIFEST`` for a link, a folder, a pipe, a name that leaves `root`;
    ``ARTIFACT_TOO_LARGE`` above `most` bytes. StoreError ``STORE_IO`` where the disk fails.
    """
    pieces = demand_name(relative, str(root)).split("/")
    path = root / relative
    try:
        folder = _entered(root, pieces[:-1])
        try:
            handle = os.open(pieces[-1], _FILE, dir_fd=folder)
        finally:
            os.close(folder)
        with os.fdopen(handle, "rb") as file:
            return _whole(file.fileno(), path, most)
    except OSError as error:
        raise _read_error(path, error) from error


def list_files(root: Path, folder: str) -> list[str]:
    """Names of all files below a folder of `root`, sorted, at most 1,001 of them.

    ArtifactError as `read_file`; a link or another thing that is no file is ``ARTIFACT_MANIFEST``.
    """
    lines: list[str] = []
    waiting = [""]
    try:
        while waiting and len(lines) <= MOST_FILES:
            below = waiting.pop()
            handle = _entered(root, [*folder.split("/"), *below.split("/")[:-1]])
            try:
                with os.scandir(handle) as entries:
                    for entry in islice(entries, MOST_FILES + 2):
                        mode = entry.stat(follow_symlinks=False).st_mode
                        if stat.S_ISDIR(mode):
                            waiting.append(f"{below}{entry.name}/")
                        elif stat.S_ISREG(mode):
                            lines.append(below + entry.name)
                        else:
                            raise no_plain_file(root / folder, below + entry.name)
            finally:
                os.close(handle)
            if below.count("/") > _DEEPEST:
                raise no_plain_file(root / folder, below)
    except OSError as error:
        raise _read_error(root / folder, error) from error
    return sorted(lines)


def no_plain_file(where: Path, name: str) -> ArtifactError:
    """``ARTIFACT_MANIFEST`` for something that is there in place of a file."""
    return ArtifactError(
        f"{where}: {printable(name)} is not as listed: it is no plain file of its own",
        code="ARTIFACT_MANIFEST",
        file=name,
    )


def _entered(root: Path, pieces: list[str]) -> int:
    """A handle of a folder below `root`, reached without following a link."""
    handle = os.open(root, _FOLDER & ~os.O_NOFOLLOW)
    for piece in pieces:
        try:
            below = os.open(piece, _FOLDER, dir_fd=handle)
        finally:
            os.close(handle)
        handle = below
    return handle


def _whole(handle: int, path: Path, most: int) -> bytes:
    size = os.fstat(handle)
    if not stat.S_ISREG(size.st_mode):
        raise no_plain_file(path.parent, path.name)
    if size.st_size > most:
        raise ArtifactError(f"{path} has {size.st_size} bytes, at most {most} are read", code="ARTIFACT_TOO_LARGE")
    blocks, left = [], most + 1  # the file may grow while it is read
    while left and (block := os.read(handle, min(left, 1 << 20))):
        blocks.append(block)
        left -= len(block)
    if not left:
        raise ArtifactError(f"{path} grew above {most} bytes while it was read", code="ARTIFACT_TOO_LARGE")
    return b"".join(blocks)


def _read_error(path: Path, error: OSError) -> ArtifactError | StoreError:
    if error.errno in (errno.ENOENT, errno.ENAMETOOLONG):
        return ArtifactError(f"{path} is not there", code="ARTIFACT_GONE", path=str(path))
    if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENOTDIR, errno.ENXIO, errno.EISDIR):
        return no_plain_file(path.parent, path.name)
    return StoreError(f"{path} cannot be read: {error.strerror}", code="STORE_IO")
