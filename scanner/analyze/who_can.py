"""Everybody who can use one key: the lines of its findings, put in order, with what was not read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.keys.access import insider_rows
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.damaged import is_opaque
from scanner.analyze.keys.judge import strength
from scanner.analyze.keys.key_findings import key_findings
from scanner.analyze.parts import AnalysisRules
from scanner.analyze.paths.admission import FEDERATED_OPEN, FEDERATED_PINNED
from scanner.analyze.paths.path_findings import ROLE
from scanner.analyze.paths.role_paths import Pathfinder, follow_roles, paths_in_words
from scanner.analyze.principals.classes import Classes
from scanner.analyze.principals.party import (
    EXPIRED_PARTNER,
    IDENTIFIED_VENDOR,
    PARTNER_EXCEEDS_APPROVAL,
    PUBLIC,
    SERVICE_UNGUARDED,
    UNKNOWN_THIRD_PARTY,
)
from scanner.analyze.principals.question import key_label
from scanner.analyze.principals.reach import CLOSED, Population
from scanner.analyze.principals.selectors import namings_of
from scanner.model.actions import CAPABILITIES
from scanner.model.decision import Verdict
from scanner.model.explanation import Access, WhoCan
from scanner.model.finding import (
    OWN_ACCOUNT,
    AccessRow,
    CapabilityResult,
    Finding,
    FindingVerdict,
    Grantee,
    Kind,
    RowAccess,
    RowPrincipal,
)
from scanner.model.key import KeyFacts
from scanner.model.verdicts import Holders, KeyAccess, KeyPaths, PathAccess
from scanner.model.world import World

_PARTS = {
    "describe": "the properties of the key", "key_policy": "the key policy", "grants": "the grants",
    "ram_policy": "the policy of resource shares", "tags": "the tags", "aliases": "the aliases",
}  # fmt: skip
_STRANGERS_FIRST = (
    PUBLIC, FEDERATED_OPEN, UNKNOWN_THIRD_PARTY, IDENTIFIED_VENDOR, EXPIRED_PARTNER, PARTNER_EXCEEDS_APPROVAL,
    FEDERATED_PINNED, SERVICE_UNGUARDED,
)  # fmt: skip
_OF_INSIDERS = {
    Verdict.ALLOWED.value: FindingVerdict.CONFIRMED, Verdict.CONDITIONAL.value: FindingVerdict.CONDITIONAL,
    Verdict.UNKNOWN.value: FindingVerdict.POSSIBLE, Verdict.LATENT.value: FindingVerdict.BLOCKED,
}  # fmt: skip
_BEHIND = {
    FindingVerdict.CONFIRMED: "allowed", FindingVerdict.CONDITIONAL: "conditional",
    FindingVerdict.POSSIBLE: "unknown", FindingVerdict.BLOCKED: "latent",
}  # fmt: skip


_NOT_FOLLOWED = Pathfinder(FindingVerdict.POSSIBLE, "", "", ())
_TODAY = frozenset({FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL})
"""Verdicts of those who can use a key today, under conditions or not."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be listed: one action or all (empty), which verdicts, insiders too, and how many lines."""

    action: str = ""
    verdicts: tuple[FindingVerdict, ...] = tuple(v for v in FindingVerdict if v is not FindingVerdict.INEFFECTIVE)
    insiders: bool = False
    limit: int = 200


def who_can(world: World, key: KeyFacts, rules: AnalysisRules, wanted: Wanted) -> WhoCan:
    """Everybody outside the key's account who can use it, strangers first; with `insiders` its own principals too.

    The lines are those of the findings and of access.csv: both are made by the same code.
    """
    return listed(world, key, access_to(world, key, rules, insiders=wanted.insiders), rules, wanted)


