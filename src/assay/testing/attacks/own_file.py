"""How a strategy file of the catalogue is put together, and what it is asked about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from assay.kernel.bars import Bars
from assay.market import synthetic

BARS, HORIZON = 2_000, 24
_HEAD = """import numpy as np
from assay.learn.strategies import Exit, Setups, Side, Structural, strategy
{head}

@strategy(
    "own",
    {{"w": Structural({horizon}, unit="bars"), "risk_reward_ratio": Exit(2.0, unit="x stop")}},
    lookback=lambda values, timeframe: values["w"] + 1,
    needs_volume=False,
    two_sided=True,{options}
)
def own(bars, *, w):
    close, n = bars.close, len(bars)
    past, ahead = np.zeros(n), np.zeros(n)
    past[w:] = close[w:] / close[:-w] - 1
    if n > w:
        ahead[:-w] = close[w:] / close[:-w] - 1
    signal = past
{body}
    return Setups(
        long=Side(hold=signal > 0.01, columns={{}}, stop_base=0.05 * close),
        short=Side(hold=signal < -0.01, columns={{}}, stop_base=0.05 * close),
        edge=True,
    )
"""


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A strategy file of the catalogue.

    begins: how a violation begins that must be found; empty for an honest file, which must raise none.
    body:   lines of the rule; it sets ``signal``, having ``close``, ``n``, ``w``, ``past`` (what the bars up to each
            row say) and ``ahead`` (what will come).   head: lines before the rule.   options: of the declaration.
    judged: whether the run's own decisions must be compared to see it.   modules: files that lie beside it.
    Texts may name ``<csv>``, ``<parquet>``, ``<npy>``, ``<database>`` and ``<module>``: paths to what they want.
    """

    name: str
    begins: str
    body: str
    head: str = ""
    options: str = ""
    judged: bool = False
    modules: Mapping[str, str] = field(default_factory=dict)

    def source(self, paths: Mapping[str, str]) -> str:
        """The text of the file."""
        lines = "\n".join(f"    {line}" for line in self.body.strip("\n").splitlines())
        options = f"\n    {self.options}," if self.options else ""
        text = _HEAD.format(head=self.head.strip("\n"), body=lines, horizon=HORIZON, options=options)
        for key, path in paths.items():
            text = text.replace(f"<{key}>", path)
        return text

    def write(self, folder: Path, paths: Mapping[str, str]) -> Path:
        """Write the file and its modules; its path."""
        for name, text in self.modules.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        path = folder / "own.py"
        path.write_text(self.source(paths), encoding="utf-8")
        return path


def market() -> Bars:
    """The candles that the catalogue is asked about: no edge, long enough for files that wait for long panels."""
    return synthetic(bars=BARS, seed=5, symbol="GOLD/USDT:USDT")


def temptations(bars: Bars, folder: Path) -> dict[str, str]:
    """Files that hold the candles, as a dishonest file would look for them; and the bars before the largest moves."""
    table = pl.DataFrame({"timestamp": bars.timestamp, "close": bars.close})
    paths = {name: str(folder / f"candles.{name}") for name in ("csv", "parquet", "npy")}
    table.write_csv(paths["csv"])
    table.write_parquet(paths["parquet"])
    np.save(paths["npy"], bars.close)
    (folder / "secret.py").write_text("ANSWER = 1\n", encoding="utf-8")
    gain = np.r_[bars.close[HORIZON:] / bars.close[:-HORIZON] - 1, np.zeros(HORIZON)]
    best = bars.timestamp[np.argsort(-gain)[:300]]
    dates = ", ".join(str(int(each)) for each in sorted(best))
    return paths | {"database": str(folder / "candles.db"), "module": str(folder / "secret.py"), "dates": dates}
