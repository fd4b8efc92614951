"""Find a feature by name: registered, of a family, a pattern, a lag, or a relative form."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from assay.features import kernels
from assay.features.patterns import pattern_feature
from assay.features.registry import FORBIDDEN, LAG, Feature, families, feature_registry
from assay.kernel.errors import ConfigError, LeakError, printable
from assay.kernel.suggestions import did_you_mean

UserColumns = Mapping[str, Feature]
NO_USER_COLUMNS: UserColumns = MappingProxyType({})
_SHORT = {"rsi": "rsi_14", "return": "return_1", "spread": "avg_spread"}  # names that lags go by


def find_feature(name: str, own: UserColumns = NO_USER_COLUMNS) -> Feature:
    """The column of that name: of `own`, in the book, of a family, a pattern column, a lag, or a relative form.

    own: columns of the user's file by name; they are found before those of the book.

    Raises LeakError ``LEAK_COLUMN`` for ``future_*``, ``target_*`` and pattern columns that are for y only; ConfigError
    ``CONFIG_FEATURE`` with the nearest names.
    """
    if FORBIDDEN.match(name):
        raise LeakError(
            f"column {printable(name)} speaks of what a model has to find out and may not be a feature",
            code="LEAK_COLUMN",
            hint="Take it out of the feature list; a pattern column's lags (w20_s2.0_high_breakout_lag_20) may stay.",
            column=name[:64],
        )
    result = seek(name, own)
    if result is None:
        near = did_you_mean(name, [*own, *feature_registry()])
        raise ConfigError(
            f"feature {printable(name)} is unknown; {near}".rstrip("; "), code="CONFIG_FEATURE", hint=near
        )
    return result


def is_own_column(name: str, own: UserColumns) -> bool:
    """Whether a column is one of `own`, or a lag or the relative form of one."""
    if name in own:
        return True
    lag = LAG.fullmatch(name)
    base = lag[1] if lag is not None else name.removesuffix("_rel")
    return base != name and is_own_column(base, own)


def seek(name: str, own: UserColumns = NO_USER_COLUMNS) -> Feature | None:
    """The column of that name as `find_feature` gives it, or None."""
    if name in own:
        return own[name]
    if name in (available := feature_registry()):
        return available[name]
    for member in (*(f.match(name) for f in families()), pattern_feature(name)):
        if member is not None:
            return member
    lag = LAG.fullmatch(name)
    if lag is not None:
        longer = lag[1] if lag[1] in own else _SHORT.get(lag[1], lag[1])
        base = None if FORBIDDEN.match(lag[1]) else seek(longer, own)
        return None if base is None else _lagged(name, base, int(lag[2]))
    if name.endswith("_rel"):
        base = seek(name.removesuffix("_rel"), own)
        return None if base is None or base.unit != "quote" else relative(base)
    return None


def _lagged(name: str, base: Feature, k: int) -> Feature:
    return replace(base, name=name, delay=base.delay + k, compute=lambda s: kernels.later(s.column(base.name), k))


def relative(base: Feature) -> Feature:
    """The scale-free form of a ``quote`` column: X/close - 1 for a price level, X/close for a difference."""
    form = kernels.relative if base.level else kernels.ratio
    return replace(
        base,
        name=f"{base.name}_rel",
        unit="ratio",
        compute=lambda study: form(study.fresh(base), study.bars.close),  # read once: not worth keeping
    )
