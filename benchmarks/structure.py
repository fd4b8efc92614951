"""How hard the sources are to enter: sizes, names, imports, and how many files one follows a command through.

Read by `ast` alone: nothing of the sources is imported, nothing is timed, the same sources give the same figures.
Usage: python -m benchmarks.structure [--json] [--src FOLDER]

**Files opened to follow** a command are the files that hold a function or class that is reached from its function, its
own file included. Two definitions, since the first can be lowered by hiding calls behind methods and tables:

- *opened*: what a reader follows by name. A reached body reaches each function and class that it calls by name, through
  imports wherever they stand, re-exports, module attributes and the tables of a lazy ``__init__``, and what it calls on
  ``self``, ``cls`` or a class. A reached class reaches its bases, what its fields and decorators call, and the methods
  that Python itself calls (``__init__``, ``__enter__`` …).
- *reached*: everything that static analysis sees. Besides, each name that is loaded (functions handed on, constants and
  what they name: a table of trainers reaches the trainers), and ``value.method`` or a property, of the classes that the
  value may have: known from annotations, constructors, return annotations and assignments (a container counts as its
  elements), and, as a rapid type analysis does, of each subclass or class that fits the protocol, once that is reached.
  Where no class is known a method is followed if one class alone has the name.

Annotations tell types and reach nothing; ``TYPE_CHECKING`` imports are read for types alone. Calls through ``getattr``
with a computed name are not seen. A module that is imported and holds nothing that is reached is not opened.
"""

import argparse
import ast
import json
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

SRC = Path(__file__).resolve().parents[1] / "src"
PATHS = {
    "training": "assay.cli.train:train",
    "search": "assay.cli.optimize:optimize",
    "promotion": "assay.cli.models:promote",
}
BANNED = ("told", "found", "asked", "kept", "beside", "given", "word", "said", "known", "held")
# Past participles that end otherwise than in -ed. Those that are also the verb itself (read, set, put, cut, split, hit,
# run, cast, let, spread, come) count as the verb.
_IRREGULAR = """
told found kept made given known held said shown drawn written taken left built sent got gone done seen begun bound
bought brought broken caught chosen dealt driven fed felt forgotten fallen grown heard hidden laid learnt led lent
lost meant met paid proven ridden risen sold slept spent spoken spun stood stuck struck sworn swept taught thought
thrown torn understood woken won worn wound born swum
"""
# Words in -ed and -ing that are no participle, or are terms of the field (an expected value, a rolling window, training
# data, a deflated Sharpe ratio, a failed breakdown, the returns of holding).
_NO_PARTICIPLE = """
seed need feed speed embed exceed proceed succeed breed indeed hundred string thing nothing something anything
everything during warning sizing bring rolling training expected deflated failed holding crossing mapping staging
"""
IRREGULAR, NO_PARTICIPLE = frozenset(_IRREGULAR.split()), frozenset(_NO_PARTICIPLE.split())
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SPECIAL = re.compile(r"__\w+__$")


# --- the sources -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Definition:
    """A function, a class, a method or a constant of a module."""

    module: str
    name: str  # "function", "Class" or "Class.method"


