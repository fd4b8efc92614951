"""Times that no fold can be cut from: typed errors, for every plan; and what counts as a time."""

import numpy as np
import pytest

from assay.kernel.errors import ConfigError
from assay.validate.splits import CombinatorialPurged, Days, PurgedKFold, SklearnSplitter, WalkForward

N = 24
KNOWN = np.arange(N) + 2
PLANS = [WalkForward(6, 3), PurgedKFold(3), CombinatorialPurged(4, 2)]


def cut(plan, known, decided=None):
    return [(fold.train.tolist(), fold.test.tolist()) for fold in plan.folds(known, decided)]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(
    ("known", "decided", "said"),
    [
        (KNOWN[::-1], None, "row .* is known at"),
        (KNOWN, np.arange(N)[::-1], "must not decrease"),
        (KNOWN, np.r_[0:10, 11, 10, 12:N], "must not decrease"),
        (KNOWN, np.arange(N - 1), "23 decision times for 24 labels"),
        ([], None, "0 labels"),
        (KNOWN + 0.5, None, "whole numbers"),
        (np.where(KNOWN == 9, np.nan, KNOWN), None, "whole numbers"),
        (KNOWN, np.arange(N) * 1.0, "whole numbers"),
        (KNOWN > 0, None, "whole numbers"),
        (KNOWN.astype("datetime64[ms]"), None, "whole numbers"),
        (["a"] * N, None, "whole numbers"),
        ([[1, 2], [3]], None, "whole numbers"),
        (None, None, "whole numbers"),
        (KNOWN[:, np.newaxis], None, "shape"),
        (np.uint64(2**63) + np.arange(N, dtype=np.uint64), None, "int64"),
    ],
)
def test_times_that_are_none_are_refused(plan, known, decided, said) -> None:
    with pytest.raises(ConfigError, match=said) as told:
        cut(plan, known, decided)
    assert told.value.code == "CONFIG_FOLDS"


def test_days_refuse_them_too() -> None:
    hours = np.arange(200) * 3_600_000
    with pytest.raises(ConfigError, match="whole numbers"):
        list(Days(2, 1).folds(hours + 1.5, hours))


@pytest.mark.parametrize("plan", PLANS)
def test_whole_numbers_of_any_kind_are_times(plan) -> None:
    import pandas as pd

    usual = cut(plan, KNOWN, np.arange(N))
    labelled = pd.Series(KNOWN, index=np.arange(N)[::-1])  # its labels are no positions
    for known in (KNOWN.tolist(), KNOWN.astype(np.int32), KNOWN.astype(np.uint8), labelled):
        assert cut(plan, known) == cut(plan, known, list(range(N))) == usual


@pytest.mark.parametrize("x", [None, 5, np.zeros((N - 1, 2))])
def test_a_table_of_other_rows_is_refused(x) -> None:
    with pytest.raises(ConfigError, match="rows"):
        list(SklearnSplitter(PurgedKFold(3), KNOWN).split(x))


def test_a_splitter_counts_its_folds_with_lists() -> None:
    assert SklearnSplitter(PurgedKFold(3), KNOWN.tolist()).get_n_splits() == 3
