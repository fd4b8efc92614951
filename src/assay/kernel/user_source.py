"""Source of the user's own: one file and the modules that it imports, read once, known by its bytes, and run."""

import ast
import errno
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import site
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import CodeType, ModuleType

from assay.kernel.errors import AssayError, ConfigError, printable, unread_hint

ASSAY = ("assay", "ml_persistence")
_RUNS_TEXT = ("exec", "eval", "compile")
_IMPORTERS = ("import_module", "__import__")
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the user's. module: its dotted name, empty for the main file.   path: relative, with slashes.

    package: whether it is the ``__init__`` of a package.   origin: where it was read; no part of its identity.
    """

    module: str
    path: str
    text: bytes
    package: bool = False
    origin: Path | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Import:
    """A name that a file imports, and where. library: whether it comes with Python or is installed."""

    module: str
    library: bool
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class UserCode:
    """A file of the user's own with all modules of theirs that it can load by a name that stands in the source.

    main:    the file that was given.   modules: the others, sorted by path.
    imports: every imported module with its place.
    gaps:    why the source may not be all that runs, a sentence each: computed imports, text run as code, extensions.
    """

    main: SourceFile
    modules: tuple[SourceFile, ...] = ()
    imports: tuple[Import, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """The main file, then its modules."""
        return (self.main, *self.modules)

    @property
    def digest(self) -> str:
        """SHA-256 (hex): of the bytes of a file that stands alone; else over path and bytes of each file."""
        if not self.modules:
            return sha256(self.main.text).hexdigest()
        sha = sha256(sha256(self.main.text).digest())
        for each in self.modules:
            sha.update(each.path.encode() + b"\0" + sha256(each.text).digest())
        return sha.hexdigest()

    @property
    def source_complete(self) -> bool:
        """Whether every line that can run is part of `digest`."""
        return not self.gaps


def read_user_code(path: Path) -> UserCode:
    """The file and its modules. OSError where it cannot be read, is no plain file or holds more than `MOST_BYTES`; a
    file that does not parse has no modules.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no plain file")
    if path.exists() and path.stat().st_size > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it holds {path.stat().st_size:,} bytes, at most {MOST_BYTES:,} are read")
    main = SourceFile("", path.name, path.read_bytes(), origin=path.absolute())
    return _Reader(path.absolute().parent).read(main)


def lay_out(code: UserCode, folder: Path) -> Path:
    """Write all files under the folder as they were; the path of the main file."""
    for each in code.files:
        place = folder / each.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(each.text)
    return folder / code.main.path


def find_source_gaps(code: UserCode, functions: Sequence[Callable[..., object]]) -> tuple[str, ...]:
    """Why one of these functions is not part of the source: built in, compiled elsewhere, made from text."""
    own = {each.origin for each in code.files}
    results = []
    for each in functions:
        plain = inspect.unwrap(getattr(each, "py_func", each))
        made: CodeType | None = getattr(plain, "__code__", None)
        name = getattr(plain, "__name__", type(plain).__name__)
        if made is None:
            results.append(f"{name} is no Python function: its source is not known")
        elif Path(made.co_filename).absolute() not in own:
            results.append(f"{name} was not written in {code.main.path} or a module of it: its source is not known")
    return tuple(results)


@cache
def library_roots() -> tuple[Path, ...]:
    """Folders of Python, of what is installed into it, and of Assay: what a user's file may import from."""
    paths_by_name = sysconfig.get_paths()
    paths = [
        paths_by_name.get(name, "") for name in ("stdlib", "platstdlib", "purelib", "platlib")
    ] + site.getsitepackages()
    if site.ENABLE_USER_SITE:
        paths.append(site.getusersitepackages())
    assay = sys.modules["assay"].__file__ if "assay" in sys.modules else None
    if assay is not None:
        paths.append(str(Path(assay).parent))
    return tuple(dict.fromkeys(Path(each).resolve() for each in paths if each))


def in_library(path: str | Path) -> bool:
    """Whether a file belongs to Python, an installed library or Assay."""
    place = Path(path).resolve()
    return any(place.is_relative_to(root) for root in library_roots())


class _Reader:
    """Follows the imports of one main file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: dict[str, SourceFile] = {}
        self.imports: dict[tuple[str, str, int], Import] = {}
        self.gaps: list[str] = []
        self.places: dict[str, Path | None] = {}

    def read(self, main: SourceFile) -> UserCode:
        self._follow(main)
        modules = tuple(sorted(self.modules.values(), key=lambda each: each.path))
        return UserCode(main, modules, tuple(self.imports.values()), tuple(dict.fromkeys(self.gaps)))

    def _follow(self, file: SourceFile) -> None:
        try:
            tree = ast.parse(file.text, file.path)
        except (SyntaxError, ValueError):  # whoever runs it says so, with the line
            return
        for node in ast.walk(tree):
            for name in self._names(node, file):
                self._load(name, file, getattr(node, "lineno", 0))

    def _names(self, node: ast.AST, file: SourceFile) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, file)
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Call):
            yield from self._called(node, file)

    def _called(self, node: ast.Call, file: SourceFile) -> Iterator[str]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        at = f"{file.path}:{node.lineno}"
        if name in _IMPORTERS:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
                yield first.value
            else:
                self.gaps.append(f"{at} imports a module by a computed name")
        elif name in _RUNS_TEXT and isinstance(node.func, ast.Name):
            self.gaps.append(f"{at} runs text as code ({name})")

    def _load(self, dotted: str, file: SourceFile, line: int) -> None:
        name, *rest = dotted.split(".")
        place = self._place(name)
        self.imports.setdefault((dotted, file.path, line), Import(dotted, place is None, file.path, line))
        while place is not None:
            self._add(name, place)
            if not rest or place.name != "__init__.py":
                return
            place, name = _inside(place.parent, rest[0]), f"{name}.{rest[0]}"
            rest = rest[1:]

    def _add(self, module: str, place: Path) -> None:
        if module in self.modules:
            return
        if place.suffix != ".py":
            self.gaps.append(f"module {module} is compiled ({place.name}): its source is not known")
            return
        package = place.name == "__init__.py"
        path = module.replace(".", "/") + ("/__init__.py" if package else ".py")
        self.modules[module] = SourceFile(module, path, place.read_bytes(), package, place)
        self._follow(self.modules[module])

    def _place(self, top: str) -> Path | None:
        """File of a module of the user's; None for one of a library, and for one that is nowhere."""
        if top not in self.places:
            self.places[top] = self._sought(top)
        return self.places[top]

    def _sought(self, top: str) -> Path | None:
        if top in ASSAY or top in sys.stdlib_module_names:
            return None
        for finder in sys.meta_path:
            if isinstance(finder, _UserModules):
                continue
            spec = finder.find_spec(top, None)
            if spec is not None:
                return None if spec.origin is None or in_library(spec.origin) else Path(spec.origin)
        return _inside(self.folder, top)


