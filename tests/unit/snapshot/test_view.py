"""The snapshot as a world: facts where they were read, and a gap with its ledger row where they were not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from scanner.analyze.decision.decide import decide
from scanner.analyze.request.caller import resolve_caller
from scanner.analyze.request.request import Request
from scanner.errors import SnapshotError
from scanner.model.actions import find_action
from scanner.model.arn import AccountId, KeyArn
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.decision import Verdict
from scanner.model.key import GrantConstraints, KeyFacts
from scanner.model.organization import Organization
from scanner.model.principal import PrincipalFacts, PrincipalKind
from scanner.model.world import World
from scanner.snapshot.read import open_snapshot
from scanner.snapshot.rows import (
    AccountRow,
    AliasRow,
    GrantRow,
    KeyRow,
    KeyTagRow,
    OrganizationRow,
    OrgAttachmentRow,
    OrgMemberRow,
    OrgPolicyRow,
    OuRow,
    PolicyRow,
    PrincipalPolicyRow,
    PrincipalRow,
    RegionRow,
    SharedKeyRow,
    UnitRecord,
)
from scanner.snapshot.store import SnapshotStore
from scanner.snapshot.view import Assumptions, load_coverage, load_meta, load_scope, load_world

from builders import MANAGER, MEMBER, OWNER, STRANGER, allow, deny, iam, policy

AS_OF = "2026-11-22T00:00:00+00:00"
REGION, KEY_ID = "eu-west-1", "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY = f"arn:aws:kms:{REGION}:{OWNER}:key/{KEY_ID}"
ROLE, ANN = iam(MEMBER, "role/App"), iam(MEMBER, "user/Ann")
IAM_CALL = "iam:GetAccountAuthorizationDetails"
FULL = policy(allow(None, "*"))

KEY_ROW = KeyRow(
    KEY, OWNER, REGION, KEY_ID, state="Enabled", manager="CUSTOMER", spec="SYMMETRIC_DEFAULT", usage="ENCRYPT_DECRYPT",
    origin="AWS_KMS", description="about", multi_region=False, created="2026-01-01T00:00:00+00:00",
    describe_status=Outcome.OK, policy_status=Outcome.OK, ram_status=Outcome.EMPTY, grants_status=Outcome.EMPTY,
    tags_status=Outcome.EMPTY, aliases_status=Outcome.EMPTY,
)  # fmt: skip
ORG_ROW = OrganizationRow(
    "o-own", MANAGER, "arn", "r-1", scp_enabled=True, rcp_enabled=True, tree_read=Outcome.OK, scp_read=Outcome.OK,
    rcp_read=Outcome.OK,
)  # fmt: skip
TRUST = json.dumps(policy(allow("*", "sts:AssumeRole")))
ROLE_ROW = PrincipalRow(
    ROLE, MEMBER, "role", "App", "/", "AROA1", '{"team": "blue"}', None, sha256(TRUST.encode()).hexdigest(), None
)
ACCOUNTS = (AccountRow(OWNER, "payments", collected=True), AccountRow(MEMBER, "lake", collected=True))
IAM_READ = tuple(LedgerRow(a, "global", IAM_CALL, "", Outcome.OK) for a in (OWNER, MEMBER))


class Snapshot:
    """Rows, documents and ledger of one snapshot; `world` writes and reads it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "run" / "snapshot.sqlite"
        self.record = UnitRecord("all")
        self.record.document(TRUST)

    def doc(self, document: object) -> str:
        """Keep a document; its hash."""
        return self.record.document(document if isinstance(document, str) else json.dumps(document))

    def add(self, *rows: object) -> Snapshot:
        """Table and ledger rows."""
        for row in rows:
            if isinstance(row, LedgerRow):
                self.record.ledger(row)
            else:
                self.record.rows.append(row)
        return self

    def write(self) -> Path:
        """The finished file."""
        with SnapshotStore.create(self.path) as store:
            store.write(self.record)
            store.finish(complete=True)
        return self.path

    def world(self, **assumed: Any) -> World:
        """What the analysis sees."""
        with closing(open_snapshot(self.write())) as connection:
            return load_world(connection, Assumptions(AS_OF, **assumed))


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """Two read accounts."""
    return Snapshot(tmp_path).add(*ACCOUNTS, *IAM_READ)


def only_key(world: World) -> KeyFacts:
    """The key of the world."""
    (key,) = world.keys.values()
    return key


def only_organization(world: World) -> Organization:
    """The organization of the world."""
    (organization,) = world.organizations
    return organization


def verdict(world: World, who: str = ROLE, action: str = "kms:Decrypt") -> Verdict:
    """A decision on the key."""
    request = Request(resolve_caller(world, who), action, KEY, action=find_action(action), key=world.keys[KeyArn(KEY)])
    return decide(world, request).verdict


