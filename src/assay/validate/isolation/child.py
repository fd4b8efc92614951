"""The closed process: it gets source, then questions; it gives arrays. See `assay.validate.isolation.process`.

Started as ``python -s -P -B -c "…main(read, write, faults)"`` in an empty folder, with a minimal environment.
"""

import contextlib
import faulthandler
import importlib
import io
import os
import resource
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.errors import AssayError, ConfigError, printable
from assay.kernel.timeframe import Timeframe
from assay.kernel.user_source import SourceFile, UserCode, find_source_gaps, in_library, lay_out, library_roots
from assay.validate.isolation.allowlists import restrict
from assay.validate.isolation.environment import Clock, empty_environment, hide_files
from assay.validate.isolation.guard import PRELOADED, Guard, machine_reads, refuse_readers, system_reads
from assay.validate.isolation.messages import Broken, Message, bars_of, receive, send

_MOST_REPORTS = 50
_MOST_PRINTED = 2_000  # letters between two answers
_QUESTION_BYTES = 1 << 32
_DENIED = "ermission denied"


@dataclass
class Channel:
    """The pipe to the parent. Attempts are written at once, between answers."""

    questions: int
    answers: int

    def __post_init__(self) -> None:
        self.printed = _Printed()
        self._lock = threading.RLock()
        self._reported: set[tuple[str, str, int]] = set()

    def report(self, what: str, file: str, line: int) -> None:
        """Tell the parent what the user's code tried; the same once."""
        with self._lock:
            key = (what, file, line)
            if key in self._reported or len(self._reported) >= _MOST_REPORTS:
                return
            self._reported.add(key)
            send(self.answers, Message({"attempt": what, "file": file, "line": line}))

    def answer(self, message: Message) -> None:
        """Send an answer."""
        with self._lock:
            text = self.printed.take()
            send(self.answers, Message({**message.facts, "printed": text}, message.arrays) if text else message)

    def question(self) -> Message:
        """The next question. Raises `Broken` when the parent has gone."""
        return receive(self.questions, most=_QUESTION_BYTES)


class _Printed(io.TextIOBase):
    """Standard output of a user's code. Its first letters between two answers are sent with the next one."""

    def __init__(self) -> None:
        self._text = ""

    def write(self, text: str) -> int:
        self._text += text[: _MOST_PRINTED - len(self._text)]
        return len(text)

    def writable(self) -> bool:
        return True

    def take(self) -> str:
        """What was printed since the last answer."""
        text, self._text = self._text, ""
        return text


def main(questions: int, answers: int, faults: int) -> None:
    """Close the process, load the user's file, answer questions until the pipe ends."""
    channel = Channel(questions, answers)
    try:
        start = channel.question()
        places = _Places.made(Path.cwd(), start.facts)
        with _failures(channel, places):
            clock = _closed(channel, places, start.facts, faults)
            answerer = _loaded(start.facts["kind"], places)
            channel.answer(Message(answerer.declared() | {"landlock": start.facts["landlock"]}))
            _serve(channel, clock, answerer, places, int(start.facts["seconds"]))
    except Broken:
        pass
    os._exit(0)  # threads of the user's code do not hold it up


@dataclass(frozen=True)
class _Places:
    """Folders of this process: source (read), cache (Numba's, written), work (empty, where it stands)."""

    source: Path
    cache: Path
    work: Path
    main: Path
    names: tuple[str, ...]

    @classmethod
    def made(cls, folder: Path, facts: Mapping[str, Any]) -> "_Places":
        files = [SourceFile(e["module"], e["path"], e["text"].encode("latin-1"), e["package"]) for e in facts["files"]]
        places = {name: folder / name for name in ("source", "cache", "work")}
        for each in places.values():
            each.mkdir()
        main = lay_out(UserCode(files[0], tuple(files[1:])), places["source"])
        return cls(**places, main=main, names=tuple(f.path for f in files))


def _closed(channel: Channel, places: _Places, facts: Mapping[str, Any], faults: int) -> Clock:
    """Everything that a user's code must not have is taken away, in an order that lets the libraries load first."""
    _preload(facts["libraries"], facts["kind"])
    _silence(faults, channel.printed)
    os.chdir(places.work)
    _cache_numba(places.cache)
    reads = (*library_roots(), *_extension_folders(), *system_reads(), places.source)
    own = (places.cache, places.work)  # Python code of the user's has no business there
    guard = Guard(
        own=f"{places.source}/",
        library=(*(str(root) for root in library_roots()), sys.prefix),  # which may be a link to one of them
        reads=(*(str(each) for each in reads), sys.prefix),
        writes=(str(places.cache),),
        report=channel.report,
    )
    clock = Clock()
    clock.shift(int(facts["clock"]), int(facts["process"]))
    clock.install(int(facts["clock"]) % 100_000)
    refuse_readers(guard)
    hide_files(guard)
    empty_environment(guard)
    tempfile.tempdir = str(places.work)
    sys.path[:] = [path for path in sys.path if path and in_library(path)]  # Assay itself is imported by now
    _limit(int(facts["memory"]))
    if facts["landlock"]:
        restrict((*reads, *own, *machine_reads()), (places.cache, Path(os.devnull)))
    guard.install()
    return clock


