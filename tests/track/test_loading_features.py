"""Models that read columns of the user's own: the file that they need comes with them, and is never run by loading."""

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.features import feature, table
from assay.features.registry import unregister_feature
from assay.kernel.contracts import Model
from assay.kernel.errors import ArtifactError
from assay.market.sources.synthetic import synthetic
from assay.runs.user_files import model_features
from assay.track.loading import check_files, load_model
from assay.track.loading.formats import read_verified
from assay.track.mirror.pyfunc import CandleModel
from assay.track.model_files.manifest import FEATURES_PART, parse_manifest
from tests.track.models import Published, published, publishing

SOURCE = b"""
import sys
sys.own_features_were_run = True
from assay.features import feature

@feature(lookback=0, unit="ratio")
def my_own(study):
    return study.bars.low / study.bars.high
"""


class Carrying:
    """A model whose parts hold this file beside its own."""

    def __init__(self, model: Model, source: bytes | None) -> None:
        self._model, self._source = model, source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def save(self, folder: Path) -> None:
        self._model.save(folder)
        if self._source is not None:
            (folder / FEATURES_PART).write_bytes(self._source)


def carried(folder: Path, source: bytes | None, *, sha256: str = "", name: str = "my.py") -> Published:
    tiny = published("tiny")
    facts = {"name": name, "sha256": sha256 or hashlib.sha256(SOURCE).hexdigest(), "columns": ["my_own"]}
    return publishing(Carrying(tiny.model, source), tiny.panel, "tiny", folder, features_file=facts)


def test_loading_runs_nothing_and_computing_runs_the_file(tmp_path: Path) -> None:
    made = carried(tmp_path, SOURCE)
    check_files(made.row, made.places)
    assert not hasattr(sys, "own_features_were_run")
    load_model(made.row, made.places)
    assert not hasattr(sys, "own_features_were_run")
    with model_features(read_verified(made.row, made.places), "model x") as own:
        assert own is not None and own.name == "my.py" and list(own.columns) == ["my_own"]
        bars = synthetic(bars=50, seed=1)
        assert np.array_equal(table(bars, ["my_own"], own=own.columns).values[:, 0], bars.low / bars.high)
    assert not hasattr(sys, "own_features_were_run"), "it is run in a closed process"


@pytest.mark.parametrize(("source", "text"), [(None, "does not carry it"), (SOURCE + b"\n", "carries one with hash")])
def test_a_model_without_the_file_that_it_needs_is_refused(tmp_path: Path, source: bytes | None, text: str) -> None:
    made = carried(tmp_path, source)
    with pytest.raises(ArtifactError, match=text) as refused:
        check_files(made.row, made.places)
    assert refused.value.code == "ARTIFACT_FEATURES" and "--features-file" in refused.value.hint


def test_imported_columns_load_and_cannot_be_computed(tmp_path: Path) -> None:
    made = carried(tmp_path, None, name="")
    load_model(made.row, made.places)
    with (
        pytest.raises(ArtifactError, match="their source was not kept") as refused,
        model_features(read_verified(made.row, made.places), "model x"),
    ):
        pass
    assert refused.value.code == "ARTIFACT_FEATURES"


def test_a_model_of_assays_own_columns_needs_no_file() -> None:
    made = published("tiny")
    with model_features(read_verified(made.row, made.places), "model x") as own:
        assert own is None


@pytest.mark.parametrize("said", [None, [], {"name": "my.py"}, {"name": 3, "sha256": "a"}])
def test_a_manifest_that_names_no_file_properly_is_damaged(said: Any) -> None:
    import json

    made = published("tiny")
    raw = (made.folder / "manifest.json").read_bytes()
    changed = json.dumps(json.loads(raw) | {"features_file": said}).encode()
    with pytest.raises(ArtifactError, match="features_file is") as refused:
        parse_manifest(changed, "here")
    assert refused.value.code == "ARTIFACT_MANIFEST"


class _Reads:
    """Decides by its one column, and says so."""

    lookback = 0

    def decide(self, panel: Any) -> dict[str, Any]:
        from assay.kernel.decisions import Decisions

        return {symbol: Decisions.weights(window.features[:, 0].copy()) for symbol, window in panel}


def test_a_mirrored_model_runs_no_code_until_the_file_was_imported(tmp_path: Path) -> None:
    path = tmp_path / FEATURES_PART
    path.write_bytes(SOURCE)
    instrument = {"exchange": "mine", "symbol": "BTC/USDT", "timeframe": "1h", "features": ["my_own"]}
    facts = {"name": "my.py", "sha256": hashlib.sha256(SOURCE).hexdigest()}
    model = CandleModel(_Reads(), instrument | {"features_file": facts})  # type: ignore[arg-type]
    import pandas as pd

    prices = {"open": [1.0, 2], "high": [2.0, 3], "low": [1.0, 1.5], "close": [1.5, 2.5]}
    frame = pd.DataFrame({"timestamp": [0, 3_600_000]} | prices)
    with pytest.raises(ArtifactError, match="no such file was imported") as refused:
        model.predict(frame)
    assert refused.value.code == "ARTIFACT_FEATURES" and FEATURES_PART in refused.value.hint
    try:
        exec(compile(SOURCE, str(path), "exec"), {"__name__": "features_file", "feature": feature})
        np.testing.assert_array_equal(model.predict(frame)["target"], [0.5, 0.5])
    finally:
        unregister_feature("my_own")
        if hasattr(sys, "own_features_were_run"):
            del sys.own_features_were_run
