"""The bayesian search: what its sampler sees, and that it is better than chance."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.samplers import TPESampler

from assay.learn.strategies.registry import strategy_named
from assay.validate.search.objective import PRUNED
from assay.validate.search.optuna_sampler import BEST, SEEN, Bayesian, OneBatch, Proposals
from assay.validate.search.sampler import Method, Random, Row
from assay.validate.search.space import Space
from tests.validate.sessions import SPACE, begun, driven, judged


def test_the_sampler_sees_the_best_and_the_newest() -> None:
    rng = np.random.default_rng(1)
    proposals = Proposals(SPACE, "tpe")
    scores = rng.permutation(600).astype(float).tolist()
    reasons = {0.0: "rejected: too_few_trades", 1.0: PRUNED}
    for score in scores:
        point, reason = SPACE.at(rng.random(4)), reasons.get(score, "")
        row = Row(0, point, math.nan if reason else score, not reason, reason, 9, {}, 1)
        proposals.tell(proposals.put(proposals.raw(point)), row)
    proposals.begin(7)
    shown = [trial.value for trial in proposals._study.get_trials(deepcopy=False) if trial.value is not None]
    best = set(range(600 - BEST, 600))
    newest = {float(s) for s in scores[-(SEEN - BEST) :] if s > 1}
    assert newest | best <= set(shown)
    assert len(shown) <= SEEN
    assert shown == [s for s in scores if s in set(shown)], "in the order of asking"


def chosen(method: Method, seed: int, trials: int = 120) -> float:
    """What the point with the highest noisy score is truly worth."""
    rng = np.random.default_rng(seed + 1000)
    space = Space.of(
        {**{f"x{i}": (0.0, 1.0) for i in range(4)}, "n": (0, 8), "kind": ["a", "b", "c", "d"], "step": [1, 2, 5, 10]}
    )
    session = method.start(space, trials=trials, batch=16, seed=seed, identity="quality")
    best = (-math.inf, math.nan)
    while asked := session.ask():
        for each in asked:
            p: dict[str, Any] = each.point
            true = -sum((p[f"x{i}"] - 0.2 - 0.15 * i) ** 2 for i in range(4))
            true -= (p["n"] / 8 - 0.5) ** 2 + {"a": 0.3, "b": 0.0, "c": 0.2, "d": 0.5}[p["kind"]] + 0.02 * p["step"]
            noisy = true + 0.1 * rng.standard_normal()
            best = max(best, (noisy, true))
            session.tell(Row(0, p, noisy, True, "", 9, {}, 1))
    return best[1]


def test_densities_built_once_a_batch_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []
    whole = TPESampler._build_parzen_estimator

    def counted(self: TPESampler, *args: Any, **named: Any) -> Any:
        built.append(1)
        return whole(self, *args, **named)

    monkeypatch.setattr(TPESampler, "_build_parzen_estimator", counted)
    rows = driven(begun(None))[0]
    once = len(built)
    monkeypatch.setattr(OneBatch, "_build_parzen_estimator", counted)
    assert repr(driven(begun(None))[0]) == repr(rows)
    assert once < (len(built) - once) / 3, "Optuna no longer builds them where they are remembered"


@pytest.mark.slow
def test_tpe_beats_chance_in_the_mean() -> None:
    means = {m.name: np.mean([chosen(m, seed) for seed in range(20)]) for m in (Random(), Bayesian())}
    assert means["bayesian"] > means["random"] + 0.05, means


@pytest.mark.slow
def test_liquidity_sweep_asks_for_distinct_points_of_its_whole_space() -> None:
    rule = strategy_named("liquidity_sweep")
    session = Bayesian().start(Space.of_strategy(rule), trials=400, batch=16, seed=1, identity="liquidity")
    seen: set[str] = set()
    while asked := session.ask():
        for each in asked:
            rule.resolve(each.point)
            seen.add(repr(each.point))
            session.tell(judged(len(seen), {"x": each.point["pierce_depth"], "n": 1, "kind": "a"}))
    assert len(seen) == 400


@pytest.mark.slow
@pytest.mark.deep
def test_the_gaussian_process_runs_and_resumes(tmp_path: Path) -> None:
    whole, _ = driven(begun(None, 18, sampler="gp", batch=4))
    assert repr(driven(begun(None, 18, sampler="gp", batch=4))[0]) == repr(whole), "the same again"
    _, before = driven(begun(tmp_path / "j", 18, sampler="gp", batch=4), most=13)
    rows, after = driven(begun(tmp_path / "j", 18, sampler="gp", batch=4))
    assert (repr(rows), before + after) == (repr(whole), 18)
    assert max(row.score for row in whole[10:] if row.valid) > max(row.score for row in whole[:10] if row.valid)
