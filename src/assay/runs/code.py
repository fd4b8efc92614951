"""Which code ran: a digest of Assay's own sources, with or without a repository around them."""

import hashlib
from functools import cache
from pathlib import Path

import assay


@cache
def code_digest() -> str:
    """SHA-256 (hex) over names and bytes of every source file of the package."""
    root = Path(assay.__file__).parent
    sha = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            sha.update(path.relative_to(root).as_posix().encode() + b"\0")
            sha.update(hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()
