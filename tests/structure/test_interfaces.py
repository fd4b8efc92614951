"""What each package offers: a snapshot, so that a change is a decision, and no name that a module could stand for."""

import ast
import importlib
import json
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import assay

ROOT = Path(assay.__file__).parent
PACKAGES = ("assay", *(f"assay.{name}" for name in (
    "features", "learn", "market", "runs", "simulate", "targets", "testing", "track", "validate",
)))  # fmt: skip
SNAPSHOT = Path(__file__).parent / "public_names.json"


def offered(package: str) -> list[str]:
    return [name for name in dir(importlib.import_module(package)) if not name.startswith("_")]


def modules() -> list[str]:
    return [
        each.name
        for each in pkgutil.walk_packages(assay.__path__, "assay.")
        if not each.name.endswith(("__main__", ".sandbox_worker"))
    ]


def test_the_names_are_those_of_the_snapshot() -> None:
    """After a change that is meant: ``python -m tests.structure.test_interfaces``."""
    assert json.loads(SNAPSHOT.read_text()) == {package: offered(package) for package in PACKAGES}


def test_no_name_is_a_module_even_when_all_modules_are_imported() -> None:
    for name in modules():
        importlib.import_module(name)
    for package in PACKAGES:
        for name in offered(package):
            assert not isinstance(getattr(importlib.import_module(package), name), ModuleType), f"{package}.{name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_what_is_offered(package: str) -> None:
    """The imports under TYPE_CHECKING and the lazy names are the same."""
    path = ROOT.joinpath(*package.split(".")[1:], "__init__.py")
    checked = [
        alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module != "assay.kernel.lazy"
        for alias in node.names
        if alias.asname == alias.name
    ]
    assert sorted(checked) == offered(package)


def test_a_name_that_is_not_offered_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'assay.validate' has no attribute 'nothing'"):
        getattr(importlib.import_module("assay.validate"), "nothing")  # noqa: B009 - mypy knows the names


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps({package: offered(package) for package in PACKAGES}, indent=1) + "\n")
