"""Candles into a home: collected from an exchange, imported from a file, and the runs that say so."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import time_machine

from assay.kernel.errors import AssayError, ConfigError
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import HOUR_MS
from assay.market.sources import exchange as collecting
from assay.market.sources.synthetic import START_MS, synthetic
from assay.market.units import volume_unit
from assay.runs import ingest
from assay.runs.context import Context
from assay.runs.run_views import list_runs
from assay.testing.fake_exchange import FakeExchange, Faults

BTC = Instrument("binance", "BTC/USDT", "1h")
N = 700
LIVE = synthetic(bars=N + 1, seed=1, exchange="binance", symbol="BTC/USDT")
NOW = int(LIVE.timestamp[N]) + HOUR_MS // 2  # in the middle of the last candle
SINCE = "2020-01-01"


def context_of(home: Path, **more: Any) -> Context:
    home.mkdir(exist_ok=True)
    candles = f"duckdb:///{home / 'candles.duckdb'}"
    return Context(home, str(home / "ml_experiments.db"), candles, **more)


@pytest.fixture(autouse=True)
def _then(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In the middle of the last candle, and nobody waits."""
    monkeypatch.setattr(collecting.time, "sleep", lambda seconds: None)
    with time_machine.travel(NOW / 1000, tick=False):
        yield


def exchange(**faults: Any) -> FakeExchange:
    return FakeExchange(LIVE, now=NOW, faults=Faults(**faults), others=["ETH/USDT"])


def test_what_is_collected_is_what_the_exchange_closed(tmp_path: Path) -> None:
    heard: list[tuple[float, str]] = []
    context = context_of(tmp_path / "home", listener=lambda share, stage: heard.append((share, stage)))
    found = ingest.collect_candles(BTC, context, since=SINCE, client=exchange())
    assert (found["bars"], found["inserted"], found["revised"]) == (N, N, 0)
    assert found["quality"]["bars"] == N and found["requests"] >= 1
    stored = context.candles.read(BTC)
    assert volume_unit(stored) == "base"  # of spot candles the exchange says so
    assert replace(stored, joined={}).digest() == LIVE[:N].digest()
    shares = [share for share, _ in heard]
    assert shares == sorted(shares) and shares[-1] == 1.0
    again = ingest.collect_candles(BTC, context, since=SINCE, client=exchange())
    assert (again["inserted"], again["revised"]) == (0, 0)
    assert [row.status for row in list_runs(context, limit=9)] == ["completed", "completed"]
    assert [h.bars for h in ingest.list_holdings(context)] == [N]


def test_a_collection_ends_before_until(tmp_path: Path) -> None:
    context = context_of(tmp_path / "home")
    found = ingest.collect_candles(BTC, context, since="2020-01-01T10:00:00Z", until="2020-01-02", client=exchange())
    assert found["bars"] == 14
    shown = ingest.show_candles(BTC, context, last=100)["candles"]
    assert (shown[0]["time"], shown[-1]["time"]) == ("2020-01-01T10:00:00.000Z", "2020-01-01T23:00:00.000Z")


def test_a_collection_that_fails_is_a_failed_run(tmp_path: Path) -> None:
    context = context_of(tmp_path / "home")
    unknown = Instrument("binance", "BTV/USDT", "1h")
    with pytest.raises(AssayError, match="did you mean BTC/USDT") as refused:
        ingest.collect_candles(unknown, context, since=SINCE, client=exchange())
    row = list_runs(context, limit=1)[0]
    assert row.status == "failed"
    notes = context.record.experiments.get(row.run_id)["notes"]
    assert refused.value.message[:100] in notes
    assert ingest.list_holdings(context) == []


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01", "2024-01-01T00:00:00", "1700000000"])
def test_an_instant_without_a_meaning_is_refused(text: str, tmp_path: Path) -> None:
    context = context_of(tmp_path / "home")
    with pytest.raises(ConfigError, match="since is"):
        ingest.collect_candles(BTC, context, since=text, client=exchange())
    assert not (tmp_path / "home" / "ml_experiments.db").exists()


def test_ctrl_c_while_collecting_keeps_whole_pages(tmp_path: Path) -> None:
    def stop(share: float, stage: str) -> None:
        raise KeyboardInterrupt

    context = context_of(tmp_path / "home", listener=stop)
    with pytest.raises(KeyboardInterrupt):
        ingest.collect_candles(BTC, context, since=SINCE, client=exchange())
    assert list_runs(context, limit=1)[0].status == "stopped"
    after = context_of(tmp_path / "home")
    found = ingest.collect_candles(BTC, after, since=SINCE, client=exchange())
    assert found["bars"] == N and replace(after.candles.read(BTC), joined={}).digest() == LIVE[:N].digest()
    assert LIVE.timestamp[0] == START_MS


def test_an_import_keeps_what_its_volume_counts(tmp_path: Path) -> None:
    context = context_of(tmp_path / "home")
    file = tmp_path / "candles.csv"
    rows = zip(LIVE.timestamp, LIVE.open, LIVE.high, LIVE.low, LIVE.close, LIVE.volume, strict=True)
    lines = [",".join(map(str, row)) for row in rows]
    file.write_text("\n".join(["timestamp,open,high,low,close,volume", *lines[:50]]) + "\n")
    named = {"exchange": "mine", "symbol": "BTC/USDT", "timeframe": "1h"}
    mine = Instrument("mine", "BTC/USDT", "1h")
    for said, kept in ((None, "unknown"), ("quote", "quote"), (None, "quote"), ("contracts", "contracts")):
        ingest.import_file(file, context, volume_unit=said, **named)
        assert ingest.check_candles(mine, context)["volume_unit"] == kept
    with pytest.raises(ConfigError, match="--volume-unit 'dollars'"):
        ingest.import_file(file, context, volume_unit="dollars", **named)
