"""Signatures of models: keyed hashes (HMAC-SHA256, RFC 2104) in a small JSON file next to the model file."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assay.kernel.errors import ArtifactError, ConfigError, printable
from assay.track.canonical_json import canonical

SUFFIX = ".sig"
LARGEST_SIGNATURE = 4096
_LEAST = 32
_LINE = re.compile(r"(?P<id>[A-Za-z0-9][A-Za-z0-9_.-]{0,63})\s+(?P<hex>(?:[0-9A-Fa-f]{2})+)")
_MAC = re.compile(r"[0-9a-f]{64}")
_HINT = "python -c \"import secrets; print('key-1', secrets.token_hex(32))\" writes such a line."


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that sign and verify.

    current:  id of the key that signs.   secrets: key bytes by id, at least 32 each; any of them verifies.
    required: whether a model without a signature is refused.
    """

    current: str
    secrets: Mapping[str, bytes] = field(repr=False)
    required: bool = False

    def mac(self, relative: str, data: bytes, *, key_id: str | None = None) -> str:
        """HMAC-SHA256 (hex) over ``key id NUL relative path NUL bytes``, by the current key or the one named."""
        name = key_id or self.current
        message = name.encode() + b"\0" + relative.encode() + b"\0" + data
        return hmac.new(self.secrets[name], message, hashlib.sha256).hexdigest()


def read_keys(path: Path, *, outside: tuple[Path, ...], required: bool = False) -> Keys:
    """The keys in a text file: a line ``ID HEX`` each, the first signs, all verify; ``#`` begins a comment line.

    outside: folders that the file may not lie in. Raises ConfigError ``CONFIG_FIELD`` naming file and line, never a
    key: unreadable, no key, fewer than 32 bytes, an id twice, a file that lies with the models.
    """
    real = path.resolve()
    inside = [folder for folder in outside if real.is_relative_to(folder.resolve())]
    if inside:
        raise _refused(path, f"lies in {inside[0]}, which it protects; whoever may write a model could read it")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _refused(path, f"cannot be read: {why}") from None
    secrets = _secrets(path, lines)
    return Keys(next(iter(secrets)), secrets, required)


def _secrets(path: Path, lines: list[str]) -> dict[str, bytes]:
    secrets: dict[str, bytes] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        result = _LINE.fullmatch(line)
        if result is None:
            raise _refused(path, f"line {number} is not an id and a key in hex")
        if len(result["hex"]) < 2 * _LEAST:
            raise _refused(
                path, f"line {number} has a key of {len(result['hex']) // 2} bytes, at least {_LEAST} needed"
            )
        if result["id"] in secrets:
            raise _refused(path, f"line {number} names key {result['id']} again")
        secrets[result["id"]] = bytes.fromhex(result["hex"])
    if not secrets:
        raise _refused(path, "holds no key")
    return secrets


def signature_bytes(keys: Keys, *, file: tuple[str, bytes], manifest: tuple[str, bytes]) -> bytes:
    """The sidecar of a model file, by the current key.

    file: its path below the models' folder and its bytes.   manifest: ``SHA256/manifest.json`` and its bytes.
    """
    body = {"key_id": keys.current, "mac": keys.mac(*file), "manifest_mac": keys.mac(*manifest)}
    return canonical(body).encode() + b"\n"


def demand_signature(
    raw: bytes, keys: Keys, *, file: tuple[str, bytes], manifest: tuple[str, bytes], where: str
) -> None:
    """Raise ArtifactError ``ARTIFACT_BAD_SIGNATURE`` naming the key unless the sidecar's bytes sign both files."""
    try:
        document = json.loads(raw)
        key_id, macs = document["key_id"], (document["mac"], document["manifest_mac"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _bad(f"{where}: its signature is damaged") from None
    if not isinstance(key_id, str) or key_id not in keys.secrets:
        raise _bad(f"{where} is signed by key {printable(key_id)}; known are {', '.join(keys.secrets)}", key_id)
    for (relative, data), mac in zip((file, manifest), macs, strict=True):
        sound = isinstance(mac, str) and _MAC.fullmatch(mac) is not None
        if not sound or not hmac.compare_digest(mac, keys.mac(relative, data, key_id=key_id)):
            raise _bad(f"{where}: key {key_id} did not sign {relative} with these bytes", key_id)


def _bad(text: str, key_id: object = None) -> ArtifactError:
    hint = "Somebody without the key has changed the model, or its file was moved. Train it again."
    return ArtifactError(text, code="ARTIFACT_BAD_SIGNATURE", hint=hint, key_id=printable(key_id))


def _refused(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"signing key file {printable(str(path))} {why}",
        code="CONFIG_FIELD",
        hint=_HINT,
        field="ASSAY_SIGNING_KEY_FILE",
    )
