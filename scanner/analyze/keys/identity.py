"""Stable ids and fingerprints of findings."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@lru_cache(maxsize=4096)
def finding_id(kind: str, *parts: str) -> str:
    """`kx-` and 12 characters of lower-case base32 of the SHA-256 over the JSON array of kind and parts."""
    digest = hashlib.sha256(_ENCODER.encode([kind, *parts]).encode()).digest()
    return "kx-" + base64.b32encode(digest).decode().lower()[:12]


def fingerprint(evidence: object) -> str:
    """The first 8 hex digits of the SHA-256 over the canonical evidence; it changes when access changes."""
    return hashlib.sha256(_ENCODER.encode(evidence).encode()).hexdigest()[:8]


def as_digest(number: int) -> str:
    """16 hex digits over pairs of texts, such as principal and decision, in whatever order they come.

    Args:
        number: the sum, over the pairs, of the product of the numbers of both.
    """
    return f"{number % 2**64:016x}"


def without(whole: str, parts: Iterable[str]) -> int:
    """What a digest says beside some of the digests that it is the sum of."""
    return (int(whole or "0", 16) - sum(int(part, 16) for part in parts)) % 2**64


@lru_cache(maxsize=65536)
def number_of(text: str) -> int:
    """The odd number of 64 bits that stands for a text in a digest."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") | 1
