"""Every code block of README and docs runs, and so does every example: in a fresh folder, as a reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_RUN = {"python", "sh", "toml"}
_TOLD = {"text", "json", ""}  # what a program prints, or commands on the project itself: `make` lines are checked below


def blocks(page: Path) -> list[tuple[str, str]]:
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def environment(home: Path) -> dict[str, str]:
    folder = Path(sys.executable).parent
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "ASSAY_HOME": str(home / ".assay")}


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if any(kind in _RUN for kind, _ in blocks(p))], ids=lambda p: p.name)
def test_the_code_blocks_of_a_page_run_one_after_the_other(page: Path, tmp_path: Path) -> None:
    script: list[str] = []
    for kind, text in blocks(page):
        if kind == "toml":
            name = re.match(r"# (\S+\.toml)", text)
            assert name, "a TOML block says in its first line which file it is"
            (tmp_path / name[1]).write_text(text)
        elif kind == "sh":
            run(["bash", "-euc", text], tmp_path)
        elif kind == "python":
            script.append(text)
            run([sys.executable, "-W", "error", "-c", "\n".join(script)], tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_block_says_what_it_is(page: Path) -> None:
    assert {kind for kind, _ in blocks(page)} <= _RUN | _TOLD


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z]+)`", text)) | set(re.findall(r"^make ([a-z]+)", text, re.MULTILINE))
    there = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= there


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_to_a_file_of_ours_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.name)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    assert run([sys.executable, "-W", "error", str(example)], tmp_path).strip()