def _preload(libraries: list[str], kind: str) -> None:
    names = [name for name in libraries if name.partition(".")[0] in PRELOADED]
    own = (
        ["assay.learn.strategies.registry"]
        if kind == "strategy"
        else ["assay.features.user_features", "assay.features.compute"]
    )
    for name in ("numpy", "numba", "assay.learn.strategies", *own, *names):
        with contextlib.suppress(ImportError):  # the file's own import says so with its line
            importlib.import_module(name)
    if kind == "feature":
        from assay.features import feature_registry

        feature_registry()
        _compile_tables()
    else:
        from assay.learn import Setups, strategy  # noqa: F401 - lazily imported names


def _compile_tables() -> None:
    """Assay's own table functions are compiled, and cached where they lie, while that can still be written."""
    from assay.features import table
    from assay.market import synthetic

    table(synthetic(bars=8, seed=0), ["return_1"], levels=True, threads=1)


def _silence(faults: int, printed: _Printed) -> None:
    """What is printed goes to the channel, what is written to a descriptor nowhere; a crash names its place."""
    faulthandler.enable(os.dup(faults))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    sys.stdin = io.StringIO()
    output: object = printed
    sys.stdout = sys.stderr = output
    setattr(sys, "__stdout__", output)  # noqa: B010 - mypy knows them as final
    setattr(sys, "__stderr__", output)  # noqa: B010


def _cache_numba(folder: Path) -> None:
    """Functions of the user's are cached in a folder of this process; Assay's own stay where they are, read only."""
    from numba.core import caching, config

    vars(config)["CACHE_DIR"] = str(folder)

    @contextlib.contextmanager
    def unwritten(_: object) -> Iterator[None]:
        with contextlib.suppress(PermissionError):
            yield

    setattr(caching.Cache, "_guard_against_spurious_io_errors", unwritten)  # noqa: B010 - mypy forbids the assignment


def _extension_folders() -> tuple[Path, ...]:
    """Where this Python keeps its compiled modules and its shared library, outside of the library roots."""
    import _ctypes
    import sysconfig

    folders = [sysconfig.get_config_var("DESTSHARED"), sysconfig.get_config_var("LIBDIR")]
    folders.append(str(Path(str(getattr(_ctypes, "__file__", ""))).parent) if hasattr(_ctypes, "__file__") else None)
    return tuple(Path(each).resolve() for each in folders if each)


