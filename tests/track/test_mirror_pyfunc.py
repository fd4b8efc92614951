"""A mirrored model on a table of candles decides as the model at home does."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assay.kernel.bars import Bars
from assay.kernel.errors import ArtifactError, DataError
from assay.kernel.panel import Panel, Window
from assay.learn.ensemble.model import EnsembleModel
from assay.track.mirror import pyfunc
from assay.track.tracking_store import open_store
from tests.track.shelf import bars, publish, rule, shelf

COLUMNS = ("target", "stop", "take", "hold")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A rule's files as the mirror sends them."""
    with open_store(tmp_path / "record.db") as record:
        registry = shelf(record, tmp_path)
        row = record.models.get(publish(registry, record.experiments.start("a run", "rules").id))
    return Path(shutil.copytree(registry.places.artifacts / row["manifest_sha256"], tmp_path / "sent"))


def frame_of(market: Bars, **changes: Any) -> pd.DataFrame:
    names = ("timestamp", "open", "high", "low", "close", "volume")
    return pd.DataFrame({name: getattr(market, name) for name in names} | changes)


def demand_equal(found: pd.DataFrame, own: Any, since: int = 0) -> None:
    for name in COLUMNS:
        np.testing.assert_array_equal(found[name].to_numpy()[since:], getattr(own, name), err_msg=name)


def test_a_rule_decides_alike(folder: Path) -> None:
    own = rule().decide(Panel.of(Window.of_bars(bars())))["BTC/USDT"]
    model = pyfunc._load_pyfunc(str(folder))
    frame = frame_of(bars()).set_index(pd.Index(range(7, 307)))
    found = model.predict(frame)
    demand_equal(found, own)
    assert list(found.index) == list(frame.index) and (found["target"] == 1).any()
    assert list(frame.columns) == ["timestamp", "open", "high", "low", "close", "volume"]


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_times_may_be_times(folder: Path, zone: str | None) -> None:
    market = bars()
    times = pd.Series(pd.to_datetime(market.timestamp, unit="ms", utc=True))
    times = times.dt.tz_localize(None) if zone is None else times.dt.tz_convert(zone)
    made = pyfunc.candles(frame_of(market, timestamp=times), market.instrument)
    np.testing.assert_array_equal(made.timestamp, market.timestamp)
    model = pyfunc._load_pyfunc(str(folder))
    assert model.predict(frame_of(market, timestamp=times)).equals(model.predict(frame_of(market)))


def test_what_a_table_lacks_is_named(folder: Path) -> None:
    model = pyfunc._load_pyfunc(str(folder))
    with pytest.raises(DataError) as told:
        model.predict(frame_of(bars()).drop(columns=["low", "timestamp"]))
    assert told.value.code == "DATA_SCHEMA" and "timestamp, low" in told.value.message


@pytest.mark.parametrize("damage", ["part", "manifest", "format", "answer"])
def test_files_that_were_changed_are_refused(folder: Path, damage: str) -> None:
    part, manifest = folder / "rules.json", folder / "manifest.json"
    told = json.loads(manifest.read_bytes())
    if damage == "part":
        part.write_bytes(part.read_bytes().replace(b'"fast":5', b'"fast":6'))
    elif damage == "manifest":
        manifest.write_bytes(manifest.read_bytes()[:-9])
    elif damage == "format":
        part.rename(folder / "model.pkl")
        told["files"][0]["path"] = "model.pkl"
    else:
        rule(9).save(folder)  # another model, its hash in order
        told["files"][0]["sha256"] = hashlib.sha256(part.read_bytes()).hexdigest()
    if damage in ("format", "answer"):
        manifest.write_text(json.dumps(told))
    with pytest.raises(ArtifactError) as refused:
        pyfunc._load_pyfunc(str(folder))
    assert refused.value.code == {"format": "ARTIFACT_FORMAT", "answer": "ARTIFACT_SELFTEST"}.get(
        damage, "ARTIFACT_CORRUPT"
    )


@pytest.mark.slow
def test_an_ensemble_computes_its_features_from_the_candles(tmp_path: Path) -> None:
    from assay.kernel.spec import TargetChoice, TrainSpec
    from assay.market.sources.synthetic import synthetic
    from assay.runs._train import train
    from assay.runs.context import Context
    from assay.runs.run_inputs import load_history

    market = synthetic(bars=3_000, seed=1, ic=0.3)
    context = Context(tmp_path, str(tmp_path / "record.db"), f"duckdb:///{tmp_path / 'candles.duckdb'}")
    context.candles.upsert(market, source="test")
    instrument = market.instrument
    spec = TrainSpec(
        exchange=instrument.exchange,
        symbols=(instrument.symbol,),
        timeframe="1h",
        features="mini5",
        target=TargetChoice(params={"horizon": 5}),
    )
    row = context.record.models.get(train(spec, context).document["model_id"])
    sent = context.artifacts / row["manifest_sha256"]
    past = load_history(spec, [market])
    own = EnsembleModel.load(sent).decide(past.panel)[instrument.symbol]
    found = pyfunc._load_pyfunc(str(sent)).predict(frame_of(market))
    assert past.warm_up > 0 and (found["target"].to_numpy()[: past.warm_up] == 0).all()
    demand_equal(found, own, since=past.warm_up)
    assert len(np.unique(found["target"])) > 1
    assert (pyfunc._load_pyfunc(str(sent)).predict(frame_of(market)[:5])["target"] == 0).all()
    context.record.close()
