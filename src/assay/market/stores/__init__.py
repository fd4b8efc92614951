"""Where candles are kept."""
