"""Problems of the judged candles that could have made the record."""

from collections.abc import Iterable

import numpy as np

from assay.kernel.bars import USABLE, Bars
from assay.kernel.timestamps import from_iso
from assay.market import Event, examine_quality

_CONTEXT = 48  # bars before the judged ones that a break is told by


def find_data_problems(bars: Bars, first: int, last: int) -> tuple[str, ...]:
    """Unresolved split suspects and changes of the volume's unit among bars that open in ``[first, last]`` (ms).

    A suspect is one that `assay.market.anomalies.splits` calls likely: a crash of the same size is doubtful and no
    problem. One on a bar that a data filter marks as unusable is resolved. O(n).
    """
    start = max(0, int(np.searchsorted(bars.timestamp, first)) - _CONTEXT)
    part = bars[start : int(np.searchsorted(bars.timestamp, last, side="right"))]
    quality = examine_quality(part)
    splits = [e for e in quality.splits if e.seen["verdict"] == "likely"]
    return (
        *(f"{bars.instrument} {e.time[:16]}: looks like a split {e.seen['split']}" for e in _open(splits, part, first)),
        *(
            f"{bars.instrument} {e.time[:16]}: the volume's unit changes, x{float(e.seen['factor']):.3g}"
            for e in _open(quality.volume_units, part, first)
        ),
    )


def _open(events: Iterable[Event], bars: Bars, first: int) -> list[Event]:
    """Those among the judged bars that nobody has marked."""
    unresolved = []
    for event in events:
        at = int(np.searchsorted(bars.timestamp, from_iso(event.time)))
        resolved = USABLE in bars.columns and bars.columns[USABLE][at] != 1
        if bars.timestamp[at] >= first and not resolved:
            unresolved.append(event)
    return unresolved
