"""The nouns of the house. Imports numpy and the standard library only."""
