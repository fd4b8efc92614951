"""The journal of a bayesian search, which can be killed anywhere and goes on to the same answer."""

import errno
import fcntl
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.contracts import NullReport, Report
from assay.kernel.errors import ArtifactError, ConfigError, StoreError
from assay.validate.search.journal import SearchJournal, row_of
from assay.validate.search.result import SearchResult
from assay.validate.search.search import Search
from tests.validate.search_killed import SEED, panel, search
from tests.validate.sessions import WHOLE, begun, driven, judged


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
    monkeypatch.setattr("assay.validate.search.journal.VERSION", 2)
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
        assert other.result().pin_count(3) == 3


def test_what_the_ledger_held_is_pinned(tmp_path: Path) -> None:
    assert begun(None).pin_count(5) == 5
    assert begun(tmp_path / "j").pin_count(120) == 120
    assert begun(tmp_path / "j").pin_count(150) == 120
    assert begun(tmp_path / "j", identity="two").pin_count(150) == 150


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
    kept = SearchJournal.open(tmp_path / "j", "rows")
    kept.record_batch(0, [[0.1, 3, 0], [0.1, 3, 1]])
    for row in rows:
        kept.record_score(0, row, last=False)
    batch = SearchJournal.open(tmp_path / "j", "rows").batches[0]
    assert repr([row_of(each, dict(rows[0].parameters)) for each in batch.rows]) == repr(rows)
    with pytest.raises(ArtifactError, match="row that cannot be read"):
        row_of({"number": 1, "metrics": {}}, {})


def found(made: Search, *, report: Report | None = None) -> SearchResult:
    return made.search(panel(), seed=SEED, report=report or NullReport())


@pytest.mark.slow
@pytest.mark.parametrize("die_at", [1, 4, 10, 11, 17, 26, 39])  # in the random starts; at the edges of batches; within
def test_a_killed_search_goes_on_to_the_same_answer(tmp_path: Path, die_at: int) -> None:
    journal = tmp_path / "journal.log"
    script = [sys.executable, "-m", "tests.validate.search_killed", str(journal), str(die_at)]
    killed = subprocess.run(script, cwd=Path(__file__).parents[2], capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr.decode()
    report = NullReport()
    resumed = found(search(journal), report=report)
    whole = found(search(None))
    assert [r.parameters for r in resumed.rows] == [r.parameters for r in whole.rows]
    assert [r.score for r in resumed.rows] == pytest.approx([r.score for r in whole.rows], rel=0, abs=0, nan_ok=True)
    assert (resumed.best_parameters, resumed.best_score) == (whole.best_parameters, whole.best_score)
    assert resumed.best_metrics == pytest.approx(whole.best_metrics, rel=0, abs=0, nan_ok=True)
    assert len(report.trials) == len(whole.rows) - (die_at - 1), "what was told before is not judged again"
    silent = NullReport()
    assert found(search(journal), report=silent).best_parameters == resumed.best_parameters
    assert not silent.trials, "a finished journal judges nothing"


def test_a_journal_serves_its_own_search_only(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    first = found(search(journal, trials=12))
    other = found(search(journal, trials=12, objective="net_profit"))
    assert first.best_score != other.best_score
    plain = found(search(None, trials=12)).as_dict() | {"ledger_trial_ids": 0}
    assert plain == first.as_dict() | {"ledger_trial_ids": 0}
