"""How a session gets the permissions of a role by passing it to a service and running something there (R7.8)."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.analyze.paths.hops import ASSUME, NEVER
from scanner.analyze.paths.requests import Passed, Requests, at_most_possible, joined, strongest
from scanner.analyze.paths.sources import admissions_of, is_unread
from scanner.analyze.request.caller import Caller, resolve_caller
from scanner.analyze.request.iam_keys import GIVE_ROLE, PASSED_TO
from scanner.analyze.request.request import Request
from scanner.model.decision import Decision, Verdict
from scanner.model.launches import Launch, launching_service
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

NOT_DOCUMENTED = "launch_not_documented"
_RULES = ("R7.8", "R8.9")


def launch_ways(world: World, requests: Requests, caller: Caller, role: PrincipalFacts) -> Iterator[tuple[str, Passed]]:
    """For every service that the trust policy of a role admits, what becomes of launching something with the role.

    A service of which no action is known that launches something leaves the way open, as does a trust policy that was
    not read.
    """
    if is_unread(role):
        passing = Request(caller, GIVE_ROLE, role.arn, role=role)
        yield "", at_most_possible(requests.passed((passing,), _RULES), "trust_not_read")
    services = (a.selector.text for a in admissions_of(role) if a.selector.kind == "service" and a.action == ASSUME)
    for principal in dict.fromkeys(services):
        passing = Request(caller, GIVE_ROLE, role.arn, role=role, context={PASSED_TO: (principal,)})
        passed = requests.passed((passing,), _RULES)
        admitted = requests.passed((_assumed_by(world, principal, role),), _RULES)
        if NEVER in {passed.rank, admitted.rank}:
            continue
        found = _launched(requests, caller, principal)
        if found is None:
            continue
        decisions = (passed.decision, admitted.decision, found.decision)
        yield principal, Passed((passing, *found.requests), joined(decisions, _RULES))


def _assumed_by(world: World, principal: str, role: PrincipalFacts) -> Request:
    """The service assumes the role for a resource of the role's own account."""
    service = resolve_caller(world, principal)
    return Request(service, ASSUME, role.arn, role=role, context={"aws:sourceaccount": (role.account_id,)})


def _launched(requests: Requests, caller: Caller, principal: str) -> Passed | None:
    """The strongest way to run something at a service; None where every one is surely refused."""
    known = launching_service(principal)
    if known is None:
        return Passed((), Decision(Verdict.UNKNOWN, NOT_DOCUMENTED, unknowns=(NOT_DOCUMENTED,)))
    return strongest(_by_launch(requests, caller, launch) for launch in known.launches)


def _by_launch(requests: Requests, caller: Caller, launch: Launch) -> Passed:
    asked = tuple(
        Request(caller, action, _pattern(caller, resource), any_resource=True) for action, resource in launch.actions
    )
    passed = requests.passed(asked, _RULES)
    return at_most_possible(passed, launch.needs) if launch.needs else passed


def _pattern(caller: Caller, resource: str) -> str:
    """The resources of an account that an action can be about; `*` where it is about none."""
    return resource if resource == "*" else f"arn:{caller.partition}:{resource.replace('ACCOUNT', caller.account_id)}"
