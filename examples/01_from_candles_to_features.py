"""Candles, features, labels: what is known at each bar, and what came after."""

from assay.features import table
from assay.kernel.decisions import Costs
from assay.market import synthetic
from assay.targets import label_bars, parse_target

bars = synthetic(bars=3_000, seed=7, ic=0.1, symbol="GOLD/USDT:USDT")
print(f"{bars.instrument}: {len(bars):,} bars, {bars.bars_per_year:.0f} a year")

known = table(bars, "core72")
print(f"core72: {known.values.shape}, the first {known.lookback} rows are warm-up")

after = label_bars(bars, parse_target("profitable", horizon=24, side="both"), costs=Costs())
print(f"{after.name}: classes {after.classes}, dropped {dict(after.dropped)}")
