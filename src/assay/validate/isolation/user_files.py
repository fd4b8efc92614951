"""Strategies and features whose functions run in a closed process only.

The process that judges never runs a line of the user's: whatever the file patches, prints, ends or remembers, it does
so where nothing is judged.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import numpy as np

from assay.features import FEATURE_FILE_CODE as FEATURE_CODE
from assay.features import Feature, FeatureContext, FeatureFile
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ConfigError, TrainError, unread_hint
from assay.kernel.spec import canonical
from assay.kernel.timeframe import Timeframe
from assay.kernel.user_source import UserCode, find_source_gaps, read_user_code, refusal
from assay.learn import Setups, State, Strategy
from assay.validate.audit.pipeline import Columns
from assay.validate.isolation.declarations import feature_fields, setups_of, strategy_fields
from assay.validate.isolation.process import ClosedProcess, Confinement, Kind, demand_inside


class IsolatedStrategy(ClosedProcess):
    """A strategy file in a closed process: ``with IsolatedStrategy(code) as rule: rule.decide(bars, values)``."""

    def __init__(self, code: UserCode, *, number: int = 0, limits: Confinement | None = None) -> None:
        super().__init__(code, "strategy", number=number, limits=limits)

    def decide(self, bars: Bars, values: Mapping[str, object]) -> Decisions:
        """Decisions at these values, all of them as `Strategy.resolve` gives them. See `Strategy.decisions`."""
        got = self.ask(bars, {"values": dict(values)}).arrays
        if {name: each.shape for name, each in got.items()} != dict.fromkeys(
            ("target", "stop", "take", "hold"), (len(bars),)
        ):
            raise TrainError(f"{self.code.main.path} gave no decisions for {len(bars)} bars", code="TRAIN_STRATEGY")
        return Decisions(got["target"], got["stop"], got["take"], got["hold"].astype(np.int32, copy=False))

    def rule(self, bars: Bars, structural: Mapping[str, object]) -> Setups | State:
        """What the rule gives for these bars, at its structural parameters. See `Strategy.setups`."""
        name = str(self.declared["strategy"]["name"]) if self.declared else self.code.main.path
        return setups_of(self.ask(bars, {"values": dict(structural), "whole": True}, keep=True), name)

    def lookback(self, values: Mapping[str, object], timeframe: str) -> object:
        """What the file's lookback gives for these values; whether it is a number of rows is the caller's to check."""
        return self.ask(None, {"values": dict(values), "timeframe": timeframe}).facts.get("lookback")


class IsolatedFeatures(ClosedProcess):
    """A features file in a closed process."""

    def __init__(self, code: UserCode, *, number: int = 0, limits: Confinement | None = None) -> None:
        super().__init__(code, "feature", number=number, limits=limits)

    def compute(self, bars: Bars, names: Sequence[str] = ()) -> Columns:
        """Columns of these names, by default all that the file declares; NaN before each column's lookback.

        Columns that the bars cannot give are left out, see `assay.features.table`.
        """
        got = self.ask(bars, {"names": list(names)})
        values = got.arrays["values"].astype(np.float64, copy=False)
        columns = tuple(str(name) for name in got.facts["names"])
        if values.shape != (len(bars), len(columns)):
            raise TrainError(f"{self.code.main.path} gave no columns for {len(bars)} bars", code="TRAIN_FEATURE")
        return Columns(values, columns, int(got.facts["lookback"]))


_STRATEGY_CODE = "CONFIG_STRATEGY_FILE"
_PROCESSES: WeakValueDictionary[tuple[str, str, str], ClosedProcess] = WeakValueDictionary()
_RECENT: deque[ClosedProcess] = deque(maxlen=2)  # a command loads its file again: no second start
_STARTING = RLock()
_LOG = logging.getLogger(__name__)
T = TypeVar("T")


class IsolatedRule:
    """The function of a strategy file, called in its closed process.

    gaps: why not every line that can run is part of the file's digest; empty where it is.
    """

    isolated = True  # `Strategy.setups` needs no copy of the bars

    def __init__(self, process: IsolatedStrategy) -> None:
        self.process = process
        self.gaps = _gaps(process)
        self._lookbacks: dict[str, object] = {}

    def __call__(self, bars: Bars, **structural: object) -> Setups | State:
        """What the rule gives for these bars. Raises LeakError ``LEAK_OUTSIDE``, TrainError ``TRAIN_STRATEGY``."""
        return _answer(self.process, lambda: self.process.rule(bars, structural))

    def lookback(self, values: Mapping[str, object], timeframe: Timeframe) -> int:
        """What the file declares for these values; each set of them is asked for once."""
        key = canonical([dict(values), timeframe.name])
        if key not in self._lookbacks:
            self._lookbacks[key] = _answer(self.process, lambda: self.process.lookback(values, timeframe.name))
        rows: Any = self._lookbacks[key]
        return rows


def isolated_strategy(path: Path, code: UserCode | None = None) -> Strategy:
    """The strategy that a file declares; its rule and its lookback are computed in a closed process.

    code: the source, where it was read already.
    All strategies of one source share a process. The last two that were started stay; others end with their
    strategies. Raises ConfigError ``CONFIG_STRATEGY_FILE`` as `load_strategy_file`, LeakError ``LEAK_OUTSIDE`` for
    what the file tries while it loads.
    """
    source = user_source(path, "strategy") if code is None else code
    process = _process(source, "strategy", path)
    assert isinstance(process, IsolatedStrategy)
    rule = IsolatedRule(process)
    try:
        fields = strategy_fields(process.declared["strategy"])
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise refusal(path, f"declares no strategy: {error}", kind="strategy", code=_STRATEGY_CODE) from error
    return Strategy(**fields, rule=rule, reads=rule.lookback, origin=source.digest, source=source)


def isolated_feature_file(path: Path, code: UserCode | None = None) -> FeatureFile:
    """The features that a file declares; each is computed in a closed process that they share.

    code: the source, where it was read already or is not at `path`.
    Raises ConfigError as `assay.features.user_features.load_feature_file`,
    LeakError ``LEAK_OUTSIDE`` for what the file tries while it loads.
    """
    source = user_source(path, "feature") if code is None else code
    process = _process(source, "feature", path)
    assert isinstance(process, IsolatedFeatures)
    try:
        fields = [feature_fields(each) for each in process.declared["features"]]
    except (KeyError, TypeError, ValueError) as error:
        raise refusal(path, f"declares no feature: {error}", kind="feature", code=FEATURE_CODE) from error
    declared = tuple(Feature(**each, compute=IsolatedColumn(process, each["name"])) for each in fields)
    return FeatureFile(path.name, path, source, source.digest, declared)


def source_gaps(own: Strategy | FeatureFile) -> tuple[str, ...]:
    """Why not every line that can run is part of the digest of a user's file, wherever it runs."""
    code = own.source if isinstance(own, Strategy) else own.code
    functions: list[Callable[..., object]] = (
        [own.rule] if isinstance(own, Strategy) else [each.compute for each in own.declared]
    )
    isolated = [each.gaps for each in functions if isinstance(each, IsolatedRule | IsolatedColumn)]
    if isolated or code is None:
        return isolated[0] if isolated else ()
    return find_source_gaps(code, functions)


