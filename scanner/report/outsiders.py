"""Which outsiders can decrypt: each with its way in, what must hold for it, and the keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scanner.model.finding import CapabilityResult, Finding, FindingVerdict, KeyRow, Kind
from scanner.report.keys import key_names, named_keys
from scanner.report.matrix import caller_name
from scanner.report.ordering import urgent_first
from scanner.report.phrases import whose_choice

DIRECT_PARTIES = frozenset({
    "public", "unknown_third_party", "identified_vendor", "expired_partner", "partner_exceeds_approval",
})  # fmt: skip
"""Whom the headline counts where it speaks of direct use."""
ROLE_PARTIES = DIRECT_PARTIES | {"federated_open", "federated_pinned", "service_unguarded"}
"""Whom it counts where it speaks of paths through roles."""

MOST_ROWS = 50
_CAPABILITY = "decrypt"
_SURE = frozenset({FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL})
_UNDER_CONDITIONS = 3
"""From this strength on the analysis calls access sure, under conditions or not (see `Reach.strength`)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What must hold for which actions, empty where nothing must, whose choice that is, and with how many keys."""

    actions: tuple[str, ...]
    condition: str
    choice: str
    keys: int


@dataclass(frozen=True, slots=True)
class Outsider:
    """One finding as a line: `keys` are ARN and name; `same_as` is the id of a line before that has the same keys."""

    finding: Finding
    who: str
    terms: tuple[Terms, ...]
    keys: tuple[tuple[str, str], ...]
    more: bool
    same_as: str = ""


@dataclass(frozen=True, slots=True)
class Outsiders:
    """The table, the most urgent first, and what the headline counts: `direct` and `through_roles` overlap in `both`.

    `not_today` are keys that the same paths would reach and whose state or Region stops it, so that they do not count.
    `at_least` says that some path has more keys than findings hold, so that every number here may be higher.
    """

    rows: tuple[Outsider, ...]
    left_out: int
    total: int
    direct: int
    through_roles: int
    both: int
    not_today: int
    at_least: bool


def outsiders_who_decrypt(findings: Iterable[Finding], key_rows: Iterable[KeyRow]) -> Outsiders | None:
    """The table for findings that nobody accepted; None where no outsider surely decrypts.

    What is told as possible is not in it, as in the headline.
    """
    names = key_names(tuple(key_rows))
    counted = [finding for finding in findings if _counts(finding)]
    if not counted:
        return None
    direct = {arn for f in counted if f.kind is Kind.EXTERNAL_ACCESS for arn in _keys(f)}
    by_role = {arn for f in counted if f.kind is Kind.ASSUMED_ROLE_PATH for arn in _keys(f)}
    later = {arn for f in counted for arn, held in f.reach.strength.items() if _CAPABILITY in held}
    return Outsiders(
        tuple(_rows(urgent_first(counted)[:MOST_ROWS], names)),
        max(0, len(counted) - MOST_ROWS),
        len(direct | by_role),
        len(direct),
        len(by_role),
        len(direct & by_role),
        len(later - direct - by_role),
        any(map(_has_more, counted)),
    )


def _counts(finding: Finding) -> bool:
    parties = {Kind.EXTERNAL_ACCESS: DIRECT_PARTIES, Kind.ASSUMED_ROLE_PATH: ROLE_PARTIES}.get(
        finding.kind, frozenset()
    )
    return finding.grantee.party in parties and not finding.is_suppressed and bool(_results(finding))


def _results(finding: Finding) -> list[CapabilityResult]:
    return [c for c in finding.capabilities if c.capability == _CAPABILITY and c.verdict in _SURE]


def _keys(finding: Finding) -> tuple[str, ...]:
    """The keys that it surely decrypts with, up to the 1,000 of a path that findings hold."""
    if finding.kind is Kind.EXTERNAL_ACCESS:
        return (finding.resource.arn,)
    return tuple(
        sorted(a for a, held in finding.reach.strength.items() if held.get(_CAPABILITY, 0) >= _UNDER_CONDITIONS)
    )


def _has_more(finding: Finding) -> bool:
    """Whether a path has more keys than the finding holds one by one."""
    return finding.kind is Kind.ASSUMED_ROLE_PATH and finding.keys_total > len(finding.reach.strength)


def _rows(findings: Sequence[Finding], names: Mapping[str, str]) -> Iterable[Outsider]:
    shown: dict[tuple[str, ...], str] = {}
    for finding in findings:
        arns = _keys(finding)
        first = shown.setdefault(arns, finding.id) if len(arns) > 1 else finding.id
        yield Outsider(
            finding,
            caller_name(finding),
            tuple(_terms(finding)),
            named_keys(arns, names),
            _has_more(finding),
            "" if first == finding.id else first,
        )


def _terms(finding: Finding) -> Iterable[Terms]:
    for result in _results(finding):
        choice = whose_choice(caller_chosen=result.caller_chosen, vouched=result.vouched) if result.condition else ""
        yield Terms(result.actions, result.condition, choice, result.keys.total if result.keys else 1)
