"""The registry's operations on models whose files it writes, from the first to the last."""

from pathlib import Path

import numpy as np
import pytest

from assay.kernel.errors import AssayError, ConfigError, LeakError
from assay.kernel.panel import Panel, Window
from assay.track.model_files.manifest import Keys
from assay.track.tracker.model_registry import ModelRegistry
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.shelf import GOLD, POST, audited, bars, change, files, paths, publish, rule, shelf

ADDRESS = {"symbol": "BTC/USDT", "timeframe": "1h", "exchange": "binance"}


@pytest.fixture
def registry(record: TrackingStore, tmp_path: Path) -> ModelRegistry:
    return shelf(record, tmp_path)


def refused(code: str, act: object) -> AssayError:
    with pytest.raises(AssayError) as told:
        act()  # type: ignore[operator]
    assert told.value.code == code, told.value
    return told.value


@pytest.mark.slow
def test_from_publishing_to_rolling_back(registry: ModelRegistry, run: int) -> None:
    first, second = audited(registry, run), audited(registry, run, fast=7)
    assert registry.champion("sma_cross", **ADDRESS) is None
    assert registry.promote(first, by="ann") == 1
    assert registry.promote(second, 1, "bob") == 2
    champion = registry.champion("sma_cross", **ADDRESS)
    assert champion is not None and champion["id"] == second
    (found,) = registry.load(champion["model_id"]).decide(Panel.of(Window.of_bars(bars()))).values()
    (expected,) = rule(7).decide(Panel.of(Window.of_bars(bars()))).values()
    np.testing.assert_array_equal(found.target, expected.target)
    assert registry.get_model(second)["last_used_at"] is not None
    used = registry.get_model(second)["last_used_at"]
    registry.load(second)
    assert registry.get_model(second)["last_used_at"] == used  # at most once a minute
    assert registry.rollback("sma_cross", **ADDRESS, by="ann") == 3
    assert {a: r["model_id"] for a, r in registry.record.champions.of(POST).items()} == {
        "champion": first,
        "previous": second,
    }
    refused("STORE_NOT_FOUND", lambda: registry.rollback("sma_cross", "XRP/USDT", by="ann"))
    assert registry.champion("other", "XRP/USDT") is None


def test_what_is_published(registry: ModelRegistry, run: int, tmp_path: Path) -> None:
    model = publish(registry, run, name="mine", metadata={"note": 1}, created_at=1_700_000_000_000)
    row = registry.get_model(model)
    assert files(tmp_path) == paths(row) | ({"record.db"} if (tmp_path / "record.db").exists() else set())
    assert (row["strategy_type"], row["exchange"], row["symbol"], row["timeframe"]) == (
        POST.strategy_type,
        POST.exchange,
        POST.symbol,
        POST.timeframe,
    )
    assert (row["format"], row["integrity"], row["name"], row["val_metric"]) == ("rules-json", "verified", "mine", 1.5)
    assert row["metadata"]["note"] == 1 and row["checkpoint_path"].endswith("model_20231114_221320.pkl")
    assert registry.list_models() == [row]


def test_bad_models_are_not_published(registry: ModelRegistry, run: int, tmp_path: Path) -> None:
    class Odd:
        lookback = 1

        def decide(self, panel: Panel) -> dict[str, object]:
            return {}

        def save(self, folder: Path) -> None:
            (folder / "weights.bin").write_bytes(b"x")

    history = Window.of_bars(bars())
    told = refused("ARTIFACT_FORMAT", lambda: registry.publish(run, Odd(), history, strategy_type="odd"))  # type: ignore[arg-type]
    assert "weights.bin" in str(told) and "rules-json" in str(told)
    refused("STORE_NOT_FOUND", lambda: publish(registry, 99))
    refused("STORE_VALUE", lambda: publish(registry, run, strategy_type=""))
    assert registry.list_models() == [] and {p for p in files(tmp_path) if not p.startswith("record")} == set()


