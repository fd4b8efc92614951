"""Evidence on disk: a search leaves a fifth table, everything else none."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from assay.runs.run_artifacts import RunArtifacts

from .report_evidence import evidence_of, market


@pytest.fixture(scope="module")
def evidence() -> RunArtifacts:
    return evidence_of(market(600))


def test_without_a_search_there_is_no_fifth_file(evidence: RunArtifacts, tmp_path: Path) -> None:
    evidence.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "account.parquet", "bars.parquet", "decisions.parquet", "run.json", "trades.parquet",
    ]  # fmt: skip
    assert RunArtifacts.read(tmp_path).trials is None


def test_trials_come_back_and_survive_a_copy(evidence: RunArtifacts, tmp_path: Path) -> None:
    trials = pl.DataFrame({"window": [0, 0], "number": [0, 1], "p_fast": [5, 7], "score": [1.5, None]})
    searched = replace(evidence, trials=trials)
    searched.write(tmp_path)
    again = RunArtifacts.read(tmp_path)
    assert again.trials is not None and again.trials.equals(trials)
    copied = RunArtifacts(again.document, *again.tables)
    assert copied.trials is again.trials and copied.account is again.account
