"""Identity of a run by which its trials are one look: spec without the end of its bars, code, user files."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from assay.kernel.bars import Bars
from assay.kernel.spec import canonical

_MARKET = frozenset({"exchange", "symbols"})


class Specified(Protocol):
    """A spec of whatever work."""

    def as_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """identity, recipe: see `assay.kernel.trial.Trial`; empty where they are not known."""

    identity: str = ""
    recipe: str = ""

    @property
    def columns(self) -> dict[str, str]:
        """What a run's metadata holds of it; nothing of one that is not known."""
        return {"identity": self.identity, "recipe": self.recipe} if self.identity else {}


def identity_of(spec: Specified, bars: Sequence[Bars], code: str) -> Identity:
    """The identity of a spec on these bars. code: the digest of Assay's own.

    It holds the spec whole (with the digests of files of one's own that it names), the digest of Assay's code, and
    where the spec takes all stored bars the open of the first: what ends later continues, what begins elsewhere is
    another look. Newest so many bars (``bars``) are a rule of the spec itself.
    """
    document = spec.as_dict()
    begins = {} if document.get("bars") is not None else {b.instrument.key: int(b.timestamp[0]) for b in bars}
    parts = {"spec": document, "code": code, "begins": begins}
    recipe = {name: value for name, value in document.items() if name not in _MARKET}
    return Identity(_sha256(parts), _sha256(recipe))


def identity_from_metadata(metadata: Mapping[str, Any] | None) -> Identity:
    """What the metadata of a run says; empty for one of before identities were kept."""
    value = metadata or {}
    return Identity(str(value.get("identity", "")), str(value.get("recipe", "")))


def _sha256(value: object) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()
