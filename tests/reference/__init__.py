"""The naive reference evaluator: one concrete request at a time, line by line after the AWS text."""

from .deciding import decide as decide
from .facts import Knowledge as Knowledge
from .scenes import NoSuchKeyError as NoSuchKeyError
from .verdicts import TooManyContexts as TooManyContexts
from .verdicts import as_simulation as as_simulation
from .verdicts import combine as combine
from .verdicts import contexts_of as contexts_of
from .verdicts import verdict as verdict
from .verdicts import weakest as weakest

__all__ = [
    "Knowledge",
    "NoSuchKeyError",
    "TooManyContexts",
    "as_simulation",
    "combine",
    "contexts_of",
    "decide",
    "verdict",
    "weakest",
]
