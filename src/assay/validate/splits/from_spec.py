"""Build a splitter from a spec."""

from assay.kernel.errors import ConfigError, DataError
from assay.kernel.panel import Panel
from assay.kernel.spec import SplitSpec
from assay.validate.splits import Days, Splitter, WalkForward

DEFAULT_FOLDS = 8
MIN_ROWS = 100  # usable rows below which nothing is trained


def split_plan(folds: SplitSpec, panel: Panel, *, horizon: int) -> Splitter:
    """The plan that a spec asks for, cut once to see that it can be; without sizes n/3 train rows and 8 test folds.

    Raises ConfigError ``CONFIG_FOLDS`` (bars and days mixed, half a pair, sizes out of range) and DataError
    ``DATA_TOO_FEW`` with the arithmetic when a fold would learn from fewer than 100 rows; LeakError from a plan that
    leaks.
    """
    chosen = _chosen(folds, panel, horizon)
    for _ in chosen.folds(panel.known_at, panel.times):  # what cannot be cut is refused before a run begins
        pass
    return chosen


def _chosen(folds: SplitSpec, panel: Panel, horizon: int) -> Splitter:
    by_days = _pair("days", folds.train_days, folds.test_days)
    by_bars = folds.train_bars is not None or folds.test_bars is not None
    if by_days and by_bars:
        raise ConfigError("folds are given in bars and in days; give one of the two", code="CONFIG_FOLDS")
    if folds.train_share is not None:
        return _split(folds, len(panel.times), horizon, alone=not (by_days or by_bars))
    if folds.gap_days and not by_days:
        raise ConfigError(
            "folds.gap_days goes with train_days and test_days; use embargo for bars", code="CONFIG_FOLDS"
        )
    if folds.embargo and by_days:
        raise ConfigError(
            "folds.embargo goes with train_bars and test_bars; use gap_days for days", code="CONFIG_FOLDS"
        )
    if folds.train_days is not None and folds.test_days is not None:
        return Days(folds.train_days, folds.test_days, folds.gap_days, folds.expanding)
    n = len(panel.times)
    train = folds.train_bars if folds.train_bars is not None else n // 3
    rest = n - train - horizon - 1 - folds.embargo
    test = folds.test_bars if folds.test_bars is not None else rest // DEFAULT_FOLDS
    if folds.train_bars is None and train < MIN_ROWS:
        raise DataError(
            f"{n} usable rows give train folds of {train}, {MIN_ROWS} needed: n/3 after warm-up",
            code="DATA_TOO_FEW",
            hint="Import more history, or say how long the folds are: --train-bars and --test-bars.",
            have=train,
            need=MIN_ROWS,
        )
    if folds.test_bars is None and test < 1:
        raise ConfigError(
            f"{n} usable rows - {train} train - {horizon + 1} until labels are known - {folds.embargo} embargo "
            f"= {rest} leave no {DEFAULT_FOLDS} test folds",
            code="CONFIG_FOLDS",
        )
    return WalkForward(train, test, expanding=folds.expanding, embargo=folds.embargo)


def _split(folds: SplitSpec, n: int, horizon: int, *, alone: bool) -> WalkForward:
    share = folds.train_share or 0.0
    if not alone:
        raise ConfigError("folds.train_share makes one split; it goes without bars and days", code="CONFIG_FOLDS")
    if not 0 < share < 1:
        raise ConfigError(f"folds.train_share is {share:g}, must lie between 0 and 1", code="CONFIG_FOLDS")
    train = int(n * share)
    test = n - train - horizon - folds.embargo
    if train < 1 or test < 1:
        raise ConfigError(
            f"{n} rows leave {train} to train on and {test} to test on at a share of {share:g}", code="CONFIG_FOLDS"
        )
    return WalkForward(train, test, embargo=folds.embargo)


def _pair(unit: str, train: float | None, test: float | None) -> bool:
    if (train is None) != (test is None):
        raise ConfigError(f"folds need train_{unit} and test_{unit} together", code="CONFIG_FOLDS")
    return train is not None
