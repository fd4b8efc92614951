"""The record: what ran, on what, and what came of it."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.track.artifacts import load_snapshot as load_snapshot
    from assay.track.artifacts import save_snapshot as save_snapshot
    from assay.track.codecs import format_instant as format_instant
    from assay.track.codecs import parse_instant as parse_instant
    from assay.track.database import MLFLOW as MLFLOW
    from assay.track.database import Row as Row
    from assay.track.database import enqueue as enqueue
    from assay.track.environment import ASSAY_SOURCE as ASSAY_SOURCE
    from assay.track.environment import WORKING_FOLDER as WORKING_FOLDER
    from assay.track.environment import Provenance as Provenance
    from assay.track.environment import capture_provenance as capture_provenance
    from assay.track.environment import distributions as distributions
    from assay.track.environment import lock_hash as lock_hash
    from assay.track.environment import versions as versions
    from assay.track.experiments import Run as Run
    from assay.track.fingerprint import Fingerprint as Fingerprint
    from assay.track.fingerprint import compute_fingerprint as compute_fingerprint
    from assay.track.fingerprint import same_market as same_market
    from assay.track.holdout import HOLDOUT as HOLDOUT
    from assay.track.holdout import HoldoutLock as HoldoutLock
    from assay.track.ledger import LedgerRow as LedgerRow
    from assay.track.ledger import Look as Look
    from assay.track.ledger_heads import BrokenChain as BrokenChain
    from assay.track.ledger_heads import LedgerHead as LedgerHead
    from assay.track.ledger_heads import read_head as read_head
    from assay.track.loading.formats import ModelPaths as ModelPaths
    from assay.track.loading.formats import VerifiedFiles as VerifiedFiles
    from assay.track.loading.formats import check_files as check_files
    from assay.track.loading.formats import check_format as check_format
    from assay.track.loading.formats import features_parts as features_parts
    from assay.track.loading.formats import features_source as features_source
    from assay.track.loading.formats import load_model as load_model
    from assay.track.loading.formats import read_verified as read_verified
    from assay.track.loading.golden import golden_outputs as golden_outputs
    from assay.track.loading.sandbox import LoadingSandbox as LoadingSandbox
    from assay.track.maintenance.backup import Backup as Backup
    from assay.track.maintenance.backup import backup_store as backup_store
    from assay.track.maintenance.export import csv_line as csv_line
    from assay.track.maintenance.export import export_csv as export_csv
    from assay.track.maintenance.head_acceptance import Accepted as Accepted
    from assay.track.maintenance.head_acceptance import accept_ledger_head as accept_ledger_head
    from assay.track.maintenance.head_acceptance import find_published_heads as find_published_heads
    from assay.track.maintenance.readonly_sql import QueryAnswer as QueryAnswer
    from assay.track.maintenance.readonly_sql import query_store as query_store
    from assay.track.maintenance.store_check import Checked as Checked
    from assay.track.maintenance.store_check import check_store as check_store
    from assay.track.maintenance.upgrade import SchemaUpgrade as SchemaUpgrade
    from assay.track.maintenance.upgrade import describe_old_trials as describe_old_trials
    from assay.track.maintenance.upgrade import initialise_store as initialise_store
    from assay.track.maintenance.upgrade import store_version as store_version
    from assay.track.maintenance.upgrade import upgrade_store as upgrade_store
    from assay.track.markets import distinct_shifts as distinct_shifts
    from assay.track.migrate.import_common import Imported as Imported
    from assay.track.migrate.legacy import from_legacy as from_legacy
    from assay.track.migrate.mlflow import from_mlflow as from_mlflow
    from assay.track.migrate.optuna import from_optuna as from_optuna
    from assay.track.mirror.server import TrackingServer as TrackingServer
    from assay.track.mirror.server import check_mlflow_installed as check_mlflow_installed
    from assay.track.mirror.server import check_uri as check_uri
    from assay.track.mirror.server import redact as redact
    from assay.track.mirror.worker import MirrorWorker as MirrorWorker
    from assay.track.mirror.worker import OutboxTopic as OutboxTopic
    from assay.track.mirror.worker import backfill as backfill
    from assay.track.model_files.artifact_store import BLOB_FILE as BLOB_FILE
    from assay.track.model_files.artifact_store import Blobs as Blobs
    from assay.track.model_files.manifest import Keys as Keys
    from assay.track.model_files.manifest import ModelFacts as ModelFacts
    from assay.track.model_files.manifest import content_sha256 as content_sha256
    from assay.track.model_files.manifest import manifest_bytes as manifest_bytes
    from assay.track.model_files.manifest import read_keys as read_keys
    from assay.track.model_files.manifest import read_parts as read_parts
    from assay.track.model_files.objects.base import ObjectStore as ObjectStore
    from assay.track.model_files.objects.files import split_address as split_address
    from assay.track.model_files.remote import delete_envelope as delete_envelope
    from assay.track.model_files.remote import delete_model as delete_model
    from assay.track.model_files.remote import fetch_envelope as fetch_envelope
    from assay.track.model_files.remote import fetch_model as fetch_model
    from assay.track.model_files.remote import model_exists as model_exists
    from assay.track.model_files.remote import upload_envelope as upload_envelope
    from assay.track.model_files.remote import upload_model as upload_model
    from assay.track.registry.integrity import record_audit as record_audit
    from assay.track.registry.integrity import verify_files as verify_files
    from assay.track.registry.promotion import ModelSlot as ModelSlot
    from assay.track.registry.promotion import not_audited as not_audited
    from assay.track.registry.promotion import verdict_word as verdict_word
    from assay.track.registry.publish import ModelStanding as ModelStanding
    from assay.track.registry.publish import find_models as find_models
    from assay.track.registry.publish import model_history as model_history
    from assay.track.registry.publish import model_standings as model_standings
    from assay.track.registry.publish import publish as publish
    from assay.track.registry.publish import write_files as write_files
    from assay.track.registry.retention import prune_files as prune_files
    from assay.track.tracker.dataset_manager import DatasetManager as DatasetManager
    from assay.track.tracker.metric_series import MetricsLogger as MetricsLogger
    from assay.track.tracker.model_registry import ModelRegistry as ModelRegistry
    from assay.track.tracker.search import MLDatabase as MLDatabase
    from assay.track.tracker.tracker import ExperimentTracker as ExperimentTracker
    from assay.track.tracking_store import TrackingStore as TrackingStore
    from assay.track.tracking_store import open_store as open_store

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "artifacts": ("load_snapshot", "save_snapshot"),
        "codecs": ("format_instant", "parse_instant"),
        "database": ("MLFLOW", "Row", "enqueue"),
        "environment": (
            "ASSAY_SOURCE", "Provenance", "WORKING_FOLDER", "capture_provenance", "distributions",
            "lock_hash", "versions"
        ),
        "experiments": ("Run",),
        "fingerprint": ("Fingerprint", "compute_fingerprint", "same_market"),
        "holdout": ("HOLDOUT", "HoldoutLock"),
        "ledger": ("LedgerRow", "Look"),
        "ledger_heads": ("BrokenChain", "LedgerHead", "read_head"),
        "loading.formats": (
            "ModelPaths", "VerifiedFiles", "check_files", "check_format", "features_parts",
            "features_source", "load_model", "read_verified"
        ),
        "loading.golden": ("golden_outputs",),
        "loading.sandbox": ("LoadingSandbox",),
        "maintenance.backup": ("Backup", "backup_store"),
        "maintenance.export": ("csv_line", "export_csv"),
        "maintenance.head_acceptance": ("Accepted", "accept_ledger_head", "find_published_heads"),
        "maintenance.readonly_sql": ("QueryAnswer", "query_store"),
        "maintenance.store_check": ("Checked", "check_store"),
        "maintenance.upgrade": (
            "SchemaUpgrade", "describe_old_trials", "initialise_store", "store_version",
            "upgrade_store"
        ),
        "markets": ("distinct_shifts",),
        "migrate.import_common": ("Imported",),
        "migrate.legacy": ("from_legacy",),
        "migrate.mlflow": ("from_mlflow",),
        "migrate.optuna": ("from_optuna",),
        "mirror.server": ("TrackingServer", "check_mlflow_installed", "check_uri", "redact"),
        "mirror.worker": ("MirrorWorker", "OutboxTopic", "backfill"),
        "model_files.artifact_store": ("BLOB_FILE", "Blobs"),
        "model_files.manifest": ("Keys", "ModelFacts", "content_sha256", "manifest_bytes", "read_keys", "read_parts"),
        "model_files.objects.base": ("ObjectStore",),
        "model_files.objects.files": ("split_address",),
        "model_files.remote": (
            "delete_envelope", "delete_model", "fetch_envelope", "fetch_model", "model_exists",
            "upload_envelope", "upload_model"
        ),
        "registry.integrity": ("record_audit", "verify_files"),
        "registry.promotion": ("ModelSlot", "not_audited", "verdict_word"),
        "registry.publish": (
            "ModelStanding", "find_models", "model_history", "model_standings", "publish",
            "write_files"
        ),
        "registry.retention": ("prune_files",),
        "tracker.dataset_manager": ("DatasetManager",),
        "tracker.metric_series": ("MetricsLogger",),
        "tracker.model_registry": ("ModelRegistry",),
        "tracker.search": ("MLDatabase",),
        "tracker.tracker": ("ExperimentTracker",),
        "tracking_store": ("TrackingStore", "open_store"),
    },
)  # fmt: skip
