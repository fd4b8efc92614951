"""Imports that a user file may have where the kernel cannot close a process."""

from assay.kernel.errors import ConfigError, printable
from assay.kernel.user_source import UserCode

LIBRARIES = frozenset(["numpy", "scipy", "numba", "talib", "sklearn", "pandas", "polars", "assay"])
STANDARD = frozenset(
    [
        "__future__",
        "abc",
        "array",
        "bisect",
        "calendar",
        "cmath",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "heapq",
        "itertools",
        "logging",
        "math",
        "numbers",
        "operator",
        "random",
        "re",
        "statistics",
        "string",
        "time",
        "types",
        "typing",
        "warnings",
        "zoneinfo",
    ]
)
"""Parts of the standard library that reach nothing outside of the process by themselves."""

READERS = frozenset(
    [
        "open",
        "read_csv",
        "read_parquet",
        "read_json",
        "read_excel",
        "read_feather",
        "read_hdf",
        "read_ipc",
        "read_database",
        "read_sql",
        "scan_csv",
        "scan_parquet",
        "scan_ipc",
        "scan_ndjson",
        "memmap",
        "load",
        "loadtxt",
        "genfromtxt",
        "fromfile",
        "__import__",
        "import_module",
    ]
)
"""Names of functions of these libraries that open files or load further modules."""


def not_allowed(code: UserCode) -> tuple[str, ...]:
    """What keeps a file from being run without Landlock, a sentence each; empty where nothing does."""
    own = {each.module for each in code.modules}
    problems = []
    for each in code.imports:
        top = each.module.partition(".")[0]
        if not each.library or top in LIBRARIES or top in STANDARD or top in own:
            continue
        problems.append(f"{each.file}:{each.line} imports {each.module}, which is not on the list of harmless modules")
    return (*problems, *_readers(code), *code.gaps)


def demand_allowed(code: UserCode, error_code: str) -> None:
    """Raise ConfigError with the first import that is not allowed."""
    problems = not_allowed(code)
    if problems:
        raise ConfigError(
            f"{printable(code.main.path)} is not run: this kernel has no Landlock to close a process with, and "
            f"{problems[0]}",
            code=error_code,
            hint="Use numpy, scipy, numba, talib, sklearn, pandas, polars and assay alone, or run Assay on Linux 5.13 "
            "or newer.",
            file=code.main.path,
        )


def _readers(code: UserCode) -> list[str]:
    import ast

    problems = []
    for file in code.files:
        try:
            tree = ast.parse(file.text, file.path)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            if name in READERS:
                problems.append(f"{file.path}:{getattr(node, 'lineno', 0)} names {name}, which reads files or code")
    return problems
