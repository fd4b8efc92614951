"""Each piece of work as data: a spec and one function."""
