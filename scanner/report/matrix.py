"""Who reaches whom: how many keys of which account each caller can get at, and how bad that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scanner.model.arn import parse_arn
from scanner.model.finding import Finding, FindingVerdict, KeyRow, Kind, Severity
from scanner.report.keys import key_anchor, key_arns
from scanner.report.method import PARTIES
from scanner.report.phrases import account_text, counted

SMALL = 40
"""Callers and accounts up to which everything is shown; above it only callers with a finding of medium or worse."""

MOST_ROWS = 100
MOST_COLUMNS = SMALL
"""A matrix with more is not read: who wants all of it takes access.csv."""
_KINDS = frozenset({Kind.EXTERNAL_ACCESS, Kind.ASSUMED_ROLE_PATH, Kind.FOREIGN_KEY_USE})
_REACHES = frozenset({FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL, FindingVerdict.POSSIBLE})
_UNKNOWN = frozenset({"public", "federated_open", "unknown_third_party", "identified_vendor", "federated_pinned"})
_SERVICES = frozenset({"service_unguarded", "service_guarded"})
_OURS = frozenset({"own_other_organization", "same_organization", "own_saml_provider", "own_account"})
_ACCOUNT_KINDS = frozenset({"account", "role", "user", "root_user", "session", "unknown_id", "unique_id"})
_WORDS = {"federated": "identity provider", "unknown_id": "deleted identity"}
_SEVERITY = {severity: place for place, severity in enumerate(Severity)}
_GROUPS = ("unknown", "partner", "AWS service", "organization")


@dataclass(frozen=True, slots=True)
class Cell:
    """Keys that one caller reaches in one account; `more` where findings name only some of their keys."""

    keys: int
    more: bool
    worst: Finding

    @property
    def letter(self) -> str:
        """`C` for critical, `H` for high and so on."""
        return self.worst.severity.value[0].upper()


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """A caller, which group it belongs to, and a cell per column, None where it reaches nothing."""

    caller: str
    group: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class AccountMatrix:
    """Callers by owning accounts; `notes` say what is left out or only counted in part."""

    columns: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Pair:
    worst: Finding
    keys: set[str] = field(default_factory=set)
    more: bool = False


_Pairs = dict[tuple[str, str], _Pair]


def account_matrix(findings: Sequence[Finding], key_rows: Iterable[KeyRow] = ()) -> AccountMatrix:
    """The matrix of findings that come worst first; what is blocked or without effect reaches nothing.

    `key_rows` name the accounts of keys that a path reaches and does not name.
    """
    names = {row.account_id: row.account_name for row in key_rows}
    reaching = [finding for finding in findings if finding.kind in _KINDS and finding.verdict in _REACHES]
    pairs: _Pairs = {}
    groups: dict[str, int] = {}
    for finding in reaching:
        caller = caller_name(finding)
        groups[caller] = min(groups.get(caller, len(_GROUPS)), _group(finding.grantee.party))
        for owner, key in _keys(finding, names):
            pair = pairs.setdefault((caller, owner), _Pair(finding))
            pair.keys.add(key)
            pair.more = pair.more or _names_a_part(finding)
    callers, owners = _chosen(pairs)
    rows = sorted(callers, key=lambda caller: (groups[caller], _worst(pairs, caller, 0), caller))
    columns = sorted(owners, key=lambda owner: (_worst(pairs, owner, 1), owner))
    return AccountMatrix(
        tuple(columns),
        tuple(
            MatrixRow(caller, _GROUPS[groups[caller]], tuple(_cell(pairs.get((caller, owner))) for owner in columns))
            for caller in rows
        ),
        tuple(_notes(pairs, callers, owners, reaching)),
    )


def caller_name(finding: Finding) -> str:
    """Who a finding is about, as people call it: an account, anybody, or what stands in the document."""
    grantee = finding.grantee
    if grantee.account_id and grantee.kind in _ACCOUNT_KINDS:
        return account_text(grantee.vendor or grantee.account_name, grantee.account_id)
    if grantee.kind == "any":
        return "any AWS account"
    return f"{_WORDS.get(grantee.kind, grantee.kind.replace('_', ' '))} `{grantee.selector}`"


def _group(party: str) -> int:
    """Place in `_GROUPS`; a party that this version does not know counts as unknown."""
    if party in _UNKNOWN or party not in {*PARTIES, *_OURS}:
        return 0
    return 3 if party in _OURS else 2 if party in _SERVICES else 1


def _names_a_part(finding: Finding) -> bool:
    """Whether it reaches more keys than it holds."""
    return finding.keys_total > len(key_arns(finding)) > 0


def _keys(finding: Finding, names: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Owning account and key of everything that a finding reaches; the resource itself where it is an unread key."""
    named = (finding.key,) if finding.key else finding.keys
    for key in named:
        yield account_text(key.account_name, key.account_id), key_anchor(key.arn)
    known = {key.arn for key in named}
    for text in (text for text in key_arns(finding) if text not in known):
        arn = parse_arn(text)
        account = arn.account_id if arn else ""
        yield account_text(names.get(account, ""), account), key_anchor(text)
    resource = finding.resource
    if not named and resource.kind == "key":
        yield account_text(resource.account_name, resource.account_id), key_anchor(resource.arn)


def _worst(pairs: _Pairs, name: str, side: int) -> int:
    return min(_SEVERITY[pair.worst.severity] for names, pair in pairs.items() if names[side] == name)


def _cell(pair: _Pair | None) -> Cell | None:
    return Cell(len(pair.keys), pair.more, pair.worst) if pair else None


def _chosen(pairs: _Pairs) -> tuple[list[str], list[str]]:
    """Callers and owning accounts that the matrix shows, in the order in which the worst first name them."""
    shown = dict.fromkeys(caller for caller, _ in pairs)
    owners = dict.fromkeys(owner for _, owner in pairs)
    if len(shown) > SMALL or len(owners) > SMALL:
        medium = _SEVERITY[Severity.MEDIUM]
        shown = dict.fromkeys(names[0] for names, pair in pairs.items() if _SEVERITY[pair.worst.severity] <= medium)
    callers = list(shown)[:MOST_ROWS]
    kept = set(callers)
    owners = dict.fromkeys(owner for caller, owner in pairs if caller in kept)
    return callers, list(owners)[:MOST_COLUMNS]


def _notes(pairs: _Pairs, callers: Sequence[str], owners: Sequence[str], reaching: Sequence[Finding]) -> Iterable[str]:
    shown, columns = set(callers), set(owners)
    left = [pair for (caller, _), pair in pairs.items() if caller not in shown]
    if left:
        number = len({caller for caller, _ in pairs} - shown)
        keys = len(set().union(*(pair.keys for pair in left)))
        worst = min((pair.worst for pair in left), key=lambda finding: _SEVERITY[finding.severity]).severity
        yield f"{counted(number, 'more caller')} not shown, with {counted(keys, 'key')} and nothing above {worst}."
    beyond = [pair for (caller, owner), pair in pairs.items() if caller in shown and owner not in columns]
    if beyond:
        number = len({owner for caller, owner in pairs if caller in shown} - columns)
        keys = len(set().union(*(pair.keys for pair in beyond)))
        yield f"{counted(number, 'more account')} not shown, with {counted(keys, 'key')} that these callers reach."
    part = sum(1 for finding in reaching if _names_a_part(finding))
    if part:
        name = counted(part, "finding names", "findings name")
        yield f"{name} only the worst of the keys: a number with + is the least, and keys of other accounts may follow."
