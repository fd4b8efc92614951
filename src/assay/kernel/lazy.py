"""Lazy interfaces of packages: names are imported from their modules on first use."""

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module


def lazy_names(
    package: str, names_by_module: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package that offers these names.

    names_by_module: module relative to the package, ``"stores.base"``, and what it defines. Nothing of them is imported
    before a name is used, so that an interface costs no start-up time.
    """
    homes = {name: module for module, names in names_by_module.items() for name in names}

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted(homes)

    return load, names
