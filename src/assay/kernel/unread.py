"""Hints for files that cannot be read."""

import errno
from itertools import islice
from pathlib import Path

from assay.kernel.errors import printable
from assay.kernel.suggestions import nearest

_MOST = 1_000  # names of a folder that are looked at
_SHOWN = 60  # last characters of a folder's path


def unread_hint(path: Path, error: OSError) -> str:
    """The next thing to do, by the reason that the system gave; empty where there is none to name."""
    if error.errno == errno.ENOENT:
        near = [printable(name) for name in nearest(path.name, _neighbours(path), count=1)]
        also = f" Did you mean {near[0]}?" if near else ""
        folder = str(path.absolute().parent)
        where = folder if len(folder) <= _SHOWN else "…" + folder[-_SHOWN:]
        return f"There is no {printable(path.name)} in {printable(where)}.{also}"
    return {
        errno.EACCES: "Give this user the right to read it (chmod u+r).",
        errno.EISDIR: "This is a folder: name the file in it.",
        errno.EINVAL: "Name a plain file: no folder, pipe or device.",
        errno.EFBIG: "Leave data and generated text out of the source, or split it into modules that it imports.",
    }.get(error.errno or 0, "")


def _neighbours(path: Path) -> list[str]:
    try:
        return [each.name for each in islice(path.parent.iterdir(), _MOST)]
    except OSError:
        return []
