"""Models that serve: published, verified, promoted, retired."""
