"""One seed in the spec; every generator is its child, by name."""

from zlib import crc32

import numpy as np


def child(seed: int, name: str) -> np.random.SeedSequence:
    """The seed sequence of one named part of a run; equal on every machine."""
    return np.random.SeedSequence(seed, spawn_key=(crc32(name.encode()),))


def generator(seed: int, name: str) -> np.random.Generator:
    """A generator for one named part of a run."""
    return np.random.default_rng(child(seed, name))


def integer(seed: int, name: str) -> int:
    """A 31-bit seed for a library that wants an integer."""
    return int(child(seed, name).generate_state(1, np.uint32)[0] >> 1)