# -- keys -------------------------------------------------------------------------------------------------------------


def test_key_comes_back_with_everything_that_was_read(snapshot: Snapshot) -> None:
    written = policy(allow("*"))
    shared = {"ram_policy_sha256": snapshot.doc(policy(deny("*"))), "ram_status": Outcome.OK}
    row = replace(
        KEY_ROW, policy_sha256=snapshot.doc(written), grants_status=Outcome.OK, tags_status=Outcome.OK, **shared
    )
    given = GrantRow(
        KEY, "g-1", "nightly", "2026-02-01", ROLE, None, iam(OWNER, "root"), None, iam(OWNER, "root"),
        '["Decrypt", "CreateGrant"]', '{"EncryptionContextSubset": {"a": "b"}}',
    )  # fmt: skip
    service = GrantRow(KEY, "g-2", None, None, None, "sns.amazonaws.com", None, "sns.amazonaws.com", None, "[]", None)
    snapshot.add(
        row, given, service, KeyTagRow(KEY, "t", "v"), AliasRow("a2", "alias/b", KEY), AliasRow("a1", "alias/a", KEY)
    )
    key = only_key(snapshot.world())
    assert key.key_policy is not None
    assert key.ram_policy is not None
    assert (json.loads(key.key_policy.text), key.key_policy.source, key.key_policy.name) == (
        written,
        KEY,
        "key policy default",
    )
    assert (key.ram_policy.name, key.ram_policy_read, dict(key.gaps)) == ("key policy AWS_RAM", True, {})
    assert (key.tags, key.aliases) == ({"t": "v"}, ("alias/a", "alias/b"))
    assert (key.account_id, key.region, key.partition, key.state) == (OWNER, REGION, "aws", "Enabled")
    assert (key.description, key.created, key.multi_region, key.multi_region_type) == (
        "about",
        KEY_ROW.created,
        False,
        "",
    )
    assert key.grants is not None
    first, second = key.grants
    assert (first.operations, first.grantee_principal, first.issuing_account) == (
        ("Decrypt", "CreateGrant"),
        ROLE,
        OWNER,
    )
    assert first.constraints == GrantConstraints(encryption_context_subset={"a": "b"})
    assert (first.name, first.retiring_principal) == ("nightly", iam(OWNER, "root"))
    assert (second.grantee_service_principal, second.retiring_service_principal, second.issuing_account) == (
        "sns.amazonaws.com", "sns.amazonaws.com", "",
    )  # fmt: skip


PARTS = [
    ("describe_status", "describe", "kms:DescribeKey", KEY_ID),
    ("policy_status", "key_policy", "kms:GetKeyPolicy", KEY_ID),
    ("ram_status", "ram_policy", "kms:GetKeyPolicy", f"{KEY_ID}/AWS_RAM"),
    ("grants_status", "grants", "kms:ListGrants", KEY_ID),
    ("tags_status", "tags", "kms:ListResourceTags", KEY_ID),
    ("aliases_status", "aliases", "kms:ListAliases", ""),
]
GAPS = [o for o in Outcome if o.is_gap]


@pytest.mark.parametrize(("column", "part", "call", "subject"), PARTS)
@pytest.mark.parametrize("outcome", GAPS)
def test_part_of_a_key_that_was_not_read_is_a_gap_with_its_row(
    snapshot: Snapshot, column: str, part: str, call: str, subject: str, outcome: Outcome
) -> None:
    ledger = LedgerRow(OWNER, REGION, call, subject, outcome)
    statuses: dict[str, Any] = {column: outcome}
    policy_hash = None if part == "key_policy" else snapshot.doc(policy(allow("*")))
    key = only_key(snapshot.add(replace(KEY_ROW, policy_sha256=policy_hash, **statuses), ledger).world())
    assert dict(key.gaps) == {part: ledger.ref}
    absent = {"key_policy": key.key_policy, "grants": key.grants, "tags": key.tags, "aliases": key.aliases}
    assert {name for name, value in absent.items() if value is None} == ({part} & set(absent))
    assert key.ram_policy_read is (part != "ram_policy")


def test_unread_part_of_a_key_makes_the_verdict_unknown(snapshot: Snapshot) -> None:
    snapshot.add(replace(KEY_ROW, policy_status=Outcome.DENIED), ROLE_ROW, rights(snapshot))
    assert verdict(snapshot.world()) is Verdict.UNKNOWN