def test_where_the_files_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    registry = ModelRegistry("home/ml_experiments.db")
    assert registry.places.artifacts == tmp_path / "home" / "artifacts"
    assert registry.places.models == tmp_path / "home" / "models"
    assert ModelRegistry("home/ml_experiments.db", models="m").places.models == tmp_path / "m"
    registry.close()


@pytest.mark.postgres
def test_a_record_on_a_server_has_no_folder_beside_it(postgres: object, tmp_path: Path) -> None:
    url = postgres.fresh("laid")  # type: ignore[attr-defined]
    with open_store(url) as record:
        with pytest.raises(ConfigError, match="artifacts="):
            _ = ModelRegistry(record).places
        assert shelf(record, tmp_path).places.models == tmp_path / "models"
    postgres.drop(url)  # type: ignore[attr-defined]


def test_a_promotion_reads_the_files(registry: ModelRegistry, run: int, tmp_path: Path) -> None:
    model = audited(registry, run)
    (tmp_path / "models" / registry.get_model(model)["checkpoint_path"]).write_bytes(b"damage")
    refused("ARTIFACT_CORRUPT", lambda: registry.promote(model, by="ann"))
    assert registry.champion("sma_cross", **ADDRESS) is None


def test_a_model_straight_from_training_is_refused_for_its_audit(registry: ModelRegistry, run: int) -> None:
    model = publish(registry, run)
    change(registry.record, model, verdict=GOLD)
    with pytest.raises(LeakError, match="its leak audit is pending") as told:
        registry.promote(model, by="ann", override="please")
    assert told.value.code == "LEAK_NOT_AUDITED" and "assay audit" in told.value.hint
    refused("STORE_VALUE", lambda: registry.promote(model))  # nobody


@pytest.mark.slow
def test_a_damaged_champion_is_refused_and_stays(registry: ModelRegistry, run: int, tmp_path: Path) -> None:
    first, second = audited(registry, run), audited(registry, run, fast=7)
    registry.promote(first, by="ann")
    registry.promote(second, by="ann")
    path = tmp_path / "models" / registry.get_model(second)["checkpoint_path"]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    refused("ARTIFACT_CORRUPT", lambda: registry.load(second))
    champion = registry.champion(POST.strategy_type, **ADDRESS)
    assert champion is not None and champion["id"] == second
    assert [c.faults for c in registry.verify() if c.why] == ["corrupt"]
    assert registry.champion(POST.strategy_type, **ADDRESS) is not None  # only a person switches it
    assert registry.rollback(POST.strategy_type, **ADDRESS, by="ann") == 3
    told = refused("STORE_VALUE", lambda: registry.rollback(POST.strategy_type, **ADDRESS, by="ann"))
    assert "its files are corrupt" in str(told)


def test_models_that_are_leaving_are_gone(registry: ModelRegistry, run: int) -> None:
    model = audited(registry, run)
    change(registry.record, model, deleting_at=0)
    refused("ARTIFACT_GONE", lambda: registry.load(model))
    refused("ARTIFACT_GONE", lambda: registry.promote(model, by="ann", override="x"))


def test_signed_models(record: TrackingStore, run: int, tmp_path: Path) -> None:
    keys = Keys("k", {"k": b"x" * 32}, required=True)
    signing = ModelRegistry(record, artifacts=tmp_path / "artifacts", models=tmp_path / "models", keys=keys)
    model = publish(signing, run)
    path = tmp_path / "models" / signing.get_model(model)["checkpoint_path"]
    sidecar = path.with_name(path.name + ".sig")
    assert sidecar.is_file() and [c.faults for c in signing.verify()] == ["verified"]
    aside = sidecar.rename(tmp_path / "aside")
    assert [(c.faults, c.code) for c in signing.verify()] == [("unverified", "ARTIFACT_UNSIGNED")]
    aside.rename(sidecar)
    assert signing.retain().why and signing.retain().orphans == ()
    for fast in (6, 7, 8):
        publish(signing, run, fast=fast)
    change(record, model, created_at=0)
    assert [gone.id for gone in signing.retain().models] == [model]
    assert not sidecar.exists() and not path.exists()