def access_to(world: World, key: KeyFacts, rules: AnalysisRules, *, insiders: bool) -> KeyAccess:
    """The access to one key, judged now: as an analysis of the whole world judges it, whoever leads there."""
    world = RememberingWorld.of(world, answers=False, sides=rules.by_class)
    population = Population(world)
    rows: list[AccessRow] = []
    assembly = Assembly(world, rules.trust, rules.severity, Classes(world))
    services = rules.service_principals
    findings = [] if key.manager == "AWS" else key_findings(key, population, assembly, services, rows.append)
    through_roles = follow_roles(
        assembly, population, (key,), rules.max_role_hops, services, iam_changes=rules.iam_changes,
        keys_only=rules.leading,
    )  # fmt: skip
    inside = tuple(insider_rows(world, key, population, assembly.classes)) if insiders else ()
    return KeyAccess(findings, rows, inside, through_roles.at(assembly, key))


def listed(world: World, key: KeyFacts, found: KeyAccess, rules: AnalysisRules, wanted: Wanted) -> WhoCan:
    """The answer that follows from the access to a key.

    Args:
        world: holds the key, its account, and all accounts of the run; principals are not asked for.
        found: holds insiders where they are wanted.
    """
    behind: dict[str, list[Holders]] = defaultdict(list)
    for _, principal, access in found.rows:
        told = Holders(access.conditions, access.decision, access.reason, access.actions, (principal.arn,))
        behind[access.finding_id].append(told)
    outside = [line for f in found.findings for line in _of_finding(f, behind[f.id], wanted.action)]
    outside += [line for access in found.paths.access for line in _on_path(access, wanted.action)]
    inside = _of_insiders(found.insiders, wanted.action) if wanted.insiders else ()
    kept = sorted((line for line in (*outside, *inside) if line.verdict in wanted.verdicts), key=_order)
    now = [a for a in outside if a.verdict in _TODAY]
    today = {a.selector for a in now}
    perhaps = {a.selector for a in outside if a.verdict is FindingVerdict.POSSIBLE} - today
    return WhoCan(
        key=key_label(world, key), action=wanted.action, insiders=wanted.insiders,
        verdicts=tuple(v.value for v in wanted.verdicts), access=tuple(kept[: wanted.limit]), total=len(kept),
        today=len(today), today_lines=len(now), perhaps=len(perhaps), key_gaps=tuple(_key_gaps(key)),
        accounts_not_read=_accounts_not_read(world), left_out=_guarded(key, found),
        role_paths=_paths_in_words(key, found.paths, rules.max_role_hops),
    )  # fmt: skip


def _paths_in_words(key: KeyFacts, paths: KeyPaths, max_hops: int) -> str:
    """How many get at the key through roles; whoever was not followed to the end, and not to the key, perhaps does."""
    told = [
        Pathfinder(a.capabilities[0].verdict, a.grantee.party, a.grantee.selector, (key.arn,)) for a in paths.access
    ]
    elsewhere = paths.cut - sum(access.cut for access in paths.access)
    return paths_in_words([*told, *[_NOT_FOLLOWED] * elsewhere], (key,), paths.cut, max_hops)


def _order(line: Access) -> tuple[object, ...]:
    party = _STRANGERS_FIRST.index(line.party) if line.party in _STRANGERS_FIRST else len(_STRANGERS_FIRST)
    return party + (line.party == OWN_ACCOUNT), -strength(line.verdict), line.selector, line.mechanism, line.condition


def _of_finding(finding: Finding, behind: Sequence[Holders], action: str) -> Iterator[Access]:
    """One line per verdict and condition of a finding about a key's own documents."""
    if finding.kind is Kind.KEY_HYGIENE:
        return
    without_effect = finding.kind is Kind.INEFFECTIVE_PERMISSION
    if without_effect and finding.verdict is not FindingVerdict.INEFFECTIVE:
        return
    mechanism = finding.mechanism
    grants = tuple(grant.grant_id for grant in mechanism.grants)
    for line in _lines(finding.grantee, finding.capabilities, action):
        said = replace(
            line, mechanism=mechanism.kind, path="direct", statements=mechanism.statements, grants=grants,
            finding_id=finding.id,
        )  # fmt: skip
        yield said if without_effect else replace(said, principals=_principals(said, behind))


def _on_path(access: PathAccess, action: str) -> Iterator[Access]:
    """One line per verdict and condition of somebody who gets at the key through roles."""
    for line in _lines(access.grantee, access.capabilities, action):
        said = replace(
            line, mechanism=ROLE, path=access.path, statements=access.statements, finding_id=access.finding_id
        )
        yield replace(said, principals=_principals(said, access.holders))