def test_malformed_policy_is_kept_as_text_and_proves_nothing(snapshot: Snapshot) -> None:
    row = replace(KEY_ROW, policy_sha256=snapshot.doc("<html>"), policy_status=Outcome.MALFORMED)
    world = snapshot.add(row, ROLE_ROW, rights(snapshot)).world()
    assert only_key(world).key_policy is not None
    assert verdict(world) is Verdict.UNKNOWN


def test_gap_of_a_whole_unit_or_account_stands_for_its_parts(snapshot: Snapshot) -> None:
    row = replace(KEY_ROW, grants_status=Outcome.NOT_REACHED)
    whole = LedgerRow(OWNER, REGION, "kms:ListGrants", "", Outcome.NOT_REACHED)
    assert only_key(snapshot.add(row, whole).world()).gaps == {"grants": whole.ref}


def test_gap_without_its_own_row_points_at_the_account_or_region(tmp_path: Path) -> None:
    row = replace(KEY_ROW, grants_status=Outcome.NOT_REACHED)
    refused = LedgerRow(OWNER, "*", "sts:AssumeRole", "", Outcome.DENIED)
    listing = LedgerRow(OWNER, REGION, "kms:ListKeys", "", Outcome.TIMEOUT)
    for number, (ledger, expected) in enumerate((([refused], refused.ref), ([listing], listing.ref), ([], ""))):
        made = Snapshot(tmp_path / str(number)).add(*ACCOUNTS, *IAM_READ, row, *ledger)
        assert only_key(made.world()).gaps == {"grants": expected}


def test_aws_managed_key_has_no_gaps_from_calls_that_were_skipped(snapshot: Snapshot) -> None:
    managed = KeyRow(KEY, OWNER, REGION, KEY_ID, manager="AWS", describe_status=Outcome.OK)
    key = only_key(snapshot.add(managed).world())
    assert (key.manager, key.ram_policy_read, key.key_policy, dict(key.gaps)) == ("AWS", True, None, {})


def test_ram_policy_that_no_call_asked_for_is_not_known_to_be_absent(snapshot: Snapshot) -> None:
    row = replace(KEY_ROW, ram_status=Outcome.SKIPPED, policy_sha256=snapshot.doc(policy()))
    world = snapshot.add(row, ROLE_ROW, rights(snapshot)).world()
    assert not only_key(world).ram_policy_read
    assert verdict(world) is Verdict.UNKNOWN


def test_missing_facts_of_a_key_are_empty_and_never_defaults(snapshot: Snapshot) -> None:
    bare = KeyRow(KEY, OWNER, REGION, KEY_ID, describe_status=Outcome.DENIED)
    key = only_key(snapshot.add(bare).world())
    assert (key.spec, key.usage, key.state, key.origin) == ("", "", "", "")


# -- accounts and Regions ---------------------------------------------------------------------------------------------


def test_account_counts_as_read_only_with_its_iam(snapshot: Snapshot) -> None:
    third, fourth = "333333333333", "444444444444"
    refused = LedgerRow(third, "global", IAM_CALL, "", Outcome.DENIED)
    snapshot.add(AccountRow(third, "x", collected=True), AccountRow(fourth, status="SUSPENDED"), refused)
    accounts = snapshot.world().accounts
    assert accounts[AccountId(OWNER)].iam_complete
    assert (accounts[AccountId(third)].iam_complete, accounts[AccountId(third)].gap) == (False, refused.ref)
    assert (accounts[AccountId(fourth)].collected, accounts[AccountId(fourth)].status) == (False, "SUSPENDED")
    assert accounts[AccountId(OWNER)].status == "ACTIVE"
    assert all(a.ours for a in accounts.values())


@pytest.mark.parametrize(
    ("statuses", "enabled"),
    [
        (
            {"eu-west-1": "ENABLED_BY_DEFAULT", "me-south-1": "ENABLED", "af-south-1": "DISABLED"},
            {"eu-west-1", "me-south-1"},
        ),
        ({"me-south-1": "ENABLED", "af-south-1": "ENABLING"}, None),
        ({"me-south-1": "ENABLED", "af-south-1": "DISABLING"}, None),
        ({"eu-west-1": "ENABLED", "me-south-1": "UNKNOWN"}, None),
        ({}, None),
    ],
)
def test_enabled_regions_are_known_only_when_they_were_read(
    snapshot: Snapshot, statuses: dict[str, str], enabled: set[str] | None
) -> None:
    account = (
        snapshot.add(*(RegionRow(OWNER, r, s, True) for r, s in statuses.items())).world().accounts[AccountId(OWNER)]
    )
    assert account.opted_in_regions == enabled
    default = {r for r, s in statuses.items() if s == "ENABLED_BY_DEFAULT"}
    assert account.default_regions == (default or None)


