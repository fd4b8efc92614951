"""Four trainers, strangers to each other."""
