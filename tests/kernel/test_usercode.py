"""Source of the user's own: which modules belong to a file, and what its digest covers."""

import sys
from hashlib import sha256
from pathlib import Path

import pytest

from assay.kernel.user_source import UserCode, find_source_gaps, in_library, lay_out, read_user_code, run_user_code


def lay(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "main.py"


def test_a_file_that_stands_alone_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    text = "import math\nimport numpy as np\nfrom assay.kernel import bars\nx = 1\n"
    code = read_user_code(lay(tmp_path, main=text))
    assert code.digest == sha256(text.encode()).hexdigest() and code.modules == () and code.source_complete
    assert {each.module for each in code.imports} >= {"math", "numpy", "assay.kernel"}
    assert all(each.library for each in code.imports)


def test_modules_are_followed_wherever_they_are_imported(tmp_path: Path) -> None:
    main = lay(
        tmp_path,
        main="import one_beside\n\ndef f():\n    from pack_beside.inner import g\n    import importlib\n"
        "    importlib.import_module('late_beside')\n",
        one_beside="import two_beside\n",
        two_beside="import one_beside\n",
        late_beside="x = 1\n",
        unused_beside="x = 1\n",
    )
    (tmp_path / "pack_beside" / "inner").mkdir(parents=True)
    (tmp_path / "pack_beside" / "__init__.py").write_text("")
    (tmp_path / "pack_beside" / "inner" / "__init__.py").write_text(
        "from . import deep\nfrom ..other import x\ng = 1\n"
    )
    (tmp_path / "pack_beside" / "inner" / "deep.py").write_text("")
    (tmp_path / "pack_beside" / "other.py").write_text("x = 1\n")
    code = read_user_code(main)
    assert [each.path for each in code.modules] == [
        "late_beside.py", "one_beside.py", "pack_beside/__init__.py", "pack_beside/inner/__init__.py",
        "pack_beside/inner/deep.py", "pack_beside/other.py", "two_beside.py",
    ]  # fmt: skip
    assert code.source_complete


def test_the_digest_moves_with_every_byte_and_name_and_not_with_the_folder(tmp_path: Path) -> None:
    main = lay(tmp_path / "a", main="import one_beside\n", one_beside="x = 1\n")
    first = read_user_code(main)
    copied = lay_out(first, tmp_path / "b")
    assert read_user_code(copied).digest == first.digest and copied.name == "main.py"
    digests = {first.digest}
    for changed in (
        {"main": "import one_beside\n\n", "one_beside": "x = 1\n"},
        {"main": "import one_beside\n", "one_beside": "x = 2\n"},
        {"main": "import one_beside\n"},
    ):
        for old in (tmp_path / "a").glob("*.py"):
            old.unlink()
        digests.add(read_user_code(lay(tmp_path / "a", **changed)).digest)
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("__import__('a' + 'b')\n", "main.py:1 imports a module by a computed name"),
        ("x = 1\nexec('y = 2')\n", "main.py:2 runs text as code (exec)"),
        ("f = eval('lambda: 1')\n", "main.py:1 runs text as code (eval)"),
    ],
)
def test_what_the_source_does_not_show_is_said(text: str, gap: str, tmp_path: Path) -> None:
    code = read_user_code(lay(tmp_path, main=text))
    assert code.gaps == (gap,) and not code.source_complete


def test_a_file_that_does_not_parse_has_no_modules(tmp_path: Path) -> None:
    for text in ("def f(:\n", "x = '\0'\n", ""):
        assert read_user_code(lay(tmp_path, main=text)).modules == ()
    with pytest.raises(OSError):
        read_user_code(tmp_path / "nowhere.py")


def run(path: Path) -> tuple[object, UserCode]:
    return run_user_code(path, kind="strategy", code="CONFIG_STRATEGY_FILE")


def test_modules_run_from_the_bytes_that_were_read_and_another_version_is_another_module(tmp_path: Path) -> None:
    first, _ = run(
        lay(tmp_path / "a", main="import versioned_beside\nx = versioned_beside.x\n", versioned_beside="x = 1\n")
    )
    second, _ = run(
        lay(tmp_path / "b", main="import versioned_beside\nx = versioned_beside.x\n", versioned_beside="x = 2\n")
    )
    assert (vars(first)["x"], vars(second)["x"]) == (1, 2)
    assert vars(first)["versioned_beside"].x == 1  # what holds the old one keeps it
    assert str(tmp_path / "b") in str(sys.modules["versioned_beside"].__spec__)


def test_a_module_may_not_take_the_place_of_a_library(tmp_path: Path) -> None:
    code = read_user_code(lay(tmp_path, main="import numpy\nimport json\n", numpy="x = 1\n", json="x = 1\n"))
    assert code.modules == ()


def test_functions_without_source_are_named(tmp_path: Path) -> None:
    text = "from math import sqrt\n\ndef own(x):\n    return x\n\nspace = {}\nexec('def made(x): return x', space)\n"
    module, code = run(lay(tmp_path, main=text))
    names = vars(module)
    assert find_source_gaps(code, [names["own"]]) == ()
    said = find_source_gaps(code, [names["sqrt"], names["space"]["made"]])
    assert said[0] == "sqrt is no Python function: its source is not known"
    assert said[1] == "made was not written in main.py or a module of it: its source is not known"


def test_the_library_is_python_and_what_is_installed() -> None:
    import numpy

    import assay

    assert (
        in_library(str(numpy.__file__))
        and in_library(str(assay.__file__))
        and in_library(str(sys.modules["os"].__file__))
    )
    assert not in_library(__file__)


def test_folders_that_a_file_adds_do_not_last(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "from_elsewhere.py").write_text("x = 1\n")
    text = f"import sys\nsys.path.insert(0, {str(tmp_path / 'elsewhere')!r})\nimport from_elsewhere\n"
    before = list(sys.path)
    digests = {run(lay(tmp_path, main=text))[1].digest for _ in range(2)}
    assert sys.path == before and len(digests) == 1
    sys.modules.pop("from_elsewhere", None)
