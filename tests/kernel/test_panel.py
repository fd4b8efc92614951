"""What a trainer and a model are given never holds anything from after the cut."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.decisions import Costs
from assay.kernel.errors import DataError
from assay.kernel.panel import Labels, Panel, Window
from assay.targets import label_bars, parse_target
from assay.testing.bars import random_bars
from assay.validate.splits import WalkForward

HOUR = 3_600_000


def window(n: int, *, symbol: str, shift: int, seed: int, target: str = "direction") -> Window:
    bars = random_bars(n, seed=seed, symbol=symbol, start_ms=HOUR * (400_000 + shift))
    labels = label_bars(bars, parse_target(target, horizon=3), costs=Costs())
    return Window(bars, np.arange(n, dtype=np.float64)[:, None] + 1000 * seed, ("row",), labels)


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    count = draw(st.integers(1, 3))
    return Panel.of(
        *(
            window(
                draw(st.integers(30, 48)),
                symbol=f"S{i}/USDT",
                shift=draw(st.integers(0, 12)),
                seed=i,
                target=draw(st.sampled_from(["direction", "triple_barrier"])),
            )
            for i in range(count)
        )
    )


@given(panels(), st.integers(4, 10), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_learning_knows_nothing_of_the_test(panel: Panel, train: int, test: int) -> None:
    for fold in WalkForward(train, test).folds(panel.known_at, panel.times):
        begins = panel.times[fold.test[0]]
        learnt = panel.train_view(fold.train)
        allowed = set(panel.times[fold.train].tolist())
        for symbol, part in learnt:
            known, labels = part.bars.known_at, part.labels
            assert known[-1] <= panel.times[fold.train[-1]] < begins
            assert labels is not None
            there = np.isfinite(labels.y)
            assert (labels.known_at < begins).all(), "known_at itself would tell when a barrier is touched"
            assert set(known[there].tolist()) <= allowed
            assert (labels.end[~there] == np.flatnonzero(~there)).all()
            whole = panel[symbol].labels
            assert whole is not None
            np.testing.assert_array_equal(labels.y[there], whole.y[: len(part)][there])
        want = sum(
            int((np.isfinite(w.labels.y) & np.isin(w.bars.known_at, panel.times[fold.train])).sum())
            for _, w in panel
            if w.labels is not None
        )
        got = sum(int(np.isfinite(w.labels.y).sum()) for _, w in learnt if w.labels is not None)
        assert got == want, "every label of a chosen row is there"


@given(panels(), st.integers(0, 7), st.data())
@settings(max_examples=40, deadline=None)
def test_deciding_is_the_test_rows_and_their_history(panel: Panel, lookback: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(panel.times) - 1))
    last = data.draw(st.integers(first, len(panel.times) - 1))
    view = panel.predict_view(np.arange(first, last + 1), lookback=lookback)
    for symbol, whole in panel:
        known = whole.bars.known_at
        asked = np.flatnonzero((known >= panel.times[first]) & (known <= panel.times[last]))
        if not asked.size:
            assert symbol not in view.windows
            continue
        part = view[symbol]
        assert part.labels is None
        want = np.arange(max(0, asked[0] - lookback), asked[-1] + 1)
        np.testing.assert_array_equal(part.bars.timestamp, whole.bars.timestamp[want])
        np.testing.assert_array_equal(part.features, whole.features[want])


def test_a_slice_takes_labels_away_that_end_beyond_it() -> None:
    whole = window(30, symbol="A/USDT", shift=0, seed=1, target="triple_barrier")
    for stop in range(1, 30):
        part, labels = whole[:stop], whole.labels
        assert part.labels is not None and labels is not None
        ends = np.where(np.isnan(labels.y[:stop]), -1, labels.end[:stop])
        np.testing.assert_array_equal(np.isfinite(part.labels.y), (ends >= 0) & (ends < stop))
        gone = np.isnan(part.labels.y)
        np.testing.assert_array_equal(part.labels.known_at[gone], part.bars.known_at[gone])


def test_known_at_of_a_panel_is_that_of_its_slowest_label() -> None:
    panel = Panel.of(window(20, symbol="A/USDT", shift=0, seed=0), window(25, symbol="B/USDT", shift=3, seed=1))
    for i, instant in enumerate(panel.times):
        known = [instant]
        for _, w in panel:
            assert w.labels is not None
            known += w.labels.known_at[w.bars.known_at == instant].tolist()
        assert panel.known_at[i] == max(known)


def test_shapes_and_twins_are_refused() -> None:
    bars = random_bars(5)
    with pytest.raises(DataError) as caught:
        Window(bars, np.zeros((5, 2)), ("one",))
    assert caught.value.code == "DATA_FEATURES"
    with pytest.raises(DataError) as caught:
        Panel.of(Window.of_bars(bars), Window.of_bars(bars))
    assert caught.value.code == "DATA_CONFLICT"
    with pytest.raises(DataError) as caught:
        Panel({})
    assert caught.value.code == "DATA_EMPTY"
    labels = Labels(np.zeros(4), np.zeros(4, np.int64), np.zeros(4, np.int64), "x", 1)
    with pytest.raises(DataError):
        Window(bars, np.zeros((5, 0)), (), labels)
    with pytest.raises(IndexError):
        replace(Window.of_bars(bars))[::2]
    with pytest.raises(IndexError):
        labels[::2]
