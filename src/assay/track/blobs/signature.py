"""Who published a model: a keyed hash in a small file beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that sign and verify.

    current:  id of the key that signs.   secrets: key bytes by id, at least 32 each; any of them verifies.
    required: whether a model without a signature is refused.
    """

    current: str
    secrets: Mapping[str, bytes] = field(repr=False)
    required: bool = False