def test_accounts_of_further_organizations_are_ours_and_unread(snapshot: Snapshot) -> None:
    accounts = snapshot.world(trusted_accounts={"555555555555": "o-two", OWNER: "o-two"}).accounts
    further = accounts[AccountId("555555555555")]
    assert (further.ours, further.collected, further.organization_unknown) == (True, False, True)
    assert accounts[AccountId(OWNER)].collected


def test_account_nobody_lists_is_a_stranger(snapshot: Snapshot) -> None:
    world = snapshot.world()
    assert not world.unlisted_accounts_collected
    assert not resolve_caller(world, iam("999988887777", "role/x")).collected


def test_keys_that_others_share_are_known_to_the_account_that_was_told_of_them(snapshot: Snapshot) -> None:
    shared = [f"arn:aws:kms:{r}:{STRANGER}:key/1" for r in ("us-east-1", "eu-west-1")]
    rows = (SharedKeyRow(MEMBER, arn.split(":")[3], arn) for arn in shared)
    assert snapshot.add(*rows).world().shared_keys == {MEMBER: tuple(sorted(shared))}


# -- organization -----------------------------------------------------------------------------------------------------


def tree(snapshot: Snapshot, row: OrganizationRow = ORG_ROW, **documents: object) -> Snapshot:
    """An organization with a nested OU; `documents` are policies by id, each attached to the root."""
    snapshot.add(row, OuRow("ou-1", "r-1", "Prod"), OuRow("ou-2", "ou-1", "Cards"))
    snapshot.add(OrgMemberRow(OWNER, "ou-2"), OrgMemberRow(MEMBER, "r-1"))
    every = ["r-1", "ou-1", "ou-2", OWNER, MEMBER]
    snapshot.add(OrgPolicyRow("p-full", "SERVICE_CONTROL_POLICY", "FullAWSAccess", "a", True, snapshot.doc(FULL)))
    snapshot.add(*(OrgAttachmentRow(target, "p-full") for target in every))
    for name, document in documents.items():
        kind = "RESOURCE_CONTROL_POLICY" if name.startswith("rcp") else "SERVICE_CONTROL_POLICY"
        sha256 = None if document is None else snapshot.doc(document)
        snapshot.add(OrgPolicyRow(f"p-{name}", kind, name, "a", False, sha256), OrgAttachmentRow("r-1", f"p-{name}"))
    return snapshot


def test_organization_has_paths_from_the_root_and_policies_by_target(snapshot: Snapshot) -> None:
    organization = only_organization(tree(snapshot, scp=policy(deny(None, "s3:*")), rcp=policy(deny("*"))).world())
    assert (organization.id, organization.root, organization.management_account) == ("o-own", "r-1", MANAGER)
    assert organization.members == {OWNER: ("r-1", "ou-1", "ou-2"), MEMBER: ("r-1",)}
    assert organization.scps is not None
    assert organization.rcps is not None
    assert [p.name for p in organization.scps["r-1"]] == ["SCP FullAWSAccess at r-1", "SCP scp at r-1"]
    assert [p.name for p in organization.scps[OWNER]] == [f"SCP FullAWSAccess at {OWNER}"]
    assert [p.name for p in organization.rcps["r-1"]] == ["RCP rcp at r-1"]
    assert organization.ou_names == {"ou-1": "Prod", "ou-2": "Cards"}
    assert (organization.scp_enabled, organization.rcp_enabled) == (True, True)


@pytest.mark.parametrize(
    ("changes", "scps_read", "rcps_read", "enabled"),
    [
        ({}, True, True, (True, True)),
        ({"scp_read": Outcome.DENIED}, False, True, (True, True)),
        ({"rcp_read": Outcome.THROTTLED}, True, False, (True, True)),
        ({"scp_enabled": None}, False, True, (True, True)),
        ({"rcp_enabled": None}, True, False, (True, True)),
        ({"rcp_enabled": False, "rcp_read": Outcome.EMPTY}, True, True, (True, False)),
        ({"scp_enabled": False, "scp_read": Outcome.EMPTY}, True, True, (False, True)),
    ],
)
def test_guardrails_that_were_not_read_are_none_and_never_empty(
    snapshot: Snapshot, changes: dict[str, Any], scps_read: bool, rcps_read: bool, enabled: tuple[bool, bool]
) -> None:
    organization = only_organization(tree(snapshot, replace(ORG_ROW, **changes)).world())
    assert (organization.scps is not None, organization.rcps is not None) == (scps_read, rcps_read)
    assert (organization.scp_enabled, organization.rcp_enabled) == enabled


