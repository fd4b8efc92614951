"""The protocol of object stores. `assay.testing.object_store` checks any implementation."""

import hashlib
from collections.abc import Callable
from typing import Protocol, TypeVar

from assay.kernel.errors import ArtifactError, ConfigError, StoreError

T = TypeVar("T")


class ObjectStore(Protocol):
    """Bytes by key. Keys are relative POSIX paths of plain names (``ARTIFACT_MANIFEST`` for another).

    A store that cannot be reached is StoreError ``STORE_BUSY``, one that refuses this user ``STORE_READ_ONLY``, a
    bucket that is not there ``STORE_NOT_FOUND``; requests that fail for a while are repeated.
    """

    @property
    def url(self) -> str:
        """Where it is, without a secret."""
        ...

    def put(self, key: str, data: bytes) -> bool:
        """Keep bytes that are new; whole or not at all. False where they were there already, byte for byte.

        ArtifactError ``ARTIFACT_CORRUPT`` where other bytes stand under that key; they stay.
        """
        ...

    def get(self, key: str, *, most: int) -> bytes:
        """The bytes of `put`. ArtifactError ``ARTIFACT_GONE``; ``ARTIFACT_TOO_LARGE`` above `most`, before reading."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """All keys below the folder `prefix`, sorted; empty for one that is not there."""
        ...

    def remove(self, key: str) -> None:
        """Take the bytes away; nothing happens where there are none."""
        ...


def already(url: str, key: str, holding: bytes, data: bytes) -> bool:
    """What `put` answers where the key is taken: False for equal bytes, else it raises."""
    if holding == data:
        return False
    there, ours = hashlib.sha256(holding).hexdigest(), hashlib.sha256(data).hexdigest()
    raise ArtifactError(
        f"{url}/{key} holds other bytes: they hash to {there}, these to {ours}",
        code="ARTIFACT_CORRUPT",
        hint="Nothing was overwritten. Take the object away if it is damaged.",
        found=there,
        expected=ours,
    )


def not_there(url: str, key: str) -> ArtifactError:
    """``ARTIFACT_GONE`` for a key."""
    return ArtifactError(f"{url}/{key} is not there", code="ARTIFACT_GONE", artifact=key)


def too_large(url: str, key: str, size: int, most: int) -> ArtifactError:
    """``ARTIFACT_TOO_LARGE`` for a key."""
    return ArtifactError(f"{url}/{key} has {size} bytes, at most {most} are read", code="ARTIFACT_TOO_LARGE")


def store_error(url: str, status: int | None, why: str) -> StoreError:
    """A StoreError for an HTTP status, or for no answer at all."""
    if status == 404:
        return StoreError(f"{url}: there is no such bucket", code="STORE_NOT_FOUND", hint="Make the bucket first.")
    if status in (401, 403):
        hint = "Grant this user the right to read, list and write objects of the bucket."
        return StoreError(f"{url} refuses this user: {why[:200]}", code="STORE_READ_ONLY", hint=hint)
    hint = "Try again; see that the address is right and the service answers."
    return StoreError(f"{url} cannot be used: {why[:200]}", code="STORE_BUSY", hint=hint)


def import_library(load: Callable[[], T], extra: str, url: str) -> T:
    """The library, or ConfigError ``CONFIG_EXTRA`` with the command that brings it."""
    try:
        return load()
    except ImportError as error:
        raise ConfigError(
            f"{url} needs a library that is not installed ({error.name})",
            code="CONFIG_EXTRA",
            hint=f'pip install "assay[{extra}]"',
        ) from error
