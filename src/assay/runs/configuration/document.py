"""The V3 configuration document of a search: what a bot runs, and how good it honestly is."""

from dataclasses import dataclass
from typing import Any

from assay.kernel.bars import Bars
from assay.runs.evidence import RunEvidence

VERSION = "3.0.0"


@dataclass(frozen=True, slots=True, eq=False)
class Configured:
    """A configuration as a document and as a row.

    document: valid under ``configuration-3.0.0.schema.json``.   row: columns of ``trained_configurations``, for
    ``record.configurations.add``; ``config_json`` in it is the document.
    """

    document: dict[str, Any]
    row: dict[str, Any]

    @property
    def config_id(self) -> str:
        """``{STRATEGY}_V3_{YYYYMMDD}_{HHMMSS}_{6 hex}``."""
        return str(self.document["configId"])

    @property
    def stage(self) -> str:
        """The stage that it begins in."""
        return str(self.document["status"])


def configure(
    evidence: RunEvidence,
    bars: Bars,
    *,
    run_id: str,
    created: int,
    engine_hash: str,
    experiment_id: int | None = None,
    model_id: int | None = None,
    trial_id: int | None = None,
    job: tuple[int, str] | None = None,
) -> Configured:
    """The configuration that a parameter search came to. Pure: equal inputs give equal documents, ids included.

    evidence:      of a run of ``kind`` optimize (its ``config_id`` and ``stage`` are not read: they come from here).
    bars:          all candles of its one instrument, as the run read them.
    run_id:        the run's text id.   created: UTC ms.   engine_hash: 64 hex, see `engine_hash`.
    experiment_id, model_id, trial_id: row ids for the columns.   job: row id and text id of the job, if one ran it.

    Raises ConfigError ``CONFIG_SYMBOL`` unless the run has one instrument and these are its bars, ``CONFIG_TIMEFRAME``
    for a length of bar that the table does not keep, ``CONFIG_METRIC`` for a metric that is not there.
    """
    raise NotImplementedError