@pytest.mark.parametrize(("name", "kind"), [("scp", "scps"), ("rcp", "rcps")])
def test_attached_policy_whose_text_was_refused_makes_the_guardrails_unread(
    snapshot: Snapshot, name: str, kind: str
) -> None:
    refused = LedgerRow(MANAGER, "global", "organizations:DescribePolicy", f"p-{name}", Outcome.DENIED)
    organization = only_organization(tree(snapshot, **{name: None}).add(refused).world())
    assert getattr(organization, kind) is None
    assert {name: gap for name, gap in (("scp", organization.scp_gap), ("rcp", organization.rcp_gap)) if gap} == {
        name: refused.ref
    }


def test_target_without_any_scp_means_that_the_list_was_not_complete(snapshot: Snapshot) -> None:
    tree(snapshot).add(OuRow("ou-3", "r-1", "Empty"))
    assert only_organization(snapshot.world()).scps is None


@pytest.mark.parametrize("outcome", [Outcome.DENIED, Outcome.TIMEOUT, Outcome.NOT_REACHED])
def test_tree_that_was_not_read_is_no_organization_and_leaves_guardrails_open(
    snapshot: Snapshot, outcome: Outcome
) -> None:
    tree(snapshot, replace(ORG_ROW, tree_read=outcome))
    row = replace(KEY_ROW, policy_sha256=snapshot.doc(policy(allow("*"))))
    world = snapshot.add(row, ROLE_ROW, rights(snapshot)).world()
    assert world.organizations == ()
    assert all(a.organization_unknown for a in world.accounts.values())
    assert verdict(world) is Verdict.UNKNOWN


def test_organization_that_was_not_read_is_told_by_the_first_call_that_failed(snapshot: Snapshot) -> None:
    leaf = LedgerRow(MANAGER, "global", "organizations:ListAccountsForParent", "ou-1", Outcome.TIMEOUT)
    branch = LedgerRow(MANAGER, "global", "organizations:ListOrganizationalUnitsForParent", "r-1", Outcome.DENIED)
    read = LedgerRow(MANAGER, "global", "organizations:DescribeOrganization", "", Outcome.OK)
    unread = tree(snapshot, replace(ORG_ROW, tree_read=Outcome.DENIED)).add(leaf, branch, read)
    assert unread.world().organization_gap == branch.ref


def test_organization_that_was_read_has_no_gap(snapshot: Snapshot) -> None:
    refused = LedgerRow(MANAGER, "global", "organizations:DescribePolicy", "p-scp", Outcome.DENIED)
    assert tree(snapshot).add(refused).world().organization_gap == ""


def test_account_in_no_organization_has_no_gap_of_one(snapshot: Snapshot) -> None:
    snapshot.add(LedgerRow(OWNER, "global", "organizations:DescribeOrganization", "", Outcome.EMPTY))
    assert snapshot.world().organization_gap == ""


def test_account_outside_of_the_tree_has_unknown_guardrails(snapshot: Snapshot) -> None:
    accounts = tree(snapshot).add(AccountRow("333333333333", collected=True), AccountRow(MANAGER)).world().accounts
    assert accounts[AccountId("333333333333")].organization_unknown
    assert not accounts[AccountId(MANAGER)].organization_unknown
    assert not accounts[AccountId(OWNER)].organization_unknown


# -- principals -------------------------------------------------------------------------------------------------------


def rights(snapshot: Snapshot, document: object = FULL, source: str = "inline", **parts: str) -> PrincipalPolicyRow:
    """An identity policy of the role; None for one that was not read."""
    sha256 = None if document is None else snapshot.doc(document)
    names = {"policy_name": "p", "policy_arn": "", "group_arn": ""} | parts
    return PrincipalPolicyRow(ROLE, source, names["policy_name"], names["policy_arn"], names["group_arn"], sha256)


def only_role(world: World) -> PrincipalFacts:
    """The role of the world."""
    return world.principals[ROLE]


def test_role_comes_back_with_policies_trust_tags_and_boundary(snapshot: Snapshot) -> None:
    boundary = PolicyRow(MEMBER, "arn:aws:iam::aws:policy/Limit", "Limit", True, "v1", snapshot.doc(FULL))
    row = replace(ROLE_ROW, boundary_arn=boundary.arn)
    managed = rights(snapshot, policy(allow()), "managed", policy_name="Use", policy_arn="arn:managed")
    role = only_role(snapshot.add(row, boundary, rights(snapshot), managed).world())
    assert role.boundary is not None
    assert role.trust_policy is not None
    assert role.trust_policy.text == TRUST
    assert [(p.name, p.source) for p in role.identity_policies] == [
        ("inline policy p", ROLE),
        ("managed policy Use", "arn:managed"),
    ]
    assert (role.boundary.name, role.boundary.source) == ("permissions boundary Limit", boundary.arn)
    assert (role.tags, role.unique_id, role.complete, role.kind) == (
        {"team": "blue"},
        "AROA1",
        True,
        PrincipalKind.ROLE,
    )


