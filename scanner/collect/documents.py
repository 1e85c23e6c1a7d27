"""Keeps a policy document's exact text, and says so when it is none."""

from __future__ import annotations

import json
from functools import lru_cache
from urllib.parse import unquote

from scanner.collect.wire import Unit
from scanner.model.coverage import Outcome

_DISTINCT = 1024
"""Texts that are remembered: roles of one account, and accounts of one organization, mostly repeat each other's."""


def keep_document(unit: Unit, operation: str, subject: str, text: object) -> str | None:
    """Keep a document with an `ok` row; a text that is no JSON object is kept too, with a `malformed` row (R10.12).

    Returns the document's SHA-256, None where there was no text at all.
    """
    problem = "the answer holds no document" if not isinstance(text, str) else _problem(text)
    if problem:
        unit.ledger(operation, subject, Outcome.MALFORMED, code="MalformedDocument", message=problem)
    else:
        unit.ledger(operation, subject, Outcome.OK)
    return unit.record.document(text) if isinstance(text, str) else None


def is_document(text: str) -> bool:
    """Whether a text is a JSON object, which is all that the collector judges about it."""
    return not _problem(text)


@lru_cache(maxsize=_DISTINCT)
def decoded(text: str) -> str:
    """An IAM document as it was written: IAM answers it percent-encoded (RFC 3986). Each distinct text is decoded once.

    An encoded document holds no `{`, so a text with one is plain already (as some emulators answer it).
    """
    return text if "{" in text else unquote(text)


@lru_cache(maxsize=_DISTINCT)
def _problem(text: str) -> str:
    try:
        parsed = json.loads(text)
    except RecursionError:
        return "the document is nested too deeply"
    except ValueError as error:
        return f"the document is no JSON: {error}"
    return "" if isinstance(parsed, dict) else "the document is no JSON object"
