"""Trainers by the name of the learner; each is imported on first use."""

from assay.kernel.contracts import Trainer
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.kernel.spec import TrainSpec

LEARNERS = ("ensemble", "rules")


def trainer_of(spec: TrainSpec) -> Trainer:
    """The trainer that a spec names, with its parameters checked; a rule's is made by
    `assay.runs.rule_search.RuleSearch`.

    Raises ConfigError ``CONFIG_LEARNER``, ``CONFIG_PARAMETER``.
    """
    if spec.learner == "ensemble":
        from assay.learn import EnsembleTrainer, ensemble_params, sizing_rule

        sizing_rule(spec.sizing)
        return EnsembleTrainer(ensemble_params(spec.params), spec.sizing, may_short(spec))
    raise _unknown(spec.learner)


def demand_learner(name: str) -> None:
    """Raise ConfigError ``CONFIG_LEARNER`` unless there is such a learner."""
    if name not in LEARNERS:
        raise _unknown(name)


def _unknown(name: str) -> ConfigError:
    near = did_you_mean(name, LEARNERS)
    text = f"learner {printable(name)} is unknown; {near or 'Assay has ' + ', '.join(LEARNERS)}"
    return ConfigError(text, code="CONFIG_LEARNER", hint=near, field="learner")


def may_short(spec: TrainSpec) -> bool:
    """What the spec says, or whether every symbol is a derivative (it names a settle currency after a colon)."""
    return spec.short if spec.short is not None else all(":" in symbol for symbol in spec.symbols)