@dataclass(eq=False)
class Module:
    name: str
    path: Path
    tree: ast.Module
    lines: int
    functions: dict[str, ast.AST] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    constants: dict[str, list[ast.expr]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    types_only: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _origin(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    base = ".".join(parts[: len(parts) - node.level + 1])
    return f"{base}.{node.module}" if node.module else base


def _imported(module: Module, node: ast.AST) -> Iterator[tuple[str, tuple[str, str | None]]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield (
                alias.asname or alias.name.split(".")[0],
                (alias.name if alias.asname else alias.name.split(".")[0], None),
            )
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name, (_origin(module, node), alias.name)


def _top(module: Module, body: list[ast.stmt], into: dict[str, tuple[str, str | None]]) -> None:
    """Fill in what a module's top level defines and imports, its `if`, `try` and `with` included."""
    for node in body:
        into.update(_imported(module, node))
        if isinstance(node, _FUNCTIONS):
            module.functions[node.name] = node
        elif isinstance(node, ast.ClassDef):
            module.classes[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)):
                module.constants.setdefault(name, []).append(node.value)
        else:
            _nested(module, node, into)


def _nested(module: Module, node: ast.stmt, into: dict[str, tuple[str, str | None]]) -> None:
    if isinstance(node, ast.If | ast.Try | ast.With):
        _top(module, node.body, module.types_only if _is_type_checking(node) else into)
        for part in ("orelse", "finalbody"):
            _top(module, getattr(node, part, []), into)
        for handler in getattr(node, "handlers", []):
            _top(module, handler.body, into)


def _strings(node: ast.expr) -> list[str]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


class Sources:
    """All modules below a src folder."""

    def __init__(self, src: Path) -> None:
        self.src = src
        self.modules: dict[str, Module] = {}
        for path in sorted(src.rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            parts = path.relative_to(src).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            self.modules[name] = Module(name, path, ast.parse(text), text.count("\n"))
        for module in self.modules.values():
            _top(module, module.tree.body, module.imports)
            if "__getattr__" in module.functions or "lazy_names" in module.imports:
                self._lazy(module)

    def _lazy(self, module: Module) -> None:
        """Names that a lazy ``__init__`` gives: of its tables, or as its TYPE_CHECKING block says."""
        module.imports = module.types_only | module.imports
        for value in (v for values in module.constants.values() for v in values):
            if not isinstance(value, ast.Dict):
                continue
            for key, of in zip(value.keys, value.values, strict=True):
                if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                    continue
                one = isinstance(of, ast.Constant)
                for text in _strings(of):
                    name, home = (key.value, text) if one else (text, key.value)
                    full = home if home in self.modules else f"{module.name}.{home.lstrip('.')}"
                    if full in self.modules and name not in module.functions:
                        module.imports.setdefault(name, (full, name))

    def resolve(self, module: Module, name: str, *, types: bool = False, depth: int = 0) -> Definition | str | None:
        """What a name of a module's top level is: a definition, the name of a module, or nothing of ours."""
        if name in module.functions or name in module.classes or name in module.constants:
            return Definition(module.name, name)
        target = module.imports.get(name) or (module.types_only.get(name) if types else None)
        return None if target is None else self.follow(target, types=types, depth=depth)

    def follow(self, target: tuple[str, str | None], *, types: bool = False, depth: int = 0) -> Definition | str | None:
        origin, name = target
        if name is None:
            return origin if origin in self.modules else None
        if origin in self.modules and depth < 12:
            got = self.resolve(self.modules[origin], name, types=types, depth=depth + 1)
            if got is not None:
                return got
        return f"{origin}.{name}" if f"{origin}.{name}" in self.modules else None

    def class_of(self, definition: Definition) -> ast.ClassDef | None:
        return self.modules[definition.module].classes.get(definition.name)

    @cached_property
    def all_classes(self) -> list[Definition]:
        return [Definition(m.name, name) for m in self.modules.values() for name in m.classes]

    @cached_property
    def by_method(self) -> dict[str, list[Definition]]:
        """Classes that define a method of a name, the testing kit left out: nothing of it is on a command's way."""
        found: dict[str, list[Definition]] = defaultdict(list)
        for each in self.all_classes:
            if not each.module.startswith("assay.testing"):
                for name in methods(self.class_of(each)):
                    found[name].append(each)
        return found


def methods(node: ast.ClassDef | None) -> dict[str, ast.AST]:
    return {n.name: n for n in (node.body if node else []) if isinstance(n, _FUNCTIONS)}


# --- what a command reaches ------------------------------------------------------------------------------------------
Types = frozenset[Definition]
_NONE: Types = frozenset()


class Reach:
    """Everything that is reached from one function."""

    def __init__(self, sources: Sources, start: Definition, *, everything: bool = False) -> None:
        self.sources, self.everything = sources, everything
        self.reached: set[Definition] = set()
        self._pending = [start]
        self._virtual: set[tuple[Definition, str]] = set()
        self._classes: set[Definition] = set()
        self._fields: dict[tuple[Definition, str], Types] = {}
        while self._pending:
            each = self._pending.pop()
            if each not in self.reached:
                self.reached.add(each)
                self._visit(each)

    @property
    def files(self) -> list[str]:
        """The files that hold a reached function or class, sorted."""
        held = set()
        for each in self.reached:
            module = self.sources.modules[each.module]
            if each.name.partition(".")[0] in module.functions | module.classes:
                held.add(module.path.relative_to(self.sources.src).as_posix())
        return sorted(held)

    def _visit(self, each: Definition) -> None:
        module = self.sources.modules[each.module]
        owner, _, method = each.name.partition(".")
        if method:
            node = methods(module.classes[owner])[method]
            self._body(module, node, Definition(each.module, owner))
        elif owner in module.functions:
            self._body(module, module.functions[owner], None)
        elif owner in module.classes:
            self._class(module, each, module.classes[owner])
        else:
            for value in module.constants[owner]:
                self._body(module, value, None)

    def _class(self, module: Module, each: Definition, node: ast.ClassDef) -> None:
        self._classes.add(each)
        outside = [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
        inside = [s.value for s in node.body if isinstance(s, ast.Assign | ast.AnnAssign) and s.value is not None]
        for part in (*outside, *inside):
            self._body(module, part, None)
        self._pending += self.bases(each)
        for name in methods(node):
            if _SPECIAL.match(name):
                self._pending.append(Definition(module.name, f"{node.name}.{name}"))
        for base, name in sorted(self._virtual, key=str):
            self._dispatch(base, name, each)

    def _body(self, module: Module, node: ast.AST, owner: Definition | None) -> None:
        scope = Scope(self, module, node, owner)
        for got in scope.references():
            self._pending.append(got)

    def method(self, types: Types, name: str) -> list[Definition]:
        """The methods that ``value.name`` may be: of these classes, their bases, and what stands in for them."""
        found = []
        for each in types:
            got = self.lookup(each, name)
            if got is not None:
                found.append(got)
            self._virtual.add((each, name))
            for other in sorted(self._classes, key=str):
                self._dispatch(each, name, other)
        return found

    def _dispatch(self, base: Definition, name: str, other: Definition) -> None:
        if self.everything and other != base and self._stands_for(other, base):
            got = self.lookup(other, name)
            if got is not None and got not in self.reached:
                self._pending.append(got)

    def _stands_for(self, other: Definition, base: Definition) -> bool:
        if base in self.bases(other):
            return True
        node = self.sources.class_of(base)
        if node is None or not any("Protocol" in ast.unparse(b) for b in node.bases):
            return False
        needed = [n for n in methods(node) if not n.startswith("_")] or [n for n in methods(node) if n == "__call__"]
        return bool(needed) and all(self.lookup(other, n) is not None for n in needed)

    def bases(self, each: Definition, depth: int = 0) -> list[Definition]:
        node = self.sources.class_of(each)
        found: list[Definition] = []
        for base in node.bases if node and depth < 12 else []:
            for got in sorted(self.annotated(self.sources.modules[each.module], base), key=str):
                found += [got, *self.bases(got, depth + 1)]
        return found

    def lookup(self, each: Definition, name: str) -> Definition | None:
        for one in (each, *self.bases(each)):
            if name in methods(self.sources.class_of(one)):
                return Definition(one.module, f"{one.name}.{name}")
        return None

    def annotated(self, module: Module, node: ast.AST | None, depth: int = 0) -> Types:
        """The classes of ours that an annotation names, aliases followed."""
        if node is None or depth > 4:
            return _NONE
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                return self.annotated(module, ast.parse(node.value, mode="eval").body, depth + 1)
            except SyntaxError:
                return _NONE
        if isinstance(node, ast.Name | ast.Attribute):
            got = self._named(module, node)
            if isinstance(got, Definition) and self.sources.class_of(got) is not None:
                return frozenset({got})
            if isinstance(got, Definition) and got.name in self.sources.modules[got.module].constants:
                of = self.sources.modules[got.module]
                return frozenset().union(*(self.annotated(of, v, depth + 1) for v in of.constants[got.name]))
            return _NONE
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Literal"):
            return _NONE
        parts = (c for c in ast.iter_child_nodes(node) if isinstance(c, ast.expr))
        return frozenset().union(*(self.annotated(module, c, depth) for c in parts))

    def _named(self, module: Module, node: ast.expr) -> Definition | str | None:
        if isinstance(node, ast.Name):
            return self.sources.resolve(module, node.id, types=True)
        if isinstance(node, ast.Attribute):
            got = self._named(module, node.value)
            if isinstance(got, str):
                return self.sources.follow((got, node.attr), types=True)
        return None

    def field_types(self, each: Definition, name: str) -> Types:
        """The classes of ``value.name`` where it is no method: an annotated field, or what is assigned to it."""
        key = (each, name)
        if key in self._fields:
            return self._fields[key]
        self._fields[key] = _NONE
        for one in (each, *self.bases(each)):
            module, node = self.sources.modules[one.module], self.sources.class_of(one)
            types = self._field_of(module, one, node, name) if node else _NONE
            if types:
                self._fields[key] = types
                break
        return self._fields[key]

    def _field_of(self, module: Module, owner: Definition, node: ast.ClassDef, name: str) -> Types:
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == name:
                return self.annotated(module, statement.annotation)
        for method in methods(node).values():
            for each in ast.walk(method):
                targets = each.targets if isinstance(each, ast.Assign) else [getattr(each, "target", None)]
                if isinstance(each, ast.Assign | ast.AnnAssign) and any(
                    isinstance(t, ast.Attribute) and t.attr == name and ast.unparse(t.value) == "self" for t in targets
                ):
                    types = self.annotated(module, getattr(each, "annotation", None))
                    types = types or Scope(self, module, method, owner).types(each.value)
                    if types:
                        return types
        return _NONE


# Where the values are that an expression comes to, or holds.
_HOLDS: dict[type, tuple[str, ...]] = {
    ast.Subscript: ("value",), ast.Await: ("value",), ast.Starred: ("value",), ast.YieldFrom: ("value",),
    ast.NamedExpr: ("value",), ast.DictComp: ("value",), ast.IfExp: ("body", "orelse"), ast.BoolOp: ("values",),
    ast.Dict: ("values",), ast.Tuple: ("elts",), ast.List: ("elts",), ast.Set: ("elts",), ast.ListComp: ("elt",),
    ast.SetComp: ("elt",), ast.GeneratorExp: ("elt",),
}  # fmt: skip
_PASSES_ON = ("list", "tuple", "sorted", "iter", "next", "reversed", "set", "enumerate", "zip", "max", "min")


def _listed(part: ast.expr | list[ast.expr]) -> list[ast.expr]:
    return part if isinstance(part, list) else [part]


class Scope:
    """One body: what its names are, and what it refers to."""

    def __init__(self, reach: Reach, module: Module, node: ast.AST, owner: Definition | None) -> None:
        self.reach, self.sources, self.module, self.node, self.owner = reach, reach.sources, module, node, owner
        self.skipped = self._annotations()
        self.nodes = [n for n in ast.walk(node) if id(n) not in self.skipped]
        self.imports: dict[str, tuple[str, str | None]] = {}
        for each in self.nodes:
            self.imports.update(_imported(module, each))
        self.locals: dict[str, Types] = {}
        for _ in range(2):
            for each in self.nodes:
                self._bind(each)

    def _annotations(self) -> set[int]:
        """Ids of the nodes of annotations: they say types and reach nothing."""
        roots: list[ast.AST | None] = []
        for each in ast.walk(self.node):
            if isinstance(each, _FUNCTIONS):
                roots.append(each.returns)
            elif isinstance(each, ast.arg | ast.AnnAssign):
                roots.append(each.annotation)
            elif _is_type_checking(each):
                roots.append(each)
        return {id(n) for root in roots if root is not None for n in ast.walk(root)}

    def _bind(self, each: ast.AST) -> None:
        """What a node binds: the names of its target, with the classes that they may have from it."""
        if isinstance(each, ast.arg) and each.annotation is not None:
            self._set(each.arg, self._annotated(each.annotation))
        elif isinstance(each, ast.AnnAssign):
            self._targets(each.target, self._annotated(each.annotation))
        elif isinstance(each, ast.Assign):
            self._targets(ast.Tuple(each.targets), self.types(each.value))
        elif isinstance(each, ast.NamedExpr):
            self._targets(each.target, self.types(each.value))
        elif isinstance(each, ast.For | ast.AsyncFor | ast.comprehension):
            self._targets(each.target, self.types(each.iter))
        elif isinstance(each, ast.withitem) and each.optional_vars is not None:
            self._targets(each.optional_vars, self.types(each.context_expr))

    def _annotated(self, node: ast.expr) -> Types:
        if self.imports:
            inner = Module(self.module.name, self.module.path, self.module.tree, 0)
            inner.functions, inner.classes, inner.constants = (
                self.module.functions, self.module.classes, self.module.constants,
            )  # fmt: skip
            inner.imports, inner.types_only = self.module.imports | self.imports, self.module.types_only
            return self.reach.annotated(inner, node)
        return self.reach.annotated(self.module, node)

    def _targets(self, target: ast.expr, types: Types) -> None:
        for each in ast.walk(target):
            if isinstance(each, ast.Name):
                self._set(each.id, types)

    def _set(self, name: str, types: Types) -> None:
        self.locals[name] = self.locals.get(name, _NONE) | types

    def named(self, node: ast.expr) -> Definition | str | None:
        """What a name or a dotted name is, if a definition or a module of ours."""
        if isinstance(node, ast.Name):
            if node.id in self.imports:
                return self.sources.follow(self.imports[node.id])
            return None if node.id in self.locals else self.sources.resolve(self.module, node.id)
        if isinstance(node, ast.Attribute):
            got = self.named(node.value)
            if isinstance(got, str):
                return self.sources.follow((got, node.attr))
        return None

    def types(self, node: ast.expr | None) -> Types:
        """The classes that a value may have (a container: those of its elements)."""
        if isinstance(node, ast.Name):
            if node.id in ("self", "cls") and self.owner is not None:
                return frozenset({self.owner})
            return self.locals.get(node.id) or self._of_constant(self.named(node))
        if isinstance(node, ast.Call):
            return self._of_call(node)
        if isinstance(node, ast.Attribute):
            got = self.named(node)
            if got is not None:
                return self._of_constant(got)
            return frozenset().union(*(self._attribute(t, node.attr) for t in self.types(node.value)))
        parts = (part for name in _HOLDS.get(type(node), ()) for part in _listed(getattr(node, name)))
        return frozenset().union(*map(self.types, parts))

    def _of_constant(self, got: Definition | str | None) -> Types:
        if not isinstance(got, Definition):
            return _NONE
        if self.sources.class_of(got) is not None:
            return frozenset({got})
        of = self.sources.modules[got.module]
        values = of.constants.get(got.name, []) if got.name not in of.functions else []
        found = _NONE
        for value in values:
            if isinstance(value, ast.Call):
                inner = self.sources.resolve(of, value.func.id) if isinstance(value.func, ast.Name) else None
                if isinstance(inner, Definition) and self.sources.class_of(inner) is not None:
                    found |= {inner}
        return found

    def _attribute(self, each: Definition, name: str) -> Types:
        got = self.reach.lookup(each, name)
        if got is not None:
            owner, _, method = got.name.partition(".")
            of = self.sources.modules[got.module]
            return self._returned(of, methods(of.classes[owner])[method], each)
        return self.reach.field_types(each, name)

    def _returned(self, of: Module, node: ast.AST, owner: Definition | None) -> Types:
        returns = getattr(node, "returns", None)
        if owner is not None and returns is not None and "Self" in ast.unparse(returns):
            return frozenset({owner})
        return self.reach.annotated(of, returns)

    def _of_call(self, node: ast.Call) -> Types:
        got = self.named(node.func)
        if isinstance(got, Definition):
            of = self.sources.modules[got.module]
            if got.name in of.classes:
                return frozenset({got})
            if got.name in of.functions:
                return self._returned(of, of.functions[got.name], None)
            return self._of_constant(got)
        if isinstance(node.func, ast.Attribute):
            return frozenset().union(*(self._attribute(t, node.func.attr) for t in self.types(node.func.value)))
        return self._of_named_call(node, node.func.id) if isinstance(node.func, ast.Name) else _NONE

    def _of_named_call(self, node: ast.Call, name: str) -> Types:
        if name in self.locals:
            return self.locals[name]
        if name in _PASSES_ON:
            return frozenset().union(*map(self.types, node.args))
        return frozenset(self.reach.bases(self.owner)) if name == "super" and self.owner is not None else _NONE

    def references(self) -> Iterator[Definition]:
        """What this body reaches, in the reach's meaning of it."""
        yield from self._loads() if self.reach.everything else self._calls()

    def _calls(self) -> Iterator[Definition]:
        for each in self.nodes:
            if not isinstance(each, ast.Call):
                continue
            got = self.named(each.func)
            if isinstance(got, Definition):
                yield got
            elif got is None and isinstance(each.func, ast.Attribute) and isinstance(each.func.value, ast.Name):
                value = each.func.value
                if value.id in ("self", "cls") or isinstance(self.named(value), Definition):
                    yield from self.reach.method(self.types(value), each.func.attr)

    def _loads(self) -> Iterator[Definition]:
        for each in self.nodes:
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
                got = self.named(each)
                if isinstance(got, Definition):
                    yield got
            elif isinstance(each, ast.Attribute):
                got = self.named(each)
                if isinstance(got, Definition):
                    yield got
                elif got is None:
                    yield from self._of_attribute(each)

    def _of_attribute(self, each: ast.Attribute) -> Iterator[Definition]:
        types = self.types(each.value)
        if types:
            yield from self.reach.method(types, each.attr)
        elif not _SPECIAL.match(each.attr):
            only = self.sources.by_method.get(each.attr, [])
            if len(only) == 1 and each.attr not in COMMON:
                yield Definition(only[0].module, f"{only[0].name}.{each.attr}")


# Methods that foreign values have as well: one class of ours that has the name is no sign that it is meant.
COMMON = frozenset(
    name
    for of in (str, bytes, list, dict, set, tuple, int, float, Path)
    for name in dir(of)
)  # fmt: skip


# --- the other figures -----------------------------------------------------------------------------------------------
def room(name: str) -> str:
    """The package directly under assay that a module is in; a module of the root is a room of its own."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "assay" else parts[0]


@dataclass(frozen=True)
class Edge:
    """One import statement from one room into another, or one name of `from room import module`."""

    importer: str
    room: str
    depth: int  # levels below the room: 0 is its ``__init__``
    package: bool  # the ``__init__`` of a package


def _edges(sources: Sources) -> Iterator[Edge]:
    rooms = {room(n) for n in sources.modules if n.startswith("assay.")}
    for module in sources.modules.values():
        for node in ast.walk(module.tree):
            for target in _imported_modules(sources, module, node):
                into = room(target)
                if into in rooms and into != room(module.name):
                    is_package = sources.modules[target].path.name == "__init__.py"
                    yield Edge(module.name, into, target.count(".") - 1, is_package)


def _imported_modules(sources: Sources, module: Module, node: ast.AST) -> set[str]:
    """The modules of ours that a statement imports from: `from room import module` is an import of the module."""
    if isinstance(node, ast.Import):
        return {a.name for a in node.names if a.name in sources.modules}
    if not isinstance(node, ast.ImportFrom):
        return set()
    origin = _origin(module, node)
    if origin not in sources.modules:
        return set()
    return {f"{origin}.{a.name}" if _is_submodule(sources, origin, a.name) else origin for a in node.names}


def _is_submodule(sources: Sources, origin: str, name: str) -> bool:
    """Whether a name of a package is its module: what the package itself defines under that name stands over it."""
    package = sources.modules[origin]
    return f"{origin}.{name}" in sources.modules and not (
        name in package.functions or name in package.classes or name in package.imports
    )


def imports(sources: Sources) -> dict[str, object]:
    """Imports from one room into another; deep ones go past the room's ``__init__`` (modules of the root have none)."""
    edges = [e for e in _edges(sources) if (sources.src / e.room.replace(".", "/")).is_dir()]
    deep = [e for e in edges if e.depth]
    outside = [e for e in deep if e.room != "assay.kernel"]
    return {
        "cross-package imports": len(edges),
        "of these through the package": len(edges) - len(deep),
        "share through the package, kernel excluded": _share(
            sum(not e.depth for e in edges if e.room != "assay.kernel"),
            sum(e.room != "assay.kernel" for e in edges),
        ),
        "deep imports": len(deep),
        "deep imports, kernel excluded": len(outside),
        "of these into a sub-package's __init__": sum(e.package for e in outside),
        "of these two or more levels down": sum(e.depth > 1 for e in outside),
        "deep imports by room": dict(Counter(e.room.rpartition(".")[2] for e in outside).most_common()),
        "imports of another subpackage's inner modules": _between_subpackages(sources),
    }


def _between_subpackages(sources: Sources) -> int:
    """The same rule one level down, inside a room: imports into a sub-package from without, past its ``__init__``."""
    packages = {m.name for m in sources.modules.values() if m.path.name == "__init__.py" and m.name.count(".") >= 2}
    count = 0
    for module in sources.modules.values():
        for node in ast.walk(module.tree):
            for target in _imported_modules(sources, module, node):
                if room(target) != room(module.name) or target in packages:
                    continue
                home = target.rpartition(".")[0]
                count += home in packages and home != module.package and not module.name.startswith(f"{home}.")
    return count


def _share(part: int, whole: int) -> float:
    return round(100 * part / whole, 1) if whole else 100.0


def is_participle(name: str) -> bool:
    """Whether a function is named by a participle or a gerund: its first word is one, as `kept`, `found_by`, `walking`.

    A word in -ed or -ing of five letters or more (`NO_PARTICIPLE` apart), or one of `IRREGULAR`.
    """
    first = name.strip("_").split("_")[0]
    if first in NO_PARTICIPLE:
        return False
    return first in IRREGULAR or (len(first) > 4 and first.endswith(("ed", "ing")))


def _public_functions(sources: Sources) -> list[str]:
    """Functions of modules and methods without underscore; no properties, which are values."""
    names = []
    for module in sources.modules.values():
        owners = [module.functions, *(methods(c) for c in module.classes.values() if not c.name.startswith("_"))]
        for name, node in (item for owner in owners for item in owner.items()):
            decorated = " ".join(ast.unparse(d) for d in getattr(node, "decorator_list", []))
            if not name.startswith("_") and "property" not in decorated:
                names.append(name)
    return names


def bindings(tree: ast.AST) -> Iterator[str]:
    """Each binding of an identifier: functions, classes, arguments, targets, aliases, attributes and fields."""
    for node in ast.walk(tree):
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).split(".")[0]
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name


def banned(sources: Sources) -> dict[str, int]:
    """How often each of the narrator's words is bound as a whole identifier, underscores around it left out."""
    counts = dict.fromkeys(BANNED, 0)
    for module in sources.modules.values():
        for name in bindings(module.tree):
            if name.strip("_").lower() in counts:
                counts[name.strip("_").lower()] += 1
    return counts


def shared_names(sources: Sources) -> dict[str, int]:
    """Names of files that several modules have, `__init__` left out."""
    counts = Counter(m.path.name for m in sources.modules.values() if m.path.name != "__init__.py")
    return {name: n for name, n in sorted(counts.items(), key=lambda i: (-i[1], i[0])) if n > 1}


def any_count(tree: ast.AST) -> int:
    """`Any` in annotations and code, quoted annotations included; the import of it does not count."""
    count = 0
    for node in ast.walk(tree):
        count += isinstance(node, ast.Name) and node.id == "Any"
        count += isinstance(node, ast.Attribute) and node.attr == "Any" and ast.unparse(node.value) == "typing"
        for part in ("annotation", "returns"):
            quoted = getattr(node, part, None)
            for text in _strings(quoted) if quoted is not None else []:
                count += len(re.findall(r"\bAny\b", text))
    return count


def _functions(sources: Sources) -> list[int]:
    """Lines of each function, methods and inner functions included, from `def` to its last line."""
    found = [n for m in sources.modules.values() for n in ast.walk(m.tree) if isinstance(n, _FUNCTIONS)]
    return sorted((n.end_lineno or n.lineno) - n.lineno + 1 for n in found)


def names_of_modules(sources: Sources) -> list[str]:
    """Public names of packages that equal a module of the package: the second access would give the module."""
    clashes = []
    for module in sources.modules.values():
        if module.path.name != "__init__.py":
            continue
        for name in {**module.imports, **module.functions, **module.classes, **module.constants}:
            own = f"{module.name}.{name}"
            is_it = module.imports.get(name) in ((module.name, name), (own, None))
            if own in sources.modules and not is_it and not name.startswith("_"):
                clashes.append(own)
    return sorted(clashes)


def sizes(sources: Sources) -> dict[str, object]:
    lines = [m.lines for m in sources.modules.values()]
    own = [m.lines for m in sources.modules.values() if m.path.name != "__init__.py"]
    lengths = _functions(sources)
    at = lambda q: lengths[min(len(lengths) - 1, int(q * len(lengths)))] if lengths else 0  # noqa: E731
    return {
        "modules": len(lines),
        "mean lines": round(statistics.mean(lines), 1) if lines else 0,
        "modules under 100 lines": sum(n < 100 for n in lines),
        "modules under 40 lines": sum(n < 40 for n in lines),
        "of these no __init__": sum(n < 40 for n in own),
        "longest module": max(lines, default=0),
        "functions": len(lengths),
        "function length, median": int(statistics.median(lengths)) if lengths else 0,
        "function length, p95": at(0.95),
        "function length, longest": at(1.0),
    }


def names(sources: Sources) -> dict[str, object]:
    public = _public_functions(sources)
    participles = sum(map(is_participle, public))
    words, shared, clashes = banned(sources), shared_names(sources), names_of_modules(sources)
    return {
        "public functions": len(public),
        "participles among them": participles,
        "participles, %": _share(participles, len(public)),
        "banned words bound": sum(words.values()),
        "banned words": words,
        "file names of several modules": len(shared),
        "modules that have them": sum(shared.values()),
        "shared file names": shared,
        "public names that are modules": len(clashes),
        "which": clashes,
    }


def any_by_room(sources: Sources) -> dict[str, object]:
    counts: Counter[str] = Counter()
    for module in sources.modules.values():
        counts[room(module.name).rpartition(".")[2]] += any_count(module.tree)
    lines = sum(m.lines for m in sources.modules.values())
    return {
        "Any": counts.total(),
        "Any per 1,000 lines": round(1000 * counts.total() / max(lines, 1), 1),
        "Any by room": {name: n for name, n in counts.most_common() if n},
    }


def followed(sources: Sources, paths: dict[str, str]) -> dict[str, object]:
    """Files opened, and files reached, of each command."""
    figures: dict[str, object] = {}
    for what, everything in (("opened", False), ("reached", True)):
        for name, start in paths.items():
            module, _, function = start.partition(":")
            if module not in sources.modules or function not in sources.modules[module].functions:
                raise SystemExit(f"{start} is no function of {sources.src}: PATHS names the commands' functions")
            reach = Reach(sources, Definition(module, function), everything=everything)
            figures[f"files {what}, one {name}"] = len(reach.files)
    return figures


def measure(src: Path, paths: dict[str, str] = PATHS) -> dict[str, object]:
    """All figures of a src folder, by name."""
    sources = Sources(src)
    return {
        **sizes(sources),
        **followed(sources, paths),
        **imports(sources),
        **names(sources),
        **any_by_room(sources),
    }


def table(figures: dict[str, object]) -> str:
    width = max(map(len, figures))
    rows = []
    for name, value in figures.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} {n}" for k, n in value.items())
        elif isinstance(value, list):
            value = ", ".join(value) or "none"
        rows.append(f"{name:<{width}}  {value}")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Figures of how the sources are built.")
    parser.add_argument("--json", action="store_true", help="One JSON document instead of a table.")
    parser.add_argument("--src", type=Path, default=SRC, help="Folder of the sources. [src of this project]")
    parser.add_argument("--files", choices=PATHS, help="Print the files that are opened to follow this one instead.")
    options = parser.parse_args()
    if options.files:
        module, _, function = PATHS[options.files].partition(":")
        print("\n".join(Reach(Sources(options.src), Definition(module, function)).files))
        return
    figures = measure(options.src)
    print(json.dumps(figures) if options.json else table(figures))


if __name__ == "__main__":
    main()
