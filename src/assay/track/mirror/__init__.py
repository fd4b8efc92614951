"""The record told to others, one way: rows of the outbox, and who delivers them."""
