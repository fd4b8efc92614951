"""Contract tests and fakes, for our backends and for other people's."""
