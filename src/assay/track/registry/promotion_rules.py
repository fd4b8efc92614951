"""Conditions of a promotion."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from assay.kernel.errors import ArtifactError, LeakError, StoreError, printable
from assay.kernel.instrument import markets_of
from assay.track.database import Database, Row, rows
from assay.track.ledger import Ledger
from assay.track.ledger_heads import BrokenChain
from assay.track.schema.tables import EXPERIMENTS, TRIALS
from assay.validate import Thresholds, looser_thresholds

GOLD = "GOLD"


def gate(row: Row, override: str, also: list[str], limits: Thresholds | None = None, since: str = "") -> None:
    """What nothing waives, and the verdict, which a person may; `also`: faults found elsewhere.

    limits: thresholds that are asked now: gold by looser ones, or by looser ones than the default, needs a person, too.
    since: what the looks that its bars have had since it was judged made of its gold; empty: nothing.
    StoreError ``STORE_VALUE`` with every reason, LeakError ``LEAK_NOT_AUDITED`` where one is that the audit is open.
    """
    faults = [*faults_of(row), *_unproven(row), *also]
    if not override.strip():
        value, request = (row["verdict"] or {}).get("thresholds") or {}, limits or Thresholds()
        loose = dict.fromkeys([*looser_thresholds(value, Thresholds()), *looser_thresholds(value, request)])
        if verdict_word(row) != GOLD:
            faults.append(f"its verdict is {verdict_word(row)}, not GOLD, and no reason is given to override it")
        elif since:
            faults.append(f"{since}, and no reason is given to override that")
        elif loose:
            faults.append(f"it is GOLD by {'; '.join(loose)}, and no reason is given to let that do")
    demand_sound(row, faults)


def faults_of(row: Row) -> list[str]:
    """Against its bytes and its audit."""
    faults = []
    if row["integrity"] != "verified":
        faults.append(f"its files are {row['integrity']}")
    if row["audit_status"] != "passed":
        faults.append(f"its leak audit is {row['audit_status']}")
    return faults


def demand_there(row: Row) -> None:
    """ArtifactError ``ARTIFACT_GONE`` for a model whose files retention has removed, or is about to."""
    if row["deleting_at"] is not None or row["deleted_at"] is not None:
        raise ArtifactError(
            f"the files of model {row['id']} ({printable(row['model_id'])}) were removed by retention",
            code="ARTIFACT_GONE",
            hint="Its row is kept for lineage. Train it again, or choose another model.",
        )


def demand_run(connection: sa.Connection, row: Row) -> None:
    """StoreError ``STORE_CONFLICT`` for a model of a run that failed or crashed."""
    query = sa.select(EXPERIMENTS.c.status).where(EXPERIMENTS.c.id == row["experiment_id"])
    status = connection.execute(query).scalar_one()
    if status in ("failed", "crashed"):
        raise StoreError(
            f"model {row['id']} comes of run {row['experiment_id']}, which {status}; it cannot be champion",
            code="STORE_CONFLICT",
            status=status,
        )


def demand_sound(row: Row, faults: list[str]) -> None:
    """StoreError ``STORE_VALUE`` that names every fault, if there is one; `not_audited` where an open audit is one."""
    if not faults:
        return
    text = f"model {row['id']} ({printable(row['model_id'])}) cannot be champion: {'; '.join(faults)}"
    if row["audit_status"] == "pending":
        raise not_audited(text, row["experiment_id"], faults=faults)
    raise StoreError(text, code="STORE_VALUE", faults=faults)


def not_audited(text: str, run: int | None, **facts: object) -> LeakError:
    """``LEAK_NOT_AUDITED``: nobody knows whether the run saw the future, so no door lets it through."""
    hint = "Train it again with an audit." if run is None else f"assay audit {run} asks all that is open."
    return LeakError(text, code="LEAK_NOT_AUDITED", hint=hint, run=run, **facts)


def verdict_word(row: Row) -> str:
    """GOLD, UNPROVEN or PYRITE; ``unknown`` for a model without a verdict."""
    return str((row["verdict"] or {}).get("word", "unknown"))


def _unproven(row: Row) -> list[str]:
    """Against what its verdict rests on."""
    faults = []
    if row["val_metric"] is None and row["test_metric"] is None:
        faults.append("it has no finite metric on bars that it was not fitted on")
    reasons: list[Mapping[str, Any]] = (row["verdict"] or {}).get("reasons", [])
    if not any((reason.get("check"), reason.get("state")) == ("ledger", "PASS") for reason in reasons):
        faults.append("its verdict does not say that every trial is in the ledger")
    return faults


def ledger_reasons(database: Database, ledger: Ledger, row: Row) -> list[str]:
    """Against the ledger: the run is not in a chain of the model's market, or the chain does not hold.

    A run that repeats another (same spec, same data) is in it by the other's rows. Rows are only ever added, so this is
    looked at before anything is locked; it reads the market's chains.
    """
    with database.read() as connection:
        chains = _chains(connection, row)
    if not chains:
        return [f"its run {row['experiment_id']} is not in the trial ledger of {_market(row)}"]
    try:
        for chain in chains:
            ledger.check(chain)
    except BrokenChain as error:
        return [error.message]
    return []


def _market(row: Row) -> str:
    return "|".join(str(row[name] or "") for name in ("exchange", "symbol", "timeframe"))


def _chains(connection: sa.Connection, row: Row) -> list[str]:
    """Chains of the model's market, alone or in a panel, that its run or the one it repeats has written to."""
    e, t = EXPERIMENTS.c, TRIALS.c
    run = rows(connection.execute(sa.select(e.spec_hash, e.data_digest).where(e.id == row["experiment_id"])))[0]
    alike = sa.select(e.id).where(e.spec_hash == run["spec_hash"], e.data_digest == run["data_digest"])
    mine = sa.or_(t.experiment_id == row["experiment_id"], t.experiment_id.in_(alike))
    result = connection.execute(sa.select(t.market_key).where(mine).distinct()).scalars()
    return sorted(chain for chain in result if _market(row) in map("|".join, markets_of(chain)))
