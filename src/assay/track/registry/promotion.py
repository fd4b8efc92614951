"""Promotion of models: rules, and the aliases champion, challenger and previous per strategy and market."""

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass

import sqlalchemy as sa

from assay.kernel.errors import ArtifactError, LeakError, StoreError, amount, printable
from assay.kernel.instrument import markets_of
from assay.kernel.timeframe import current_ms
from assay.track.codecs import parse_instant
from assay.track.database import Database, Row, enqueue, hold, insert_new, not_found, rows, writes
from assay.track.ledger import Ledger
from assay.track.ledger_heads import BrokenChain, read_head
from assay.track.schema.service import EVENTS
from assay.track.schema.tables import ALIASES, EXPERIMENTS, MODELS, TRIALS
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
    reasons: list[Row] = (row["verdict"] or {}).get("reasons", [])
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


def later_looks(ledger: Ledger, row: Row) -> str:
    """Why a GOLD must be asked again: others scored its candles since it was judged; empty where none did.

    The chains that its verdict was counted by are read, up to now; the run's own spec scored again is no other.
    """
    head = read_head((row["verdict"] or {}).get("head"))
    if head is None:
        return ""
    looks = ledger.looks(head.ends)
    own = {look.identity for look in looks if look.run == row["experiment_id"]} - {None}
    later = [look for look in looks if look.seq > head.seq(look.market_key) and look.identity not in own]
    count = sum(look.n_configs for look in later)
    if not count:
        return ""
    return f"{amount(count, 'trial')} more on its candles since it was judged (assay models promote asks it again)"


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


Works = Callable[[Row], object]
_A = ALIASES.c
_ALIAS_OF = {"challenge": "challenger", "promote": "champion", "rollback": "champion"}


@dataclass(frozen=True, slots=True)
class ModelSlot:
    """What one champion is champion of; exchange and timeframe are empty when unknown."""

    strategy_type: str
    exchange: str
    symbol: str
    timeframe: str

    def __str__(self) -> str:
        return "|".join(astuple(self))


