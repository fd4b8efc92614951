"""A study of Optuna's, in memory or in a journal that outlives its process."""

import math
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.kernel.errors import ArtifactError, ConfigError
from assay.kernel.spec import canonical
from assay.validate.search.method import Row

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

PLACE, ROW = "place", "row"
_COUNTED = "counted"


@dataclass(frozen=True, slots=True)
class Kept:
    """What was asked and told. `storage` is the study's, for what the study has no word for."""

    study: "Study"
    storage: "BaseStorage"
    study_id: int

    @classmethod
    def open(cls, journal: Path | None, identity: str) -> "Kept":
        """The study of this identity, begun or gone on with.

        Raises ConfigError ``CONFIG_FIELD`` where the journal's folder is missing or not writable, ArtifactError
        ``ARTIFACT_CORRUPT`` where the journal cannot be read.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        name = sha256(identity.encode()).hexdigest()
        try:
            storage = optuna.storages.InMemoryStorage() if journal is None else _journal(journal)
            study = optuna.create_study(study_name=name, storage=storage, direction="maximize", load_if_exists=True)
        except OSError as error:
            raise ConfigError(
                f"the journal cannot be kept: {error.strerror}", code="CONFIG_FIELD", field="journal"
            ) from error
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            raise ArtifactError(f"the journal cannot be read: {error}", code="ARTIFACT_CORRUPT") from error
        return cls(study, storage, storage.get_study_id_from_name(name))

    def pinned(self, count: int) -> int:
        """`count`, or what was pinned when the study began."""
        if _COUNTED not in self.study.user_attrs:
            self.study.set_user_attr(_COUNTED, count)
        return int(self.study.user_attrs[_COUNTED])

    def place(self, batch: int, numbers: list[int]) -> None:
        """Mark trials as a batch that was asked for as a whole."""
        for index, number in enumerate(numbers):
            self.storage.set_trial_user_attr(self._id(number), PLACE, [batch, index, len(numbers)])

    def batches(self) -> dict[int, list["FrozenTrial"]]:
        """Batches that were asked for as a whole; what a killed process left besides is given up."""
        from optuna.trial import TrialState

        while self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self.study.ask()  # a point that was drawn but not asked for
        found: dict[int, list[FrozenTrial]] = {}
        for trial in self.study.get_trials():
            batch, _, _ = trial.user_attrs.get(PLACE, (-1, 0, 0))
            if batch >= 0 and (trial.state == TrialState.RUNNING or ROW in trial.user_attrs):
                found.setdefault(batch, []).append(trial)
        whole = {b: trials for b, trials in found.items() if len(trials) == trials[0].user_attrs[PLACE][2]}
        taken = {trial.number for trials in whole.values() for trial in trials}
        for trial in self.study.get_trials(states=(TrialState.RUNNING,)):
            if trial.number not in taken:
                self.study.tell(trial.number, state=TrialState.FAIL)
            elif ROW in trial.user_attrs:
                self._finish(trial.number, *_told(trial.user_attrs[ROW]))
        return whole

    def tell(self, number: int, row: Row) -> None:
        """Keep the row, then tell the study: a valid score, or that the trial failed."""
        self.storage.set_trial_user_attr(self._id(number), ROW, _text(row))
        self._finish(number, row.score if row.valid else None)

    def _finish(self, number: int, score: float | None) -> None:
        from optuna.trial import TrialState

        if score is None:
            self.study.tell(number, state=TrialState.FAIL)
        else:
            self.study.tell(number, score)

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)


def _told(text: str) -> tuple[float | None]:
    import json

    kept: dict[str, Any] = json.loads(text)
    return (kept["score"] if kept["valid"] else None,)


def _text(row: Row) -> str:
    """A row without its parameters, which the study has; NaN as null."""
    return canonical(
        {
            "number": row.number,
            "score": _finite(row.score),
            "valid": row.valid,
            "reason": row.reason,
            "trades": row.trades,
            "metrics": {name: _finite(value) for name, value in row.metrics.items()},
            "ledger_id": row.ledger_id,
        }
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _journal(path: Path) -> "BaseStorage":
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(path)))