def _absolute(node: ast.ImportFrom, file: SourceFile) -> str:
    """The module that a ``from`` names; empty where a relative one leaves its package."""
    if not node.level:
        return node.module or ""
    parts = file.module.split(".") if file.module else []
    parts = parts if file.package else parts[:-1]
    up = len(parts) - (node.level - 1)
    if up <= 0:
        return ""
    return ".".join([*parts[:up], *([node.module] if node.module else [])])


def _inside(folder: Path, name: str) -> Path | None:
    spec = importlib.machinery.PathFinder.find_spec(name, [str(folder)])
    return None if spec is None or spec.origin is None else Path(spec.origin)


class _UserModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the modules of the file that was run last from the bytes that were read: what is digested is what runs."""

    def __init__(self) -> None:
        self.files: dict[str, SourceFile] = {}

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        file = self.files.get(fullname)
        if file is None:
            return None
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=str(file.origin), is_package=file.package)
        spec.has_location = True
        if file.package and file.origin is not None:
            spec.submodule_search_locations = [str(file.origin.parent)]
        return spec

    def exec_module(self, module: ModuleType) -> None:
        file = self.files[module.__name__]
        exec(compile(file.text, str(file.origin), "exec"), vars(module))


_USER_MODULES = _UserModules()


def offer_modules(code: UserCode) -> None:
    """Make the modules of this code importable, from the bytes that were read; another version of them is forgotten."""
    if _USER_MODULES not in sys.meta_path:
        sys.meta_path.insert(0, _USER_MODULES)
    for each in code.modules:
        if _USER_MODULES.files.get(each.module) != each:
            sys.modules.pop(each.module, None)
        _USER_MODULES.files[each.module] = each


def execute(path: Path, *, kind: str, code: str) -> tuple[ModuleType, bytes]:
    """Run the file; its module and its source. kind: what it should declare, a word.   code: of the ConfigError.

    Modules that lie beside it or elsewhere outside of Python's own folders are loaded from the bytes that are read
    now. Raises ConfigError where it cannot be read or run, with the line that failed; an AssayError of its own as it
    is.
    """
    module, source = run_user_code(path, kind=kind, code=code)
    return module, source.main.text


def run_user_code(path: Path, *, kind: str, code: str) -> tuple[ModuleType, UserCode]:
    """As `execute`; with the source of all that the file can load."""
    try:
        source = read_user_code(path)
    except OSError as error:
        hint = unread_hint(path, error)
        raise refusal(path, f"cannot be read: {error.strerror}", kind=kind, code=code, hint=hint) from error
    offer_modules(source)
    module = ModuleType(f"assay_user_{kind}_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and Numba look their module up
    text, folders = source.main.text, list(sys.path)
    try:
        exec(compile(text, str(path), "exec"), vars(module))
    except AssayError:
        raise
    except SyntaxError as error:
        at = error.lineno or text[: text.find(b"\0") + 1].count(b"\n") + 1  # of a NUL no line is told
        hint = f"Correct line {at}; python -m py_compile {printable(path.name)} marks the place."
        raise refusal(path, f"line {at}: {error.msg}", kind=kind, code=code, hint=hint, line=at) from error
    except (Exception, SystemExit) as error:  # a file that exits must not end the command without a word
        line = own_line(error, str(path))
        where = f"line {line}: " if line else ""
        why = f"{where}{type(error).__name__}: {error}"
        raise refusal(path, why, kind=kind, code=code, hint=_raised_hint(path, error), line=line) from error
    finally:
        sys.path[:] = folders  # what it adds must not decide which modules belong to the next file
    return module, source


def _raised_hint(path: Path, error: BaseException) -> str:
    """What to do about an exception that a file raised while it was loaded."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = printable(error.name.partition(".")[0])[1:-1]
        return (
            f"Put {top}.py into the folder of {printable(path.name)} if it is yours; else install the package "
            f"that has it "
            f"into the environment of assay (often python -m pip install {top})."
        )
    return f"python {printable(path.name)} runs the file by itself and shows where it fails."


def refusal(path: Path, why: str, *, kind: str, code: str, hint: str = "", **facts: object) -> ConfigError:
    """The error that a file is refused with."""
    return ConfigError(f"{kind} file {printable(path.name)} {why}", code=code, hint=hint, file=path.name, **facts)


def own_line(error: BaseException, filename: str) -> int | None:
    """The innermost line of this file that an exception came through; None if it did not."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    return lines[-1] if lines else None
