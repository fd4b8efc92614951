"""Candles in and out."""
