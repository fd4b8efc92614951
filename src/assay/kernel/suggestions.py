"""The nearest known name, for every message that says "unknown"."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, available: Iterable[str], *, count: int = 3) -> tuple[str, ...]:
    """Up to `count` known names that look like `name`, best first; case is ignored.

    >>> nearest("lerning_rate", ["learning_rate", "max_depth"])
    ('learning_rate',)
    """
    by_fold = {k.casefold(): k for k in available}
    result = get_close_matches(name.casefold()[:200], by_fold, n=count, cutoff=0.5)
    return tuple(by_fold[f] for f in result)


def did_you_mean(name: str, available: Iterable[str]) -> str:
    """``"did you mean a, b?"``, or the empty text when nothing is near.

    >>> did_you_mean("ensembel", ["ensemble", "lstm"])
    'did you mean ensemble?'
    """
    result = nearest(name, available)
    return f"did you mean {', '.join(result)}?" if result else ""
