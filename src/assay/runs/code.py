"""Version of the code that runs: Assay's sources, with or without a repository, and its libraries."""

import hashlib
import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

import assay
from assay.runs.context import Context
from assay.track import ASSAY_SOURCE, WORKING_FOLDER, Provenance, distributions
from assay.track import capture_provenance as looked_at

_DECIDING = ("assay", "lightgbm", "numba", "numpy", "scikit-learn", "scipy", "skops", "ta-lib", "xgboost-cpu")


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


def capture(context: Context, file: Path | None = None) -> Provenance:
    """The surroundings of a run of Assay's own.

    The code that runs is Assay's checkout, where it is one, and a strategy file of the user's own (kept whole, beside
    its repository's state); the working folder is told as well.
    """
    folders = {ASSAY_SOURCE: Path(assay.__file__).parent}
    folders |= {} if file is None else {"strategy file": file.absolute().parent}
    threads = {"fit": 1, "folds": context.workers}
    return looked_at(folders | {WORKING_FOLDER: Path.cwd()}, threads=threads, machine=context.machine)


def versions() -> dict[str, str]:
    """Versions of the libraries that decide what a model gives, by the name of their distribution."""
    return {name: version for name, version in distributions() if name in _DECIDING}


def surroundings(*, workers: int) -> dict[str, Any]:
    """Python, platform, cores, workers and the `versions` of the libraries: what a reader needs to run it again."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "workers": workers,
        "libraries": versions(),
    }
