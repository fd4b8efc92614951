"""Candle stores."""
