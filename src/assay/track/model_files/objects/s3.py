"""Amazon S3, and whatever speaks like it, as a store of bytes.

Spoken to by botocore, which comes with the extra ``cloud``: it reads credentials, region and ``AWS_ENDPOINT_URL`` where
AWS users keep them, and repeats a request that failed.
"""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from assay.track.model_files.objects.base import already, import_library, not_there, store_error, too_large
from assay.track.model_files.safe_read import LARGEST, demand_name

_TRIES = 3
_CONNECT_S, _READ_S = 3, 60
_TAKEN = (409, 412)  # 409: another writer of the same key was faster by less than a request


class S3Objects:
    """Implements `ObjectStore` below ``s3://bucket/prefix``. One `put` is one conditional request."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix
        session = import_library(lambda: import_module("botocore.session"), "cloud", self.url)
        config = import_module("botocore.config").Config(
            retries={"mode": "standard", "max_attempts": _TRIES}, connect_timeout=_CONNECT_S, read_timeout=_READ_S
        )
        self._errors = import_module("botocore.exceptions")
        with self._speaking():
            self._client: Any = session.get_session().create_client("s3", config=config)

    @property
    def url(self) -> str:
        """See `ObjectStore`."""
        return "/".join(filter(None, ("s3:/", self._bucket, self._prefix)))

    def put(self, key: str, data: bytes) -> bool:
        """See `ObjectStore`; ``If-None-Match: *``, and the service checks the SHA-256 of what it got."""
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        named = self._named(key)
        try:
            with self._speaking():
                self._client.put_object(**named, Body=data, IfNoneMatch="*", ChecksumSHA256=digest)
        except _Answered as document:
            if document.status not in _TAKEN:
                raise document.error from document.__cause__
            return already(self.url, key, self.get(key, most=LARGEST), data)
        return True

    def get(self, key: str, *, most: int) -> bytes:
        """See `ObjectStore`."""
        named = self._named(key)
        try:
            with self._speaking():
                result = self._client.get_object(**named)
                with result["Body"] as body:
                    if result["ContentLength"] > most:
                        raise too_large(self.url, key, result["ContentLength"], most)
                    return bytes(body.read())
        except _Answered as document:
            if document.code == "NoSuchKey":
                raise not_there(self.url, key) from None
            raise document.error from document.__cause__

    def keys(self, prefix: str) -> list[str]:
        """See `ObjectStore`."""
        under = self._named(prefix)
        try:
            with self._speaking():
                pages = self._client.get_paginator("list_objects_v2").paginate(
                    Bucket=self._bucket, Prefix=f"{under['Key']}/"
                )
                result = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        except _Answered as document:
            raise document.error from document.__cause__
        skip = len(self._prefix) + 1 if self._prefix else 0
        return sorted(key[skip:] for key in result)

    def remove(self, key: str) -> None:
        """See `ObjectStore`."""
        try:
            with self._speaking():
                self._client.delete_object(**self._named(key))
        except _Answered as document:
            raise document.error from document.__cause__

    def _named(self, key: str) -> dict[str, str]:
        name = demand_name(key, self.url)
        return {"Bucket": self._bucket, "Key": f"{self._prefix}/{name}" if self._prefix else name}

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Turn botocore's errors into `_Answered`."""
        try:
            yield
        except self._errors.ClientError as error:
            answer = error.response
            status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
            code = answer.get("Error", {}).get("Code", "")
            raise _Answered(self.url, status, code, f"{code} {answer.get('Error', {}).get('Message', '')}") from error
        except (self._errors.BotoCoreError, self._errors.HTTPClientError) as error:
            raise _Answered(self.url, None, "", str(error)) from error


class _Answered(Exception):  # a fact between two methods, never let out
    def __init__(self, url: str, status: int | None, code: str, why: str) -> None:
        super().__init__(why)
        self.status, self.code = status, code
        self.error = store_error(url, status, why)
