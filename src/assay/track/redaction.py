"""Redact secrets from stored text."""

import re

_HIDDEN = rb"***"
_WORDS = (
    rb"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key|signing[_-]?key"
    rb"|account[_-]?key|credentials?|authorization|auth[_-]?header|dsn"
)
_NAMED = re.compile(
    rb"(?i)((?:[\w.-]*(?:" + _WORDS + rb")[\w.-]*)[\"']?\s{0,8}(?::=|=>|[:=])\s{0,8})"
    rb"(\"[^\"\n]*\"|'[^'\n]*'|(?:bearer|basic)\s+[^\s\"',;]+|[^\s\"',;)\]}]+)"
)
_URL = re.compile(rb"(\w{2,16}://[^\s/:@\"']{0,256}:)[^\s/@\"']{1,256}(?=@)")
_BEARER = re.compile(rb"(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}")
_SECRETS = re.compile(
    rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bsk[-_][\w-]{16,}"
    rb"|\bxox[abeprs]-[\w-]{10,}|\bAIza[\w-]{30,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|\bhf_\w{20,}|\bnpm_\w{20,}"
)
_BLOCK = re.compile(
    rb"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----).*?(-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
)


def mask_secrets(data: bytes) -> bytes:
    """The text with ``***`` for what looks like a secret.

    That is: the value beside a name such as password, secret, token, api_key or credential, in code, settings or JSON;
    passwords in URLs; bearer tokens; private key blocks; keys of well-known services by their first letters. An
    ordinary value beside such a name is hidden as well.
    """
    data = _BLOCK.sub(rb"\1" + _HIDDEN + rb"\2", data)
    data = _URL.sub(rb"\1" + _HIDDEN, data)
    data = _NAMED.sub(rb"\1" + _HIDDEN, data)
    data = _BEARER.sub(rb"\1" + _HIDDEN, data)
    return _SECRETS.sub(_HIDDEN, data)
