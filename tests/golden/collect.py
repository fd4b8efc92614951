"""What users and their files depend on, as documents that can be compared: one function a subject.

A subject that needs records of runs reads them in a home that `made_home` makes; the others need none.
"""

import ast
import inspect
import json
import pickletools
import re
import sqlite3
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
import typer
from sqlalchemy.dialects import postgresql, sqlite

from tests.doors.commands import MARKET, assay, told

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "tests/assets/homes"


# --- a home with one of each -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Made:
    """A home with an ensemble, a search and a backtest in it, and what each command said as JSON."""

    home: Path
    said: Mapping[str, Any]


def made_home(folder: Path) -> Made:
    """Make it in this process; some 20 s."""
    from assay.market.sources.synthetic import synthetic

    home, csv = folder / "home", folder / "gold.csv"
    bars = synthetic(bars=1200, seed=3, ic=0.2, symbol="GOLD/USDT:USDT")
    columns = ("timestamp", "open", "high", "low", "close", "volume")
    pl.DataFrame({name: getattr(bars, name) for name in columns}).write_csv(csv)
    said: dict[str, Any] = {}

    def run(name: str, *arguments: object) -> Any:
        said[name] = told(*arguments, home=home)
        return said[name]

    run("import", "import", csv, *MARKET)
    ensemble = run(
        "train", "train", "ensemble", *MARKET, "--features", "mini5", "--features-file", ASSETS / "my_features.py",
        "--train-bars", "600", "--test-bars", "500", "--set", "trees=5", "--set", "forest_trees=3",
        "--set", "sizing.enter=0.02", "--set", "sizing.leave=0.01",
    )["experiment_id"]  # fmt: skip
    search = run(
        "optimize", "optimize", "sma_cross", *MARKET, "--method", "grid", "--space", "fast=5:20:2",
        "--space", "slow=30,60", "--min-trades", "1", "--walk-forward", "20/10/1",
    )  # fmt: skip
    run("backtest", "backtest", "--strategy-file", ASSETS / "my_dip.py", *MARKET)
    run("models promote", "models", "promote", 2, "--by", "ann", "--override", "for the golden test")
    run("config activate", "config", "activate", search["config_id"])
    run("config export", "config", "export", search["config_id"])
    del run("config show", "config", "show", search["config_id"])["configuration"]  # as config export
    run("runs show", "runs", "show", ensemble)
    run("runs compare", "runs", "compare", ensemble, search["experiment_id"])
    said["runs diff"] = assay("runs", "diff", ensemble, search["experiment_id"], "--json", home=home).document
    run("data show", "data", "show", *MARKET)
    run("datasets show", "datasets", "show", 1)
    run("models show", "models", "show", 2)
    run("models health", "models", "health", 2)
    run("strategies show", "strategies", "show", "sma_cross")
    run("sql", "sql", "SELECT id, name FROM experiments ORDER BY id")
    for words in (
        "runs list", "models list", "models verify", "models prune --dry-run", "config list", "data list",
        "datasets list", "trials", "vault list", "strategies list", "features list", "db check", "db upgrade",
        "settings",
    ):  # fmt: skip
        run(words, *words.split())
    said["error"] = assay("models", "show", 99, "--json", home=home).document
    return Made(home, said)


# --- documents: their keys and the types of their values -------------------------------------------------------------
# Below these keys names are data (symbols, columns, parameters, versions of libraries), and stand as `*`.
_NAMES_BELOW = ("by_symbol", "shares", "versions", "votes", "dropped", "ends", "by_regime")
# What depends on the checkout and the machine that run it, and is absent where Git takes too long.
_OF_THE_MACHINE = (
    "branch", "commit", "cpu", "diff_hash", "dirty", "distributions", "git_branch", "git_commit", "lock_hash",
    "diff_bytes", "memory_bytes", "thread_variables", "untracked",
)  # fmt: skip
_DATA_KEY = re.compile(r"[/|]|^[0-9a-f]{16,}$|^\d+$|^my_")


