"""Identifiers and file names: the field's words, and each file name once where readers look."""

import ast
import re
from collections import Counter
from pathlib import Path

import click
import typer

import assay
from assay.cli.main import app
from benchmarks import structure

SOURCES = structure.Sources(Path(assay.__file__).parent.parent)
ALLOWED = {("assay.learn.ensemble.preprocessing", "kept")}
"""(module, identifier): the key `columns.kept` of ``ensemble.json``, written by models of before."""


def test_no_identifier_is_a_narrators_word() -> None:
    """``found`` says nothing of what it is; the field has a word for each. Attribute `known_at` is a term, not one."""
    bound = {
        (module.name, name)
        for module in SOURCES.modules.values()
        for name in structure.bindings(module.tree)
        if name.strip("_").lower() in structure.BANNED
    }
    assert bound - ALLOWED == set()
    assert ALLOWED - bound == set(), "an exception that is needed no more"


def test_functions_are_verbs() -> None:
    figures = structure.names(SOURCES)
    assert float(str(figures["participles, %"])) <= 2


def test_a_file_name_is_there_once_in_a_folder_and_its_neighbours() -> None:
    """Siblings are the folders of one folder: two `columns.py` in them would be told apart by their path alone."""
    files = [
        Path(*module.name.split(".")[1:])
        for module in SOURCES.modules.values()
        if module.path.name != "__init__.py" and module.name.count(".") > 1
    ]
    seen = Counter((path.parts[:-2] if len(path.parts) > 2 else path.parts[:-1], path.name) for path in files)
    double = sorted(f"{'/'.join(folder)}: {name}" for (folder, name), n in seen.items() if n > 1)
    assert double == []


def test_the_help_of_commands_says_words_and_no_names_of_functions() -> None:
    """A renaming once wrote `list_models` where a sentence said "models"."""
    functions = {
        node.name
        for module in SOURCES.modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef) and "_" in node.name.strip("_")
    }
    texts: list[str] = []

    def collect(command: click.Command) -> None:
        texts.extend([command.help or "", *(getattr(each, "help", None) or "" for each in command.params)])
        for each in getattr(command, "commands", {}).values():
            collect(each)

    collect(typer.main.get_command(app))
    named = {word for text in texts for word in re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", text)}
    assert named & functions - {"model_id", "sharpe_ratio"} == set()  # a column and an objective by their names
