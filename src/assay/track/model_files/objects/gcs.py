"""Google Cloud Storage as a store of bytes.

Spoken to by google-cloud-storage, which comes with the extra ``gcp``: it reads credentials and
``STORAGE_EMULATOR_HOST`` where Google's users keep them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from assay.kernel.errors import StoreError
from assay.track.model_files.objects.base import already, import_library, not_there, store_error, too_large
from assay.track.model_files.safe_read import LARGEST, demand_name

_TRY_S = 10
_REQUEST_S = (3, 60)


class GcsObjects:
    """Implements `ObjectStore` below ``gs://bucket/prefix``. One `put` is one conditional request."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._name, self._prefix = bucket, prefix
        storage = import_library(lambda: import_module("google.cloud.storage"), "gcp", self.url)
        self._errors = import_module("google.api_core.exceptions")
        self._auth = import_module("google.auth.exceptions")
        self._requests = import_module("requests.exceptions")
        self._retry = import_module("google.cloud.storage.retry").DEFAULT_RETRY.with_timeout(_TRY_S)
        with self._speaking():
            self._bucket: Any = storage.Client().bucket(bucket)

    @property
    def url(self) -> str:
        """See `ObjectStore`."""
        return "/".join(filter(None, ("gs:/", self._name, self._prefix)))

    def put(self, key: str, data: bytes) -> bool:
        """See `ObjectStore`; ``ifGenerationMatch=0``, and the service checks the checksum of what it got."""
        blob = self._blob(key)
        try:
            with self._speaking():
                blob.upload_from_string(
                    data,
                    content_type="application/octet-stream",
                    if_generation_match=0,
                    checksum="crc32c",
                    retry=self._retry,
                    timeout=_REQUEST_S,
                )
        except self._errors.PreconditionFailed:
            return already(self.url, key, self.get(key, most=LARGEST), data)
        return True

    def get(self, key: str, *, most: int) -> bytes:
        """See `ObjectStore`."""
        blob = self._blob(key)
        with self._speaking():
            try:
                blob.reload(retry=self._retry, timeout=_REQUEST_S)
                if blob.size > most:
                    raise too_large(self.url, key, blob.size, most)
                return bytes(blob.download_as_bytes(retry=self._retry, timeout=_REQUEST_S, raw_download=True))
            except self._errors.NotFound as error:
                if "bucket" in str(error).lower() and not self._bucket.exists():
                    raise
                raise not_there(self.url, key) from None

    def keys(self, prefix: str) -> list[str]:
        """See `ObjectStore`."""
        under = self._named(prefix)
        with self._speaking():
            result = [each.name for each in self._bucket.list_blobs(prefix=f"{under}/", retry=self._retry)]
        skip = len(self._prefix) + 1 if self._prefix else 0
        return sorted(name[skip:] for name in result)

    def remove(self, key: str) -> None:
        """See `ObjectStore`."""
        with self._speaking():
            try:
                self._blob(key).delete(retry=self._retry)
            except self._errors.NotFound:
                return

    def _blob(self, key: str) -> Any:
        return self._bucket.blob(self._named(key))

    def _named(self, key: str) -> str:
        name = demand_name(key, self.url)
        return f"{self._prefix}/{name}" if self._prefix else name

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Turn the library's errors into StoreError; a failed precondition passes."""
        try:
            yield
        except self._errors.PreconditionFailed:
            raise
        except self._errors.GoogleAPICallError as error:
            raise store_error(self.url, error.code, error.message or str(error)) from error
        except self._errors.RetryError as error:
            raise _away(self.url, error) from error
        except (self._auth.GoogleAuthError, self._requests.RequestException) as error:
            raise _away(self.url, error) from error


def _away(url: str, error: Exception) -> StoreError:
    return store_error(url, None, str(error))