def key_paths(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """``(path, type)`` of each value of a JSON document: ``a.b``, ``a[]`` for what a list holds, ``a.*`` for data."""
    if path.rpartition(".")[2] in _OF_THE_MACHINE:
        return
    kind = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    yield path, kind.get(type(value), "null")
    if isinstance(value, dict):
        free = path.rpartition(".")[2] in _NAMES_BELOW
        for key, each in value.items():
            name = "*" if free or _DATA_KEY.search(key) else key
            yield from key_paths(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for each in value:
            yield from key_paths(each, f"{path}[]")


def shape(*documents: Any) -> dict[str, str]:
    """The key paths of documents of one kind, each with all types that it has in them."""
    types: dict[str, set[str]] = {}
    for document in documents:
        for path, kind in key_paths(document):
            if path:
                types.setdefault(path, set()).add(kind)
    return {path: "|".join(sorted(types[path])) for path in sorted(types)}


def outputs(made: Made) -> Any:
    """What the main commands print with ``--json``."""
    known = {json.dumps(paths): name for name, paths in (files(made) | columns(made)).items()}
    shapes = {name: shape(document) for name, document in sorted(made.said.items())}
    same = {name: known.get(json.dumps(paths)) for name, paths in shapes.items()}
    return {name: f"as {same[name]}" if same[name] else paths for name, paths in shapes.items()}


def files(made: Made) -> Any:
    """The JSON files of a home, by name, and the columns of its Parquet files."""
    found: dict[str, list[Any]] = {}
    for path in sorted(made.home.rglob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        name = path.name
        if name in ("run.json", "manifest.json"):
            spec = document.get("spec") or {}
            name = f"{name} of {spec.get('kind') or spec.get('learner') or document.get('strategy_type')}"
        found.setdefault(name, []).append(document)
    shapes: dict[str, Any] = {name: shape(*documents) for name, documents in found.items()}
    for path in sorted((made.home / "artifacts").rglob("*.parquet")):
        schema = pl.read_parquet_schema(path)
        shapes.setdefault(path.name, {}).update({name: str(kind) for name, kind in sorted(schema.items())})
    return {name: shapes[name] for name in sorted(shapes)}


def columns(made: Made) -> Any:
    """The documents that the record keeps in its columns."""
    found: dict[str, list[Any]] = {}
    with sqlite3.connect(made.home / "ml_experiments.db") as connection:
        connection.row_factory = sqlite3.Row
        names = [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        for table in names:
            for row in connection.execute(f"SELECT * FROM [{table}]"):
                if table == "artifacts" and row["artifact_type"] == "git_diff":
                    continue  # of a checkout with changes alone
                for column in row.keys():  # noqa: SIM118 - a row's own iteration gives its values
                    document = _document(row[column])
                    if document is not None:
                        found.setdefault(f"{table}.{column}", []).append(document)
    ours = {name: shape(*documents) for name, documents in sorted(found.items())}
    return {name: paths for name, paths in ours.items() if paths}


def _document(text: object) -> Any:
    if not isinstance(text, str) or not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def home(made: Made) -> Any:
    """Names of the files of a home; hashes, times and symbols stand as `*`."""
    places = (p.relative_to(made.home).as_posix() for p in made.home.rglob("*") if p.is_file())
    return sorted({re.sub(r"[0-9a-f]{64}|\d{8}_\d{6}|GOLD[^/]*", "*", place) for place in places})


def models(made: Made) -> Any:
    """Types that the files of models name by dotted path, what we trust of them, and the parts of each model."""
    from assay.learn.ensemble.model import TRUSTED
    from assay.track.mirror.mirrored_runs import LOADER

    forests = [_types_of(path) for path in made.home.rglob("*.skops")]
    envelopes = {path.parent.parent.name: _names_in(path) for path in sorted(made.home.rglob("*.pkl"))}
    parts = {
        path.parent.name: sorted(p.name for p in path.parent.iterdir())
        for path in (made.home / "artifacts").rglob("manifest.json")
    }
    with sqlite3.connect(made.home / "ml_experiments.db") as connection:
        formats = sorted({row[0] for row in connection.execute("SELECT format FROM models")})
    return {
        "skops: trusted": sorted(TRUSTED),
        "skops: types": sorted(set().union(*forests)),
        "pkl: strings": envelopes,
        "formats": formats,
        "files": sorted(parts.values()),
        "mlflow: loader module": LOADER,
    }


def _types_of(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        text = archive.read("schema.json").decode()
    found = json.loads(text)
    pending, types = [found], set()
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            if "__module__" in each:
                types.add(f"{each['__module__']}.{each['__class__']} by {each['__loader__']}")
            pending += each.values()
        elif isinstance(each, list):
            pending += each
    return types


def _names_in(path: Path) -> list[str]:
    """Strings and imports of an envelope: opcodes are read, nothing is loaded."""
    operations = pickletools.genops(path.read_bytes())
    texts = [str(argument) for _, argument, _ in operations if isinstance(argument, str)]
    return [re.sub(r"\d{8}_\d{6}|GOLD.*", "*", text) for text in texts]


# --- the command line ------------------------------------------------------------------------------------------------
def cli() -> Any:
    """Every command with its arguments and options; words of the help are free."""
    from assay.cli.main import app

    return dict(_commands(typer.main.get_command(app), "assay"))


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, {key: value for p in command.params for key, value in [_parameter(p)]}
    for sub, each in sorted(getattr(command, "commands", {}).items()):
        yield from _commands(each, f"{name} {sub}")


def _parameter(parameter: Any) -> tuple[str, str]:
    is_option = parameter.opts[0].startswith("-")
    names = " ".join([*parameter.opts, *parameter.secondary_opts]) if is_option else f"<{parameter.name}>"
    annotation = parameter.type_descriptor.annotation if hasattr(parameter, "type_descriptor") else None
    kind = "flag" if getattr(parameter, "is_flag", False) else str(getattr(annotation, "__name__", annotation))
    text = " ".join(
        [kind]
        + (["required"] if parameter.required else [f"default {parameter.default!r}"])
        + (["repeatable"] if parameter.multiple else [])
        + ([f"values {parameter.nargs}"] if parameter.nargs != 1 else [])
        + ([f"shown as {parameter.metavar}"] if parameter.metavar else [])
        + ([f"from {parameter.envvar}"] if parameter.envvar else [])
    )
    return names, text


# --- the record ------------------------------------------------------------------------------------------------------
def tables() -> Any:
    """Tables, columns, keys, constraints and indices of both databases, as the metadata say."""
    from assay.track.schema import service, tables  # noqa: F401 - they declare tables
    from assay.track.schema.column_types import RECORD

    dialects: dict[str, sa.Dialect] = {"postgresql": postgresql.dialect(), "sqlite": sqlite.dialect()}
    return {
        name: {table.name: _table(table, dialect) for table in sorted(RECORD.tables.values(), key=lambda t: t.name)}
        for name, dialect in dialects.items()
    }


def _table(table: sa.Table, dialect: sa.Dialect) -> Any:
    compiler: Any = dialect.ddl_compiler(dialect, None)
    constraints = compiler.create_table_constraints(table).split(", \n\t")  # those of this dialect alone
    indices = [str(sa.schema.CreateIndex(index).compile(dialect=dialect)) for index in table.indexes]
    return {
        "columns": {c.name: compiler.get_column_specification(c).partition(" ")[2] for c in table.columns},
        "constraints": sorted(" ".join(text.split()) for text in constraints if text),
        "indices": sorted(" ".join(text.split()) for text in indices),
    }


def schema(made: Made) -> Any:
    """What a fresh SQLite record holds: tables, views with their columns, triggers, indices, and its version."""
    with sqlite3.connect(made.home / "ml_experiments.db") as connection:
        rows = connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
        views = sorted(name for kind, name in rows if kind == "view")
        return {
            "version": connection.execute("SELECT version_num FROM alembic_version").fetchone()[0],
            "views": {
                name: [d[0] for d in connection.execute(f"SELECT * FROM [{name}] LIMIT 0").description]
                for name in views
            },
            **{f"{kind}s": sorted(n for k, n in rows if k == kind) for kind in ("table", "trigger", "index")},
        }


# --- names in user files and programs --------------------------------------------------------------------------------
def errors() -> Any:
    """Codes of errors, in the sources and on the page that lists them; the exit code of each class."""
    from assay.kernel import errors as module

    code = r"(?:DATA|CONFIG|LEAK|ARTIFACT|STORE|TRAIN)(?:_[A-Z]+)+"
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "src").rglob("*.py"))]
    page = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
    in_sources = {found for text in texts for found in re.findall(rf'"({code})"', text)}
    others = {found for text in texts for found in re.findall(r'\bcode(?:: str)? ?= ?"([A-Z][A-Z_]+)"', text)}
    found = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, module.AssayError)]
    classes = {c.default_code: c for c in found}

    def answer(code: str) -> str:
        error = classes.get(code.partition("_")[0], module.AssayError)("", code=code)
        return f"exit code {error.exit_code}, HTTP {error.http_status}"

    return {
        "codes": {code: answer(code) for code in sorted(in_sources | others)},
        "codes of docs/reference/errors.md": sorted(set(re.findall(rf"`({code})`", page))),
        "classes": {c.__name__: f"{name}: {answer(name)}" for name, c in classes.items()},
    }


