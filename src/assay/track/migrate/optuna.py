"""Studies of Optuna, from a journal file or a SQLite database."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from assay.kernel.contracts import Trial
from assay.kernel.errors import AssayError, ConfigError, DataError, printable
from assay.kernel.instrument import Instrument
from assay.track.database import Row
from assay.track.migrate.import_common import ForeignRun, Imported, Tally, add, list_imported_runs, point
from assay.track.mirror.server import redact
from assay.track.tracking_store import TrackingStore

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

ORIGIN = "optuna"
_STATUS = {"COMPLETE": "completed", "PRUNED": "stopped", "FAIL": "failed"}
_STATE: Mapping[str, Literal["complete", "pruned", "failed"]] = {
    "COMPLETE": "complete",
    "PRUNED": "pruned",
    "FAIL": "failed",
}


def from_optuna(storage: str, record: TrackingStore, *, studies: Sequence[str] = (), market: str = "") -> Imported:
    """Bring studies over: one run a study, and a run of its own for each ended trial, as its child.

    storage: a journal file, or ``sqlite:///file``; it is only read.   studies: names; all when empty.
    market:  ``exchange|symbol|timeframe`` that the trials were scored on. Only then are they counted in its ledger,
             with the value as score (its negative where the study minimises) and no returns. Without it they are
             looks at nothing that the gate knows.
    A trial that is here already is not written again; those that ended meanwhile are added. Trials that have not ended
    are left out and flagged, and so are studies without any. Each trial is one transaction.
    Raises ConfigError ``CONFIG_FIELD`` for a place, study or market that is none; DataError ``DATA_SCHEMA`` for a file
    that Optuna cannot read, ``DATA_EMPTY`` for one without a study.
    """
    instrument = _market(market)
    tally, ids = Tally(), list_imported_runs(record.database, ORIGIN)
    for kind in ("studies", "trials", "points", *(["ledger"] if instrument else [])):
        tally.saw(kind, 0)
    for study in _studies(storage, studies):
        _bring(study, record, ids, tally, instrument)
    return tally.end()


def _bring(
    study: "Study", record: TrackingStore, ids: dict[str, int], tally: Tally, instrument: Instrument | None
) -> None:
    tally.saw("studies")
    trials = study.get_trials(deepcopy=False)
    ended = [t for t in trials if t.state.name in _STATUS]
    for _ in range(len(trials) - len(ended)):
        tally.flag("a trial has not ended; it was left out")
    if not ended:
        tally.flag("a study has no ended trial; it was left out")
        return
    whole = _whole(study, ended)
    if whole.key not in ids:
        ids[whole.key] = add(record, whole)
        tally.wrote("studies")
    for trial in ended:
        one = replace(_one(study, trial, whole), parent_id=ids[whole.key])
        tally.saw("trials")
        tally.saw("points", len(one.points))
        fresh = one.key not in ids
        with record.together():
            if fresh:
                ids[one.key] = add(record, one)
            if instrument is not None:
                _count(study, trial, record, ids[one.key], instrument, tally)
        if fresh:
            tally.wrote("trials")
            tally.wrote("points", len(one.points))


def _whole(study: "Study", ended: Sequence["FrozenTrial"]) -> ForeignRun:
    """The study as a run. Its name alone does not name it for ever; with the start of its first trial it does."""
    starts = [_ms(t.datetime_start or t.datetime_complete) for t in ended]
    key = f"study:{study.study_name}:{starts[0]}"
    about = {
        "study": study.study_name,
        "directions": [d.name.lower() for d in study.directions],
        "user_attrs": _jsonable(study.user_attrs),
    }
    end = max(_ms(t.datetime_complete or t.datetime_start) for t in ended)
    return ForeignRun(ORIGIN, key, study.study_name, "search", "completed", min(starts), end, {ORIGIN: about})


def _one(study: "Study", trial: "FrozenTrial", whole: ForeignRun) -> ForeignRun:
    start = _ms(trial.datetime_start or trial.datetime_complete)
    end = _ms(trial.datetime_complete or trial.datetime_start)
    about = {
        "study": study.study_name,
        "number": trial.number,
        "state": trial.state.name.lower(),
        "user_attrs": _jsonable(trial.user_attrs),
    }
    return ForeignRun(
        ORIGIN, f"{whole.key}:{trial.number}", f"{study.study_name[:180]} #{trial.number}", "search",
        _STATUS[trial.state.name], start, end, {ORIGIN: about}, params=dict(trial.params),
        points=list(_points(study, trial, end)),
    )  # fmt: skip


def _points(study: "Study", trial: "FrozenTrial", at_ms: int) -> Iterator[Row]:
    names = study.metric_names or (["objective"] if len(study.directions) == 1 else [])
    for i, value in enumerate(trial.values or ()):
        yield point(names[i] if names else f"objective_{i}", float(value), at_ms, phase="evaluation")
    for step, value in sorted(trial.intermediate_values.items()):
        yield point("intermediate", float(value), at_ms, step=int(step), phase="evaluation")


def _count(
    study: "Study", trial: "FrozenTrial", record: TrackingStore, run: int, instrument: Instrument, tally: Tally
) -> None:
    """Count a trial as a look at the market; one of equal parameters in the same study is the same look."""
    tally.saw("ledger")
    before = record.ledger.count(instrument.key)
    value = float("nan") if trial.values is None else float(trial.values[0])
    sign = -1.0 if study.directions[0].name == "MINIMIZE" else 1.0
    record.ledger.append(
        Trial(
            market_key=instrument.key,
            learner=ORIGIN,
            strategy=study.study_name,
            params=_jsonable(trial.params),
            returns=np.empty(0),
            metrics={},
            objective="objective",
            score=sign * value,
            state=_STATE[trial.state.name],
            tuning_method="bayesian",
            duration_seconds=0.0 if trial.duration is None else trial.duration.total_seconds(),
        ),
        run,
    )
    tally.wrote("ledger", record.ledger.count(instrument.key) - before)


def _studies(storage: str, names: Sequence[str]) -> Iterator["Study"]:
    import optuna

    with _reading(storage):
        opened = _opened(storage)
        holding = sorted(optuna.get_all_study_names(opened))
    if not holding:
        raise DataError(f"{printable(Path(storage).name)} holds no study of Optuna", code="DATA_EMPTY")
    unknown = [name for name in names if name not in holding]
    if unknown:
        raise ConfigError(
            f"there is no study {printable(unknown[0])}; there are {printable(', '.join(holding))}",
            code="CONFIG_FIELD",
            field="studies",
        )
    for name in names or holding:
        with _reading(storage):
            study = optuna.load_study(study_name=name, storage=opened)
        yield study


def _opened(storage: str) -> "BaseStorage":
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    path = Path(storage.removeprefix("sqlite:///"))
    if ("://" in storage and not storage.startswith("sqlite:///")) or not path.is_file():
        raise ConfigError(
            f"{printable(redact(storage)[-60:])} is no journal file and no SQLite database of Optuna",
            code="CONFIG_FIELD",
            hint="Write the path of a journal file, or sqlite:///study.db.",
            field="storage",
        )
    if storage.startswith("sqlite:///"):  # read only: Optuna would lay tables in what is not its own
        return RDBStorage(f"sqlite:///file:{path.absolute()}?mode=ro&uri=true", skip_table_creation=True)
    return JournalStorage(JournalFileBackend(str(path)))


@contextmanager
def _reading(storage: str) -> Iterator[None]:
    """Turn what Optuna raises on a file that is not its own into DataError ``DATA_SCHEMA``."""
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except AssayError:
        raise
    except (OptunaError, SQLAlchemyError, ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        why = " ".join(str(error.__cause__ or error).split())[:200]
        raise DataError(
            f"{printable(Path(storage).name)} cannot be read as a storage of Optuna: {why}",
            code="DATA_SCHEMA",
        ) from error


def _market(market: str) -> Instrument | None:
    if not market:
        return None
    parts = market.split("|")
    if len(parts) != 3:
        raise ConfigError(
            f"market is {printable(market)}; write exchange|symbol|timeframe, such as binance|BTC/USDT|1h",
            code="CONFIG_FIELD",
            field="market",
        )
    return Instrument(*parts)


def _jsonable(values: Mapping[str, object]) -> dict[str, str | bool | int | float | None]:
    """Attributes and parameters as the record keeps them; what JSON cannot hold, by its text."""
    return {name: v if isinstance(v, str | bool | int | float | None) else json_text(v) for name, v in values.items()}


def json_text(value: object) -> str:
    """JSON, unknown things by their text."""
    return json.dumps(value, sort_keys=True, default=str)


def _ms(moment: datetime | None) -> int:
    """UTC milliseconds; Optuna keeps the local time of the machine that ran the study, without a zone."""
    return 0 if moment is None else round(moment.timestamp() * 1000)