def test_policies_of_groups_belong_to_the_user_and_say_so(snapshot: Snapshot) -> None:
    group = iam(MEMBER, "group/Devs")
    snapshot.add(PrincipalRow(ANN, MEMBER, "user", "Ann", "/", "AIDA1", "{}", None, None, None))
    sha256 = snapshot.doc(FULL)
    snapshot.add(PrincipalPolicyRow(ANN, "group_inline", "p", "", group, sha256))
    snapshot.add(PrincipalPolicyRow(ANN, "group_managed", "q", "arn:managed", group, sha256))
    ann = snapshot.world().principals[ANN]
    assert [(p.name, p.source) for p in ann.identity_policies] == [
        ("inline policy p of group Devs", group), ("managed policy q of group Devs", "arn:managed"),
    ]  # fmt: skip
    assert ann.kind is PrincipalKind.USER


@pytest.mark.parametrize("missing", ["policy", "boundary text", "boundary row", "boundary without a name", "trust"])
def test_principal_with_an_unread_document_is_incomplete_and_never_without_permission(
    snapshot: Snapshot, missing: str
) -> None:
    gap = LedgerRow(MEMBER, "global", IAM_CALL, "", Outcome.MALFORMED)
    limit = PolicyRow(MEMBER, "arn:limit", "Limit", False, "v1", None)
    rows: dict[str, Iterable[object]] = {
        "policy": (ROLE_ROW, rights(snapshot, None)),
        "boundary text": (replace(ROLE_ROW, boundary_arn="arn:limit"), limit, rights(snapshot)),
        "boundary row": (replace(ROLE_ROW, boundary_arn="arn:limit"), rights(snapshot)),
        "boundary without a name": (replace(ROLE_ROW, boundary_arn=""), rights(snapshot)),
        "trust": (replace(ROLE_ROW, trust_sha256=None), rights(snapshot)),
    }
    key = replace(KEY_ROW, policy_sha256=snapshot.doc(policy(allow(iam(MEMBER, "root")))))
    snapshot.record.coverage.pop((MEMBER, "global", IAM_CALL, ""))
    world = snapshot.add(key, gap, *rows[missing]).world()
    assert (only_role(world).complete, only_role(world).gap) == (False, gap.ref)
    assert verdict(world) is Verdict.UNKNOWN


# -- the rest ---------------------------------------------------------------------------------------------------------


def test_decision_from_a_snapshot_needs_no_more_than_the_file(snapshot: Snapshot) -> None:
    key = replace(KEY_ROW, policy_sha256=snapshot.doc(policy(allow(iam(MEMBER, "root")))))
    world = tree(snapshot).add(key, ROLE_ROW, rights(snapshot)).world()
    assert verdict(world) is Verdict.ALLOWED
    assert verdict(world, ROLE, "kms:Encrypt") is Verdict.DENIED


def test_ledger_header_and_scope_are_read(snapshot: Snapshot) -> None:
    left_out = AccountRow("333333333333", "old", scanned=False, exclusion_reason="closed")
    unnamed = AccountRow("444444444444", scanned=False)
    row = LedgerRow(OWNER, REGION, "kms:ListKeys", "", Outcome.DENIED, "AccessDenied", "no", "allow it")
    snapshot.add(
        left_out,
        unnamed,
        RegionRow(OWNER, REGION, "ENABLED", True),
        RegionRow(OWNER, "us-east-1", "DISABLED", False),
        row,
    )
    with closing(open_snapshot(snapshot.write())) as connection:
        assert row in load_coverage(connection)
        assert load_meta(connection)["complete"] == "1"
        pairs, accounts, sentences = load_scope(connection)
    assert (pairs, accounts) == ([(OWNER, REGION)], [OWNER, MEMBER])
    assert sentences == ("old (333333333333): closed", "no name (444444444444): not in scope")


def test_what_the_user_says_about_the_world_is_taken_over(snapshot: Snapshot) -> None:
    world = snapshot.world(credit_scp=False, credit_rcp=False, asserted={"aws:sourcevpce": ("v",)})
    assert (world.as_of, world.credit_scp, world.credit_rcp, world.asserted) == (
        AS_OF,
        False,
        False,
        {"aws:sourcevpce": ("v",)},
    )


def test_document_that_an_index_names_and_nobody_kept_is_an_error(snapshot: Snapshot) -> None:
    with pytest.raises(SnapshotError, match="lacks document"):
        snapshot.add(replace(KEY_ROW, policy_sha256="0" * 64)).world()


# -- what an unfinished or partial collection leaves open -------------------------------------------------------------


