"""Bars that are no evidence: nothing traded, nothing moved."""

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, DataError, printable
from assay.kernel.timeframe import iso
from assay.market.quality import gaps

LEAST = 100
_LOUD = 1.0  # volume from which on a bar of one price is kept
VERDICTS = (
    "zero_volume",
    "insufficient_volume",
    "valid_single_price",
    "flat_low_volume",
    "insufficient_movement",
    "valid",
)
_VALID_STATES = ("valid_single_price", "valid")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFilter:
    """The data-quality filter's settings, ``data_filter_config``.

    enable_filtering:                 False lets all bars pass.
    min_volume_threshold:             least volume, base units.
    min_quote_volume:                 least volume times close; where set it replaces `min_volume_threshold`.
    min_price_movement_pct:           least ``(high - low) / open``, percent: 0.01 is one basis point.
    filter_flat_candles:              False switches the rule on movement off.
    preserve_high_volume_single_price: keep bars of one price with a volume of 1.0 or more.
    action:                           ``drop`` leaves bars out; ``mark`` keeps them, without signals or training rows.

    Raises ConfigError ``CONFIG_PARAMETER``.
    """

    enable_filtering: bool = True
    min_volume_threshold: float = 0.1
    min_quote_volume: float | None = None
    min_price_movement_pct: float = 0.01
    filter_flat_candles: bool = True
    preserve_high_volume_single_price: bool = True
    action: Literal["drop", "mark"] = "drop"

    def __post_init__(self) -> None:
        for name in ("min_volume_threshold", "min_quote_volume", "min_price_movement_pct"):
            value = getattr(self, name)
            if name == "min_quote_volume" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not (isfinite(value) and value >= 0):
                _refuse(name, value, "finite and >= 0")
        for name in ("enable_filtering", "filter_flat_candles", "preserve_high_volume_single_price"):
            if not isinstance(getattr(self, name), bool):
                _refuse(name, getattr(self, name), "true or false")
        if self.action not in ("drop", "mark"):
            _refuse("action", self.action, "drop or mark")


def _refuse(name: str, value: object, rule: str) -> None:
    text = f"data_filter_config.{name} is {printable(value)}, must be {rule}"
    raise ConfigError(text, code="CONFIG_PARAMETER", field=f"data_filter_config.{name}")


@dataclass(frozen=True, slots=True, eq=False)
class Filtered:
    """Bars after the filter.

    bars:   the kept bars (``drop``), or all (``mark``).
    usable: one bool for each row of `bars`: signals and training rows are allowed there.
    report: JSON-able counts, see `apply_filter`.
    """

    bars: Bars
    usable: BoolArray
    report: dict[str, Any]


def verdicts(bars: Bars, config: DataFilter) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """``(n,)`` int8 place in `VERDICTS`; the first rule that matches names the bar. Each reads its own bar only.

    A bar whose volume is null passes the rules on volume; if its four prices are equal it is ``flat_low_volume``.
    """
    volume: FloatArray = np.full(len(bars), np.nan) if bars.volume is None else bars.volume
    flat = (bars.open == bars.high) & (bars.high == bars.low) & (bars.low == bars.close)
    with np.errstate(divide="ignore", invalid="ignore"):
        movement = (bars.high - bars.low) / bars.open * 100
        if config.min_quote_volume is None:
            thin = volume < config.min_volume_threshold
        else:
            thin = volume * bars.close < config.min_quote_volume
        loud = volume >= _LOUD
        still = movement < config.min_price_movement_pct
    rules = [
        volume == 0,
        thin,
        flat & loud & config.preserve_high_volume_single_price,
        flat,
        still & config.filter_flat_candles,
    ]
    named: np.ndarray[tuple[int], np.dtype[np.int8]] = np.select(rules, range(len(rules)), len(rules)).astype(np.int8)
    return named


def apply_filter(bars: Bars, config: DataFilter) -> Filtered:
    """Filter bars and report. With filtering off all bars pass and none is counted as removed.

    Report: filtering_enabled, config, original_count, filtered_count, removed_count, removed_pct, removal_breakdown
    (verdict to count) and removal_breakdown_pct (of the original), kept_breakdown, data_quality_score (100 times kept
    over original), missing_bars (before filtering), first_timestamp, last_timestamp (ISO, of the kept bars).
    Raises DataError ``DATA_TOO_FEW`` when filtering leaves fewer than 100 bars.
    """
    n = len(bars)
    names = verdicts(bars, config) if config.enable_filtering else np.full(n, VERDICTS.index("valid"), np.int8)
    counts = {name: int((names == place).sum()) for place, name in enumerate(VERDICTS)}
    usable = np.isin(names, [VERDICTS.index(name) for name in _VALID_STATES])
    report = _report(bars, config, counts, usable)
    stored = int(usable.sum())
    if config.enable_filtering and stored < LEAST:
        raise DataError(
            f"{bars.instrument}: {stored} of {n} bars are left after the data filter, {LEAST} are needed; removed "
            f"{report['removal_breakdown'] or 'none'}",
            code="DATA_TOO_FEW",
            hint="Load more history, loosen data_filter_config, or set enable_filtering to false.",
            kept=stored,
            needed=LEAST,
        )
    if config.action == "mark":
        return Filtered(bars, usable, report)
    return Filtered(select_bars(bars, usable), np.ones(stored, np.bool_), report)


def select_bars(bars: Bars, mask: BoolArray) -> Bars:
    """The bars where the mask ``(n,)`` is True, joined series as they are."""
    prices = (bars.open[mask], bars.high[mask], bars.low[mask], bars.close[mask])
    volume = None if bars.volume is None else bars.volume[mask]
    columns = {name: column[mask] for name, column in bars.columns.items()}
    return Bars(bars.instrument, bars.timestamp[mask], *prices, volume, columns, bars.joined)


def _report(bars: Bars, config: DataFilter, counts: dict[str, int], usable: BoolArray) -> dict[str, object]:
    n, stored = len(bars), int(usable.sum())
    removed = {name: count for name, count in counts.items() if count and name not in _VALID_STATES}
    times = bars.timestamp[usable]
    return {
        "filtering_enabled": config.enable_filtering,
        "config": asdict(config),
        "original_count": n,
        "filtered_count": stored,
        "removed_count": n - stored,
        "removed_pct": 100 * (n - stored) / n if n else 0.0,
        "removal_breakdown": removed,
        "removal_breakdown_pct": {name: 100 * count / n for name, count in removed.items()},
        "kept_breakdown": {name: counts[name] for name in _VALID_STATES if counts[name]},
        "data_quality_score": 100 * stored / n if n else None,
        "missing_bars": sum(gap.missing for gap in gaps(bars)),
        "first_timestamp": iso(int(times[0])) if stored else None,
        "last_timestamp": iso(int(times[-1])) if stored else None,
    }
