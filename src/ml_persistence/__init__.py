"""The name by which the tracking API is also known; it fills when that API comes."""