def _limit(memory: int) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if _proc() else 0
    for what, most in (
        (resource.RLIMIT_AS, used + memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 256 << 20),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def _proc() -> bool:
    return Path("/proc/self/statm").exists()


class _Strategy:
    """Answers with the decisions of a strategy file."""

    def __init__(self, path: Path) -> None:
        from assay.learn import load_strategy_file

        self.rule = load_strategy_file(path)
        self.bars: Bars | None = None

    def declared(self) -> dict[str, object]:
        from assay.validate.isolation.declarations import strategy_document

        assert self.rule.source is not None
        gaps = find_source_gaps(self.rule.source, [self.rule.rule])
        return {"strategy": strategy_document(self.rule), "gaps": list(gaps)}

    def answer(self, question: Message) -> Message:
        from assay.validate.isolation.declarations import setups_message

        if "timeframe" in question.facts:
            return Message({"lookback": self._lookback(dict(question.facts["values"]), question.facts["timeframe"])})
        bars = bars_of(question) if "market" in question.facts else self.bars
        assert bars is not None
        self.bars = bars if question.facts.get("keep", True) else None
        values = dict(question.facts["values"]) or self.rule.defaults
        if question.facts.get("whole"):
            return setups_message(self.rule.setups(bars, values))
        made = self.rule.decisions(bars, values)
        fields = {"target": made.target, "stop": made.stop, "take": made.take, "hold": made.hold}
        return Message({}, {name: np.asarray(each) for name, each in fields.items()})

    def _lookback(self, values: dict[str, object], timeframe: str) -> object:
        rows: object = self.rule.reads(values, Timeframe(timeframe))
        return rows if isinstance(rows, bool | int | float | str | None) else printable(rows)


class _Features:
    """Answers with the columns of a features file."""

    def __init__(self, path: Path) -> None:
        from assay.features import load_feature_file

        self.own = load_feature_file(path)

    def declared(self) -> dict[str, object]:
        from assay.validate.isolation.declarations import feature_document

        assert self.own.code is not None
        gaps = find_source_gaps(self.own.code, [each.compute for each in self.own.declared])
        return {"features": [feature_document(each) for each in self.own.declared], "gaps": list(gaps)}

    def answer(self, question: Message) -> Message:
        from assay.features import table

        names = question.facts["names"] or list(self.own.columns)
        bars = bars_of(question)
        before = bars.digest()
        made = table(bars, list(names), levels=True, threads=1, own=self.own.columns)
        if bars.digest() != before:
            what = f"feature {names[0]}" if len(names) == 1 else f"a feature of {self.own.title}"
            text = f"{what} writes into the bars that it is given; it must leave them as they are"
            raise ConfigError(text, code="CONFIG_FEATURE")
        facts = {"names": list(made.names), "lookback": made.lookback, "lookbacks": list(made.lookbacks)}
        return Message({**facts, "absent": dict(made.absent)}, {"values": made.values})


def _loaded(kind: str, places: _Places) -> Any:
    return (_Strategy if kind == "strategy" else _Features)(places.main)


def _serve(channel: Channel, clock: Clock, answerer: Any, places: _Places, seconds: int) -> None:
    while True:
        question = channel.question()
        clock.shift(int(question.facts["clock"]), int(question.facts["process"]))
        _processor_time(seconds)
        with _failures(channel, places):
            with _other_addresses(int(question.facts["process"])):
                made: Message = answerer.answer(question)
            channel.answer(made)


class _Spacer:
    """As large as `Bars` and nothing else, so that it takes the place in memory that one would have had."""

    __slots__ = Bars.__slots__


@contextlib.contextmanager
def _other_addresses(number: int) -> Iterator[None]:
    """Objects of this question lie elsewhere in memory than those of the last, so that ``id`` tells nothing twice."""
    others = [_Spacer() for _ in range(number % 61)]
    yield
    del others


def _processor_time(seconds: int) -> None:
    """The parent counts the seconds of the clock; this ends a question whose parent has gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + seconds * max(1, os.cpu_count() or 1) + 10
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


@contextlib.contextmanager
def _failures(channel: Channel, places: _Places) -> Iterator[None]:
    """What goes wrong inside the user's code is told to the parent as words; the process lives on."""
    try:
        yield
    except Broken:
        raise
    except AssayError as error:
        _refused(channel, error.__cause__, places)
        facts = {"error": error.code, "kind": type(error).__name__, "text": error.message, "hint": error.hint}
        channel.answer(Message(facts | _place(error, places)))
    except MemoryError as error:
        channel.answer(
            Message({"error": "MEMORY", "text": "needs more memory than it may take"} | _place(error, places))
        )
    except BaseException as error:  # noqa: BLE001 - a user's code may raise anything, and is told where
        _refused(channel, error, places)
        text = f"{type(error).__name__}: {error}"[:2_000]
        channel.answer(Message({"error": "RAISED", "text": text, "module": _module(error)} | _place(error, places)))


def _refused(channel: Channel, error: BaseException | None, places: _Places) -> None:
    """Report what Landlock refused without the audit hook having seen it."""
    if error is not None and (isinstance(error, PermissionError) or _DENIED in str(error)):
        place = _place(error, places)
        what = f"is refused what it tries: {type(error).__name__}: {error}"[:500]
        channel.report(what, str(place.get("file", places.main.name)), int(place.get("line", 0)))


def _module(error: BaseException) -> str:
    return str(error.name or "") if isinstance(error, ModuleNotFoundError) else ""


def _place(error: BaseException, places: _Places) -> dict[str, Any]:
    """File and line of the user's code that an error came through, innermost; or where a chained one did."""
    place: dict[str, Any] = {}
    seen: BaseException | None = error
    while seen is not None and not place:
        trace = seen.__traceback__
        while trace is not None:
            name = trace.tb_frame.f_code.co_filename
            if name.startswith(f"{places.source}/"):
                place = {"file": os.path.relpath(name, places.source), "line": trace.tb_lineno}
            trace = trace.tb_next
        seen = seen.__cause__ or seen.__context__
    return place