def test_account_that_organizations_says_is_in_none_is_standalone_and_no_other(snapshot: Snapshot) -> None:
    asked = LedgerRow(OWNER, "global", "organizations:DescribeOrganization", "", Outcome.EMPTY)
    row = replace(KEY_ROW, policy_sha256=snapshot.doc(policy(allow("*"))))
    world = snapshot.add(asked, row, ROLE_ROW, rights(snapshot)).world()
    assert not world.accounts[AccountId(OWNER)].organization_unknown
    assert world.accounts[AccountId(MEMBER)].organization_unknown
    assert verdict(world, iam(OWNER, "root")) is Verdict.ALLOWED
    assert verdict(world) is Verdict.UNKNOWN


@pytest.mark.parametrize("outcome", [Outcome.DENIED, Outcome.OK])
def test_account_is_standalone_only_where_organizations_said_so(snapshot: Snapshot, outcome: Outcome) -> None:
    snapshot.add(LedgerRow(OWNER, "global", "organizations:DescribeOrganization", "", outcome))
    assert snapshot.world().accounts[AccountId(OWNER)].organization_unknown


def test_gap_of_guardrails_is_the_row_of_their_own_type(snapshot: Snapshot) -> None:
    calls = {"p-scp": "organizations:ListTargetsForPolicy", "p-rcp": "organizations:DescribePolicy"}
    refused = {p: LedgerRow(MANAGER, "global", call, p, Outcome.DENIED) for p, call in calls.items()}
    broken = replace(ORG_ROW, scp_read=Outcome.DENIED)
    organization = only_organization(tree(snapshot, broken, scp=FULL, rcp=None).add(*refused.values()).world())
    assert (organization.scp_gap, organization.rcp_gap) == (refused["p-scp"].ref, refused["p-rcp"].ref)


def test_guardrails_that_were_read_have_no_gap(snapshot: Snapshot) -> None:
    listing = LedgerRow(MANAGER, "global", "organizations:ListPolicies", "SERVICE_CONTROL_POLICY", Outcome.OK)
    organization = only_organization(tree(snapshot).add(listing).world())
    assert (organization.scp_gap, organization.rcp_gap) == ("", "")


def test_guardrails_whose_type_is_changing_name_the_row_of_their_list(snapshot: Snapshot) -> None:
    listing = LedgerRow("777777777777", "global", "organizations:ListPolicies", "SERVICE_CONTROL_POLICY", Outcome.OK)
    organization = only_organization(tree(snapshot, replace(ORG_ROW, scp_enabled=None)).add(listing).world())
    assert (organization.scps, organization.scp_gap) == (None, listing.ref)


@pytest.mark.parametrize("parents", [{"ou-1": "ou-2", "ou-2": "ou-1"}, {"ou-1": "r-1", "ou-2": "ou-9"}])
def test_tree_that_does_not_lead_to_its_root_is_a_damaged_snapshot(snapshot: Snapshot, parents: dict[str, str]) -> None:
    snapshot.add(ORG_ROW, OrgMemberRow(OWNER, "ou-2"), *(OuRow(ou, above, ou) for ou, above in parents.items()))
    with pytest.raises(SnapshotError, match="does not lead to its root"):
        snapshot.world()


@pytest.mark.parametrize(("key_id", "read", "multi"), [("mrk-1", None, True), (KEY_ID, None, False), ("x", 1, True)])
def test_key_that_was_not_described_is_multi_region_by_its_id(
    snapshot: Snapshot, key_id: str, read: bool | None, multi: bool
) -> None:
    row = KeyRow(KEY, OWNER, REGION, key_id, multi_region=read, describe_status=Outcome.DENIED)
    assert only_key(snapshot.add(row).world()).multi_region is multi


def test_gap_names_the_row_of_its_own_key_and_never_of_another(snapshot: Snapshot) -> None:
    other = LedgerRow(OWNER, REGION, "kms:DescribeKey", "00000000-another-key", Outcome.DENIED)
    broken = LedgerRow(OWNER, REGION, "kms:DescribeKey", KEY_ID, Outcome.ERROR)
    fine = LedgerRow(OWNER, REGION, "kms:ListGrants", KEY_ID, Outcome.OK)
    row = replace(KEY_ROW, grants_status=Outcome.ERROR, describe_status=Outcome.ERROR)
    key = only_key(snapshot.add(other, broken, fine, row).world())
    assert key.gaps == {"grants": broken.ref, "describe": broken.ref}


def test_skipped_ram_policy_names_the_row_that_says_why(snapshot: Snapshot) -> None:
    skipped = LedgerRow(OWNER, REGION, "kms:GetKeyPolicy", f"{KEY_ID}/AWS_RAM", Outcome.SKIPPED)
    row = replace(KEY_ROW, ram_status=Outcome.SKIPPED)
    assert only_key(snapshot.add(skipped, row).world()).gaps == {"ram_policy": skipped.ref}


