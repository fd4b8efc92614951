"""Learners by name: what a spec may name, its parameters, and which function carries it out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from assay.kernel.contracts import Trainer
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.kernel.spec import TrainSpec
from assay.runs.context import Context

if TYPE_CHECKING:
    from assay.runs.documents import TrainResult


@dataclass(frozen=True, slots=True)
class Learner:
    """A way to train, by the name that a spec uses.

    uses_features: whether it fits a trainer to features and labels; else the parameters of a rule are searched.
    strategy_type: what a published model is written down as.
    model_format:  how its files are read: a key of `FORMATS` in `assay.track.loading.formats`, where a new one is
                   entered.
    parameters:    names of the learner's own parameters.
    make:          its trainer (the object that fits) from a checked spec; None for rules, whose trainer
                   `assay.runs.rule_search.RuleSearch` makes.
    """

    name: str
    uses_features: bool
    strategy_type: str
    model_format: str
    parameters: Callable[[], tuple[str, ...]]
    make: Callable[[TrainSpec], Trainer] | None = None


def _ensemble(spec: TrainSpec) -> Trainer:
    from assay.learn import EnsembleTrainer, ensemble_params, sizing_rule

    sizing_rule(spec.sizing)
    return EnsembleTrainer(ensemble_params(spec.params), spec.sizing, may_short(spec))


def _ensemble_parameters() -> tuple[str, ...]:
    from assay.learn import EnsembleParams

    return tuple(f.name for f in fields(EnsembleParams))


def _rule_parameters() -> tuple[str, ...]:
    from assay.runs.rule_search import RuleParams

    return tuple(f.name for f in fields(RuleParams))


LEARNERS: Mapping[str, Learner] = MappingProxyType(
    {
        "ensemble": Learner("ensemble", True, "ensemble", "ensemble-parts", _ensemble_parameters, _ensemble),
        "rules": Learner("rules", False, "rules", "rules-json", _rule_parameters),
    }
)


def trainer_of(spec: TrainSpec) -> Trainer:
    """The trainer that a spec names. Raises ConfigError ``CONFIG_LEARNER``, ``CONFIG_PARAMETER``."""
    learner = LEARNERS.get(spec.learner)
    if learner is None or learner.make is None:
        raise _unknown(spec.learner)
    return learner.make(spec)


def strategy_type(by: str) -> str:
    """What a model's ``strategy_type`` is: that of its learner, or the name of its rule.

    by: what the run is named after.
    """
    return LEARNERS[by].strategy_type if by in LEARNERS else by


def demand_learner(name: str) -> None:
    """Raise ConfigError ``CONFIG_LEARNER`` unless there is such a learner."""
    if name not in LEARNERS:
        raise _unknown(name)


def parameter_names(learner: str) -> tuple[str, ...]:
    """Names of a learner's own parameters; empty for an unknown learner, which `trainer_of` refuses."""
    return LEARNERS[learner].parameters() if learner in LEARNERS else ()


def demand_files(learner: str, strategy_file: Path | None, features_file: Path | None) -> None:
    """Raise ConfigError for a file of the user's own that the learner does not read.

    ``CONFIG_FEATURE_FILE`` for features that are given to rules, ``CONFIG_STRATEGY_FILE`` for a strategy that is given
    to any other learner.
    """
    trains = learner not in LEARNERS or LEARNERS[learner].uses_features
    if not trains and features_file is not None:
        raise ConfigError(
            f"learner {learner} reads candles and no features; a file of features is given",
            code="CONFIG_FEATURE_FILE",
            hint="Leave --features-file out: a rule computes what it needs in its own file. Or train ensemble.",
            field="features_file",
        )
    if trains and strategy_file is not None:
        raise ConfigError(
            f"learner {learner} learns from features and reads no strategy; a strategy file is given",
            code="CONFIG_STRATEGY_FILE",
            hint="Leave --strategy-file out, or trade the strategy: assay train rules --strategy-file FILE.",
            field="strategy_file",
        )


def _unknown(name: str) -> ConfigError:
    near = did_you_mean(name, LEARNERS)
    text = f"learner {printable(name)} is unknown; {near or 'Assay has ' + ', '.join(LEARNERS)}"
    return ConfigError(text, code="CONFIG_LEARNER", hint=near, field="learner")


def may_short(spec: TrainSpec) -> bool:
    """What the spec says, or whether every symbol is a derivative (it names a settle currency after a colon)."""
    return spec.short if spec.short is not None else all(":" in symbol for symbol in spec.symbols)


def execute_spec(
    spec: TrainSpec,
    context: Context,
    *,
    file: Path | None = None,
    features_file: Path | None = None,
    force: bool = False,
) -> "TrainResult":
    """Carry out a training as its learner needs it; raises what `train` and `optimize` raise.

    file: of a strategy that is the user's own, of rules only (ConfigError ``CONFIG_STRATEGY_FILE``).   features_file:
    of columns that are; rules read none (ConfigError ``CONFIG_FEATURE_FILE``).
    """
    from assay.runs.user_files import demand_none

    demand_files(spec.learner, file, features_file)
    if spec.learner in LEARNERS and not LEARNERS[spec.learner].uses_features:
        demand_none(spec, features_file)
        from assay.runs._optimize import optimize

        return optimize(spec, context, file=file, force=force)
    from assay.runs._train import train

    return train(spec, context, features_file=features_file, force=force)
