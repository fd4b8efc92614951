"""Check a zip archive before a library unpacks it."""

import io
import re
import zipfile
from collections.abc import Mapping

import numpy as np

from assay.kernel.errors import ArtifactError, printable

_MEMBER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_MOST_MEMBERS = 100_000
_RATIO = 100
_SMALL = 1 << 20
_ENDINGS = (".skops", ".zip", ".npz")


def demand_archives(parts: Mapping[str, bytes]) -> None:
    """Look into every part that is a zip archive by its name.

    Raises ArtifactError ``ARTIFACT_MANIFEST`` (a member of another folder, twice, or too many), ``ARTIFACT_TOO_LARGE``
    (unpacks to over 100 times its size), ``ARTIFACT_FORBIDDEN_TYPE`` (an array of objects), ``ARTIFACT_CORRUPT``.
    """
    for name, data in parts.items():
        if name.endswith(_ENDINGS):
            _demand(name, data)


def _demand(name: str, data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _demand_members(name, members, len(data))
            for member in members:
                if member.filename.endswith(".npy"):
                    with archive.open(member) as file:
                        _demand_array(f"{name}: {member.filename}", file.read(_SMALL))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError, RuntimeError) as error:
        raise ArtifactError(f"{name} is no whole archive: {str(error)[:100]}", code="ARTIFACT_CORRUPT") from error


def _demand_members(name: str, members: list[zipfile.ZipInfo], size: int) -> None:
    names = [member.filename for member in members]
    odd = [each for each in names if not _MEMBER.fullmatch(each)]
    if odd or len(set(names)) < len(names) or len(names) > _MOST_MEMBERS:
        what = f"the member {printable(odd[0])}" if odd else f"{len(names)} members, {len(set(names))} names"
        raise ArtifactError(f"{name} holds {what}", code="ARTIFACT_MANIFEST")
    unpacked = sum(member.file_size for member in members)
    if unpacked > max(_RATIO * size, _SMALL):
        raise ArtifactError(f"{name} has {size} bytes and unpacks to {unpacked}", code="ARTIFACT_TOO_LARGE")


def _demand_array(where: str, head: bytes) -> None:
    file = io.BytesIO(head)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _, _, dtype = read(file)
    if dtype.hasobject:
        raise ArtifactError(f"{where} is an array of type object", code="ARTIFACT_FORBIDDEN_TYPE")
