"""The tracking API, and ``python -m ml_persistence.core``, which lays or upgrades ``ml_experiments.db``."""

import sys

from assay.kernel.errors import AssayError
from assay.track import DatasetManager, ExperimentTracker, MetricsLogger, MLDatabase, ModelRegistry, initialise_store

__all__ = ["DatasetManager", "ExperimentTracker", "MLDatabase", "MetricsLogger", "ModelRegistry", "main"]


def main(path: str = "ml_experiments.db") -> int:
    """Create the record at `path`, or bring it to this program's schema after a backup; twice is once. The exit code.

    As ``assay db init``.
    """
    try:
        laid = initialise_store(path)
    except AssayError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n{error.hint}\n")
        return error.exit_code
    sys.stdout.write(f"{path}: schema {laid.now}\n")
    if laid.backup is not None:
        sys.stdout.write(f"backup {laid.backup}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
