"""Every API call of a run times every way an answer can go wrong, over the whole pipeline, with what must come of it.

    .venv/bin/python tests/fault_matrix.py [--only NAME]

Each case collects `fault_world.FaultWorld` over real sockets, judges it against a run without faults, and compares
exit code, ledger and findings with what the tables below say. Back-off runs on a clock that nobody waits for.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import os
import re
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from botocore.session import Session, get_session
from scanner import pipeline
from scanner.collect.answers import OPERATIONS
from scanner.collect.key_uses import SHARED
from scanner.collect.permissions import PERMISSIONS
from scanner.errors import KmsScanError
from scanner.model.coverage import Outcome
from scanner.model.finding import Finding, FindingsDocument, FindingVerdict
from scanner.model.lifecycle import Lifecycle

from fault_server import CALLER, FakeClock, Reply, Request, as_json, refusal, refusal_xml
from fault_world import EU, JOB, K1, K2, LIMIT, OU, ROOT, SCP, SCPS, STRANGER, A, B, FaultWorld, settings

NOW = datetime(2026, 11, 22, 0, 10, tzinfo=UTC)
GLOBAL = "global"
Row = tuple[str, str, str, str, str]
"""Account, region, call, subject and outcome of a row of the ledger."""
Subject = tuple[str, str, str, str]


# -- faults -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """One way an answer goes wrong. `times`: after so many it is right again (None: never)."""

    name: str
    reply: Callable[[FaultWorld, Request], Reply]
    outcome: Outcome
    times: int | None = None


def is_xml(operation: str) -> bool:
    return operation.split(":", maxsplit=1)[0] in {"sts", "iam", "ec2"}


def _refused(code: str, message: str = "not authorized", status: int = 400) -> Callable[[FaultWorld, Request], Reply]:
    def reply(world: FaultWorld, request: Request) -> Reply:
        if is_xml(request.operation):
            return refusal_xml(code.removesuffix("Exception"), message, status)
        return refusal(code, message, status)

    return reply


def _altered(**changes: object) -> Callable[[FaultWorld, Request], Reply]:
    return lambda world, request: replace(world.genuine(request), **changes)  # type: ignore[arg-type]


def _half(world: FaultWorld, request: Request) -> Reply:
    whole = world.genuine(request)
    return replace(whole, cut=len(whole.body) // 2)


def _html(world: FaultWorld, request: Request) -> Reply:
    return Reply(body=b"<html><body>hotel wifi</body></html>", content_type="text/html")


def _braces(world: FaultWorld, request: Request) -> Reply:
    name = request.operation.split(":")[1]
    text = f"<{name}Response><{name}Result/></{name}Response>".encode()
    return Reply(200, text, "text/xml") if is_xml(request.operation) else as_json({})


def _paged(*, truncated: bool, marker: str) -> Callable[[FaultWorld, Request], Reply]:
    """The first page, with these two members whatever is true."""

    def reply(world: FaultWorld, request: Request) -> Reply:
        paging = OPERATIONS[request.operation].paging
        assert paging is not None
        first = {name: value for name, value in request.params.items() if name != paging.token_in}
        whole = world.genuine(replace(request, params=first))
        if is_xml(request.operation):
            told = f"<IsTruncated>{str(truncated).lower()}</IsTruncated>" + (
                f"<Marker>{marker}</Marker>" if marker else ""
            )
            plain = re.sub(rb"<Marker>.*?</Marker>", b"", whole.body)
            return replace(whole, body=re.sub(rb"<IsTruncated>.*?</IsTruncated>", told.encode(), plain))
        answer = {name: value for name, value in json.loads(whole.body).items() if name != paging.token_out}
        if paging.truncated:
            answer[paging.truncated] = truncated
        return as_json({**answer, paging.token_out: marker} if marker else answer)

    return reply


def _foreign(world: FaultWorld, request: Request) -> Reply:
    whole = world.genuine(request)
    mine = request.account if request.operation != "sts:AssumeRole" else request.params["RoleArn"].split(":")[4]
    return replace(whole, body=whole.body.replace(mine.encode(), STRANGER.encode()))


_BY_SCP = "not authorized to perform this with an explicit deny in a service control policy"
FAULTS = (
    Fault("AccessDenied", _refused("AccessDeniedException"), Outcome.DENIED),
    Fault("denied by SCP", _refused("AccessDeniedException", _BY_SCP), Outcome.DENIED_BY_SCP),
    Fault("throttled", _refused("ThrottlingException"), Outcome.THROTTLED),
    Fault("throttled 3 times", _refused("ThrottlingException"), Outcome.OK, times=3),
    Fault("500", _refused("InternalFailure", status=500), Outcome.ERROR),
    Fault("hang", _altered(ending="hang"), Outcome.TIMEOUT),
    Fault("reset before", _altered(ending="reset"), Outcome.ERROR),
    Fault("reset in the middle", lambda w, r: replace(_half(w, r), ending="reset"), Outcome.ERROR),
    Fault("short body", _half, Outcome.MALFORMED),
    Fault("HTML with 200", _html, Outcome.MALFORMED),
    Fault("empty body", _altered(status=200, body=b""), Outcome.MALFORMED),
    Fault("{}", _braces, Outcome.MALFORMED),
    Fault("expired token", _refused("ExpiredTokenException"), Outcome.ERROR),
    Fault("expired token once", _refused("ExpiredTokenException"), Outcome.OK, times=1),
    Fault("Truncated, no marker", _paged(truncated=True, marker=""), Outcome.MALFORMED),
    Fault("marker, not Truncated", _paged(truncated=False, marker="more"), Outcome.MALFORMED),
    Fault("repeated marker", _paged(truncated=True, marker="again"), Outcome.MALFORMED),
    Fault("another account's", _foreign, Outcome.MISMATCH),
)  # fmt: skip

OWNED = frozenset(
    {
        *("kms:ListKeys", "kms:ListAliases", "kms:DescribeKey", "kms:ListGrants", "kms:GetKeyLastUsage"),
        "kms:ListRetirableGrants",
        "iam:GetAccountAuthorizationDetails",
        *("iam:GetPolicy", "iam:ListOpenIDConnectProviders", "iam:ListSAMLProviders", "sts:AssumeRole"),
    }
)
"""Operations whose answer says whose it is; of the others nobody can tell an answer of another account."""


def applies(fault: Fault, target: Target) -> bool:
    """Whether a call can go wrong that way at all."""
    paging = OPERATIONS[target.operation].paging
    if fault.name in {"Truncated, no marker", "marker, not Truncated"}:
        return paging is not None and paging.truncated is not None
    if fault.name == "repeated marker":
        return paging is not None
    return fault.name != "another account's" or target.name in OWNED


# -- targets ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """One call that goes wrong, and what that must cost.

    `where` chooses the requests by account, region or parameter. `gap` is the row that tells of it, None where another
    call can stand in. `lost` chooses the rows that are no more, `extra` are rows that come in their place. `denied`
    are operations refused beside it, without which the call is not made. `is_note`: the row is `skipped` whatever
    happened, because another call has read the same.
    """

    name: str
    where: dict[str, object] = field(default_factory=dict)
    gap: Subject | None = None
    lost: Callable[[Subject], bool] = lambda row: False
    lost_after_page: Callable[[Subject], bool] | None = None
    extra: tuple[Row, ...] = ()
    exit_code: int = 4
    denied: tuple[tuple[str, dict[str, str]], ...] = ()
    ids: tuple[str, ...] = ()
    is_note: bool = False

    @property
    def operation(self) -> str:
        return self.name.split(" ")[0]


def _org(operation: str, subject: str = "") -> Subject:
    return (CALLER, GLOBAL, f"organizations:{operation}", subject)


def _in_europe(operation: str, subject: str = K1) -> Subject:
    return (A, EU, f"kms:{operation}", subject)


_AT_KEY = {"account": A, "region": EU, "KeyId": K1}
_IN_B = {"account": B}
_LISTED: Row = (*_org("ListAccounts"), "ok")
_TREE = ("organizations:ListAccountsForParent", "organizations:ListOrganizationalUnitsForParent")
_OF_THE_TREE = (
    *_TREE,
    *(f"organizations:{name}" for name in ("ListRoots", "ListPolicies", "DescribePolicy", "ListTargetsForPolicy")),
)
_RETIRABLE: Subject = (A, EU, "kms:ListRetirableGrants", JOB)
_REGIONS: Subject = (A, GLOBAL, "account:ListRegions", "")
TARGETS = (
    Target("sts:GetCallerIdentity", lost=lambda row: True, exit_code=5),
    Target(
        "sts:AssumeRole", {"RoleArn": f"arn:aws:iam::{B}:role/KmsScanReadOnly"}, (B, "*", "sts:AssumeRole", ""),
        lost=lambda row: row[0] == B,
    ),
    Target(
        "account:ListRegions", {"account": A}, lost=lambda row: row == _REGIONS, exit_code=0,
        extra=((A, GLOBAL, "ec2:DescribeRegions", "", "ok"),),
    ),
    Target(
        "ec2:DescribeRegions", {"account": A}, (A, GLOBAL, "ec2:DescribeRegions", ""),
        lost=lambda row: row[0] == A and row[2].startswith("kms:"),
        extra=((*_REGIONS, "denied"), (A, "*", "kms:ListKeys", "", "not_reached")),
        denied=(("account:ListRegions", {"account": A}),),
    ),
    Target(
        "organizations:DescribeOrganization", gap=_org("DescribeOrganization"), lost=lambda row: row[2] in _OF_THE_TREE,
        extra=(_LISTED,),
    ),
    Target(
        "organizations:DescribeOrganization without a list", gap=_org("DescribeOrganization"), lost=lambda row: True,
        extra=((*_org("ListAccounts"), "denied"),), exit_code=5, denied=(("organizations:ListAccounts", {}),),
    ),
    Target(
        "organizations:DescribeOrganization of listed accounts", gap=_org("DescribeOrganization"),
        lost=lambda row: row[0] == CALLER, ids=(A, B),
    ),
    Target(
        "organizations:ListRoots", gap=_org("ListRoots"), lost=lambda row: row[2] in _TREE, extra=(_LISTED,),
    ),
    Target(
        "organizations:ListAccounts", gap=_org("ListAccounts"),
        lost=lambda row: row[0] != CALLER or row[1] != GLOBAL or row[2] in _TREE,
        extra=((*_org("ListRoots"), "denied"),), exit_code=5, denied=(("organizations:ListRoots", {}),),
    ),
    Target(
        "organizations:ListAccountsForParent", {"ParentId": OU}, _org("ListAccountsForParent", OU), extra=(_LISTED,),
    ),
    Target(
        "organizations:ListOrganizationalUnitsForParent", {"ParentId": ROOT},
        _org("ListOrganizationalUnitsForParent", ROOT), lost=lambda row: row[3] == OU,
        lost_after_page=lambda row: False, extra=(_LISTED,),
    ),
    Target(
        "organizations:ListPolicies", {"Filter": SCPS}, _org("ListPolicies", SCPS),
        lost=lambda row: row[3] in {SCP, "p-FullAWSAccess"},
    ),
    Target(
        "organizations:ListTargetsForPolicy", {"PolicyId": SCP}, _org("ListTargetsForPolicy", SCP),
    ),
    Target("organizations:DescribePolicy", {"PolicyId": SCP}, _org("DescribePolicy", SCP)),
    Target(
        "kms:ListKeys", {"account": A, "region": EU, "ResourceOwners": None}, _in_europe("ListKeys", ""),
        lost=lambda row: row[3][:36] == K2,
    ),
    Target(
        "kms:ListKeys of other accounts", {"account": A, "region": EU, "ResourceOwners": [SHARED]},
        _in_europe("ListKeys", SHARED),
    ),
    Target("kms:GetKeyLastUsage", _AT_KEY, _in_europe("GetKeyLastUsage")),
    Target("kms:ListAliases", {"account": A, "region": EU}, _in_europe("ListAliases", "")),
    Target("kms:DescribeKey", _AT_KEY, _in_europe("DescribeKey")),
    Target("kms:GetKeyPolicy", {**_AT_KEY, "PolicyName": "default"}, _in_europe("GetKeyPolicy")),
    Target(
        "kms:GetKeyPolicy AWS_RAM", {**_AT_KEY, "PolicyName": "AWS_RAM"}, _in_europe("GetKeyPolicy", f"{K1}/AWS_RAM"),
    ),
    Target(
        "kms:ListGrants", _AT_KEY, _in_europe("ListGrants"), lost=lambda row: row == _RETIRABLE,
        lost_after_page=lambda row: False,
    ),
    Target("kms:ListRetirableGrants", {"account": A}, _RETIRABLE, is_note=True),
    Target("kms:ListResourceTags", _AT_KEY, _in_europe("ListResourceTags")),
    Target(
        "iam:GetAccountAuthorizationDetails", _IN_B, (B, GLOBAL, "iam:GetAccountAuthorizationDetails", ""),
        lost=lambda row: row[3] == LIMIT,
    ),
    Target(
        "iam:GetPolicy", _IN_B, (B, GLOBAL, "iam:GetPolicy", LIMIT), lost=lambda row: row[2] == "iam:GetPolicyVersion",
    ),
    Target("iam:GetPolicyVersion", _IN_B, (B, GLOBAL, "iam:GetPolicyVersion", LIMIT)),
    Target("iam:ListOpenIDConnectProviders", _IN_B, (B, GLOBAL, "iam:ListOpenIDConnectProviders", "")),
    Target("iam:ListSAMLProviders", _IN_B, (B, GLOBAL, "iam:ListSAMLProviders", "")),
)  # fmt: skip

CASES = tuple((target, fault) for target in TARGETS for fault in FAULTS if applies(fault, target))


def operations_without_target() -> set[str]:
    """Calls of ours that no target stands for."""
    return {permission.action for permission in PERMISSIONS} - {target.operation for target in TARGETS}


# -- one run ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """What one run left behind; `document` is None where it ended before anything could be judged."""

    exit_code: int
    ledger: frozenset[Row]
    folder: Path
    document: FindingsDocument | None
    access: frozenset[tuple[str, ...]] = frozenset()
    keys: frozenset[str] = frozenset()

    @property
    def gaps(self) -> set[str]:
        """References of the rows that are gaps."""
        return {"/".join(row[:4]) for row in self.ledger if Outcome(row[4]).is_gap}


class Stage:
    """The server, the botocore session with its parsed models, and a folder for runs; one serves many cases."""

    def __init__(self, world: FaultWorld, folder: Path) -> None:
        self.world, self.folder = world, folder
        self._session = get_session()
        self._baselines: dict[tuple[str, ...], Ran] = {}
        self._number = 0

    def baseline(self, ids: tuple[str, ...] = ()) -> Ran:
        """A run without faults over the organization, or over listed accounts."""
        if ids not in self._baselines:
            whole = self.run(ids=ids)
            assert whole.document is not None
            assert (whole.exit_code, whole.gaps) == (0, set())
            self._baselines[ids] = whole
        return self._baselines[ids]

    def run(self, *, ids: tuple[str, ...] = (), baseline: Ran | None = None, **limits: object) -> Ran:
        """One run of the whole pipeline with the faults that are set, compared with another one where given."""
        self._number += 1
        self.world.requests.clear()
        output = self.folder / str(self._number)
        accounts = {"source": "ids", "ids": list(ids)} if ids else {}
        gate = {} if baseline is None else {"baseline": str(baseline.folder)}
        asked = settings(accounts=accounts, gate=gate, output={"directory": str(output)}, limits=limits)
        with _as_nobody(self._session, self.world.url):
            try:
                done = pipeline.run(asked, {}, clock=FakeClock(NOW))  # type: ignore[arg-type]
            except KmsScanError as error:
                (folder,) = (path for path in output.iterdir() if path.is_dir())
                return Ran(error.exit_code, _ledger(folder), folder, None)
        document = done.document
        access = _rows(done.directory / "access.csv", "key_arn", "principal_arn", "capability", "decision", "path")
        keys = frozenset(row[0] for row in _rows(done.directory / "keys.csv", "key_arn"))
        return Ran(document.run.exit_code, _ledger(done.directory), done.directory, document, access, keys)

    def case(self, target: Target, fault: Fault) -> tuple[list[str], list[str]]:
        """Run one case; returns what is not as it must be, and changed findings that do not cite the gap."""
        base = self.baseline(target.ids)
        for operation, where in target.denied:
            self.world.fail(operation, _refusal(operation), **where)
        left = [fault.times]

        def broken(request: Request) -> Reply | None:
            seen = {"account": request.account, "region": request.region, **request.params}
            if request.operation != target.operation or any(seen.get(k) != v for k, v in target.where.items()):
                return None
            if left[0] is not None:
                if left[0] == 0:
                    return None
                left[0] -= 1
            return fault.reply(self.world, request)

        self.world.faults.append(broken)
        limits = {"read_timeout": "1s"} if fault.outcome is Outcome.TIMEOUT else {}
        try:
            ran = self.run(ids=target.ids, baseline=base, **limits)
        finally:
            self.world.faults.clear()
        return [*compared(base, ran), *_unexpected(target, fault, base, ran)], silent(base, ran)

    def nth(self, number: int, fault: Fault) -> list[str]:
        """Let only the n-th answer of a run go wrong, without a second attempt; returns what is not as it must be."""
        base = self.baseline()
        count = [0]

        def broken(request: Request) -> Reply | None:
            count[0] += 1
            return fault.reply(self.world, request) if count[0] == number else None

        self.world.faults.append(broken)
        try:
            ran = self.run(baseline=base, workers=1, max_attempts=1)
        finally:
            self.world.faults.clear()
        problems = compared(base, ran)
        if ran.exit_code not in {0, 4, 5}:
            problems.append(f"exit code {ran.exit_code}")
        if not ran.gaps and number > 1 and _stands_in(ran) is None:
            problems.append(f"answer {number} of {count[0]} left no row")
        return problems


def _stands_in(ran: Ran) -> Row | None:
    """The row of a call that makes good for another without a gap, or of a cross-check that was not made."""
    missed = (*_RETIRABLE, str(Outcome.SKIPPED))
    return next((row for row in ran.ledger if row[2] == "ec2:DescribeRegions" or row == missed), None)


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage with a server and a folder of its own."""
    with FaultWorld() as world, tempfile.TemporaryDirectory() as folder:
        yield Stage(world, Path(folder))


