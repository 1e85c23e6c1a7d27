"""What-if: documents put in the place of others, and every target or document that is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.edits.whatif import MAX_KEY_POLICY, Replacement, overlay
from scanner.errors import UsageError
from scanner.model.arn import KeyArn
from scanner.model.policy import DocumentKind, PolicyText
from scanner.model.world import World

from builders import (
    KEY,
    MANAGER,
    MEMBER,
    ORG,
    OU,
    OWNER,
    ROOT,
    STRANGER,
    account,
    allow,
    ask,
    deny,
    grant,
    iam,
    key,
    organization,
    policy,
    principal,
    text,
    world,
)

OTHER = KEY[:-1] + "0"
APP, ADMIN = iam(MEMBER, "role/App"), iam(OWNER, "role/team/Admin")
MANAGED = f"arn:aws:iam::{MEMBER}:policy/team/keys"
GROUP = f"arn:aws:iam::{MEMBER}:group/devs"
OWN = allow(iam(OWNER, "root"), "kms:*")
NARROW, WIDE = policy(OWN), policy(OWN, allow(iam(MEMBER, "root"), "kms:*"))
KMS = policy(allow(None, "kms:*"))
Json = dict[str, Any]


def given(kind: DocumentKind, target: str, document: object, place: str = "new.json") -> Replacement:
    """A document from a file, as JSON unless it is text already."""
    written = document if isinstance(document, str) else json.dumps(document, indent=2)
    return Replacement(kind, target, written, place)


def base(*things: Any, **facts: Any) -> World:
    """A key that both sides let the role use, with its documents."""
    role = principal(APP, KMS, trust=policy(allow("*", "sts:AssumeRole")))
    return world(key(*WIDE["Statement"], aliases=("alias/cards",)), role, *things, **facts)


def refused(before: World, *replacements: Replacement, revoked: tuple[str, ...] = ()) -> UsageError:
    """Why nothing was overlaid."""
    with pytest.raises(UsageError) as error:
        overlay(before, replacements, revoked)
    assert error.value.exit_code == 2
    return error.value


# -- what is replaced -------------------------------------------------------------------------------------------------


def test_key_policy_is_replaced_and_nothing_else_by_any_name_of_the_key() -> None:
    before = base()
    for name in (KEY, KEY.rsplit("/", 1)[-1], "alias/cards"):
        after = overlay(before, [given(DocumentKind.KEY_POLICY, name, NARROW)])
        assert ask(before, APP).verdict.value == "allowed"
        assert ask(after.world, APP).verdict.value == "denied"
        assert (after.keys, after.everywhere) == ({KeyArn(KEY)}, False)
        assert after.changes == (f"key policy of {KEY}",)
        assert replace(after.world, keys=before.keys) == before


def test_document_overlaid_by_itself_changes_nothing() -> None:
    roots = {ROOT: [KMS]}
    before = base(organization(roots, roots), key(OWN, arn=OTHER, grants=(grant(APP),)))
    facts, role = before.keys[KeyArn(KEY)], before.principals[APP]
    assert facts.key_policy is not None
    assert role.trust_policy is not None
    same = [
        given(DocumentKind.KEY_POLICY, KEY, facts.key_policy.text),
        given(DocumentKind.IDENTITY, APP, role.identity_policies[0].text),
        given(DocumentKind.TRUST, APP, role.trust_policy.text),
        given(DocumentKind.SCP, ROOT, KMS),
        given(DocumentKind.RCP, f"0 at {ROOT}", KMS),
    ]
    assert overlay(before, same[:-1]).world == before
    assert overlay(before, ()).world == before


def test_unread_key_policy_becomes_known() -> None:
    unread = key(key_policy=None, gaps={"key_policy": "row", "grants": "other"}, grants=None)
    after = overlay(world(unread, principal(APP, KMS)), [given(DocumentKind.KEY_POLICY, KEY, WIDE)])
    facts = after.world.keys[KeyArn(KEY)]
    assert facts.gaps == {"grants": "other"}
    assert facts.key_policy is not None
    assert (facts.key_policy.name, facts.key_policy.source) == ("key policy default", KEY)
    assert ask(after.world, APP).verdict.value == "allowed"


def test_revoked_grant_is_gone_and_others_stay() -> None:
    granted = key(OWN, grants=(grant(APP), grant(APP, "Encrypt", grant_id="g-2")))
    after = overlay(world(granted), (), ["g-1"])
    assert [g.grant_id for g in after.world.keys[KeyArn(KEY)].grants or ()] == ["g-2"]
    assert (after.keys, after.everywhere) == ({KeyArn(KEY)}, False)
    assert after.changes == (f"grant g-1 of {KEY} revoked",)


def test_trust_policy_is_replaced_also_where_none_was_read() -> None:
    before = base(principal(ADMIN))
    after = overlay(before, [given(DocumentKind.TRUST, ADMIN, policy(allow(OWNER, "sts:AssumeRole")))])
    trust = after.world.principals[ADMIN].trust_policy
    assert trust is not None
    assert (trust.kind, trust.source, trust.name) == (DocumentKind.TRUST, ADMIN, "trust policy")
    assert after.everywhere
    assert after.changes == (f"trust policy of {ADMIN}",)


def test_role_may_be_named_in_short_where_only_one_has_the_name() -> None:
    role, namesake = iam(OWNER, "role/team/deploy"), iam(MEMBER, "role/deploy")
    document = policy(allow(OWNER, "sts:AssumeRole"))
    for name in (role, "role/team/deploy", "role/deploy", "deploy"):
        after = overlay(base(principal(role)), [given(DocumentKind.TRUST, name, document)])
        assert after.changes == (f"trust policy of {role}",)
    error = refused(base(principal(role), principal(namesake)), given(DocumentKind.TRUST, "deploy", document))
    assert str(error) == f"`deploy` names 2 roles: `{role}`, `{namesake}`"
    assert error.hint == "give the ARN of one"
    for slip, meant in (("role/team/deplyo", "role/team/deploy"), ("deplyo", "deploy")):
        error = refused(base(principal(role)), given(DocumentKind.TRUST, slip, document))
        assert error.hint is not None
        assert error.hint.startswith(f"did you mean `{meant}`?")


def _attached(source: str, name: str, kind: DocumentKind = DocumentKind.IDENTITY) -> PolicyText:
    return text(KMS, kind, source, name)


def test_managed_policy_is_replaced_wherever_it_is_attached_and_as_boundary() -> None:
    managed = _attached(MANAGED, "managed policy keys")
    held = replace(principal(APP), identity_policies=(managed,))
    limited = replace(
        principal(iam(MEMBER, "user/Ann"), KMS),
        boundary=_attached(MANAGED, "permissions boundary keys", DocumentKind.BOUNDARY),
    )
    before = world(key(*WIDE["Statement"]), held, limited)
    after = overlay(before, [given(DocumentKind.IDENTITY, MANAGED, policy(deny(None, "kms:*")))])
    assert [ask(before, p).verdict.value for p in (APP, limited.arn)] == ["allowed", "allowed"]
    assert [ask(after.world, p).verdict.value for p in (APP, limited.arn)] == ["denied", "denied"]
    boundary = after.world.principals[limited.arn].boundary
    assert boundary is not None
    assert boundary.kind is DocumentKind.BOUNDARY
    assert after.world.principals[limited.arn].identity_policies == limited.identity_policies
    assert after.changes == (f"identity policy {MANAGED} of 2 principals",)


def test_inline_policy_is_named_by_holder_and_name_or_by_the_holder_of_one() -> None:
    inline = _attached(APP, "inline policy read")
    of_group = _attached(GROUP, "inline policy all of group devs")
    user = replace(principal(iam(MEMBER, "user/Ann")), identity_policies=(of_group,))
    role = replace(principal(APP, boundary=KMS), identity_policies=(inline, _attached(MANAGED, "managed policy keys")))
    before = world(key(*WIDE["Statement"]), role, user)
    none = policy(deny(None, "kms:*"))
    for target in (APP, f"{APP}/read"):
        after = overlay(before, [given(DocumentKind.IDENTITY, target, none)])
        assert ask(after.world, APP).verdict.value == "denied"
        assert after.changes == (f"identity policy {APP}/read",)
    for target in (GROUP, f"{GROUP}/all"):
        after = overlay(before, [given(DocumentKind.IDENTITY, target, none)])
        assert ask(after.world, user.arn).verdict.value == "denied"
        assert ask(after.world, APP).verdict.value == "allowed"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (allow("*", "kms:*"), "a customer's RCP holds Deny statements only"),
        (deny(iam(STRANGER, "root"), "kms:*"), "the Principal of an RCP is `*`"),
        (
            {"Effect": "Deny", "NotPrincipal": {"AWS": STRANGER}, "Action": "kms:*", "Resource": "*"},
            "the Principal of an RCP is `*`",
        ),
    ],
)
def test_resource_control_policy_that_aws_would_not_take_is_refused(statement: Json, said: str) -> None:
    rcps = {ROOT: (text(policy(deny("*", "kms:*")), DocumentKind.RCP, "p-rcp", f"RCP Fence at {ROOT}"),)}
    before = base(replace(organization(), rcps=rcps))
    assert said in refused(before, given(DocumentKind.RCP, "p-rcp", policy(statement))).message


def test_guardrails_are_replaced_by_id_or_name_wherever_they_are_attached() -> None:
    def at(target: str, kind: DocumentKind) -> PolicyText:
        return text(KMS, kind, f"p-{kind.short_name.lower()}", f"{kind.short_name} Fence at {target}")

    scps = {t: (at(t, DocumentKind.SCP), text(KMS, DocumentKind.SCP, "p-2", f"SCP Two at {t}")) for t in (ROOT, MEMBER)}
    rcps = {OU: (at(OU, DocumentKind.RCP),)}
    unread = replace(organization(), id="o-else", scps=None, rcps=None, members={})
    before = base(replace(organization(), scps=scps, rcps=rcps), unread)
    for target in ("p-scp", "Fence"):
        after = overlay(before, [given(DocumentKind.SCP, target, policy(deny(None, "kms:*")))])
        assert ask(after.world, APP).reason == "explicit_deny_scp" or ask(after.world, APP).verdict.value == "denied"
        assert after.changes == ("SCP Fence (p-scp), attached 2 times",)
        assert after.world.organizations[0].rcps == rcps
        assert after.world.organizations[1] == unread
    after = overlay(before, [given(DocumentKind.RCP, "p-rcp", policy(deny("*", "kms:*")))])
    assert after.changes == ("RCP Fence (p-rcp), attached once",)
    assert ask(after.world, APP).verdict.value == "denied"
    assert after.world.organizations[0].scps == scps


# -- targets that are refused -----------------------------------------------------------------------------------------


def test_unknown_targets_are_errors_that_name_a_near_one() -> None:
    before = base(principal(ADMIN), key(OWN, arn=OTHER, grants=(grant(APP, grant_id="abcdef"),)))
    key_error = refused(before, given(DocumentKind.KEY_POLICY, "alias/card", NARROW))
    assert "there is no key `alias/card`" in key_error.message
    role = refused(before, given(DocumentKind.TRUST, f"{ADMIN}s", KMS))
    assert (role.message, role.hint) == (f"there is no role `{ADMIN}s` in this run", f"did you mean `{ADMIN}`?")
    user = refused(base(principal(iam(OWNER, "user/Ann"))), given(DocumentKind.TRUST, iam(OWNER, "user/Ann"), KMS))
    assert "there is no role" in user.message
    identity = refused(before, given(DocumentKind.IDENTITY, f"{APP}/inline policy", KMS))
    assert "there is no identity policy" in identity.message
    assert refused(before, revoked=("abcdeg",)).hint == "did you mean `abcdef`?"
    assert refused(world(key(OWN)), revoked=("x",)).hint == "there is none"
    assert "there is `FullAWSAccess`" not in str(refused(before, given(DocumentKind.SCP, "p-1", KMS)).hint)


def test_error_says_what_was_not_read() -> None:
    unread = key(OWN, grants=None, gaps={"grants": "row"})
    assert "the grants of 1 keys were not read" in str(refused(world(unread), revoked=("x",)).hint)
    hidden = world(key(OWN), account(STRANGER, collected=False))
    error = refused(hidden, given(DocumentKind.TRUST, iam(STRANGER, "role/App"), KMS))
    assert "the IAM of 1 accounts was not read" in str(error.hint)
    no_policies = world(key(OWN), replace(organization(), scps=None))
    assert f"the SCPs of {ORG} were not read" in refused(no_policies, given(DocumentKind.SCP, "p-1", KMS)).message
    alone = world(key(OWN), organizations=())
    assert "the RCPs were not read" in refused(alone, given(DocumentKind.RCP, "p-1", KMS)).message


def test_targets_that_fit_several_or_none_list_them() -> None:
    before = base(principal(ADMIN, KMS, KMS), principal(iam(OWNER, "role/Bare")))
    several = refused(before, given(DocumentKind.IDENTITY, ADMIN, KMS))
    assert several.message == f"`{ADMIN}` names 2 policies: `{ADMIN}/0`, `{ADMIN}/1`"
    bare = refused(before, given(DocumentKind.IDENTITY, iam(OWNER, "role/Bare"), KMS))
    assert "has no inline policy" in bare.message
    assert bare.hint == "it has no policy at all"
    managed = replace(principal(ADMIN), identity_policies=(_attached(MANAGED, "managed policy keys"),))
    assert refused(base(managed), given(DocumentKind.IDENTITY, ADMIN, KMS)).hint == (
        f"name a managed policy by its ARN: {MANAGED}"
    )
    twins = {ROOT: tuple(text(KMS, DocumentKind.SCP, f"p-{n}", f"SCP Twin at {ROOT}") for n in (1, 2))}
    error = refused(base(replace(organization(), scps=twins)), given(DocumentKind.SCP, "Twin", KMS))
    assert error.message == "`Twin` names 2 policies: `Twin` (p-1), `Twin` (p-2)"
    granted = key(OWN, arn=OTHER, aliases=("alias/cards",))
    assert "fits 2 keys" in refused(base(granted), given(DocumentKind.KEY_POLICY, "alias/cards", NARROW)).message


def test_policy_that_is_also_the_name_of_a_principal_is_named_in_full() -> None:
    inner, outer = iam(MEMBER, "role/App"), iam(MEMBER, "role/App/read")
    holder = replace(principal(inner), identity_policies=(_attached(inner, "inline policy read"),))
    nested = replace(principal(outer), identity_policies=(_attached(outer, "inline policy own"),))
    error = refused(world(key(OWN), holder, nested), given(DocumentKind.IDENTITY, outer, KMS))
    assert error.message == f"`{outer}` names 2 policies: `{outer}`, `{outer}/own`"
    alone = replace(nested, identity_policies=())
    after = overlay(world(key(OWN), holder, alone), [given(DocumentKind.IDENTITY, outer, KMS)])
    assert after.changes == (f"identity policy {outer}, the same as was collected",)


def test_target_given_twice_is_refused() -> None:
    twice = [given(DocumentKind.KEY_POLICY, name, NARROW) for name in (KEY, "alias/cards")]
    assert refused(base(), *twice).message == f"the key policy `{KEY}` is given twice"
    scps = {ROOT: (text(KMS, DocumentKind.SCP, "p-1", f"SCP Fence at {ROOT}"),)}
    both = [given(DocumentKind.SCP, name, KMS) for name in ("p-1", "Fence")]
    assert "is given twice" in refused(base(replace(organization(), scps=scps)), *both).message
    assert "`g-1` is given twice" in refused(world(key(OWN, grants=(grant(APP),))), revoked=("g-1", "g-1")).message


def test_aws_managed_key_is_refused() -> None:
    managed = world(key(OWN, manager="AWS"))
    assert "its policy cannot be changed" in refused(managed, given(DocumentKind.KEY_POLICY, KEY, NARROW)).message


# -- documents that are refused ---------------------------------------------------------------------------------------

BROKEN: list[tuple[str, str]] = [
    ("{\n  nothing", "new.json:2: not JSON: a string is not closed"),
    ("[]", "new.json:1: the document is not a JSON object"),
    ("{}", "new.json:1: there is no Statement"),
    ('{"Statement": []}', "new.json:1: the policy holds no statement"),
    ('{"Version": "2013", "Statement": []}', "new.json:1: the version is `2013`"),
    ('{"Statement": [\n{"Effect": "Maybe", "Principal": "*", "Action": "*"}]}', "new.json:2: statement 0: the effect"),
    ('{"Statement": [\n{"Effect": "Allow", "Action": "kms:*"}]}', "new.json:2: statement 0: there is no Principal"),
    (json.dumps(policy(allow("arn:aws:iam::1:role/*")), indent=1), ": `arn:aws:iam::1:role/*` is no principal"),
    (json.dumps(policy(allow(None, NotPrincipal={"AWS": "ann"}))), "new.json:1: `ann` is no principal"),
    (json.dumps(WIDE) + " " * MAX_KEY_POLICY, "bytes, AWS takes 32,768"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "told"), BROKEN)
def test_document_that_aws_would_refuse_is_refused_with_its_line(document: str, told: str) -> None:
    assert told in refused(base(), given(DocumentKind.KEY_POLICY, KEY, document)).message


def test_identity_policy_with_principals_is_refused_and_unique_ids_are_not() -> None:
    error = refused(base(), given(DocumentKind.IDENTITY, APP, WIDE))
    assert "an identity policy names no principals" in error.message
    assert overlay(base(), [given(DocumentKind.KEY_POLICY, KEY, policy(OWN, allow("AIDAGONE")))]).keys
    assert MANAGER not in error.message


def test_long_names_are_cut_and_hostile_ones_spelled_out() -> None:
    error = refused(base(), given(DocumentKind.TRUST, "x\x1b" + "y" * 500, KMS))
    assert "\x1b" not in error.message
    assert "…" in error.message
    assert len(error.message) < 300
