"""Rules as a trainer: nothing is fitted, parameters are checked against the market, decisions follow."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from assay.kernel.bars import Bars
from assay.kernel.contracts import Report
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ArtifactError, ConfigError, printable
from assay.kernel.panel import Panel
from assay.kernel.spec import canonical
from assay.learn.strategies import regimes
from assay.learn.strategies.declaration import ALLOW_SHORT, Strategy
from assay.learn.strategies.registry import strategy_named

_FILE = "rules.json"
_FORMAT, _VERSION = "rules-json", 1


@dataclass(frozen=True, slots=True, eq=False)
class RuleModel:
    """A strategy at one set of parameters. Implements `assay.kernel.contracts.Model`.

    values: all parameters, as `Strategy.resolve` gives them.   timeframe: of the bars that it decides on.
    regime: the only one in which a position may begin; empty is any.
    """

    strategy: Strategy
    values: Mapping[str, Any]
    timeframe: str
    regime: str = ""

    @property
    def lookback(self) -> int:
        """Rows of history needed before the first decision."""
        rows = self.strategy.lookback(self.values, self.timeframe)
        return max(rows, regimes.REGIME_LOOKBACK) if self.regime else rows

    def decide(self, panel: Panel) -> dict[str, Decisions]:
        """See `Model`. Raises ConfigError ``CONFIG_TIMEFRAME`` for bars of another length."""
        for _, window in panel:
            if window.bars.instrument.timeframe != self.timeframe:
                raise ConfigError(
                    f"{window.bars.instrument}: this model decides on {self.timeframe} bars", code="CONFIG_TIMEFRAME"
                )
        return {symbol: self.decisions(window.bars) for symbol, window in panel}

    def decisions(self, bars: Bars) -> Decisions:
        """Decisions on one instrument, one row a bar."""
        return self.confine(self.strategy.decisions(bars, self.values), bars)

    def confine(self, decided: Decisions, bars: Bars) -> Decisions:
        """These decisions of the strategy, with no position that begins outside the model's regime."""
        if not self.regime:
            return decided
        allowed = regimes.within(bars, self.regime)
        return regimes.confine(decided, allowed, state=self.strategy.state, lookback=self.lookback)

    def save(self, folder: Path) -> None:
        """Write ``rules.json``: name and parameters, and the hash of the file of a strategy that is the user's own."""
        document: dict[str, object] = {
            "format": _FORMAT,
            "format_version": _VERSION,
            "strategy": self.strategy.name,
            "origin": self.strategy.origin,
            "timeframe": self.timeframe,
            "lookback": self.lookback,
            "regime": self.regime,
            "params": dict(self.values),
        }
        document["digest"] = _digest(document)
        (folder / _FILE).write_text(canonical(document) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, *, strategy: Strategy | None = None) -> "RuleModel":
        """Read what `save` wrote; it decides alike. strategy: the user's own, which no model file can bring along.

        Raises ArtifactError ``ARTIFACT_CORRUPT``, ``ARTIFACT_VERSION``, and ``ARTIFACT_STRATEGY`` where the strategy is
        not the one that was saved.
        """
        document = _document(folder / _FILE)
        try:
            rule = _rule(document["strategy"], document["origin"], strategy)
            regime = regimes.check_regime(document["regime"])
            model = cls(rule, rule.resolve(document["params"]), document["timeframe"], regime)
            if model.lookback != document["lookback"]:
                raise ArtifactError(
                    f"{_FILE} says a lookback of {printable(document['lookback'])}, {rule.name} has {model.lookback}",
                    code="ARTIFACT_STRATEGY",
                )
            return model
        except (KeyError, TypeError, AttributeError, ConfigError) as error:
            raise ArtifactError(f"{_FILE} is damaged: {error}", code="ARTIFACT_CORRUPT") from error


@dataclass(frozen=True, slots=True, eq=False)
class RuleTrainer:
    """One strategy with parameters given. Implements `assay.kernel.contracts.Trainer`.

    params: those that differ from the defaults.   short: may positions be short; False overrules ``allow_short``.
    regime: the only one in which a position may begin; empty is any. Raises ConfigError ``CONFIG_REGIME``.
    """

    name: ClassVar[str] = "rules"
    strategy: Strategy
    params: Mapping[str, Any] = field(default_factory=dict)
    short: bool = True
    regime: str = ""

    def __post_init__(self) -> None:
        regimes.check_regime(self.regime)

    def fit(self, train: Panel, *, seed: int, report: Report) -> RuleModel:
        """See `Trainer`. Reads no label and no random number.

        Raises ConfigError ``CONFIG_PARAMETER``, ``CONFIG_BOOK_DATA``, ``CONFIG_TIMEFRAME`` (also for mixed ones);
        DataError ``DATA_VOLUME_MISSING``, ``DATA_TOO_FEW``.
        """
        values = self.strategy.resolve(self.params)
        if ALLOW_SHORT in values and not self.short:
            values[ALLOW_SHORT] = False
        timeframes = sorted({window.bars.instrument.timeframe for _, window in train})
        if len(timeframes) > 1:
            raise ConfigError(f"one model needs one timeframe, has {', '.join(timeframes)}", code="CONFIG_TIMEFRAME")
        for _, window in train:
            self.strategy.demand(window.bars, values)
        report.progress(1.0, {})
        return RuleModel(self.strategy, values, timeframes[0], self.regime)


def _rule(name: str, origin: str, value: Strategy | None) -> Strategy:
    rule = strategy_named(name) if value is None and not origin else value
    if rule is None:
        raise ArtifactError(
            f"{_FILE} holds strategy {printable(name)} of the user's own; give its file as well",
            code="ARTIFACT_STRATEGY",
        )
    if (rule.name, rule.origin) != (name, origin):
        raise ArtifactError(
            f"{_FILE} was saved with {printable(name)} (file hash {printable(origin)}), given is {rule.name} "
            f"({printable(rule.origin)})",
            code="ARTIFACT_STRATEGY",
        )
    return rule


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path.name} cannot be read: {error}", code="ARTIFACT_CORRUPT") from error
    if not isinstance(document, dict) or (document.get("format"), document.get("format_version")) != (
        _FORMAT,
        _VERSION,
    ):
        raise ArtifactError(f"{path.name} is not {_FORMAT} of version {_VERSION}", code="ARTIFACT_VERSION")
    message = document.pop("digest", None)
    if message != _digest(document):
        raise ArtifactError(
            f"{path.name} says it has hash {printable(message)}, it has {_digest(document)}", code="ARTIFACT_CORRUPT"
        )
    return document


def _digest(document: Mapping[str, Any]) -> str:
    return sha256(canonical(document).encode()).hexdigest()
