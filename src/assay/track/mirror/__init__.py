"""One-way mirror of the record to MLflow: outbox and worker."""
