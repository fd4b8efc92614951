"""Small panels with a planted edge, and small ensembles."""

from functools import lru_cache
from typing import Any

from assay.kernel.panel import Panel
from assay.kernel.spec import SizingChoice, TargetChoice, TrainSpec
from assay.learn.ensemble.params import ensemble_params
from assay.learn.ensemble.trainer import EnsembleTrainer
from assay.market.sources.synthetic import START_MS, synthetic
from assay.runs.run_inputs import load_history

SMALL = {"trees": 20, "forest_trees": 10, "learning_rate": 0.1, "patience": 5}
HOUR = 3_600_000


@lru_cache(maxsize=8)
def market(n: int = 900, *, symbols: int = 1, seed: int = 1, ic: float = 0.3, target: str = "profitable") -> Panel:
    """A panel of synthetic symbols over mini5; each further symbol starts 200 bars later."""
    names = tuple(f"{metal}/USDT" for metal in ("GOLD", "SILVER", "TIN")[:symbols])
    spec = TrainSpec(
        exchange="synthetic",
        symbols=names,
        timeframe="1h",
        features="mini5",
        target=TargetChoice(name=target, params={"horizon": 4}),
    )
    bars = [
        synthetic(bars=n, seed=seed, ic=ic, symbol=name, start=START_MS + 200 * HOUR * i)
        for i, name in enumerate(names)
    ]
    return load_history(spec, bars).panel


def trainer(choice: SizingChoice | None = None, *, short: bool = True, **params: Any) -> EnsembleTrainer:
    """An ensemble that fits in a blink."""
    return EnsembleTrainer(ensemble_params(SMALL | params), choice or SizingChoice(), short)
