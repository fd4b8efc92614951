"""What later looks make of a stored GOLD: a new promotion asks again, lists say both words, nothing is withdrawn."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.kernel.contracts import Trial
from assay.kernel.errors import StoreError
from assay.runs._optimize import optimize
from assay.runs.context import Context
from assay.runs.model_health import edge_today, fault_of
from assay.runs.model_views import list_models, promote_model, show_model
from assay.track import ModelRegistry
from assay.validate import Thresholds
from tests.runs.lively_home import KEY, copied, home_of, lively_bars, spec_of


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edge")
    home = home_of(lively_bars(), folder)
    optimize(spec_of(), copied(home, folder / "run"))
    return folder / "run" / "home"


@pytest.fixture
def context(searched: Path, tmp_path: Path) -> Context:
    return copied(searched, tmp_path)


def gilded(context: Context, monkeypatch: pytest.MonkeyPatch, most: int = 3) -> dict[str, Any]:
    """The model as if it were GOLD, with an edge that `most` looks leave and one more does not."""
    from assay.runs import model_health as module

    plain = module._edge

    def edge(evidence: Any, looks: Any, context: Context) -> Any:
        return replace(plain(evidence, looks, context), state="PASS" if looks.n <= most else "UNKNOWN")

    monkeypatch.setattr(module, "_edge", edge)
    row = context.record.models.get(1)
    reasons = [r | {"state": "PASS"} for r in row["verdict"]["reasons"]]
    verdict = row["verdict"] | {"word": "GOLD", "reasons": reasons}
    import sqlalchemy as sa

    from assay.track.schema.tables import MODELS

    with context.record.database.write() as connection:
        connection.execute(sa.update(MODELS).values(verdict=verdict, audit_status="passed"))
    return context.record.models.get(1)


def looked(context: Context, count: int) -> None:
    (row,) = [r for r in context.record.ledger.looks([KEY]) if r.is_record][:1]
    trial = Trial(
        market_key=KEY, learner="rules", strategy="other", params={"count": count}, returns=np.empty(0), metrics={},
        window=row.intervals[0], n_configs=count, tuning_method="grid", identity="f" * 64,
    )  # fmt: skip
    context.record.ledger.append(trial)


def test_later_looks_ask_for_a_person(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    row = gilded(context, monkeypatch)
    today = edge_today(row, context)
    assert today is not None and (today.verdict, today.looks.n, fault_of(today, row["verdict"])) == ("GOLD", 1, "")
    looked(context, 3)
    today = edge_today(row, context)
    assert today is not None and (today.verdict, today.looks.n) == ("UNPROVEN", 4)
    (line,) = list_models(context, limit=5)
    assert (line.verdict, line.verdict_now, line.looks_now) == ("GOLD", "UNPROVEN", 4)
    with pytest.raises(StoreError, match="it was GOLD and is UNPROVEN with 4 trials by now, 1 when it was judged"):
        promote_model(1, context, by="ann", override="", expected_version=None, file=None)
    done = promote_model(1, context, by="ann", override="I know", expected_version=None, file=None)
    assert done.model.row.aliases == ["champion"]
    assert done.model.judgement is not None and done.model.judgement["word"] == "GOLD"


def test_the_tracking_api_lets_no_gold_through_that_others_looked_at_since(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    gilded(context, monkeypatch)
    registry = ModelRegistry(context.record, artifacts=context.artifacts, models=context.models)
    assert registry.promote(1, by="ann") == 1  # nobody looked: the same as `assay models promote`
    with pytest.raises(StoreError, match="GOLD by"):  # stricter thresholds of today, as ASSAY_GATE_* sets them
        registry.promote(1, by="ann", limits=Thresholds(min_bars=10**6))
    looked(context, 3)
    assert registry.promote(1, by="ann", override="I know") == 1
    with pytest.raises(StoreError, match="3 trials more on its candles since it was judged"):
        registry.promote(1, by="ann")


def test_who_is_champion_stays_it(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    gilded(context, monkeypatch)
    promote_model(1, context, by="ann", override="", expected_version=None, file=None)
    looked(context, 500)
    row = show_model(1, context).row
    assert (row.aliases, row.verdict, row.verdict_now) == (["champion"], "GOLD", "UNPROVEN")


def test_the_check_itself_asks_more_of_more_looks(context: Context) -> None:
    from assay.runs.model_health import _edge, _evidence
    from assay.runs.trial_counts import LookRequest, count_looks

    row = context.record.models.get(1)
    evidence = _evidence(row, context)
    assert evidence is not None
    times = evidence.account["timestamp"].to_numpy()
    few = count_looks(LookRequest(KEY, 1, times, ()), context)
    many = replace(few, n=few.n + 500, effective=few.effective + 500.0)
    one, other = (_edge(evidence, each, context) for each in (few, many))
    assert one.value != other.value and few.text in one.text
    assert edge_today(row, context) is None or row["verdict"]["word"] == "GOLD"  # an edge that never passed
    stored = {r["check"]: r for r in row["verdict"]["reasons"]}["edge"]
    assert np.isfinite(stored["value"])
