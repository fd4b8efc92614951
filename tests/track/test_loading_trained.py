"""What the command line trains is loaded again: a global ensemble, a symbol each; a rule of the user's own."""

from pathlib import Path

import numpy as np
import pytest

from assay.app import context
from assay.kernel.errors import ArtifactError
from assay.kernel.spec import TrainSpec
from assay.market.sources.synthetic import synthetic
from assay.runs.run_inputs import bare, load_history
from assay.track.loading import check_files, load_model
from tests.doors.commands import SMALL, TREES, told
from tests.doors.test_strategies import own

pytestmark = pytest.mark.slow
SYMBOLS = ("GOLD/USDT:USDT", "SILVER/USDT:USDT")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    opened, _ = context(home=tmp_path / "home")
    for seed, symbol in enumerate(SYMBOLS):
        bars = synthetic(bars=2_400, seed=seed + 3, ic=0.2, symbol=symbol)
        opened.candles.upsert(bars, source="test")
    opened.record.close()
    return tmp_path / "home"


def test_a_global_ensemble_is_a_model_a_symbol(home: Path) -> None:
    market = ("-e", "synthetic", *(word for symbol in SYMBOLS for word in ("-s", symbol)), "-t", "1h")
    trained = told("train", "ensemble", *market, *SMALL, *TREES, home=home)
    opened, _ = context(home=home)
    spec = TrainSpec(exchange="synthetic", symbols=SYMBOLS, timeframe="1h", features="mini5")
    bars = [opened.candles.read(instrument) for instrument in spec.instruments]
    panel = load_history(spec, bars).panel
    loaded = {}
    for symbol, model_id in trained["model_ids"].items():
        row = opened.record.models.get(model_id)
        check_files(row, opened.places)
        assert (row["symbol"], row["metadata"]["features"]) == (symbol, list(panel[symbol].names))
        loaded[symbol] = load_model(row, opened.places).decide(panel)
    opened.record.close()
    for symbol in SYMBOLS:  # one model behind two rows
        np.testing.assert_array_equal(loaded[SYMBOLS[0]][symbol].target, loaded[SYMBOLS[1]][symbol].target)


def test_a_rule_of_the_users_own_needs_its_file(home: Path, tmp_path: Path) -> None:
    file = own(tmp_path)
    market = ("-e", "synthetic", "-s", SYMBOLS[0], "-t", "1h")
    space = ("--method", "grid", "--space", "depth=0.005:0.03:3", "--min-trades", "1")
    found = told("optimize", *market, "--strategy-file", file, *space, home=home)
    opened, _ = context(home=home)
    row = opened.record.models.get(found["model_id"])
    with pytest.raises(ArtifactError, match="give its file") as refused:
        load_model(row, opened.places)
    assert refused.value.code == "ARTIFACT_STRATEGY"
    bars = opened.candles.read(TrainSpec(exchange="synthetic", symbols=SYMBOLS[:1], timeframe="1h").instruments[0])
    (decided,) = load_model(row, opened.places, strategy=file).decide(bare([bars]).panel).values()
    opened.record.close()
    assert len(decided) == len(bars)
    assert np.nan_to_num(decided.target).any()
