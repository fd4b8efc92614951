"""`benchmarks.structure` on packages small enough to count by hand."""

import ast
import json
import sys
from pathlib import Path

import pytest

from benchmarks import structure
from benchmarks.structure import Definition, Reach, Sources, any_count, bindings, is_participle, measure


def laid(folder: Path, files: dict[str, str]) -> Path:
    """A src folder with these files, and an ``__init__`` in each package that has none."""
    for name, text in files.items():
        path = folder / "assay" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in sorted((folder / "assay").rglob("*")):
        if path.is_dir() and not (path / "__init__.py").exists():
            (path / "__init__.py").write_text("")
    (folder / "assay/__init__.py").touch()
    return folder


def files(src: Path, start: str, *, everything: bool = False) -> set[str]:
    module, _, name = start.partition(":")
    reach = Reach(Sources(src), Definition(module, name), everything=everything)
    return {path.removeprefix("assay/") for path in reach.files}


WAY = {
    "cli/go.py": "from assay.runs import work\n\ndef go():\n    from assay.kernel.bars import Bars\n    work(Bars())\n",
    "runs/__init__.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from assay.runs.work import work as work\n"
        "def __getattr__(name): ...\n"
    ),
    "runs/work.py": (
        "from assay.kernel.bars import Bars\nfrom assay.learn import trainers\nfrom assay.market import unused\n"
        "from assay.market.never import LIMIT\n\n"
        "def work(bars: Bars):\n    return trainers.trainer('a').fit(bars.newest), LIMIT\n"
    ),
    "kernel/bars.py": (
        "from assay.kernel.base import Base\n\nclass Bars(Base):\n    def __init__(self):\n        self._clean()\n"
        "    def _clean(self):\n        from assay.market.clean import clean\n        clean()\n"
        "    @property\n    def newest(self):\n"
        "        from assay.market.newest import newest\n        return newest()\n"
    ),
    "kernel/base.py": "class Base: ...\n",
    "kernel/contract.py": (
        "from typing import Protocol\n\nclass Trainer(Protocol):\n    def fit(self, bars): ...\n"
    ),
    "learn/trainers.py": (
        "from assay.kernel.contract import Trainer\nfrom assay.learn.forest import Forest\n\nTABLE = {'a': Forest}\n\n"
        "def trainer(name) -> Trainer:\n    return TABLE[name]()\n"
    ),
    "learn/forest.py": (
        "from assay.learn.grow import grow\n\nclass Forest:\n    def fit(self, bars):\n        grow(bars)\n"
    ),
    "learn/grow.py": "def grow(bars): ...\n",
    "market/clean.py": "def clean(): ...\n",
    "market/newest.py": "def newest(): ...\n",
    "market/unused.py": "def unused(): ...\n",
    "market/never.py": "LIMIT = 3\n\ndef never(): ...\n",
}  # fmt: skip
OPENED = {"cli/go.py", "runs/work.py", "kernel/bars.py", "kernel/base.py", "market/clean.py", "learn/trainers.py"}


def test_what_is_called_by_name_is_opened(tmp_path: Path) -> None:
    """Through a lazy package, an import in a function, a module's attribute, a base, `self`; no table, no method."""
    assert files(laid(tmp_path, WAY), "assay.cli.go:go") == OPENED


def test_tables_properties_and_what_fits_a_protocol_are_reached_as_well(tmp_path: Path) -> None:
    more = {"learn/forest.py", "learn/grow.py", "market/newest.py", "kernel/contract.py"}
    assert files(laid(tmp_path, WAY), "assay.cli.go:go", everything=True) == OPENED | more


@pytest.mark.parametrize(
    "init",
    [
        '_HOMES = {"work": "work"}\ndef __getattr__(name): ...\n',
        '_HOMES = {"work": "assay.runs.work"}\ndef __getattr__(name): ...\n',
        '_NAMES = {"work": ("work", "other")}\ndef __getattr__(name): ...\n',
        "from assay.runs.work import work\n",
        "from .work import work as work\n",
    ],
)
def test_every_way_to_offer_a_name_is_followed(init: str, tmp_path: Path) -> None:
    src = laid(tmp_path, WAY | {"runs/__init__.py": init})
    assert "runs/work.py" in files(src, "assay.cli.go:go")


def test_a_cycle_ends(tmp_path: Path) -> None:
    src = laid(tmp_path, {
        "a/one.py": "from assay.a.two import two\ndef one():\n    two()\n",
        "a/two.py": "from assay.a.one import one\ndef two():\n    one()\n",
    })  # fmt: skip
    assert files(src, "assay.a.one:one") == {"a/one.py", "a/two.py"}


