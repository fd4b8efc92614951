"""Assay trains trading models and tells which of them are worth money."""

__version__ = "0.1.0"
