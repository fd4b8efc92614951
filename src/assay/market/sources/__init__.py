"""Sources of candles."""
