"""Stores of bytes by key: a folder, Amazon S3 and what speaks like it, Google Cloud Storage."""