_NOBODY = {
    "AWS_ACCESS_KEY_ID": "AKIACALLER", "AWS_SECRET_ACCESS_KEY": "caller-secret", "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip


@contextmanager
def _as_nobody(session: Session, url: str) -> Iterator[None]:
    """The environment of a run: credentials of nobody, the server's address, one botocore session for all."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with (
        mock.patch.dict(os.environ, {**others, **_NOBODY, "AWS_ENDPOINT_URL": url}, clear=True),
        mock.patch("scanner.collect.sessions.get_session", return_value=session),
    ):
        yield


def _refusal(operation: str) -> Reply:
    return refusal_xml("AccessDenied") if is_xml(operation) else refusal("AccessDeniedException")


def _ledger(folder: Path) -> frozenset[Row]:
    with closing(sqlite3.connect(folder / "snapshot.sqlite")) as connection:
        return frozenset(connection.execute("SELECT account_id, region, call, subject, outcome FROM coverage"))


def _rows(path: Path, *columns: str) -> frozenset[tuple[str, ...]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return frozenset(tuple(row[name] for name in columns) for row in csv.DictReader(stream))


# -- what must come of it ---------------------------------------------------------------------------------------------


def _unexpected(target: Target, fault: Fault, base: Ran, ran: Ran) -> list[str]:
    """Where exit code and ledger differ from the tables."""
    expected, exit_code = _expected(target, fault, base)
    problems = [f"row missing: {row}" for row in sorted(expected - ran.ledger)]
    problems += [f"row too many: {row}" for row in sorted(ran.ledger - expected)]
    if ran.exit_code != exit_code:
        problems.append(f"exit code {ran.exit_code}, expected {exit_code}")
    return problems


def _expected(target: Target, fault: Fault, base: Ran) -> tuple[frozenset[Row], int]:
    whole = target if not target.denied else None
    outcome, gap, lost = fault.outcome, target.gap, target.lost
    if outcome is Outcome.OK:
        if fault.times == 3 or not target.operation.startswith(("sts:", "organizations:")):
            return _healed(target, base) if whole is None else (base.ledger, base.exit_code)
        outcome = Outcome.ERROR  # the caller's own credentials cannot be renewed
    if fault.name == "repeated marker" and target.lost_after_page is not None:
        lost = target.lost_after_page
    if outcome is Outcome.MISMATCH and gap is not None and target.operation != "sts:AssumeRole":
        gap, lost = _abandoned(gap)
    exit_code = target.exit_code
    if target.is_note and outcome is not Outcome.MISMATCH:
        outcome, exit_code = Outcome.SKIPPED, 0
    rows = {row for row in base.ledger if not lost(row[:4]) and row[:4] != gap}
    changed = {row[:4] for row in target.extra}
    rows = {row for row in rows if row[:4] not in changed} | set(target.extra)
    if gap is not None:
        rows.add((*gap, str(outcome)))
    return frozenset(rows), exit_code


def _healed(target: Target, base: Ran) -> tuple[frozenset[Row], int]:
    """What is there when the call that stands in for a refused one worked in the end."""
    if target.operation == "organizations:DescribeOrganization":
        return base.ledger, 0
    if target.operation == "ec2:DescribeRegions":
        rows = {row for row in base.ledger if row[:4] != _REGIONS} | {(A, GLOBAL, "ec2:DescribeRegions", "", "ok")}
        return frozenset(rows), 0
    rows = {row for row in base.ledger if row[2] not in _TREE and row[:4] != _org("ListRoots")}
    return frozenset(rows | {_LISTED, (*_org("ListRoots"), "denied")}), 4


def _abandoned(gap: Subject) -> tuple[Subject, Callable[[Subject], bool]]:
    """A unit in which somebody else's answer was found is given up whole."""
    account, region, call, _ = gap
    service = call.split(":")[0]
    stands = {"kms": "kms:ListKeys", "iam": "iam:GetAccountAuthorizationDetails"}[service]
    lost = lambda row: row[:2] == (account, region) and row[2].startswith(f"{service}:")  # noqa: E731
    return (account, region, stands, ""), lost


WEAKER = {
    FindingVerdict.CONFIRMED: {FindingVerdict.CONDITIONAL, FindingVerdict.POSSIBLE},
    FindingVerdict.CONDITIONAL: {FindingVerdict.POSSIBLE},
    FindingVerdict.BLOCKED: {FindingVerdict.POSSIBLE},
    FindingVerdict.INEFFECTIVE: {FindingVerdict.POSSIBLE},
    FindingVerdict.POSSIBLE: set(),
}
"""What a verdict may become where something was not read; nothing may become surer."""


def compared(base: Ran, ran: Ran) -> list[str]:
    """Where a run with less to read claims more, or lost something.

    Every finding of the run without faults is there with the same verdict or a weaker one, and nothing counts as
    resolved, wider or narrower: the world is the same. Nothing is claimed for sure that the whole run did not say of
    the same key, principal and capability, and no row of access is gone from a key and a principal that were read.
    """
    if ran.document is None or base.document is None:
        return [] if ran.exit_code == 5 else [f"ended with {ran.exit_code}"]
    problems = [f"resolved: {finding.id}" for finding in ran.document.resolved]
    told = (Lifecycle.WIDENED, Lifecycle.NARROWED)
    problems += [f"{f.lifecycle}: {f.title}" for f in ran.document.findings if f.lifecycle in told]
    before = {finding.id: finding for finding in base.document.findings}
    after = {finding.id: finding for finding in ran.document.findings}
    problems += [f"finding lost: {before[gone].title}" for gone in before.keys() - after.keys()]
    said = {row[:4] for row in base.access}
    sure = {row for row in ran.access if row[3] not in _UNSURE and row[:4] not in said}
    problems += [f"surer: {row}" for row in sorted(sure)]
    for finding in ran.document.findings:
        if finding.id in before:
            problems += _surer(before[finding.id], finding)
        elif finding.verdict is not FindingVerdict.POSSIBLE and not _is_part(finding, before.values()):
            problems.append(f"claimed anew: {finding.verdict} {finding.title}")
    problems += _access_lost(base, ran)
    same = {i: f.fingerprint for i, f in before.items()} == {i: f.fingerprint for i, f in after.items()}
    if not ran.gaps and not (same and (ran.access, ran.exit_code) == (base.access, base.exit_code)):
        problems.append("the run differs, and no gap says why")
    return problems


_UNSURE = frozenset({"unknown", "conditional"})
_REFUSALS = frozenset({FindingVerdict.BLOCKED, FindingVerdict.INEFFECTIVE})


def _surer(old: Finding, new: Finding) -> list[str]:
    problems = []
    if new.verdict is not old.verdict and new.verdict not in WEAKER[old.verdict]:
        problems.append(f"{old.verdict} became {new.verdict}: {new.title}")
    for part in new.capabilities:
        was = [p.verdict for p in old.capabilities if p.capability == part.capability]
        if not was and part.verdict in _REFUSALS:
            # The kind of the key was not read, so more actions count; what is refused to all of them is to those too.
            continue
        may_be = {w for verdict in was for w in (verdict, *WEAKER[verdict])} | {FindingVerdict.POSSIBLE}
        if part.verdict not in may_be:
            problems.append(f"{part.capability} became {part.verdict}: {new.title}")
    return problems


def _is_part(new: Finding, old: Iterable[Finding]) -> bool:
    """Whether a finding tells a part of an old one, whose other principals were not read: it has another id then."""
    people = set(new.reach.principals_sample)
    return any(
        f.kind is new.kind and f.verdict is new.verdict and people and people <= set(f.reach.principals_sample)
        for f in old
    )


def silent(base: Ran, ran: Ran) -> list[str]:
    """Findings that are weaker, new or not rechecked, and cite no gap that says why."""
    if ran.document is None or base.document is None:
        return []
    before = {finding.id: finding for finding in base.document.findings}
    told = []
    for finding in ran.document.findings:
        old = before.get(finding.id)
        changed = old is None or old.verdict is not finding.verdict or finding.lifecycle != "unchanged"
        if changed and not ran.gaps & set(finding.coverage_refs):
            told.append(f"{finding.lifecycle}, {finding.verdict}: {finding.title}")
    return told


def _access_lost(base: Ran, ran: Ran) -> list[str]:
    """Rows of access that are gone or surer, though the accounts of key, principal and path were read."""
    had: dict[tuple[str, str, str], set[str]] = {}
    for key, principal, capability, decision, _ in ran.access:
        had.setdefault((key, principal, capability), set()).add(decision)
    places = {part for row in ran.gaps for part in row.split("/")[:1]}
    problems = []
    for key, principal, capability, decision, path in sorted(base.access):
        found = had.get((key, principal, capability), set())
        if decision in found or found & _UNSURE:
            continue
        accounts = {CALLER, *re.findall(r":(\d{12}):", f"{key} {principal} {path}")}
        if found or not accounts & places:
            problems.append(f"{decision} became {sorted(found) or 'nothing'}: {principal} {capability} {key}")
    return problems


# -- the command ------------------------------------------------------------------------------------------------------


NTH_FAULTS = tuple(fault for fault in FAULTS if fault.name in {"AccessDenied", "short body", "reset before", "500"})


def main() -> int:
    """Run every case, print the matrix and the counts; 1 where something is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="targets whose name holds this")
    only = parser.parse_args().only
    logging.disable(logging.CRITICAL)
    wrong: list[str] = []
    counts: Counter[str] = Counter()
    letters = "abcdefghijklmnopqrstuvwxyz"
    for letter, fault in zip(letters, FAULTS, strict=False):
        print(f"  {letter}  {fault.name}: {'heals' if fault.outcome is Outcome.OK else fault.outcome}")
    print(f"\n{'':55}{' '.join(letters[: len(FAULTS)])}\n")
    with stage() as on:
        for target in (t for t in TARGETS if only in t.name):
            cells = [_cell(on, target, fault, wrong, counts) for fault in FAULTS]
            print(f"{target.name:55}{' '.join(cells)}", flush=True)
        on.run(workers=1)
        answers = len(on.world.requests)
        for fault in NTH_FAULTS if not only else ():
            for number in range(1, answers + 1):
                problems = on.nth(number, fault)
                counts["n-th answers"] += 1
                wrong += [f"answer {number}, {fault.name}: {problem}" for problem in problems]
            print(f"the n-th of {answers} answers with {fault.name}: done", flush=True)
    print(
        "\n+ as it must be, ~ as well, but a changed finding does not cite the gap, ! not, . cannot happen to this call"
    )
    print(", ".join(f"{number} {what}" for what, number in sorted(counts.items())), f"; {len(wrong)} problems")
    print("\n".join(wrong))
    return 1 if wrong else 0


def _cell(on: Stage, target: Target, fault: Fault, wrong: list[str], counts: Counter[str]) -> str:
    if not applies(fault, target):
        counts["cannot happen"] += 1
        return "."
    problems, unsaid = on.case(target, fault)
    counts["cases"] += 1
    counts["cases where a changed finding does not cite the gap"] += bool(unsaid)
    wrong += [f"{target.name}, {fault.name}: {problem}" for problem in problems]
    return "!" if problems else "~" if unsaid else "+"


if __name__ == "__main__":
    sys.exit(main())
