"""A training as data: the same document is file, request, queue entry and registry column."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError, printable
from assay.kernel.instrument import Instrument

MOST_BARS = 1_000_000_000
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSpec:
    """How history is cut. Bars, days or one share; nothing given means n/3 train rows and 8 test folds.

    train_bars, test_bars: rows.   train_days, test_days, gap_days: days.   train_share: one split, rows of the first
    part over all.
    expanding: keep all earlier rows.   embargo: rows on top of what the labels demand (plans by bars).
    """

    train_bars: int | None = None
    test_bars: int | None = None
    train_days: float | None = None
    test_days: float | None = None
    gap_days: float = 0.0
    train_share: float | None = None
    expanding: bool = False
    embargo: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetChoice:
    """Name of a target and its parameters; see `assay.targets`."""

    name: str = "profitable"
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingChoice:
    """How a forecast becomes a position: name of the rule and its parameters; see `assay.learn.sizing`."""

    name: str = "threshold"
    params: Mapping[str, Any] = field(default_factory=dict)


def demand_bars(bars: int | None) -> None:
    """Raise ConfigError ``CONFIG_PARAMETER`` unless a spec may ask for the newest so many bars."""
    if bars is not None and not 1 <= bars <= MOST_BARS:
        raise ConfigError(
            f"bars is {printable(bars)}, must be in 1..{MOST_BARS:,}", code="CONFIG_PARAMETER", field="bars"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSpec:
    """Everything that decides what a training gives, but for the candles and the code.

    learner:    ``ensemble`` or ``rules`` (``lstm`` and ``ppo`` come with their trainers).
    exchange, symbols, timeframe: the market; several symbols make one global model.
    features:   name of a set, or names of columns.
    features_digest: SHA-256 (hex) of the source of the user's file of features; empty without one. To a set all of its
                columns are added; a list names those that it wants.
    bars:       only the newest this many closed bars of each symbol; None is all.
    short:      may the model sell short; None: where the symbol is a derivative (it has a settle currency).
    filter:     data filter, `assay.market.data_filter`; None leaves it off.
    params:     the trainer's own parameters.
    seed:       0 <= seed < 2**32; every random generator of the run is its child.
    """

    exchange: str
    symbols: tuple[str, ...]
    timeframe: str
    learner: str = "ensemble"
    features: str | tuple[str, ...] = "core72"
    features_digest: str = ""
    target: TargetChoice = field(default_factory=TargetChoice)
    folds: SplitSpec = field(default_factory=SplitSpec)
    sizing: SizingChoice = field(default_factory=SizingChoice)
    costs: Costs = field(default_factory=Costs)
    bars: int | None = None
    short: bool | None = None
    filter: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 42

    def __post_init__(self) -> None:
        if not self.symbols:
            raise ConfigError("symbols is empty, a training needs at least one", code="CONFIG_SYMBOL")
        if len(set(self.symbols)) < len(self.symbols):
            raise ConfigError(f"symbols {list(self.symbols)} names one twice", code="CONFIG_SYMBOL")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed is {self.seed}, must be in 0..4294967295", code="CONFIG_PARAMETER", field="seed")
        if self.features_digest and not _SHA256.fullmatch(self.features_digest):
            raise ConfigError(
                f"features_digest is {printable(self.features_digest)}, must be 64 hexadecimal digits or empty",
                code="CONFIG_FEATURE_FILE",
                hint="Leave it out: --features-file fills it in.",
                field="features_digest",
            )
        demand_bars(self.bars)
        _ = self.instruments  # each name is checked where it is built

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The series of candles that the training reads, in the order of `symbols`."""
        return tuple(Instrument(self.exchange, symbol, self.timeframe) for symbol in self.symbols)

    @property
    def market_key(self) -> str:
        """The market's name in the trial ledger; of several symbols the sorted keys joined by ``+``."""
        return "+".join(sorted(i.key for i in self.instruments))

    def as_dict(self) -> dict[str, object]:
        """Plain JSON-able dict of every field; `features_digest` only where it is not empty, as specs had none once."""
        return dict(json.loads(self._canonical()))

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the canonical JSON: equal specs, equal hash, whatever the order they were written in."""
        return hashlib.sha256(self._canonical().encode()).hexdigest()

    def _canonical(self) -> str:
        document = asdict(self)
        if not self.features_digest:
            del document["features_digest"]
        return canonical(document)


def canonical(value: object) -> str:
    """JSON with sorted keys, no blanks, shortest floats; NaN and infinities are refused.

    >>> canonical({"b": 1.0, "a": [True, None]})
    '{"a":[true,null],"b":1.0}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
