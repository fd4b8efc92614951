"""One function behind every door: a training as its spec says, whatever its learner."""

from pathlib import Path

from assay.kernel.spec import TrainSpec
from assay.runs.context import Context
from assay.runs.documents import TrainResult
from assay.runs.specs import demand_files
from assay.runs.user_features import demand_none


def execute_spec(
    spec: TrainSpec,
    context: Context,
    *,
    file: Path | None = None,
    features_file: Path | None = None,
    force: bool = False,
) -> TrainResult:
    """`assay.runs._train.train`, or for learner ``rules`` `assay.runs._optimize.optimize`; raises what they raise.

    file: of a strategy that is the user's own, of rules only (ConfigError ``CONFIG_STRATEGY_FILE``).   features_file:
    of columns that are; rules read none (ConfigError ``CONFIG_FEATURE_FILE``).
    """
    demand_files(spec.learner, file, features_file)
    if spec.learner == "rules":
        demand_none(spec, features_file)
        from assay.runs._optimize import optimize

        return optimize(spec, context, file=file, force=force)
    from assay.runs._train import train

    return train(spec, context, features_file=features_file, force=force)
