"""The tracking API, and ``python -m ml_persistence.core``, which lays or upgrades ``ml_experiments.db``."""

import sys

from assay.kernel.errors import AssayError
from assay.track import DatasetManager, ExperimentTracker, MetricsLogger, MLDatabase, ModelRegistry

__all__ = ["DatasetManager", "ExperimentTracker", "MLDatabase", "MetricsLogger", "ModelRegistry", "main"]


def main(path: str = "ml_experiments.db") -> int:
    """Create the record at `path`, or bring it to this program's schema; twice is once. The exit code."""
    try:
        with MLDatabase(path) as database:
            version = database.record.schema_version
    except AssayError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n{error.hint}\n")
        return error.exit_code
    sys.stdout.write(f"{path}: schema {version}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
