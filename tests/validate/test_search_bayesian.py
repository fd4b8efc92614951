"""The bayesian search: its journal, that it can be killed anywhere, and that it is better than chance."""

import errno
import fcntl
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.samplers import TPESampler

from assay.kernel.contracts import Report, Silent
from assay.kernel.errors import ArtifactError, ConfigError, StoreError
from assay.learn.strategies.registry import strategy_named
from assay.validate.search.bayesian import Bayesian
from assay.validate.search.draws import Random
from assay.validate.search.kept import Kept, row_of
from assay.validate.search.method import Method, Row, Session
from assay.validate.search.objective import PRUNED
from assay.validate.search.proposals import BEST, SEEN, OneBatch, Proposals
from assay.validate.search.result import SearchResult
from assay.validate.search.search import Search
from assay.validate.search.space import Point, Space
from tests.validate.search_killed import SEED, panel, search

SPACE = Space.of({"x": (0.0, 1.0), "n": (0, 50), "kind": ["a", "b", "c"], "step": [1, 2, 5, 10]}, ["n < 45"])


def worth(point: Point) -> float:
    kind = {"a": 0.2, "b": 0.0, "c": 0.4}[point["kind"]]
    return -float((point["x"] - 0.3) ** 2 + (point["n"] / 50 - 0.5) ** 2 + kind)


def judged(number: int, point: Point) -> Row:
    """Every fifth is rejected; the metrics hold what JSON has no word for."""
    valid = number % 5 != 3
    metrics = {"sharpe": worth(point), "calmar": math.nan, "profit_factor": math.inf, "total_trades": number}
    score = worth(point) if valid else math.nan
    return Row(number, point, score, valid, "" if valid else "rejected: too_few_trades", 7, metrics, 100 + number)


def begun(
    journal: Path | None,
    trials: int = 60,
    *,
    identity: str = "one",
    sampler: Literal["tpe", "gp"] = "tpe",
    batch: int = 8,
) -> Session:
    return Bayesian(sampler, journal).start(SPACE, trials=trials, batch=batch, seed=3, identity=identity)


def driven(session: Session, *, most: int = 10**9) -> tuple[list[Row], int]:
    """Rows in the order of asking, and how many of them were judged here; gives up when `most` were."""
    rows: list[Row] = []
    fresh = 0
    while asked := session.ask():
        for each in asked:
            if each.row is None:
                if fresh == most:
                    return rows, fresh
                session.tell(judged(len(rows), each.point))
                fresh += 1
            rows.append(each.row or judged(len(rows), each.point))
    return rows, fresh


WHOLE, _ = driven(begun(None))


def test_a_journal_changes_nothing(tmp_path: Path) -> None:
    rows, fresh = driven(begun(tmp_path / "j"))
    assert fresh == len(rows) == 60
    assert repr(rows) == repr(WHOLE)
    known, fresh = driven(begun(tmp_path / "j"))
    assert (repr(known), fresh) == (repr(WHOLE), 0)


@given(stops=st.lists(st.integers(0, 30), max_size=4))
@settings(max_examples=6, deadline=None)
def test_given_up_anywhere_it_goes_on_to_the_same_answer(
    tmp_path_factory: pytest.TempPathFactory, stops: list[int]
) -> None:
    journal = tmp_path_factory.mktemp("given_up") / "j"
    counts = [driven(begun(journal), most=most)[1] for most in stops]
    rows, last = driven(begun(journal))
    assert repr(rows) == repr(WHOLE)
    assert sum(counts) + last == 60, "each trial is judged once"


