"""How large files and classes may be, and which small modules there are for a reason."""

import ast
from pathlib import Path

import assay
from benchmarks import structure

SOURCES = structure.Sources(Path(assay.__file__).parent.parent)
MOST_LINES, MOST_CLASS_LINES, MOST_MODULES, FEW_LINES = 500, 350, 340, 40
SMALL = {
    "ml_persistence.core": "an import path of the first version's users",
    "assay.memory": "switches of malloc, set before anything is imported",
    "assay.kernel.arrays": "types that every package imports; nothing is to be loaded for them",
    "assay.kernel.lazy": "imported by each interface; nothing is to be loaded for it",
    "assay.kernel.seeding": "one seed and its children: a noun of its own",
    "assay.features.interactions": "a group of features by its name",
    "assay.learn.strategies.sma_cross": "a strategy by its name; user files import it",
    "assay.cli.settings": "a command by its name",
    "assay.track.schema.versions.0001_record": "a migration step by its name",
    "assay.track.schema.versions.0002_trial_heads": "a migration step by its name",
    "assay.track.schema.versions.0003_metric_series": "a migration step by its name",
    "assay.track.schema.versions.0004_looks": "a migration step by its name",
}
"""Modules under 40 lines, each with why it is one."""


def test_no_file_and_no_class_is_too_long() -> None:
    long = [f"{m.name}: {m.lines} lines" for m in SOURCES.modules.values() if m.lines > MOST_LINES]
    long += [
        f"{module.name}.{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for module in SOURCES.modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno >= MOST_CLASS_LINES
    ]
    assert long == []


def test_a_small_module_has_a_reason() -> None:
    small = {
        module.name
        for module in SOURCES.modules.values()
        if module.lines < FEW_LINES and module.path.name != "__init__.py"
    }
    assert small - set(SMALL) == set()
    assert set(SMALL) - small == set(), "a reason that is needed no more"


def test_modules_stay_few() -> None:
    """What is always read together is one module. Whoever builds a new part raises the number by what it needs."""
    assert len(SOURCES.modules) <= MOST_MODULES
