"""Files by the hash of what they hold."""
