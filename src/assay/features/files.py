"""Features of the user's own: a Python file with functions that are decorated with `assay.features.feature`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.features.columns import Feature, book, forget
from assay.kernel.errors import ConfigError
from assay.kernel.ownfile import executed, own_line, refused

CODE, _KIND = "CONFIG_FEATURE_FILE", "feature"


@contextmanager
def feature_file(path: Path) -> Iterator[tuple[Feature, ...]]:
    """Run the file; the columns that it enters are in the book inside the block, and gone after it.

    Raises ConfigError ``CONFIG_FEATURE_FILE``: it cannot be read or run (with the line that failed), or declares no
    feature; ``CONFIG_FEATURE`` and ``CONFIG_FEATURE_DUPLICATE`` with its line for a name that will not do or is taken.
    """
    before = set(book())
    try:
        try:
            executed(path, kind=_KIND, code=CODE)
        except ConfigError as error:
            line = own_line(error, str(path))
            if error.code == CODE or line is None:
                raise
            raise ConfigError(f"{path.name}:{line}: {error.message}", code=error.code, hint=error.hint) from error
        own = tuple(entry for name, entry in book().items() if name not in before)
        if not own:
            hint = "Decorate a function of a study with @feature(lookback=…, unit=…)."
            raise refused(path, "declares no feature", kind=_KIND, code=CODE, hint=hint)
        yield own
    finally:
        for name in set(book()) - before:
            forget(name)
