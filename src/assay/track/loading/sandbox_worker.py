"""The process in which a model is loaded first: capped, alone, and free to die.

``python -m assay.track.loading.sandbox_worker BYTES SECONDS`` answers each request line on its standard input with one
line.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NoReturn, TextIO, TypedDict

_REFUSED = frozenset(
    (
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.system",
        "socket.bind",
        "socket.connect",
        "socket.sendto",
        "subprocess.Popen",
    )
)


def cap_memory(memory: int) -> None:
    """Take away what loading a model does not need: memory above the cap, core dumps."""
    for limit, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(limit)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most, most))


def limit_time(seconds: int) -> None:
    """Processor time for the next model; the parent counts the seconds of the clock, but it may be gone."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = int(time.process_time()) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def deny_event(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: no other process, no network. For Python code; native code is held by the caps alone."""
    if event in _REFUSED:
        raise PermissionError(f"loading a model may not call {event}")


class Request(TypedDict):
    """What the parent asks: a folder with ``parts`` and ``self_test.json``, and the user's own strategy file."""

    folder: str
    format: str
    where: str
    strategy: str | None


def answer(request: Request) -> dict[str, str]:
    """Load the model in a folder and ask its self-test; what to tell the parent."""
    from assay.kernel.errors import AssayError
    from assay.track.loading.formats import FORMATS, demand_archives
    from assay.track.loading.golden import demand_alike

    kind, folder = FORMATS[request["format"]], Path(request["folder"])
    own = None if request["strategy"] is None else Path(request["strategy"])
    try:
        document = json.loads((folder / "self_test.json").read_bytes())
        demand_archives({path.name: path.read_bytes() for path in (folder / "parts").rglob("*") if path.is_file()})
        demand_alike(kind.read(folder / "parts", own), document, tolerance=kind.tolerance, where=request["where"])
    except AssayError as error:
        return {"code": error.code, "message": error.message, "hint": error.hint}
    except MemoryError:
        return {"code": "ARTIFACT_CORRUPT", "message": f"{request['where']} needs more memory than a model may"}
    return {"code": "", "message": ""}


def main(memory: int, seconds: int) -> None:
    """Answer requests until the input ends. What a library prints goes nowhere."""
    cap_memory(memory)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)

    def died(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        text = f"loading it raised {kind.__name__}: {error}"[:300]
        _tell(out, {"code": "ARTIFACT_CORRUPT", "message": text, "last": True})

    sys.excepthook = died
    sys.addaudithook(deny_event)
    for line in sys.stdin:
        limit_time(seconds)
        _tell(out, answer(json.loads(line)))
    _end(out)


def _tell(out: TextIO, answer: Mapping[str, str | bool]) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()


def _end(out: TextIO) -> NoReturn:
    """Leave without the libraries' own clean-up, which a damaged model may not survive."""
    out.close()
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
