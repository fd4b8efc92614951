import numpy as np
import pytest

from assay.kernel.errors import ConfigError
from assay.simulate.engine import simulate
from assay.simulate.metrics import metrics_by_regime
from tests.simulate.candles import FREE, decide, flat_candles


def test_bars_and_trades_count_under_the_label_known_when_they_opened():
    # trades at the opens of rows 1 (+10 %) and 3 (-50 %), one bar each
    record = simulate(flat_candles(10, 10, 11, 10, 5), decide(5, r0=(1.0, None, None, 1), r2=1.0), FREE)
    parts = metrics_by_regime(record, np.array([7.0, 7.0, 2.0, np.nan, 9.0]), bars_per_year=8760)
    # bars 1 and 2 opened under 7, bar 3 under 2, bar 4 under none; nothing opened under 9
    assert list(parts) == [2.0, 7.0]
    assert parts[7.0]["n_obs"] == 2 and parts[7.0]["total_trades"] == 1
    assert parts[7.0]["net_profit"] == pytest.approx(0.1) and parts[7.0]["win_rate"] == 1
    assert parts[2.0]["total_trades"] == 1 and parts[2.0]["expectancy"] == pytest.approx(-0.5)
    assert parts[2.0]["net_profit"] == 0


def test_labels_must_stand_beside_the_bars():
    record = simulate(flat_candles(10, 10), decide(2), FREE)
    with pytest.raises(ConfigError, match="3 regime labels for 2"):
        metrics_by_regime(record, np.zeros(3), bars_per_year=8760)
