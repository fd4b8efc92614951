"""A model of the record loads and decides as it did when it was published, in any process."""

from pathlib import Path

import numpy as np
import pytest

from assay.kernel.decisions import Decisions
from assay.kernel.errors import ArtifactError
from assay.kernel.panel import Panel
from assay.track.loading import check_files, load_document, load_model
from tests.track.models import Published, published, publishing


@pytest.fixture(params=["ensemble", "rules"])
def kept(request: pytest.FixtureRequest) -> Published:
    return published(request.param)


def test_what_is_loaded_decides_alike(kept: Published) -> None:
    check_files(kept.row, kept.places)
    model = load_model(kept.row, kept.places)
    (expected,), (found,) = kept.model.decide(kept.panel).values(), model.decide(kept.panel).values()
    for name in ("target", "stop", "take", "hold"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert len(set(np.nan_to_num(expected.target))) > 2, "a model that always says the same proves little"


def test_the_document_has_four_keys_and_the_live_model(kept: Published) -> None:
    document = load_document(kept.row, kept.places)
    assert list(document) == ["strategy_type", "symbol", "timestamp", "model_state"]
    ((kind, model),) = document["model_state"].items()
    assert kind == document["strategy_type"] == kept.row["strategy_type"]
    assert type(model) is type(kept.model)
    assert (document["symbol"], document["timestamp"]) == ("GOLD/USDT", "20231114_221320")


def test_half_of_the_probes_act(kept: Published) -> None:
    from assay.track.loading.golden import unpack
    from assay.track.model_files.manifest import read_checked_parts

    manifest, _ = read_checked_parts(kept.places.blobs, kept.row["manifest_sha256"])
    probes = unpack(manifest["self_test"], "x")
    assert len(probes) == 8
    assert sum(bool(np.nan_to_num(expected.decisions.target).any()) for _, expected in probes) >= 4
    assert all(len(window) == kept.model.lookback + 4 for window, _ in probes[-4:])


def test_a_model_without_self_test_rows_is_not_loaded(tmp_path: Path) -> None:
    plain = published("rules")
    bare = publishing(plain.model, plain.panel, "rules", tmp_path, self_test={})
    check_files(bare.row, bare.places)
    with pytest.raises(ArtifactError, match="no self-test rows") as told:
        load_model(bare.row, bare.places)
    assert told.value.code == "ARTIFACT_SELFTEST"


def test_a_model_that_answers_nothing_on_its_probes_is_refused(tmp_path: Path) -> None:
    """NaN where a decision was stored is a difference, not a match."""
    from assay.track.loading.golden import demand_alike, golden_outputs

    class Silent:
        lookback = published("rules").model.lookback

        def decide(self, panel: Panel) -> dict[str, Decisions]:
            return {symbol: Decisions.weights(np.full(len(window), np.nan)) for symbol, window in panel}

        def save(self, folder: Path) -> None:
            raise AssertionError

    told = golden_outputs(published("rules").model, published("rules").panel.one)
    with pytest.raises(ArtifactError, match=r"probe \d: target in row \d+ is nan") as refused:
        demand_alike(Silent(), told, tolerance=0.0, where="x")
    assert refused.value.code == "ARTIFACT_SELFTEST"
