"""Provenance of a run: code digest, libraries, machine; differences from another run or from now."""

import hashlib
import os
import platform
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import assay
from assay.runs.context import Context
from assay.track import ASSAY_SOURCE, WORKING_FOLDER, Provenance, capture_provenance, versions


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
    return capture_provenance(folders | {WORKING_FOLDER: Path.cwd()}, threads=threads, machine=context.machine)


def describe_environment(*, workers: int) -> dict[str, object]:
    """Python, platform, cores, workers and the `versions` of the libraries: what a reader needs to run it again."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "workers": workers,
        "libraries": versions(),
    }


_MACHINE = ("platform", "machine", "cpu", "cores", "memory_bytes", "thread_variables", "threads")


def stored_environment(row: Mapping[str, Any]) -> dict[str, object]:
    """Flat facts of a run by what they are: ``commit``, ``diff``, ``sources``, ``lock``, ``python``, ``image``,
    ``library <name>``, and those of the machine. A fact that is not known is absent.
    """
    environment: Mapping[str, Any] = row["environment"] or {}
    code = environment.get("code")
    own = (
        {"commit": row["git_commit"], "diff_hash": row["git_diff_hash"]} if code is None else code.get(ASSAY_SOURCE, {})
    )
    result = {
        "commit": own.get("commit"),
        "diff": own.get("diff_hash"),
        "sources": (row["metadata"] or {}).get("code_digest"),
        "lock": row["lock_hash"],
        "python": row["python_version"],
        "image": environment.get("image"),
    }
    result |= {f"library {name}": version for name, version in (environment.get("distributions") or {}).items()}
    result |= {name: environment.get(name) for name in _MACHINE}
    return {name: value for name, value in result.items() if value is not None}


def current_environment(context: Context) -> dict[str, object]:
    """`stored_environment` of a run that would begin now."""
    return stored_environment(capture(context).columns | {"metadata": {"code_digest": code_digest()}})


def provenance_differences(was: Mapping[str, object], now: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """``{what, was, now, decides}`` of every fact that differs; None where one side does not know it.

    decides: commit, uncommitted diff, sources, lock, versions or image differ, not merely the machine.
    """
    for what in dict.fromkeys((*was, *now)):
        one, other = was.get(what), now.get(what)
        if one != other:
            yield {"what": what, "was": one, "now": other, "decides": what not in _MACHINE}
