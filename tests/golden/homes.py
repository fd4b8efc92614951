"""The homes of before: unpacked, and what their models decide."""

import hashlib
import tarfile
from pathlib import Path
from typing import Any

from tests.doors.commands import told

ASSETS = Path(__file__).resolve().parents[1] / "assets/homes"
EXPECTED = ASSETS / "expected.json"
HOMES = ("ensemble", "own_strategy", "rules")


def unpacked(name: str, folder: Path) -> Path:
    """A copy of one of the homes in a folder of its own."""
    home = folder / name
    with tarfile.open(ASSETS / f"{name}.tar.xz") as archive:
        archive.extractall(home, filter="data")
    return home


def strategy_of(name: str) -> Path | None:
    return ASSETS / "my_dip.py" if name == "own_strategy" else None


def decided(name: str, home: Path) -> dict[str, str]:
    """SHA-256 of what the home's model, loaded as a bot loads it, decides on the candles of its store."""
    from assay.app import context
    from assay.features.user_features import load_feature_file
    from assay.kernel.panel import Panel, Window
    from assay.kernel.spec import TrainSpec
    from assay.runs.run_inputs import load_history
    from ml_persistence import ModelRegistry

    own = load_feature_file(ASSETS / "my_features.py") if name == "ensemble" else None
    digest = "" if own is None else own.digest
    market = {"exchange": "test", "symbols": ("GOLD/USDT:USDT",), "timeframe": "1h"}
    spec = TrainSpec(**market, features="mini5", features_digest=digest)
    opened, _ = context(home=home)
    bars = opened.candles.read(spec.instruments[0])
    opened.record.close()
    panel = Panel.of(Window.of_bars(bars)) if own is None else load_history(spec, [bars], own).panel
    registry = ModelRegistry(home / "ml_experiments.db")
    (decisions,) = registry.load(1, strategy=strategy_of(name)).decide(panel).values()
    registry.close()
    parts = ("target", "stop", "take", "hold")
    return {part: hashlib.sha256(getattr(decisions, part).tobytes()).hexdigest() for part in parts}


def described(name: str, home: Path) -> dict[str, Any]:
    """What an owner sees in a home, and what its model decides: nothing here depends on when or where it is asked."""
    runs = told("runs", "list", home=home)
    (model,) = told("models", "list", home=home)["models"]
    configurations = told("config", "list", home=home)["configurations"]
    exported = [told("config", "export", each["config_id"], home=home) for each in configurations]
    return {
        "runs": {str(r["experiment_id"]): {k: r[k] for k in ("run_id", "name", "status", "metrics")} for r in runs},
        "model": {
            k: model[k] for k in ("model_id", "strategy_type", "integrity", "audit_status", "verdict", "aliases")
        },
        "configurations": exported,
        "active": [each["is_active"] for each in configurations],
        "looks": told("db", "check", home=home)["trials"],
        "decisions": decided(name, home),
    }
