"""Candles in and out."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.market.alignment import check_multiple as check_multiple
    from assay.market.alignment import resample as resample
    from assay.market.anomalies import Event as Event
    from assay.market.data_filter import DataFilter as DataFilter
    from assay.market.data_filter import apply_filter as apply_filter
    from assay.market.quality import examine_quality as examine_quality
    from assay.market.sources.exchange import ExchangeClient as ExchangeClient
    from assay.market.sources.exchange import Progress as Progress
    from assay.market.sources.exchange import collect_bars as collect_bars
    from assay.market.sources.exchange import open_exchange as open_exchange
    from assay.market.sources.files import NamedSeries as NamedSeries
    from assay.market.sources.files import read_file as read_file
    from assay.market.sources.synthetic import MOMENTUM_BARS as MOMENTUM_BARS
    from assay.market.sources.synthetic import SYNTHETIC_SIGMA as SYNTHETIC_SIGMA
    from assay.market.sources.synthetic import scramble_future as scramble_future
    from assay.market.sources.synthetic import synthetic as synthetic
    from assay.market.stores.base import CandleStore as CandleStore
    from assay.market.stores.base import HoldoutView as HoldoutView
    from assay.market.stores.base import Span as Span
    from assay.market.stores.base import Upserted as Upserted
    from assay.market.stores.base import open_candles as open_candles
    from assay.market.units import VOLUME_UNIT_SERIES as VOLUME_UNIT_SERIES
    from assay.market.units import VolumeUnit as VolumeUnit
    from assay.market.units import check_volume_unit as check_volume_unit
    from assay.market.units import unit_series as unit_series
    from assay.market.units import volume_unit as volume_unit
    from assay.market.validation import ValidatedBars as ValidatedBars
    from assay.market.validation import meet_stored as meet_stored

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "alignment": ("check_multiple", "resample"),
        "anomalies": ("Event",),
        "data_filter": ("DataFilter", "apply_filter"),
        "quality": ("examine_quality",),
        "sources.exchange": ("ExchangeClient", "Progress", "collect_bars", "open_exchange"),
        "sources.files": ("NamedSeries", "read_file"),
        "sources.synthetic": ("MOMENTUM_BARS", "SYNTHETIC_SIGMA", "scramble_future", "synthetic"),
        "stores.base": ("CandleStore", "HoldoutView", "Span", "Upserted", "open_candles"),
        "units": ("VOLUME_UNIT_SERIES", "VolumeUnit", "check_volume_unit", "unit_series", "volume_unit"),
        "validation": ("ValidatedBars", "meet_stored"),
    },
)  # fmt: skip
