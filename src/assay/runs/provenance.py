"""Provenance of a run: code, libraries, machine; differences from another run or from now."""

from collections.abc import Iterator, Mapping
from typing import Any

from assay.runs.code import capture, code_digest
from assay.runs.context import Context
from assay.track import ASSAY_SOURCE

_MACHINE = ("platform", "machine", "cpu", "cores", "memory_bytes", "thread_variables", "threads")


def surroundings(row: Mapping[str, Any]) -> dict[str, Any]:
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


def here(context: Context) -> dict[str, Any]:
    """`surroundings` of a run that would begin now."""
    return surroundings(capture(context).columns | {"metadata": {"code_digest": code_digest()}})


def provenance_differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """``{what, was, now, decides}`` of every fact that differs; None where one side does not know it.

    decides: commit, uncommitted diff, sources, lock, versions or image differ, not merely the machine.
    """
    for what in dict.fromkeys((*was, *now)):
        one, other = was.get(what), now.get(what)
        if one != other:
            yield {"what": what, "was": one, "now": other, "decides": what not in _MACHINE}