def test_imports_between_packages(tmp_path: Path) -> None:
    src = laid(tmp_path, {
        "app.py": "from assay.track import store\nfrom assay.track.inner.deep import x\nimport assay.settings\n",
        "settings.py": "",
        "track/store.py": "from assay.track.inner.deep import x\nfrom assay.kernel.bars import Bars\n",
        "track/inner/deep.py": "def x():\n    from assay.track import store\n",
        "runs/work.py": "from assay.track import open_store\nfrom assay.track.inner import x\n",
        "kernel/bars.py": "class Bars: ...\n",
    })  # fmt: skip
    found = structure.imports(Sources(src))
    assert found["cross-package imports"] == 5  # two of app, one of store, two of work
    assert found["of these through the package"] == 1
    assert found["share through the package, kernel excluded"] == 25.0
    assert (found["deep imports"], found["deep imports, kernel excluded"]) == (4, 3)
    assert found["of these two or more levels down"] == found["of these into a sub-package's __init__"] == 1
    assert found["deep imports by room"] == {"track": 3}
    assert found["imports of another subpackage's inner modules"] == 1


@pytest.mark.parametrize("name", ["kept", "found_by", "walking", "_told", "opened", "written_as"])
def test_a_participle(name: str) -> None:
    assert is_participle(name)


@pytest.mark.parametrize(
    "name", ["keep", "seed", "needs_volume", "sizing", "string_of", "is_fitted", "red", "read", "split"]
)
def test_no_participle(name: str) -> None:
    assert not is_participle(name)


def test_what_binds_a_name() -> None:
    text = (
        "import a.found\nfrom b import c as told\ndef f(word, *, kept=1):\n    self.held = [x for x in y]\n"
        "    with o as asked:\n        given: int = 1\n    if (said := known): pass\nclass K:\n    beside: int\n"
    )
    bound = sorted(bindings(ast.parse(text)))
    assert bound == sorted(["a", "told", "f", "word", "kept", "held", "x", "asked", "given", "said", "K", "beside"])


def test_any_is_counted_in_annotations_and_code_and_not_in_imports_and_texts() -> None:
    text = (
        'from typing import Any\nimport typing\ndef f(a: Any, b: "dict[str, Any]") -> list[typing.Any]:\n'
        '    """Any."""\n    c: "Any" = cast(Any, "Any")\n'
    )
    assert any_count(ast.parse(text)) == 5


def test_the_figures_of_a_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    src = laid(tmp_path, WAY | {
        "runs/__init__.py": "from assay.runs.work import work\nfrom assay.runs import clean\n",
        "runs/clean.py": "class _C:\n    def kept(self): ...\nclass D:\n    def kept(self): ...\n"
                         "    def _told(self): ...\n    @property\n    def given(self): ...\n",
    })  # fmt: skip
    figures = measure(src, {"training": "assay.cli.go:go"})
    assert figures == measure(src, {"training": "assay.cli.go:go"})
    assert figures["modules"] == len(list(src.rglob("*.py")))
    assert figures["files opened, one training"] == len(OPENED) and figures["files reached, one training"] == 10
    assert figures["participles among them"] == 2  # D.kept and market's unused
    assert figures["banned words"] == dict.fromkeys(structure.BANNED, 0) | {"kept": 2, "told": 1, "given": 1}
    assert figures["shared file names"] == {"clean.py": 2}
    assert figures["which"] == ["assay.runs.work"]  # `clean` is the module itself and hides nothing
    assert (figures["function length, median"], figures["longest module"]) == (1, 12)
    monkeypatch.setattr(structure, "PATHS", {"training": "assay.cli.go:go"})
    monkeypatch.setattr(measure, "__defaults__", ({"training": "assay.cli.go:go"},))
    monkeypatch.setattr(sys, "argv", ["structure", "--json", "--src", str(src)])
    structure.main()
    assert json.loads(capsys.readouterr().out) == figures
    monkeypatch.setattr(sys, "argv", ["structure", "--src", str(src)])
    structure.main()
    assert "files opened, one training" in capsys.readouterr().out


def test_a_command_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"assay\.cli\.gone:go is no function"):
        measure(laid(tmp_path, WAY), {"training": "assay.cli.gone:go"})


def test_the_commands_of_this_project_are_there() -> None:
    sources = Sources(structure.SRC)
    for start in structure.PATHS.values():
        module, _, name = start.partition(":")
        assert name in sources.modules[module].functions
