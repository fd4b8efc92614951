"""Retention against its own words: whatever was done before, exactly the models that may go go."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from assay.track.registry import retention
from assay.track.registry.promotion import ModelSlot
from assay.track.registry.retention import prune_files
from assay.track.schema.service import JOBS
from assay.track.schema.tables import CONFIGURATIONS
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.shelf import DAY_MS, GOLD, change
from tests.track.test_champions import fine

SYMBOLS = ("BTC/USDT", "ETH/USDT")
NOW = 1_700_000_000_000
SOUND: dict[str, Any] = {"strategy_type": "rules", "exchange": "x", "timeframe": "1h", "integrity": "verified"}
SOUND |= {"audit_status": "passed", "val_metric": 1.0, "verdict": GOLD}


class Retention(RuleBasedStateMachine):
    """The oracle keeps its own books: ``made``, ``sound`` and ``used`` by model, and what serves by symbol."""

    models = Bundle("models")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.home = Path(self.folder.name)
        self.record: TrackingStore = open_store(self.home / "record.db")
        sa.event.listen(
            self.record.database._engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF")
        )
        self.record.close()
        self.run = self.record.experiments.start("a run", "rules").id
        self.clock = NOW
        retention.current_ms = lambda: self.clock
        self.made: dict[int, tuple[str, int]] = {}
        self.sound: set[int] = set()
        self.used: set[int] = set()
        self.serving: dict[str, dict[str, int]] = {symbol: {} for symbol in SYMBOLS}
        self.gone: set[int] = set()
        self.count = 0
        self.passes(0, 3, kill=False)  # the first is dry

    @rule(target=models, symbol=st.sampled_from(SYMBOLS), hours=st.sampled_from([0, 1, 23, 25, 48, 800, 9000]))
    def publish(self, symbol: str, hours: int) -> int:
        self.count += 1
        name, created = f"{self.count:064x}", self.clock - hours * 3_600_000
        (self.home / "artifacts" / name).mkdir(parents=True)
        (self.home / "models").mkdir(exist_ok=True)
        (self.home / "models" / f"{self.count}.pkl").write_bytes(b"x")
        columns = SOUND | {"symbol": symbol, "manifest_sha256": name, "created_at": created}
        model = int(self.record.models.add(self.run, f"{self.count}.pkl", **columns)["id"])
        self.made[model] = (symbol, created)
        self.sound.add(model)
        return model

    @rule(model=models, alias=st.sampled_from(["champion", "challenger"]))
    def serve(self, model: int, alias: str) -> None:
        symbol = self.made[model][0]
        held = self.serving[symbol]
        if model in self.gone or model not in self.sound or held.get("champion") == model:
            return
        if alias == "challenger":
            self.record.champions.challenge(model, by="a")
            held["challenger"] = model
            return
        self._demand_nothing_of_the_ledger()
        self.record.champions.promote(model, by="a", works=fine)
        if "champion" in held:
            held["previous"] = held["champion"]
        held["champion"] = model
        if held.get("challenger") == model:
            del held["challenger"]

    def _demand_nothing_of_the_ledger(self) -> None:
        from assay.track.registry import promotion

        promotion.ledger_reasons = lambda *given: []

    @rule(symbol=st.sampled_from(SYMBOLS))
    def roll_back(self, symbol: str) -> None:
        held = self.serving[symbol]
        if "previous" in held and held["previous"] in self.sound:
            self.record.champions.rollback(ModelSlot("rules", "x", symbol, "1h"), by="a", works=fine)
            held["champion"], held["previous"] = held["previous"], held["champion"]
            if held.get("challenger") == held["champion"]:
                del held["challenger"]

    @rule(model=models, how=st.sampled_from(["queued", "running", "configuration"]))
    def use(self, model: int, how: str) -> None:
        if model in self.used or model in self.gone:
            return
        self.used.add(model)
        with self.record.database.write() as connection:
            if how == "configuration":
                values = {"strategy_name": "r", "exchange": "x", "pair": "y", "timeframe": "1h", "is_active": True}
                values |= {"config_id": f"c{model}-{self.count}-{self.clock}", "model_id": model}
                connection.execute(sa.insert(CONFIGURATIONS).values(values))
                return
            text = self.record.models.get(model)["model_id"]
            values = {"job_id": f"{model}-{self.clock}-{self.count}", "spec": {"of": text}, "spec_hash": "0" * 64}
            values |= {"status": how} | ({"owner": "w", "lease_until": 0} if how == "running" else {})
            connection.execute(sa.insert(JOBS).values(values))

    @rule()
    def let_go(self) -> None:
        """All jobs end, all configurations are switched off."""
        with self.record.database.write() as connection:
            connection.execute(sa.delete(JOBS))
            connection.execute(sa.update(CONFIGURATIONS).values(is_active=False))
            connection.execute(sa.delete(CONFIGURATIONS))
        self.used.clear()

    @rule(model=models)
    def spoil(self, model: int) -> None:
        change(self.record, model, integrity="corrupt")
        self.sound.discard(model)

    @rule(days=st.sampled_from([1, 40, 3652]))
    def wait(self, days: int) -> None:
        self.clock += days * DAY_MS

    @rule(days=st.sampled_from([0, 1, 30, 36_500]), keep=st.sampled_from([0, 1, 3]), kill=st.booleans())
    def passes(self, days: int, keep: int, kill: bool) -> None:
        expected = self.gone | {model for model in self.made if self._may_go(model, days, keep)}
        places = {"artifacts": self.home / "artifacts", "models": self.home / "models"}
        if kill:
            retention.mark(self.record, days=days, keep_last=keep, by="a")
            days = 36_500  # the next pass finishes what it finds marked
        pruned = prune_files(self.record, **places, days=days, keep_last=max(keep, 3 if kill else 0))
        if not pruned.dry_run:
            self.gone = expected | (self.gone if not kill else set())

    def _may_go(self, model: int, days: int, keep: int) -> bool:
        symbol, created = self.made[model]
        newer = [
            other
            for other, (of, when) in self.made.items()
            if of == symbol and (when, other) > (created, model) and other in self.sound and other not in self.gone
        ]
        old = self.clock - created > max(days * DAY_MS, DAY_MS)
        serves = model in self.serving[symbol].values()
        return old and not serves and model not in self.used and len(newer) >= max(keep, 1)

    @invariant()
    def the_files_are_those_of_the_models_that_stay(self) -> None:
        if not hasattr(self, "made"):
            return
        rows = {row["id"] for row in self.record.models.recent(limit=10_000)}
        assert rows == set(self.made) - self.gone
        names = {int(path.stem) for path in (self.home / "models").glob("*.pkl")}
        folders = {int(path.name, 16) for path in (self.home / "artifacts").iterdir() if len(path.name) == 64}
        assert names == folders == rows
        for held in self.serving.values():
            assert not set(held.values()) & self.gone
        assert not self.used & self.gone

    def teardown(self) -> None:
        if hasattr(self, "record"):
            self.record.close()
            self.folder.cleanup()


@pytest.mark.slow
def test_exactly_what_may_go_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    from assay.track.registry import promotion

    # the machine sets both; they come back afterwards
    monkeypatch.setattr(retention, "current_ms", retention.current_ms)
    monkeypatch.setattr(promotion, "ledger_reasons", promotion.ledger_reasons)
    run_state_machine_as_test(
        Retention,
        settings=settings(
            max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
