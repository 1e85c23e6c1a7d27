"""What a run says first: the gravest that outsiders can do, and with how many keys by any way."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from scanner.analyze.findings import AnalysisResult
from scanner.analyze.history.other_ways import keys_of
from scanner.analyze.keys.sentences import DOES_TO
from scanner.analyze.paths.role_paths import PARTNERS, STRANGE
from scanner.analyze.principals.party import APPROVED_PARTNER, OUTSIDE_PARTIES
from scanner.model.finding import CoverageSummary, Finding, FindingVerdict, Kind
from scanner.model.world import World

_DOES_ORDER = tuple(DOES_TO)
_SURE = frozenset({FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL})
_UNSURE = frozenset({FindingVerdict.POSSIBLE})
_CONFIRMED = frozenset({FindingVerdict.CONFIRMED})
_PUBLIC_HALF = frozenset({"kms:GetPublicKey"})
_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def headline(result: AnalysisResult, coverage: CoverageSummary, world: World) -> str:
    """The answer in one sentence; what was not read, what is not counted and paths through roles belong to it."""
    counted = _Counted.of(result, "the organization" if world.organizations else "the scanned accounts")
    parts = [counted.answer()]
    unread = coverage.units_total - coverage.units_read
    if unread:
        parts.append(f"{unread} of {coverage.units_total} account-regions were not fully read")
    if coverage.organization_unread:
        parts.append(f"not read or understood: {' and '.join(coverage.organization_unread)}")
    opaque = len(coverage.opaque_keys)
    if opaque:
        parts.append(f"{_number(opaque)} key polic{'ies' if opaque != 1 else 'y'} could not be read or understood")
    if counted.outside or counted.paths:
        left_out = (("accepted", counted.accepted), ("approved", counted.approved))
        words = " and ".join(word for word, is_there in left_out if is_there)
        parts += [f"{words} access is not counted"] if words else []
    parts.append(f"paths through assumed roles: {result.role_paths}")
    return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a headline counts: access that no reviewed entry accepts, of strangers directly and by paths through roles.

    `accepted` and `approved` say whether there is access that is left out.
    """

    place: str
    access: tuple[Finding, ...]
    outside: tuple[Finding, ...]
    paths: tuple[Finding, ...]
    reached: Mapping[str, Mapping[str, frozenset[str]]]
    accepted: bool
    approved: bool

    @classmethod
    def of(cls, result: AnalysisResult, place: str) -> _Counted:
        """The parts of the findings that count."""
        told = [f for f in result.findings if f.kind in {Kind.EXTERNAL_ACCESS, Kind.ASSUMED_ROLE_PATH}]
        access = tuple(f for f in told if f.kind is Kind.EXTERNAL_ACCESS and not f.is_suppressed)
        outside = tuple(f for f in access if f.grantee.party in OUTSIDE_PARTIES)
        paths = tuple(
            f for f in told
            if f.kind is Kind.ASSUMED_ROLE_PATH and f.grantee.party in STRANGE and not f.is_suppressed
        )  # fmt: skip
        accepted = any(f.is_suppressed and f.grantee.party in STRANGE for f in told)
        approved = any(f.grantee.party in PARTNERS for f in told)
        return cls(place, access, outside, paths, result.reached, accepted, approved)

    def answer(self) -> str:
        """What outsiders can do, the gravest first; never more than the findings say."""
        outside = self.outside
        sure, perhaps = _gravest((*outside, *self.paths), _SURE), _gravest(outside, _UNSURE)
        parts = []
        if sure:
            through = [f for f in self.paths if _can(f, sure, _SURE)]
            parts.append(self._by_any_way(sure, through) if through else _who_can(outside, sure, self.place))
        if perhaps and (not sure or _DOES_ORDER.index(perhaps) < _DOES_ORDER.index(sure)):
            users = [f for f in outside if _can(f, perhaps, _UNSURE)]
            public = any(f.grantee.party == "public" for f in users)
            who = "any AWS account" if public else _accounts(users, self.place)
            does = _does(users, perhaps, _UNSURE)
            hangs = "which hangs on what was not read or not documented"
            parts.append(f"{who} may be able to {does} {_keys(users)}, {hangs}")
        text = "; ".join(parts) or self._without_strangers()
        return text[0].upper() + text[1:]

    def _by_any_way(self, capability: str, through: Sequence[Finding]) -> str:
        """`outsiders can decrypt data with 38 keys: two accounts … with seven directly, four with 36 through roles`."""
        direct = [f for f in self.outside if _can(f, capability, _SURE)]
        public = [f for f in direct if f.grantee.party == "public"]
        named = [f for f in direct if f.grantee.party != "public"]
        by_role = {arn for f in through for arn in self._keys_of(f, capability)}
        parts = [
            f"{who} with {_number(len(_arns(users)))} directly{_in_brackets(_conditions(users, capability))}"
            for who, users in (("any AWS account", public), (_accounts(named, self.place), named)) if users
        ]  # fmt: skip
        number = len({f.grantee.selector for f in through})
        who = f"{_number(number)} outsider{'s' if number != 1 else ''}"
        parts.append(f"{who} with {_number(len(by_role))} through roles")
        does = _does((*direct, *through), capability, _SURE)
        return f"outsiders can {does} {_keys_in_words(_arns(direct) | by_role)}: {', '.join(parts)}"

    def _keys_of(self, finding: Finding, capability: str) -> Collection[str]:
        """The keys of a path; all that it lists where it was kept from an earlier run, which is not followed again."""
        if finding.id not in self.reached:
            return keys_of(finding)
        return self.reached[finding.id].get(capability, ())

    def _without_strangers(self) -> str:
        """What there is where no stranger has access: approved partners, services, then accounts of ours."""
        others = [f for f in self.access if f.grantee.party not in OUTSIDE_PARTIES]
        services = [f for f in others if f.grantee.kind == "service"]
        partners = [f for f in others if f.grantee.party == APPROVED_PARTNER]
        ours = [f for f in others if f.grantee.kind != "service" and f.grantee.party != APPROVED_PARTNER]
        parts = []
        for who, users, more in (
            ("approved partners", partners, ""),
            ("AWS services", services, ", perhaps for whoever asks them"),
            ("accounts of ours", ours, ""),
        ):
            capability = _gravest(users, _SURE)
            if capability:
                able = [f for f in users if _can(f, capability, _SURE)]
                parts.append(f"{who} can {_does(able, capability, _SURE)} {_keys(able)}{more}")
        beyond = " beyond what is accepted" if self.accepted else ""
        if not parts:
            return f"direct use from outside {self.place}{beyond} was not found in what was read"
        return f"{'; '.join(parts)}; direct use by strangers{beyond} was not found in what was read"


