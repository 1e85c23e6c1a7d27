"""Which part of a request on a key the value of a condition key hangs on (section 6)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

from scanner.model.actions import ACTIONS
from scanner.model.conditions import ConditionKey, Source, find_condition_key
from scanner.model.policy import Statement

_ACTION_KEYS = {name.lower() for action in ACTIONS.values() for name in action.request_keys}
_OF_ACTIONS = ("kms:encryptioncontext:", "kms:recipientattestation:", "aws:requesttag/")
_VARIABLE = re.compile(r"\$\{([^{}]*)")


class Part(StrEnum):
    """A part of a request on a key."""

    CALLER = "caller"
    KEY = "key"
    ACTION = "action"
    """The action, and the key with it."""
    NOTHING = "nothing"
    """What is the same for every request of an analysis, or open in each."""


_PARTS = {
    Source.CALLER: Part.CALLER, Source.SERVICE: Part.CALLER, Source.KEY: Part.KEY, Source.CLOCK: Part.NOTHING,
    Source.REQUEST: Part.NOTHING,
}  # fmt: skip


def is_of_action(name: str, row: ConditionKey) -> bool:
    """Whether only some actions carry a condition key, named in lower case (R1.2, R5.50)."""
    if name in _ACTION_KEYS and row.source is not Source.KEY:
        return True
    return name.startswith(_OF_ACTIONS) or name == "aws:tagkeys"


@lru_cache(maxsize=4096)
def hangs_on(name: str) -> Part:
    """The part that decides the value, beside what the request is said to carry.

    Args:
        name: of the condition key, in lower case. One that this version does not know may hang on the action.
    """
    row = find_condition_key(name)
    if row is None or is_of_action(name, row) or name.startswith("sts:"):
        return Part.ACTION
    return _PARTS[row.source]


def looked_at(statement: Statement) -> Iterable[str]:
    """The condition keys of a statement and those whose values it fills in, in lower case.

    What follows a comma in a variable is a default, or belongs to the name: both readings count.
    """
    elements = (*(statement.resources or ()), *(statement.not_resources or ()))
    written = (*(v for test in statement.conditions for v in test.values), *(e.value for e in elements))
    filled_in = (found for text in written for found in _VARIABLE.findall(text))
    variables = (n.strip().lower() for found in filled_in for n in dict.fromkeys((found, found.partition(",")[0])))
    return (*(test.key.lower() for test in statement.conditions), *variables)