def test_row_about_nobody_in_particular_makes_every_principal_of_its_account_incomplete(snapshot: Snapshot) -> None:
    strange = LedgerRow(MEMBER, "global", IAM_CALL, "arn:aws:iam::x:role/gone#p", Outcome.MALFORMED)
    other = replace(ROLE_ROW, arn=iam(OWNER, "role/Own"), account_id=OWNER)
    principals = snapshot.add(ROLE_ROW, other, strange).world().principals
    assert (principals[ROLE].complete, principals[ROLE].gap) == (False, strange.ref)
    assert principals[other.arn].complete


def test_row_about_a_policy_concerns_its_own_account_and_who_holds_it(snapshot: Snapshot) -> None:
    managed = "arn:aws:iam::aws:policy/Shared"
    rows = [PolicyRow(a, managed, "Shared", True, "v1", snapshot.doc(FULL)) for a in (OWNER, MEMBER)]
    there = replace(ROLE_ROW, arn=iam(OWNER, "role/There"), account_id=OWNER)
    held = [PrincipalPolicyRow(a, "managed", "Shared", managed, "", rows[0].document_sha256) for a in (ROLE, there.arn)]
    aside = replace(ROLE_ROW, arn=iam(MEMBER, "role/Aside"))
    strange = LedgerRow(MEMBER, "global", IAM_CALL, managed, Outcome.MALFORMED)
    principals = snapshot.add(ROLE_ROW, there, aside, *rows, *held, strange).world().principals
    assert {arn for arn, facts in principals.items() if not facts.complete} == {ROLE}


def test_path_with_a_number_sign_is_part_of_the_arn(snapshot: Snapshot) -> None:
    odd, plain = iam(MEMBER, "role/a#b/App"), iam(MEMBER, "role/Plain")
    strange = LedgerRow(MEMBER, "global", IAM_CALL, f"{odd}#trust", Outcome.MALFORMED)
    snapshot.add(replace(ROLE_ROW, arn=odd), replace(ROLE_ROW, arn=plain), strange)
    assert {arn for arn, facts in snapshot.world().principals.items() if not facts.complete} == {odd}


def test_collection_that_was_killed_says_what_it_did_not_come_to(snapshot: Snapshot) -> None:
    third = "333333333333"
    snapshot.add(RegionRow(OWNER, REGION, "ENABLED", True), AccountRow(third), KEY_ROW)
    snapshot.add(RegionRow(OWNER, "us-east-1", "ENABLED", False), AccountRow("444444444444", scanned=False))
    with SnapshotStore.create(snapshot.path) as store:
        store.put_meta({"caller_account": OWNER})
        store.write(snapshot.record)
        store.write(UnitRecord(f"iam/{OWNER}"))
        store.write(UnitRecord(f"account/{OWNER}"))
        store.write(UnitRecord(f"account/{MEMBER}"))
    with closing(open_snapshot(snapshot.path)) as connection:
        left = {row.ref for row in load_coverage(connection) if row.outcome is Outcome.NOT_REACHED}
        accounts = load_world(connection, Assumptions(AS_OF)).accounts
    assert left == {
        f"{OWNER}/global/organizations:DescribeOrganization/",
        f"{OWNER}/{REGION}/kms:ListKeys/",
        f"{third}/*/sts:AssumeRole/",
    }
    assert not accounts[AccountId(third)].iam_complete
    assert accounts[AccountId(third)].gap == f"{third}/*/sts:AssumeRole/"


def test_roles_that_hold_the_same_share_one_value(tmp_path: Path) -> None:
    """A million roles with the same managed policies would not fit into memory otherwise."""
    managed = f"arn:aws:iam::{MEMBER}:policy/Shared"

    record = UnitRecord("iam")
    digest = record.document(json.dumps(FULL))
    for name in ("One", "Two"):
        arn = iam(MEMBER, f"role/{name}")
        record.rows.append(PrincipalRow(arn, MEMBER, "role", name, "/", name, '{"a": "b"}', None, digest, None))
        record.rows.append(PrincipalPolicyRow(arn, "managed", "Shared", managed, "", digest))
    path = tmp_path / "out" / "snapshot.sqlite"
    with SnapshotStore.create(path) as store:
        store.write(record)
        store.finish(complete=True)
    with closing(open_snapshot(path)) as connection:
        one, two = load_world(connection, Assumptions(AS_OF)).principals.values()
    assert one.identity_policies is two.identity_policies
    assert one.tags is two.tags
    assert one.trust_policy != two.trust_policy