class IsolatedColumn:
    """The function of one feature of a file, called in its closed process.

    gaps: see `IsolatedRule`.
    """

    def __init__(self, process: IsolatedFeatures, name: str) -> None:
        self.process, self.name, self.gaps = process, name, _gaps(process)

    def __call__(self, study: FeatureContext) -> FloatArray:
        """``(n,)``: the feature for these bars. Raises LeakError ``LEAK_OUTSIDE``, TrainError ``TRAIN_FEATURE``."""
        column: FloatArray = _answer(self.process, lambda: self.process.compute(study.bars, [self.name])).values[:, 0]
        return column


def _gaps(process: ClosedProcess) -> tuple[str, ...]:
    return tuple(str(each)[:500] for each in process.declared.get("gaps", ()))


def user_source(path: Path, kind: Kind) -> UserCode:
    """The source of a user's file. Raises ConfigError ``CONFIG_STRATEGY_FILE`` or ``CONFIG_FEATURE_FILE``."""
    code = _STRATEGY_CODE if kind == "strategy" else FEATURE_CODE
    try:
        return read_user_code(path)
    except OSError as error:
        hint = unread_hint(path, error)
        raise refusal(path, f"cannot be read: {error.strerror}", kind=kind, code=code, hint=hint) from error


def _process(code: UserCode, kind: Kind, path: Path) -> ClosedProcess:
    """The loaded process of this source, a new one where none is at work."""
    key = (kind, code.digest, path.name)
    with _STARTING:
        process = _PROCESSES.get(key)
        if process is None:
            process = IsolatedStrategy(code) if kind == "strategy" else IsolatedFeatures(code)
            _answer(process, process.load)
            _PROCESSES[key] = process
            _RECENT.append(process)
    return process


def _answer(process: ClosedProcess, question: Callable[[], T]) -> T:
    """The answer; what was printed for the first time is logged.

    Raises LeakError ``LEAK_OUTSIDE`` where the file tried something that it must not.
    """
    before = len(process.printed)
    try:
        return question()
    finally:
        for line in list(process.printed)[before:]:
            _LOG.warning("%s prints: %s", process.code.main.path, line)
        demand_inside(process)
