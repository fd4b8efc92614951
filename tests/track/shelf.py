"""Models of one small rule on a synthetic market, published through the registry, and what an audit would write."""

from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assay.kernel.bars import Bars
from assay.kernel.panel import Window
from assay.learn.rules import RuleModel
from assay.learn.strategies.registry import strategy_named
from assay.market.sources.synthetic import synthetic
from assay.testing.store_contract import a_trial
from assay.track.database import Row
from assay.track.registry.promotion import ModelSlot
from assay.track.schema.tables import MODELS
from assay.track.tracker.model_registry import ModelRegistry
from assay.track.tracking_store import TrackingStore

POST = ModelSlot("sma_cross", "binance", "BTC/USDT", "1h")
GOLD: dict[str, Any] = {"word": "GOLD", "reasons": [{"check": "ledger", "state": "PASS"}]}
DAY_MS = 86_400_000


@cache
def bars(symbol: str = "BTC/USDT") -> Bars:
    return synthetic(bars=300, seed=5, symbol=symbol, exchange="binance")


def rule(fast: int = 5) -> RuleModel:
    strategy = strategy_named("sma_cross")
    return RuleModel(strategy, strategy.resolve({"fast": fast, "slow": 20}), "1h")


def shelf(place: str | TrackingStore, folder: Path) -> ModelRegistry:
    return ModelRegistry(place, artifacts=folder / "artifacts", models=folder / "models")


def publish(registry: ModelRegistry, run: int, *, symbol: str = "BTC/USDT", fast: int = 5, **changes: Any) -> int:
    plain: dict[str, Any] = {"strategy_type": "sma_cross", "val_metric": 1.5}
    return registry.publish(run, rule(fast), Window.of_bars(bars(symbol)), **(plain | changes))


def change(record: TrackingStore, model: int, **values: Any) -> None:
    with record.database.write() as connection:
        connection.execute(sa.update(MODELS).where(MODELS.c.id == model).values(values))


def audited(registry: ModelRegistry, run: int, **changes: Any) -> int:
    """A model that only its verdict's word may keep from being promoted."""
    model = publish(registry, run, **{k: v for k, v in changes.items() if k in ("symbol", "fast", "created_at")})
    row = registry.record.models.get(model)
    registry.record.ledger.append(a_trial(market_key=f"binance|{row['symbol']}|1h"), run)
    change(registry.record, model, audit_status="passed", verdict=changes.get("verdict", GOLD))
    return model


def files(folder: Path) -> set[str]:
    """All files below, by relative path, but the marker of retention."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != ".retention"}


def paths(row: Row) -> set[str]:
    """The files of a rule model, relative to the folder of `shelf`."""
    blob = f"artifacts/{row['manifest_sha256']}"
    return {f"models/{row['checkpoint_path']}", f"{blob}/rules.json", f"{blob}/manifest.json"}
