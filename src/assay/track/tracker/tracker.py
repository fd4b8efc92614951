"""Experiment tracker of the tracking API."""

from collections.abc import Iterable

import sqlalchemy as sa

from assay.track.experiments import STATUSES
from assay.track.rows import Row
from assay.track.schema.model_tables import MODELS
from assay.track.tracker import edits, listing, metric_series, search
from assay.track.tracker.logs import Logs
from assay.track.tracker.validators import among, check_id, check_name, check_page, texts
from assay.track.tracking_store import TrackingStore


class ExperimentTracker(Logs):
    """Keeps what a training script does: runs, their settings, metrics and files.

    Threads may share a tracker; a process forked from its own may not (``STORE_FORKED``), it makes its own. Metrics are
    queued and written in the background: after 1,000 points or 1 s, at `flush`, `end_experiment`, `close`, before any
    read by an object of this process, and at the interpreter's normal end, where runs that are still open end
    ``stopped``. A process that is killed loses at most the points of its last 2 s, and its runs become ``crashed``.
    As a context manager it ends the current run ``failed`` when the block raises; it never ends one ``completed``.

    db_path: a path, ``sqlite:///…``, ``postgresql://…``, or an open record; made and laid when it is not there.
    """

    def get_experiment(self, experiment_id: int) -> Row:
        """The whole row, with ``hyperparameters`` (dict), ``datasets`` (rows) and ``num_models``; deleted ones, too.

        StoreError ``STORE_NOT_FOUND`` says which runs there are.
        """
        record, run = self.record, check_id(experiment_id, "experiment_id")
        row = record.experiments.get(run)
        return row | {
            "hyperparameters": record.hyperparameters.read(run),
            "datasets": record.datasets.of_run(run),
            "num_models": _models(record, run),
        }

    def get_experiment_summary(self, experiment_id: int | None = None) -> Row:
        """The row of ``experiment_summary``, by default of the current run; undefined numbers are NaN."""
        run = self._run()[0] if experiment_id is None else check_id(experiment_id, "experiment_id")
        return listing.summary(self.record.database, run)

    def list_experiments(
        self,
        experiment_type: str | None = None,
        status: str | None = None,
        tags: Iterable[str] | None = None,
        limit: int = 50,
        *,
        offset: int = 0,
    ) -> list[Row]:
        """Rows of ``experiment_summary``, newest first, deleted ones hidden; all of `tags` must be there.

        1 <= limit <= 10,000. StoreError ``STORE_VALUE``.
        """
        s = listing.SUMMARY.c
        where: list[search.Condition] = [listing.HoldsText(s.tags, tag) for tag in texts(tags, "tags")]
        if experiment_type is not None:
            where.append(s.experiment_type == check_name(experiment_type, "experiment_type"))
        if status is not None:
            where.append(s.status == among(status, STATUSES, "status"))
        most, skipped = check_page(limit, offset)
        record = self.record
        self._shared.sweep.when_due()
        return listing.summaries(record.database, where, limit=most, offset=skipped)

    def search_experiments(
        self,
        query: str = "",
        *,
        order_by: str = "start_time",
        ascending: bool = False,
        limit: int = 50,
        offset: int = 0,
    ) -> list[Row]:
        """Rows of ``experiment_summary`` that a query finds, such as ``metric.val_sharpe > 1 and tag = "ppo"``.

        query:    clauses ``field operator value`` joined by ``and``; fields are those of `search.FIELDS`,
                  ``metric.NAME`` (its last finite value) and ``param.NAME``; operators ``= != < <= > >= ~`` (contains,
                  case ignored); values are numbers, quoted texts, true and false. It is never pasted into SQL.
        order_by: a column of the result, or ``metric.NAME``; undefined comes last either way, ties by id.
        StoreError ``STORE_VALUE`` names the place of what cannot be read.
        """
        most, skipped = check_page(limit, offset)
        where = search.conditions(query)
        order = search.order_columns(order_by, ascending=ascending)
        record = self.record
        self._shared.sweep.when_due()
        return listing.summaries(record.database, where, order, limit=most, offset=skipped)

    def compare_experiments(
        self, experiment_ids: Iterable[int], metric_name: str, split: str | None = None
    ) -> dict[int, dict[str, float]]:
        """As `MetricsLogger.compare_metrics_across_experiments`."""
        return metric_series.compare_series(self.record, experiment_ids, metric_name, split)

    def delete_experiment(self, experiment_id: int) -> None:
        """Hide a run from lists, searches and views; nothing is lost. A running one: StoreError ``STORE_CONFLICT``."""
        edits.hide(self.record, check_id(experiment_id, "experiment_id"))

    def restore_experiment(self, experiment_id: int) -> None:
        """Show a deleted run again."""
        edits.unhide(self.record, check_id(experiment_id, "experiment_id"))


def _models(record: TrackingStore, run: int) -> int:
    m = MODELS.c
    query = sa.select(sa.func.count()).select_from(MODELS).where(m.experiment_id == run, m.deleted_at.is_(None))
    with record.database.read() as connection:
        return int(connection.execute(query).scalar_one())
