"""Build the spec of a parameter search from command-line arguments."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from assay.kernel.costs import Costs
from assay.kernel.errors import ConfigError, printable
from assay.kernel.parse import parse
from assay.kernel.spec import SplitSpec, TrainSpec
from assay.kernel.suggestions import did_you_mean
from assay.learn import Strategy
from assay.runs.rule_search import as_tables, declared_space
from assay.runs.strategies import load_strategy, split_settings
from assay.validate import Space, parse_space_text

TRAIN_SHARE = 0.7
PRESETS = {"standard": (60.0, 30.0, 7.0), "long": (90.0, 30.0, 7.0)}
SPLIT = "split"


def optimize_spec(
    strategy: str,
    exchange: str,
    symbol: str,
    timeframe: str,
    settings: Mapping[str, str],
    space: Sequence[str],
    walk_forward: str,
    *,
    file: Path | None,
    bars: int | None,
    seed: int,
    **params: Any,
) -> TrainSpec:
    """The spec of a search, complete: the space that the strategy declares stands in it.

    settings: texts, see `split_settings`; a bare name is a parameter that is not searched.   space: ``k=…`` texts.
    params:   fields of `RuleParams`.

    Raises ConfigError naming option, value and the nearest known name.
    """
    rule = load_strategy(strategy, file)
    fixed, costs, filtered = split_settings(rule, settings)
    return TrainSpec(
        exchange=exchange,
        symbols=(symbol,),
        timeframe=timeframe,
        learner="rules",
        features=(),
        folds=windows_of(walk_forward),
        costs=parse(Costs, costs, path="costs"),
        bars=bars,
        filter=filtered,
        seed=seed,
        params={
            **params,
            "strategy": rule.name,
            "origin": rule.origin,
            "fixed": fixed,
            "space": _space(rule, fixed, space),
        },
    )


def _space(rule: Strategy, fixed: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """What is searched, as the spec writes it: what the texts say, or else what the strategy declares."""
    value: dict[str, Any] = {}
    for text in texts:
        name, values = parse_space_text(text)
        if name in value:
            raise ConfigError(f"--space names {printable(name)} twice", code="CONFIG_SPACE", field=name[:128])
        value[name] = values
    if not value:
        value = declared_space(rule, fixed)
    return as_tables(Space.of_strategy(rule, value))


def windows_of(text: str) -> SplitSpec:
    """The windows that ``--walk-forward`` names: ``split``, a preset, or days ``train/test/gap``.

    Raises ConfigError ``CONFIG_FOLDS`` with the nearest name.
    """
    if text == SPLIT:
        return SplitSpec(train_share=TRAIN_SHARE)
    days = PRESETS.get(text)
    if days is None:
        try:
            train, test, gap = (_finite(part) for part in text.split("/"))
        except ValueError as error:
            near = did_you_mean(text, (SPLIT, *PRESETS)) or "60/30/7 means 60 train, 30 test and 7 gap days"
            raise ConfigError(
                f"--walk-forward is {printable(text)}, must be split, standard, long or three numbers of days; {near}",
                code="CONFIG_FOLDS",
                hint=near,
                field="walk_forward",
            ) from error
        days = train, test, gap
    return SplitSpec(train_days=days[0], test_days=days[1], gap_days=days[2])


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(text)
    return value


def plan_name(folds: SplitSpec) -> str:
    """What `windows_of` would call these windows; ``bars`` for windows that are cut by rows."""
    if folds.train_share is not None:
        return SPLIT
    if folds.train_days is None or folds.test_days is None:
        return "bars"
    days = (folds.train_days, folds.test_days, folds.gap_days)
    return next((name for name, preset in PRESETS.items() if preset == days), "/".join(f"{d:g}" for d in days))
