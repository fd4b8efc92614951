"""The command line. Parses, calls, prints; decides nothing."""
