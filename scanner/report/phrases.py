"""Numbers, shares and counts as reports phrase them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import datetime

from scanner.model.decision import Gate, GateOutcome
from scanner.model.finding import CoverageSummary, GapSummary

TOGETHER = "the conditions of these gates together leave no request"
_DATA_KEYS = frozenset(f"GenerateDataKey{pair}{hidden}" for pair in ("", "Pair") for hidden in ("", "WithoutPlaintext"))
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_REFUSALS = frozenset({GateOutcome.DENY_EXPLICIT, GateOutcome.DENY_IMPLICIT})


def percent_text(percent: float) -> str:
    """Share of what was read, rounded down: 99.96 must not read as 100."""
    return f"{math.floor(percent * 10) / 10:g}\u00a0%"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 key`, `1,204 keys`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def units_text(coverage: CoverageSummary) -> str:
    """`409 of 412 account-regions`."""
    return f"{coverage.units_read:,} of {counted(coverage.units_total, 'account-region')}"


def unread_text(coverage: CoverageSummary) -> str:
    """`3 of 412 account-regions`."""
    return f"{coverage.units_total - coverage.units_read:,} of {counted(coverage.units_total, 'account-region')}"


def gap_units(gap: GapSummary) -> str:
    """`3 account-regions, 2 counted above`: what a gap adds to the account-regions that were not fully read."""
    if not gap.units:
        return "no account-region"
    before = gap.units_before
    above = "" if not before else ", counted above" if before == gap.units else f", {before:,} counted above"
    return f"{counted(gap.units, 'account-region')}{above}"


def duration_text(started: str, finished: str) -> str:
    """`14m02s`; empty where one of the times is not ISO 8601."""
    try:
        seconds = int((datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds())
    except (TypeError, ValueError):
        return ""
    minutes, rest = divmod(max(seconds, 0), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def nth(index: int) -> str:
    """`first` for 0, as people count; from the eleventh on in digits."""
    return _ORDINALS[index] if index < len(_ORDINALS) else f"{index + 1}th"


def actions_text(actions: Iterable[str]) -> str:
    """`Decrypt, ReEncryptFrom`: actions of KMS by their own names, as summaries say them.

    The four that make data keys are written as policies write them, where all four are meant.
    """
    names = [action.removeprefix("kms:") for action in actions]
    if _DATA_KEYS.issubset(names):
        first = min(map(names.index, _DATA_KEYS))
        names = [name for name in (*names[:first], "GenerateDataKey*", *names[first:]) if name not in _DATA_KEYS]
    return ", ".join(names)


def account_text(name: str, account_id: str) -> str:
    """`payroll (444455556666)`, or what is known of the two."""
    return f"{name} ({account_id})" if name and account_id else name or account_id


def whose_choice(*, caller_chosen: bool, vouched: bool) -> str:
    """Who decides whether a condition holds, where that is nobody whom the key's owner can rely on; else empty.

    Claims are no choice of the caller: an identity provider states them, however many it states them for.
    """
    if vouched:
        return "stated by the identity provider"
    return "chosen by the caller" if caller_chosen else ""


def refuses_alone(gates: Iterable[Gate]) -> bool:
    """Whether some gate refuses by itself; where none does, it is the gates together."""
    return any(gate.outcome in _REFUSALS for gate in gates)


def prose_parts(text: str) -> Iterator[tuple[bool, str]]:
    """Parts of a sentence, each with whether it stood in backticks; an odd backtick stays as it is."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        parts[-2:] = ["`".join(parts[-2:])]
    return ((place % 2 == 1, part) for place, part in enumerate(parts) if part)


def size_text(size: int) -> str:
    """`1.1 MB`."""
    return f"{size / 1_000_000:.1f} MB" if size >= 1_000_000 else f"{max(size // 1000, 1)} kB"
