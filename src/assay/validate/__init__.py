"""Folds, the one loop, statistics and the verdict."""
