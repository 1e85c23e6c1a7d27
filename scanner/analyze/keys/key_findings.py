"""The findings of one key: everybody its policies and grants name, judged and put into words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from scanner.analyze.keys.access import access_rows
from scanner.analyze.keys.assemble import Assembly, external_finding, ineffective_finding
from scanner.analyze.keys.everybody import Told, tell
from scanner.analyze.keys.hygiene import hygiene_findings, stale_grants
from scanner.analyze.keys.judge import Judgement, best, named_actions, statement_never_applies
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.principals.party import SERVICE_GUARDED, party_of
from scanner.analyze.principals.reach import Population, Reached
from scanner.analyze.principals.selectors import (
    KEY_POLICY,
    RAM,
    NamedStatement,
    Naming,
    Selector,
    external_selectors,
    granted,
    selector_of,
)
from scanner.model.finding import AccessRow, Finding, FindingVerdict
from scanner.model.key import KeyFacts

_STATIC = ("action_not_cross_account", "key_usage", "wrong_partition")
_UNSUPPORTED = ("aws:resourcetag/", "kms:resourcealiases")


def key_findings(
    key: KeyFacts,
    population: Population,
    assembly: Assembly,
    service_principals: str,
    write_access: Callable[[AccessRow], None],
) -> list[Finding]:
    """The findings of one key; `write_access` receives the rows of access.csv behind them.

    Args:
        service_principals: which services are told: `all`, `unguarded` or `none`.
    """
    found: dict[str, Finding] = {}
    without_effect: dict[tuple[object, str], list[Naming]] = {}
    everybody = tuple(tell(key, population, assembly))
    stale = stale_grants(key, population)
    for told in everybody:
        assembly.uses.note(key, told.naming.mechanism, told.judgements)
        if not _is_told(told.naming, key, assembly, service_principals):
            continue
        if any(j.verdict is not FindingVerdict.INEFFECTIVE for j in told.judgements):
            finding = external_finding(assembly, key, told.naming, told.judgements)
            found[finding.id] = finding
            for row in access_rows(assembly, key, told.naming, told.judgements, finding):
                write_access(row)
        for part, reason in _ineffective_parts(assembly, key, told):
            if part.grants and stale.get(part.grants[0].grant_id) == part.selector:
                continue
            without_effect.setdefault((_place(part), reason), []).append(part)
    for named in _unsupported(key):
        part = Naming(_first_selector(named, key), named[1], (named[0],))
        without_effect.setdefault((_place(part), "unsupported_condition_key"), []).append(part)
    for finding in hygiene_findings(assembly, key, population, everybody, tuple(found.values()), stale):
        found[finding.id] = finding
    for (_, reason), parts in sorted(without_effect.items(), key=lambda item: str(item[0])):
        finding = ineffective_finding(assembly, key, parts, reason)
        found[finding.id] = finding
    return list(found.values())


def _is_told(naming: Naming, key: KeyFacts, assembly: Assembly, service_principals: str) -> bool:
    if naming.selector.kind != "service":
        return True
    if service_principals == "none":
        return False
    guarded = party_of(naming, key, assembly.world, assembly.trust) == SERVICE_GUARDED
    return service_principals == "all" or not guarded


def _place(part: Naming) -> object:
    return part.statements[0].place if part.statements else part.grants[0].grant_id


def _ineffective_parts(assembly: Assembly, key: KeyFacts, told: Told) -> Iterator[tuple[Naming, str]]:
    """Statements and grants of a naming that are proven to do nothing, each with the reason."""
    naming, reached = told.written, told.everybody
    if naming is None:
        return
    parts = [Naming(naming.selector, naming.mechanism, (s,)) for s in naming.statements]
    parts.extend(granted(naming.selector, (g,), key.partition) for g in naming.grants)
    by_action: dict[str, list[Judgement]] = {}
    for judgement in told.asked:
        by_action.setdefault(judgement.action.name, []).append(judgement)
    static = {name: _static_reason(judgements) for name, judgements in by_action.items()}
    for part in parts:
        reason = reached.dead or _reason_without_effect(assembly, key, part, reached, static)
        if reason:
            yield part, reason


def _reason_without_effect(
    assembly: Assembly, key: KeyFacts, part: Naming, reached: Reached, static_reasons: Mapping[str, str]
) -> str:
    actions = named_actions(part)
    static = {static_reasons.get(action.name, "") for action in actions}
    if not actions or not reached.callers:
        return ""
    if static <= set(_STATIC):
        return next(reason for reason in _STATIC if reason in static)
    conditions = part.grants or any(n.statement.conditions for n in part.statements)
    damaged = any(n.statement.damage for n in part.statements)
    if conditions and not damaged and statement_never_applies(assembly.world, key, part, reached, assembly.classes):
        return "unsatisfiable_condition"
    return ""


def _static_reason(judgements: Sequence[Judgement]) -> str:
    """Why no caller can do the action whatever the conditions; empty where that depends on them."""
    strongest = best(judgements)
    if strongest is None or strongest.verdict is not FindingVerdict.INEFFECTIVE:
        return ""
    return strongest.reason if strongest.reason in _STATIC else ""


def _unsupported(key: KeyFacts) -> Iterator[tuple[NamedStatement, str]]:
    """Statements of the key's policies that test keys AWS documents as unsupported there (R6.U)."""
    for policy, mechanism in ((key.key_policy, KEY_POLICY), (key.ram_policy, RAM)):
        if policy is None:
            continue
        document = parse_policy(policy)
        for statement in document.statements:
            if any(t.key.lower().startswith(_UNSUPPORTED) for t in statement.conditions):
                yield NamedStatement(document, statement), mechanism


def _first_selector(named: tuple[NamedStatement, str], key: KeyFacts) -> Selector:
    external = external_selectors(named[0].statement, key)
    return external[0] if external else selector_of(key.account_id, key.partition)