def configuration() -> Any:
    """The published JSON Schema of the configuration of a bot."""
    (path,) = (ROOT / "src").rglob("configuration-*.schema.json")
    return json.loads(path.read_text(encoding="utf-8"))


_IMPORT = re.compile(r"^\s*from (assay[\w.]*|ml_persistence[\w.]*) import (\([^)]*\)|[^\n#;]+)", re.MULTILINE)
# What a file of the user's own imports from, and the two names of the tracking API.
USER_MODULES = (
    "assay.features", "assay.learn.strategies", "assay.learn.strategies.sma_cross", "ml_persistence",
    "ml_persistence.core",
)  # fmt: skip


def written_imports() -> dict[str, set[str]]:
    """Names that docs, README, examples, the attack files and files within tests import from `USER_MODULES`."""
    texts = [p.read_text(encoding="utf-8") for p in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))]
    texts += [p.read_text(encoding="utf-8") for p in (ROOT / "examples").glob("*.py")]
    for path in (*(ROOT / "src/assay/testing").rglob("*.py"), *(ROOT / "tests").rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        texts += [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    found: dict[str, set[str]] = {name: set() for name in USER_MODULES}
    for module, names in (match for text in texts for match in _IMPORT.findall(text)):
        if module in found:
            found[module].update(n for n in re.split(r"[\s,()]+", names.partition(" as ")[0]) if n.isidentifier())
    return found


def user_files() -> Any:
    """Names that strategy and feature files import, what each is called with, and what is handed to them.

    Names that were pinned once stay pinned, whether a page still writes them or not.
    """
    wanted = written_imports()
    for module, pinned in _pinned("user_files").get("imports", {}).items():
        wanted.setdefault(module, set()).update(pinned)
    for module in ("ml_persistence", "ml_persistence.core"):
        wanted[module].update(import_module(module).__all__)
    names = {m: {n: _described(_value(m, n)) for n in sorted(wanted[m])} for m in sorted(wanted)}
    return {"imports": names, "handed to a feature": _study(), "handed to a strategy": _bars()}


def _pinned(subject: str) -> dict[str, Any]:
    path = Path(__file__).parent / f"{subject}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _value(module: str, name: str) -> Any:
    """What an import gives once all modules of the package are loaded: a module of that name stands over all else."""
    package = import_module(module)
    if hasattr(package, "__path__") and find_spec(f"{module}.{name}") is not None:
        import_module(f"{module}.{name}")
    return getattr(package, name)


def _described(value: Any) -> str:
    kind = "class" if isinstance(value, type) else "module" if inspect.ismodule(value) else "function"
    if kind == "module" or not callable(value):
        return kind if kind == "module" else "value"
    return f"{kind}({', '.join(_parameters(value))})"


def _parameters(value: Any) -> list[str]:
    """Names of parameters, those with a default followed by ``=``; ``*`` before what goes by name alone."""
    names, marked = [], False
    for each in inspect.signature(value).parameters.values():
        if each.kind is each.KEYWORD_ONLY and not marked:
            names, marked = [*names, "*"], True
        marked = marked or each.kind is each.VAR_POSITIONAL
        stars = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        names.append(f"{stars}{each.name}" + ("=" if each.default is not each.empty else ""))
    return names


_OF_A_STUDY = ("bars", "column", "lower", "once", "per")
_OF_BARS = ("bars_per_year", "close", "high", "instrument", "known_at", "low", "open", "timestamp", "volume")


def _study() -> list[str]:
    """Attributes of what a feature's function is given."""
    from assay.features.compute import FeatureContext
    from assay.market.sources.synthetic import synthetic

    return [name for name in _OF_A_STUDY if hasattr(FeatureContext(synthetic(bars=50, seed=1)), name)]


def _bars() -> list[str]:
    """Attributes of the bars that a strategy's function is given."""
    from assay.market.sources.synthetic import synthetic

    return [name for name in _OF_BARS if hasattr(synthetic(bars=50, seed=1), name)]


def _public(value: Any) -> list[str]:
    return sorted(name for name in dir(value) if not name.startswith("_"))


def tracking() -> Any:
    """Methods of the tracking API and their parameters."""
    import ml_persistence

    return {
        name: {
            method: ", ".join(_parameters(getattr(owner, method)))
            for method in ("__init__", *_public(owner))
            if callable(getattr(owner, method))
        }
        for name, owner in ((n, getattr(ml_persistence, n)) for n in sorted(ml_persistence.__all__))
    }


OF_SOURCES: dict[str, Callable[[], Any]] = {
    "cli": cli,
    "configuration": configuration,
    "errors": errors,
    "tables": tables,
    "tracking": tracking,
    "user_files": user_files,
}
OF_A_HOME: dict[str, Callable[[Made], Any]] = {
    "columns": columns,
    "files": files,
    "home": home,
    "models": models,
    "outputs": outputs,
    "schema": schema,
}


def text_of(subject: str, made: Made | None) -> str:
    """A subject as its file holds it. made: for those of `OF_A_HOME`."""
    found = OF_SOURCES[subject]() if subject in OF_SOURCES else OF_A_HOME[subject](made)
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n"