def _gravest(findings: Sequence[Finding], verdicts: frozenset[FindingVerdict]) -> str:
    """The gravest capability that a finding has with one of the verdicts; empty where there is none."""
    return next((c for c in DOES_TO if any(_can(f, c, verdicts) for f in findings)), "")


def _can(finding: Finding, capability: str, verdicts: frozenset[FindingVerdict]) -> bool:
    return any(c.verdict in verdicts and c.capability == capability for c in finding.capabilities)


def _does(findings: Sequence[Finding], capability: str, verdicts: frozenset[FindingVerdict]) -> str:
    """The capability in words; a public half that can only be read verifies nothing by itself."""
    results = (c for f in findings for c in f.capabilities if c.capability == capability and c.verdict in verdicts)
    if capability == "verify" and {action for c in results for action in c.actions} <= _PUBLIC_HALF:
        return "read the public half of"
    return DOES_TO[capability]


def _who_can(outside: Sequence[Finding], capability: str, place: str) -> str:
    """`two accounts outside … can decrypt data with seven keys (two only under conditions); any AWS account …`."""
    users = [f for f in outside if _can(f, capability, _SURE)]
    does = _does(users, capability, _SURE)
    public = [f for f in users if f.grantee.party == "public"]
    named = [f for f in users if f.grantee.party != "public"]
    parts = []
    if public:
        parts.append(f"any AWS account can {does} {_keys(public)}{_conditions(public, capability)}")
    if named:
        parts.append(f"{_accounts(named, place)} can {does} {_keys(named)}{_conditions(named, capability)}")
    return ", and ".join(parts)


def _conditions(findings: Sequence[Finding], capability: str) -> str:
    sure = {f.resource.arn for f in findings if _can(f, capability, _CONFIRMED)}
    conditional = len({f.resource.arn for f in findings} - sure)
    if not conditional:
        return ""
    return ", under conditions" if not sure else f" ({_number(conditional)} of them only under conditions)"


def _in_brackets(conditions: str) -> str:
    return " (only under conditions)" if conditions.startswith(",") else conditions


def _accounts(findings: Sequence[Finding], place: str) -> str:
    """`two accounts and one organization outside …`."""
    organizations = {f.grantee.selector for f in findings if f.grantee.kind == "organization"}
    accounts = {f.grantee.account_id or f.grantee.selector for f in findings if f.grantee.kind != "organization"}
    parts = [
        f"{_number(len(found))} {word}{'s' if len(found) != 1 else ''}"
        for word, found in (("account", accounts), ("organization", organizations))
        if found
    ]
    return f"{' and '.join(parts)} outside {place}"


def _arns(findings: Sequence[Finding]) -> set[str]:
    return {f.resource.arn for f in findings}


def _keys(findings: Sequence[Finding]) -> str:
    return _keys_in_words(_arns(findings))


def _keys_in_words(arns: Collection[str]) -> str:
    return f"{_number(len(arns))} key{'s' if len(arns) != 1 else ''}"


def _number(number: int) -> str:
    return _WORDS[number] if number < len(_WORDS) else f"{number:,}"
