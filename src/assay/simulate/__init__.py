"""Decisions to fills to trades to equity to metrics."""
