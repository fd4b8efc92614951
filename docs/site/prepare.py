"""Gathers the pages of the documentation site in build/docs: README, docs, API, architecture.

Run by `make docs`, from the root of the repository. The pictures are drawn from the sources: packages and imports,
and what `assay.runs.train` calls, in order.
"""

import ast
import importlib
import re
import shutil
from collections import Counter
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE, TARGET = ROOT / "docs", ROOT / "build" / "docs"
LAYERS = ("cli", "app", "runs", "track", "validate", "learn", "simulate", "targets", "features", "market", "kernel")
PACKAGES = ("market", "features", "targets", "simulate", "learn", "validate", "track", "runs", "testing")
BOX, GAP, WIDTH = 44, 26, 920


def main() -> None:
    """Write all pages anew."""
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.copytree(SOURCE, TARGET, ignore=shutil.ignore_patterns("site"))
    pages = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
    for name, page in pages.items():
        (TARGET / page).write_text(_inside((ROOT / name).read_text().replace("](docs/", "]("), TARGET))
    for page in TARGET.rglob("*.md"):
        page.write_text(_inside(page.read_text(), page.parent))
    _api()
    _architecture()


def _inside(text: str, folder: Path) -> str:
    """The text with links to files that the site does not have as plain text."""

    def plain(match: re.Match[str]) -> str:
        label, address = match[1], match[2]
        path = address.partition("#")[0]
        outside = path and "://" not in address and not (folder / path).is_file()
        return label if outside and Path(path).name not in ("index.md", "contributing.md", "changelog.md") else match[0]

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", plain, text)


def _api() -> None:
    folder = TARGET / "api"
    folder.mkdir()
    for name in PACKAGES:
        package = importlib.import_module(f"assay.{name}")
        names = [each for each in dir(package) if not each.startswith("_")]
        lines = [f"# assay.{name}", "", (package.__doc__ or "").strip(), ""]
        for each in names:
            value = getattr(package, each)
            if callable(value) and getattr(value, "__module__", "").startswith("assay."):
                lines += [f"## {each}", "", f"::: {value.__module__}.{value.__qualname__}", ""]
        (folder / f"{name}.md").write_text("\n".join(lines))


def _architecture() -> None:
    text = (
        "# Architecture\n\nImports run down this picture only: a package may import those below it, through their "
        "interface. The number is how many imports there are.\n\n"
        f"{_packages()}\n\n## A training\n\nWhat `assay.runs.train` calls, in the order of its source, with the "
        "package of each step.\n\n"
        f"{_training()}\n"
    )
    (TARGET / "architecture.md").write_text(text)


def _packages() -> str:
    counts: Counter[tuple[str, str]] = Counter()
    for path in (ROOT / "src" / "assay").rglob("*.py"):
        parts = path.relative_to(ROOT / "src" / "assay").with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("assay."):
                other = str(node.module).split(".")[1]
                if other != parts[0]:
                    counts[parts[0], other] += 1
    rows = []
    for place, name in enumerate(LAYERS):
        below = [f"{other} {counts[name, other]}" for other in LAYERS[place + 1 :] if counts[name, other]]
        rows.append((name, "imports " + ", ".join(below) if below else "imports nothing of Assay"))
    return _boxes(rows)


def _training() -> str:
    tree = ast.parse((ROOT / "src/assay/runs/_train.py").read_text())
    homes = {
        alias.asname or alias.name: str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    train = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "train")
    calls = [n for n in ast.walk(train) if isinstance(n, ast.Call)]
    steps: dict[str, str] = {}
    for call in sorted(calls, key=lambda n: (n.lineno, n.col_offset)):
        name = ast.unparse(call.func)
        home = homes.get(name.split(".")[0])
        if home is not None and home.startswith("assay.") and not home.startswith("assay.kernel"):
            steps.setdefault(name, home)
    return _boxes([(name, home) for name, home in steps.items()])


def _boxes(rows: list[tuple[str, str]]) -> str:
    """Boxes below each other, an arrow between two, as inline SVG."""
    height = len(rows) * (BOX + GAP)
    shapes = []
    for place, (title, note) in enumerate(rows):
        top = place * (BOX + GAP)
        shapes.append(
            f'<rect x="1" y="{top + 1}" width="260" height="{BOX}" rx="6" fill="none" stroke="currentColor"/>'
        )
        shapes.append(f'<text x="14" y="{top + 28}" font-weight="600">{escape(title)}</text>')
        shapes.append(f'<text x="280" y="{top + 28}">{escape(note)}</text>')
        if place + 1 < len(rows):
            shapes.append(
                f'<path d="M130 {top + BOX + 2} v{GAP - 6} m-4 -6 l4 6 l4 -6" fill="none" stroke="currentColor"/>'
            )
    body = "".join(shapes)
    label = escape(", ".join(title for title, _ in rows))
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}" font-size="14" fill="currentColor" '
        f'style="max-width:100%">{body}</svg>'
    )


if __name__ == "__main__":
    main()
