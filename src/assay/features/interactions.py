"""Products of other columns."""

from assay.features import kernels
from assay.features.compute import FeatureContext
from assay.features.registry import feature
from assay.kernel.arrays import FloatArray


@feature(lookback=210, unit="ratio", group="interactions", windowed=False, needs=("volume",))
def rsi_volume_interaction(study: FeatureContext) -> FloatArray:
    """rsi_14 x volume_ratio_20."""
    return study.column("rsi_14") * study.column("volume_ratio_20")


@feature(lookback=259, unit="ratio", group="interactions", windowed=False)
def macd_session_interaction(study: FeatureContext) -> FloatArray:
    """macd / close x liquidity_level."""
    return kernels.ratio(study.column("macd"), study.bars.close) * study.column("liquidity_level")


@feature(lookback=20, unit="z", group="interactions", needs=("volume",))
def price_deviation_volume(study: FeatureContext) -> FloatArray:
    """dist_from_rolling_mean_20 x volume_ratio_20."""
    return study.column("dist_from_rolling_mean_20") * study.column("volume_ratio_20")


@feature(lookback=420, unit="ratio", group="interactions", windowed=False)
def trend_strength_momentum(study: FeatureContext) -> FloatArray:
    """adx x roc_10."""
    return study.column("adx") * study.column("roc_10")
