"""Model files by content hash."""
