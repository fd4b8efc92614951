"""The steps that a spec asks for."""

from assay.features import FeatureFile, training_table
from assay.kernel.bars import Bars
from assay.kernel.panel import Panel
from assay.kernel.spec import TrainSpec
from assay.targets import label_bars, parse_target
from assay.validate.audit.pipeline import Columns, Pipeline, no_columns, per_symbol
from assay.validate.splits import Splitter
from assay.validate.splits.from_spec import split_plan

_ONLY_CANDLES = "rules"  # the learner that reads no feature and no label


def pipeline_of(spec: TrainSpec, own: FeatureFile | None = None) -> Pipeline:
    """Features, target, folds and costs of a training. Raises what `targets.parse` raises.

    own: the user's file of features that the spec names.
    """

    def folds(panel: Panel) -> Splitter:
        horizons = [window.labels.horizon for _, window in panel if window.labels is not None]
        return split_plan(spec.folds, panel, horizon=max(horizons, default=0))

    there: dict[str, tuple[str, ...]] = {}  # asked again, columns that no bars of the market have are not warned of

    def columns(bars: Bars) -> Columns:
        symbol = bars.instrument.symbol
        made = training_table(spec, bars, own, names=there.get(symbol))
        there.setdefault(symbol, made.names)
        return Columns(made.values, made.names, made.lookback)

    if spec.learner == _ONLY_CANDLES:
        return Pipeline(features=no_columns, plan=folds, costs=spec.costs)
    target = parse_target(spec.target.name, spec.target.params)
    return Pipeline(
        features=per_symbol(columns),
        plan=folds,
        label=lambda bars: label_bars(bars, target, costs=spec.costs),
        costs=spec.costs,
        own=own is not None,
    )