class Champions:
    """The aliases table. Once a post has a champion it always has one, and never two: its row only ever changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ledger = Ledger(database)

    def of(self, post: ModelSlot) -> dict[str, Row]:
        """Alias rows by alias: ``champion``, ``challenger``, ``previous``; only those that there are."""
        with self._database.read() as connection:
            return _of(connection, post)

    def challenge(self, model: int | str, *, by: str) -> int:
        """Make the model its post's challenger; the alias's new version. The champion cannot challenge itself."""
        with self._database.write() as connection:
            row = _model(connection, model, locked=True)
            post = post_of(row)
            holding = _locked_aliases(connection, post)
            demand_there(row)
            if "champion" in holding and holding["champion"]["model_id"] == row["id"]:
                raise StoreError(f"model {row['id']} is the champion of {post} already", code="STORE_CONFLICT")
            _place(connection, post, "challenger", row["id"], by)
            _log(connection, by, "challenge", row["id"], post, {})
            return int(_of(connection, post)["challenger"]["version"])

    @writes
    def promote(
        self,
        model: int | str,
        *,
        by: str,
        works: Works,
        expected_version: int | None = None,
        override: str = "",
        limits: Thresholds | None = None,
        since: str | None = None,
    ) -> int:
        """Make the model its post's champion; the alias's new version.

        The champion before it becomes ``previous``. A model that is champion already stays so, and its version.
        works:            proves the files and the self-test rows of the model's row, or raises; called before anything
                          is locked.
        expected_version: of the champion alias, 0 for none yet; what it is now when not given.
        override:         why a person promotes a model whose verdict is not GOLD; kept in the log of events.
        limits:           thresholds of the gate that are asked now; None are the default ones.
        since:            what later looks at its bars made of its gold, see `gate`; None: nobody has asked its verdict
                          again, so that any later look of another needs a person: `later_looks`.
        ArtifactError ``ARTIFACT_GONE`` for a model whose files retention took. StoreError ``STORE_VALUE`` for one that
        the gate does not let through, naming each reason, LeakError ``LEAK_NOT_AUDITED`` where one is an open audit;
        ``STORE_CONFLICT`` for one of a run that failed, and ``STORE_CONFLICT`` with the winner's id when the champion
        changed meanwhile; ``STORE_NOT_FOUND``.
        """
        _demand_name(by)
        with self._database.read() as connection:
            row = _model(connection, model)
            demand_there(row)
            demand_run(connection, row)
            seen = _seen(_of(connection, post_of(row)), expected_version)
        since = later_looks(self._ledger, row) if since is None else since
        gate(row, override, ledger_reasons(self._database, self._ledger, row), limits, since)
        works(row)
        with self._database.write() as connection:
            row = _model(connection, row["id"], locked=True)
            demand_there(row)
            # it may have been found damaged, or marked for deletion, while its files were read
            gate(row, override, [], limits, since)
            post = post_of(row)
            holding = _locked_aliases(connection, post)
            old = holding.get("champion")
            if old is not None and (old["model_id"], old["version"]) == (row["id"], seen):
                return seen
            _swap(connection, post, row["id"], seen, by)
            if old is not None:
                _place(connection, post, "previous", old["model_id"], by)
            _clear(connection, post, "challenger", row["id"])
            details: Row = {"verdict": verdict_word(row), "override": override.strip() or None, "version": seen + 1}
            details |= {"was": None if old is None else old["model_id"]}
            _log(connection, by, "promote", row["id"], post, details)
            return seen + 1

    @writes
    def rollback(self, post: ModelSlot, *, by: str, works: Works, expected_version: int | None = None) -> int:
        """Champion and previous change places; the champion alias's new version.

        The same proofs as `promote` asks, but the verdict may be the old one. StoreError ``STORE_NOT_FOUND`` when the
        post has no previous model; others as `promote`.
        """
        _demand_name(by)
        with self._database.read() as connection:
            holding = _of(connection, post)
            if "previous" not in holding:
                raise not_found("previous champion", str(post), f"it has {', '.join(holding) or 'no champion'}")
            row = _model(connection, holding["previous"]["model_id"])
            seen = _seen(holding, expected_version)
        demand_there(row)
        demand_sound(row, faults_of(row))
        works(row)
        with self._database.write() as connection:
            row = _model(connection, row["id"], locked=True)
            demand_there(row)
            demand_sound(row, faults_of(row))
            now = _locked_aliases(connection, post)
            if now["previous"]["model_id"] != row["id"]:
                raise _changed(post, now.get("champion"), seen)
            old = now["champion"]["model_id"]
            _swap(connection, post, row["id"], seen, by)
            _place(connection, post, "previous", old, by)
            _clear(connection, post, "challenger", row["id"])
            _log(connection, by, "rollback", row["id"], post, {"version": seen + 1, "was": old})
            return seen + 1


def _at(post: ModelSlot, alias: str) -> dict[str, str]:
    names = ("strategy_type", "exchange", "symbol", "timeframe")
    return dict(zip(names, astuple(post), strict=True)) | {"alias": alias}


def _of(connection: sa.Connection, post: ModelSlot) -> dict[str, Row]:
    where = {name: value for name, value in _at(post, "").items() if name != "alias"}
    return {row["alias"]: row for row in rows(connection.execute(sa.select(ALIASES).filter_by(**where)))}


def _locked_aliases(connection: sa.Connection, post: ModelSlot) -> dict[str, Row]:
    """As `_of`, and nobody else changes them until the transaction ends."""
    hold(connection, f"aliases {post}")
    return _of(connection, post)


def _seen(holding: Mapping[str, Row], expected: int | None) -> int:
    return expected if expected is not None else int(holding["champion"]["version"]) if "champion" in holding else 0


def _swap(connection: sa.Connection, post: ModelSlot, model: int, seen: int, by: str) -> None:
    """Compare and set: of two that saw the same version one changes a row, the other none."""
    values = {"model_id": model, "version": seen + 1, "changed_by": by, "changed_at": parse_instant(current_ms())}
    if seen == 0:
        won = insert_new(connection, ALIASES, _at(post, "champion") | values)
    else:
        change = sa.update(ALIASES).filter_by(**_at(post, "champion")).where(_A.version == seen).values(values)
        won = connection.execute(change).rowcount == 1
    if not won:
        raise _changed(post, _of(connection, post).get("champion"), seen)


def _changed(post: ModelSlot, now: Row | None, seen: int) -> StoreError:
    document = "it has none" if now is None else f"it is model {now['model_id']}, version {now['version']}"
    return StoreError(
        f"the champion of {post} is not of version {seen} any more: {document}",
        code="STORE_CONFLICT",
        hint="Look at the champion and decide again.",
        winner=None if now is None else now["model_id"],
        version=0 if now is None else now["version"],
    )


def _place(connection: sa.Connection, post: ModelSlot, alias: str, model: int, by: str) -> None:
    values = {"model_id": model, "changed_by": by, "changed_at": parse_instant(current_ms())}
    if not insert_new(connection, ALIASES, _at(post, alias) | values):
        change = sa.update(ALIASES).filter_by(**_at(post, alias))
        connection.execute(change.values(values | {"version": _A.version + 1}))


def _clear(connection: sa.Connection, post: ModelSlot, alias: str, model: int) -> None:
    connection.execute(sa.delete(ALIASES).filter_by(**_at(post, alias)).where(_A.model_id == model))


def _model(connection: sa.Connection, request: int | str, *, locked: bool = False) -> Row:
    query = sa.select(MODELS).where(
        MODELS.c.model_id == request if isinstance(request, str) else MODELS.c.id == request
    )
    result = rows(connection.execute(query.with_for_update(key_share=True) if locked else query))
    if not result:
        raise not_found("model", request, "assay models list shows those that there are")
    return result[0]


def post_of(row: Row) -> ModelSlot:
    """What a model can be champion of. StoreError ``STORE_VALUE`` for one without strategy or symbol."""
    if not (row["strategy_type"] and row["symbol"]):
        raise StoreError(
            f"model {row['id']} has no strategy and symbol, so it can be champion of nothing", code="STORE_VALUE"
        )
    return ModelSlot(row["strategy_type"], row["exchange"] or "", row["symbol"], row["timeframe"] or "")


def _demand_name(by: str) -> None:
    if not by.strip():
        raise StoreError("by is empty: a promotion says who gives it", code="STORE_VALUE", field="by")


def _log(connection: sa.Connection, by: str, action: str, model: int, post: ModelSlot, details: Row) -> None:
    """The event, for ever, and word of it for the mirror."""
    event = {
        "actor": by.strip(),
        "action": action,
        "subject": f"model:{model}",
        "details": details | {"post": str(post)},
    }
    made = connection.execute(sa.insert(EVENTS).values(event).returning(EVENTS.c.id)).scalar_one()
    enqueue(connection, "alias", str(made), model_id=model, **_at(post, _ALIAS_OF[action]))