def test_a_torn_last_line_is_dropped_wherever_it_tore(tmp_path: Path) -> None:
    journal = tmp_path / "j"
    driven(begun(journal), most=22)
    text = journal.read_bytes()
    start = text[:-1].rfind(b"\n") + 1
    for end in (*range(start, start + 14), (start + len(text)) // 2, len(text) - 1):
        journal.write_bytes(text[:end])
        rows, fresh = driven(begun(journal))
        assert (repr(rows), fresh) == (repr(WHOLE), 60 - 21), f"torn at byte {end - start}"
        assert driven(begun(journal))[1] == 0, "and what was written after it can be read"
    for end in range(12):  # the very first line
        journal.write_bytes(text[:end])
        assert driven(begun(journal), most=3)[1] == 3


def test_a_damaged_line_is_refused_by_its_number(tmp_path: Path) -> None:
    journal = tmp_path / "j"
    driven(begun(journal), most=20)
    text = journal.read_bytes()
    lines = text.splitlines(keepends=True)
    for number in (1, 2, 5, len(lines)):
        start = sum(map(len, lines[: number - 1]))
        for place in (start, start + 12, start + len(lines[number - 1]) // 2):
            journal.write_bytes(text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :])
            with pytest.raises(ArtifactError, match="journal") as caught:
                begun(journal)
            assert caught.value.code == "ARTIFACT_CORRUPT"
            assert caught.value.facts.get("line", 1) == number
    assert b'"points"' in lines[1]
    journal.write_bytes(b"".join(lines[:1] + lines[2:]))
    with pytest.raises(ArtifactError, match=r"j:2 tells of a point that batch 0 did not ask for"):
        begun(journal)


def test_what_is_no_journal_is_left_as_it_is(tmp_path: Path) -> None:
    other = tmp_path / "candles.csv"
    for text in ("open,high\n1,2", '{"op_code": 0}\n', "{}"):
        other.write_text(text)
        with pytest.raises(ArtifactError, match="is no journal"):
            begun(other)
        assert other.read_text() == text
    with pytest.raises(ConfigError, match="journal") as caught:
        begun(tmp_path / "absent" / "j")
    assert caught.value.facts["field"] == "journal"
    with pytest.raises(ConfigError, match="directory"):
        begun(tmp_path)


def test_a_journal_of_a_newer_release_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.validate.search.kept.VERSION", 2)
    begun(tmp_path / "j")
    monkeypatch.undo()
    with pytest.raises(ArtifactError, match="of version 2, this release reads version 1"):
        begun(tmp_path / "j")


def test_searches_share_a_journal(tmp_path: Path) -> None:
    journal = tmp_path / "j"
    names = [f"search {k}" for k in range(4)]
    with ThreadPoolExecutor(4) as pool:
        first = list(pool.map(lambda name: driven(begun(journal, identity=name), most=13), names))
        rest = list(pool.map(lambda name: driven(begun(journal, identity=name)), names))
    for (_, before), (rows, after) in zip(first, rest, strict=True):
        assert (before, after) == (13, 60 - 13)
        assert repr(rows) == repr(WHOLE)
    assert driven(begun(journal, identity="another"), most=1)[1] == 1


def test_one_search_writes_at_a_time(tmp_path: Path) -> None:
    begun(tmp_path / "j")
    with (tmp_path / "j").open("rb") as file, ThreadPoolExecutor(1) as pool:
        fcntl.flock(file, fcntl.LOCK_EX)
        other = pool.submit(begun, tmp_path / "j", identity="other")
        with pytest.raises(TimeoutError):
            other.result(timeout=0.2)
        fcntl.flock(file, fcntl.LOCK_UN)
        assert other.result().pinned(3) == 3


def test_what_the_ledger_held_is_pinned(tmp_path: Path) -> None:
    assert begun(None).pinned(5) == 5
    assert begun(tmp_path / "j").pinned(120) == 120
    assert begun(tmp_path / "j").pinned(150) == 120
    assert begun(tmp_path / "j", identity="two").pinned(150) == 150


def test_a_batch_is_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    driven(begun(tmp_path / "j"))
    assert len(synced) == 8, "10 starts, then 50 trials in batches of 8"
    assert (tmp_path / "j").read_bytes().count(b"\n") == 1 + 8 + 60
    for line in (tmp_path / "j").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = begun(tmp_path / "j")

    def full(file: int, text: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match=r"journal j could not be written: No space left"):
        session.ask()


def test_a_row_comes_back_as_it_was(tmp_path: Path) -> None:
    rows = [judged(k, {"x": 0.1, "n": 3, "kind": "a"}) for k in (0, 3)]
    kept = Kept.open(tmp_path / "j", "rows")
    kept.asked(0, [[0.1, 3, 0], [0.1, 3, 1]])
    for row in rows:
        kept.told(0, row, last=False)
    batch = Kept.open(tmp_path / "j", "rows").batches[0]
    assert repr([row_of(each, dict(rows[0].parameters)) for each in batch.rows]) == repr(rows)
    with pytest.raises(ArtifactError, match="row that cannot be read"):
        row_of({"number": 1, "metrics": {}}, {})


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


def found(made: Search, *, report: Report | None = None) -> SearchResult:
    return made.search(panel(), seed=SEED, report=report or Silent())


@pytest.mark.slow
@pytest.mark.parametrize("die_at", [1, 4, 10, 11, 17, 26, 39])  # in the random starts; at the edges of batches; within
def test_a_killed_search_goes_on_to_the_same_answer(tmp_path: Path, die_at: int) -> None:
    journal = tmp_path / "journal.log"
    script = [sys.executable, "-m", "tests.validate.search_killed", str(journal), str(die_at)]
    killed = subprocess.run(script, cwd=Path(__file__).parents[2], capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr.decode()
    report = Silent()
    resumed = found(search(journal), report=report)
    whole = found(search(None))
    assert [r.parameters for r in resumed.rows] == [r.parameters for r in whole.rows]
    assert [r.score for r in resumed.rows] == pytest.approx([r.score for r in whole.rows], rel=0, abs=0, nan_ok=True)
    assert (resumed.best_parameters, resumed.best_score) == (whole.best_parameters, whole.best_score)
    assert resumed.best_metrics == pytest.approx(whole.best_metrics, rel=0, abs=0, nan_ok=True)
    assert len(report.trials) == len(whole.rows) - (die_at - 1), "what was told before is not judged again"
    silent = Silent()
    assert found(search(journal), report=silent).best_parameters == resumed.best_parameters
    assert not silent.trials, "a finished journal judges nothing"


def test_a_journal_serves_its_own_search_only(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    first = found(search(journal, trials=12))
    other = found(search(journal, trials=12, objective="net_profit"))
    assert first.best_score != other.best_score
    plain = found(search(None, trials=12)).as_dict() | {"ledger_trial_ids": 0}
    assert plain == first.as_dict() | {"ledger_trial_ids": 0}


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