def _lines(grantee: Grantee, capabilities: Sequence[CapabilityResult], action: str) -> Iterator[Access]:
    """One line per verdict and condition, which says not yet through what."""
    groups: dict[tuple[FindingVerdict, str], list[CapabilityResult]] = {}
    for result in capabilities:
        if not action or action in result.actions:
            groups.setdefault((result.verdict, result.condition), []).append(result)
    for (verdict, condition), results in groups.items():
        yield Access(
            verdict=verdict, selector=grantee.selector, kind=grantee.kind, account_id=grantee.account_id,
            account_name=grantee.account_name or grantee.vendor, party=grantee.party, mechanism="", path="",
            statements=(), grants=(), capabilities=_in_order(r.capability for r in results),
            actions=tuple(a for r in results for a in r.actions if action in {"", a}), condition=condition,
            caller_chosen=any(r.caller_chosen for r in results), vouched=any(r.vouched for r in results),
            reasons=tuple(dict.fromkeys(reason for r in results for reason in r.reasons)), principals=(),
            finding_id="",
        )  # fmt: skip


def _in_order(capabilities: Iterator[str]) -> tuple[str, ...]:
    found = set(capabilities)
    return tuple(c for c in CAPABILITIES if c in found)


def _principals(line: Access, behind: Sequence[Holders]) -> tuple[str, ...]:
    """Whom rows list behind a line. A stranger reads `unknown` there, and has the own reason of the line."""
    wanted = set(line.actions)
    decision = _BEHIND.get(line.verdict, "")
    return tuple(sorted({
        principal
        for row in behind
        if row.conditions == line.condition and wanted & set(row.actions)
        and (row.decision == decision or (row.decision == "unknown" and row.reason in line.reasons))
        for principal in row.principals
    }))  # fmt: skip


def _of_insiders(rows: Iterable[AccessRow], action: str) -> Iterator[Access]:
    """One line per principal of the key's own account, verdict and condition."""
    groups: dict[tuple[RowPrincipal, str, str, str], list[RowAccess]] = {}
    for row in rows:
        access = row.access
        if not action or action in access.actions:
            groups.setdefault((row.principal, access.decision, access.conditions, access.reason), []).append(access)
    for (principal, decision, condition, reason), members in groups.items():
        yield Access(
            verdict=_OF_INSIDERS[decision], selector=principal.arn, kind=principal.kind,
            account_id=principal.account_id, account_name=principal.account_name, party=OWN_ACCOUNT,
            mechanism="", path=members[0].path, statements=(), grants=(),
            capabilities=_in_order(m.capability for m in members),
            actions=tuple(a for m in members for a in m.actions if action in {"", a}), condition=condition,
            caller_chosen=False, vouched=False, reasons=(reason,), principals=(principal.arn,), finding_id="",
        )  # fmt: skip


# -- what the list does not say ---------------------------------------------------------------------------------------


def _key_gaps(key: KeyFacts) -> Iterator[str]:
    """What of the key was not read, with the ledger row; whoever it admits there is missing from the list."""
    if key.manager == "AWS":
        return
    for part, ref in sorted(key.gaps.items()):
        yield f"{_PARTS[part]} ({ref})" if ref else _PARTS[part]
    if key.key_policy is not None and is_opaque(key):
        yield "a damaged part of the key policy"


def _accounts_not_read(world: World) -> tuple[str, ...]:
    """Accounts whose IAM was not read, by name; closed ones aside."""
    unread = (a for a in world.accounts.values() if not (a.collected and a.iam_complete) and a.status not in CLOSED)
    return tuple(sorted(f"{a.name} ({a.id})" if a.name else str(a.id) for a in unread))


def _guarded(key: KeyFacts, found: KeyAccess) -> tuple[str, ...]:
    """Services that the key names and that the configuration leaves out (`analysis.service_principals`)."""
    told = {finding.grantee.selector for finding in found.findings}
    told |= {access.grantee.selector for access in found.paths.access}
    named = {n.selector.text for n in namings_of(key) if n.selector.kind == "service"}
    return tuple(sorted(named - told))
