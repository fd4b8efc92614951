"""Files of the user's own in a fresh, closed process: they see the candles that they are given, and nothing else."""
