"""The reference evaluator against the shared cases, and against rules that no case covers."""

import ast
import copy
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import reference
from reference_pools import KEY_ID, A, B, C, iam
from reference_worlds import worlds

TESTS = Path(__file__).resolve().parents[2]
KEY = f"arn:aws:kms:us-west-2:{A}:key/{KEY_ID}"
ROLE = iam(B, "role/App")
Json = dict[str, Any]

few = settings(
    max_examples=150, database=None, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def _requests(files: str = "conformance/*.json") -> list[Any]:
    found = []
    for file in sorted((TESTS / "cases").glob(files)):
        for case in json.loads(file.read_text(encoding="utf-8")):
            for index, request in enumerate(case["requests"]):
                found.append(pytest.param(case["world"], request, id=f"{case['id']}-{index}"))
    return found


def allow(principal: object = None, action: object = "kms:*", **parts: Any) -> Json:
    """An Allow statement on everything; with a principal it belongs into a key policy."""
    who = {} if principal is None else {"Principal": principal}
    return {"Effect": "Allow", **who, "Action": action, "Resource": "*", **parts}


def deny(principal: object = None, action: object = "kms:*", **parts: Any) -> Json:
    """The same as a Deny."""
    return {**allow(principal, action, **parts), "Effect": "Deny"}


def policy(*statements: Json) -> Json:
    """A document of the current version."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def world(*statements: Json, key: Json | None = None, caller: Json | None = None, **parts: Any) -> Json:
    """A key of account A with these statements, and a role of account B that may do everything in IAM."""
    role = {"arn": ROLE, "identity_policies": [policy(allow())], **(caller or {})}
    return {"keys": [{"arn": KEY, "key_policy": policy(*statements), **(key or {})}], "principals": [role], **parts}


def ask(given_world: Json, principal: str = ROLE, action: str = "kms:Decrypt", **parts: Any) -> str:
    """The brute-force verdict on the key."""
    return reference.verdict(given_world, {"principal": principal, "action": action, "resource": KEY, **parts})


ROOT_B: Json = {"AWS": iam(B, "root")}


@pytest.mark.parametrize(("given_world", "request_"), [*_requests(), *_requests("regressions/tags-of-roles.json")])
def test_case_file_request_gives_its_expected_verdict(given_world: Json, request_: Json) -> None:
    assert reference.verdict(given_world, request_) == request_["expect"]


def test_case_files_are_all_there() -> None:
    assert len(_requests()) == 334


def test_reference_imports_nothing_of_the_scanner() -> None:
    for file in [*(TESTS / "reference").glob("*.py"), *TESTS.glob("reference_*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "scanner" for name in names), file.name


@pytest.mark.parametrize(
    ("gap", "action", "verdict"),
    [
        ("rcp", "kms:Decrypt", "unknown"),
        ("scp", "kms:Decrypt", "unknown"),
        ({"key": KEY, "part": "key_policy"}, "kms:Decrypt", "unknown"),
        ({"key": KEY, "part": "grants"}, "kms:Decrypt", "allowed"),
        ({"key": KEY, "part": "grants"}, "kms:Encrypt", "unknown"),
        ({"key": KEY, "part": "grants"}, "kms:ListGrants", "denied"),
        ({"key": KEY, "part": "tags"}, "kms:Decrypt", "allowed"),
        ({"account": B, "part": "iam"}, "kms:Decrypt", "unknown"),
        ({"account": A, "part": "iam"}, "kms:Decrypt", "allowed"),
    ],
)
def test_gap_weakens_only_what_hangs_on_it(gap: object, action: str, verdict: str) -> None:
    org = {"id": "o-own", "root": "r-1", "management_account": C, "members": {A: ["r-1"], B: ["r-1"]}}
    assert ask(world(allow(ROOT_B, "kms:Decrypt"), orgs=[org], unread=[gap]), action=action) == verdict


def test_unread_guardrails_count_as_absent_when_the_user_credits_none() -> None:
    unread = world(allow(ROOT_B), accounts={A: {"org_unknown": True}, B: {"org_unknown": True}})
    request = {"principal": ROLE, "action": "kms:Decrypt", "resource": KEY}
    assert reference.verdict(unread, request, reference.Knowledge(scp=False, rcp=True)) == "unknown"
    assert reference.verdict(unread, request, reference.Knowledge(scp=False, rcp=False)) == "allowed"


@pytest.mark.parametrize(
    ("listed", "caller", "verdict"),
    [
        ([ROLE, iam(B, "root")], {}, "allowed"),
        ([ROLE], {}, "unknown"),
        ([iam(B, "root")], {}, "denied"),
        ([ROLE, iam(B, "root")], {"boundary": policy(allow())}, "denied"),
        ([iam(B, "role/Other"), iam(B, "root")], {}, "denied"),
    ],
)
def test_not_principal_deny_exempts_role_and_account_together(listed: list[str], caller: Json, verdict: str) -> None:
    statement = deny(action="kms:Decrypt", NotPrincipal={"AWS": listed})
    assert ask(world(allow(ROOT_B), statement, caller=caller)) == verdict


def test_for_all_values_negated_deny_on_missing_key_does_not_count_as_firing() -> None:
    test = {"ForAllValues:StringNotLike": {"aws:CalledVia": "athena.*"}}
    complete: Json = {"context": {}, "context_complete": True}
    assert ask(world(allow(ROOT_B), deny("*", Condition=test)), **complete) == "unknown"
    assert ask(world(allow(ROOT_B, Condition=test)), **complete) == "allowed"


def test_contradicting_conditions_are_denied_not_conditional() -> None:
    via = {"kms:ViaService": "s3.us-west-2.amazonaws.com"}
    only_ec2 = {"StringNotEquals": {"kms:ViaService": "ec2.us-west-2.amazonaws.com"}}
    assert ask(world(allow(ROOT_B, Condition={"StringEquals": via}))) == "conditional"
    both = world(allow(ROOT_B, Condition={"StringEquals": via}), deny("*", Condition=only_ec2))
    assert ask(both) == "denied"


def test_overlapping_globs_are_tried_together() -> None:
    test = {"StringLike": {"aws:SourceVpce": "a*"}, "StringLikeIfExists": {"aws:SourceVpce": "*b"}}
    assert ask(world(allow(ROOT_B, Condition=test))) == "conditional"


def test_variable_of_a_request_key_is_followed_to_the_value_that_matches() -> None:
    test = {"StringEquals": {"kms:ViaService": "s3.${aws:PrincipalTag/region}.amazonaws.com"}}
    trust = policy({"Effect": "Allow", "Principal": ROOT_B, "Action": "sts:TagSession"})
    assert ask(world(allow(ROOT_B, Condition=test), caller={"trust_policy": trust})) == "conditional"
    assert ask(world(allow(ROOT_B, Condition=test))) == "denied"


def test_federated_user_without_session_policy_has_no_identity_side() -> None:
    bob = iam(B, "federated-user/Bob")
    ann = {"arn": iam(B, "user/Ann"), "identity_policies": [policy(allow())]}
    session = {"arn": bob, "user": ann["arn"]}
    listed = {**world(allow(ROOT_B)), "principals": [ann, session]}
    assert ask(listed, bob) == "denied"
    session["session_policies"] = [policy(allow())]
    assert ask(listed, bob) == "allowed"
    assert ask({**listed, "principals": [ann]}, bob) == "unknown"


def test_create_grant_through_a_grant_is_conditional_until_the_child_is_known() -> None:
    grant = {"grant_id": "g", "grantee_principal": ROLE, "issuing_account": A, "operations": ["Decrypt", "CreateGrant"]}
    shared = world(key={"grants": [grant]}, caller={"identity_policies": []})
    assert ask(shared, action="kms:CreateGrant") == "conditional"
    assert ask(shared, action="kms:CreateGrant", grant_request={"operations": ["Decrypt"]}) == "allowed"
    assert ask(shared, action="kms:CreateGrant", grant_request={"operations": ["Sign"]}) == "denied"


def test_encryption_context_equals_refuses_an_additional_pair() -> None:
    constraint = {"EncryptionContextEquals": {"App": "a"}}
    grant = {"grant_id": "g", "grantee_principal": ROLE, "issuing_account": A, "operations": ["Decrypt"]}
    shared = world(key={"grants": [{**grant, "constraints": constraint}]})
    complete: Json = {"context": {}, "context_complete": True}
    assert ask(shared, encryption_context={"app": "a"}, **complete) == "allowed"
    assert ask(shared, encryption_context={"App": "a", "More": "b"}, **complete) == "denied"
    assert ask(shared) == "conditional"


def test_boundary_that_does_not_allow_makes_a_grant_unknown() -> None:
    grant = {"grant_id": "g", "grantee_principal": ROLE, "issuing_account": A, "operations": ["Decrypt"]}
    capped = {"boundary": policy(allow(action="s3:*"))}
    assert ask(world(key={"grants": [grant]}, caller=capped)) == "unknown"


def test_allow_that_only_ram_holds_is_unknown_but_its_deny_counts() -> None:
    assert ask(world(key={"ram_policy": policy(allow(ROOT_B))})) == "unknown"
    assert ask(world(allow(ROOT_B), key={"ram_policy": policy(deny(ROOT_B))})) == "denied"


def test_aws_managed_key_is_never_used_from_outside() -> None:
    assert ask(world(allow("*"), key={"manager": "AWS"})) == "denied"


def test_action_that_aws_added_is_unknown_not_dropped() -> None:
    assert ask(world(allow(ROOT_B)), action="kms:Teleport") == "unknown"


def test_blocked_key_under_uncollected_caller_is_unknown_not_latent() -> None:
    asleep = world(allow(ROOT_B), key={"state": "Disabled"}, accounts={B: {"collected": False}})
    assert ask(asleep) == "unknown"


def test_verdict_refuses_more_contexts_than_the_limit() -> None:
    tests = {"StringEquals": {f"aws:Key{number}": ["a", "b"] for number in range(12)}}
    with pytest.raises(reference.TooManyContexts, match="contexts for `kms:Decrypt`"):
        ask(world(allow(ROOT_B, Condition=tests)))


def test_key_outside_the_world_is_an_error() -> None:
    request = {"principal": ROLE, "action": "kms:Decrypt", "resource": KEY[:-1] + "0"}
    with pytest.raises(reference.NoSuchKeyError, match="is not in the world"):
        reference.verdict(world(allow(ROOT_B)), request)


@few
@given(worlds())
def test_every_brute_force_context_is_the_same_as_a_simulation(drawn: tuple[Json, Json]) -> None:
    given_world, request = drawn
    for context in itertools.islice(reference.contexts_of(given_world, request), 20):
        simulation = reference.as_simulation(request, context)
        assert reference.verdict(given_world, simulation) == reference.decide(given_world, request, context)


@few
@given(worlds())
def test_order_of_statements_does_not_matter(drawn: tuple[Json, Json]) -> None:
    given_world, request = drawn
    turned = copy.deepcopy(given_world)
    turned["keys"][0]["key_policy"]["Statement"].reverse()
    for principal in turned["principals"]:
        for document in principal.get("identity_policies", ()):
            document["Statement"].reverse()
    assert reference.verdict(turned, request) == reference.verdict(given_world, request)


@few
@given(worlds(actions=("kms:Decrypt", "kms:Encrypt", "kms:CreateGrant", "kms:ListGrants", "kms:DescribeKey")))
def test_unconditional_deny_in_a_read_key_policy_is_final(drawn: tuple[Json, Json]) -> None:
    given_world, request = copy.deepcopy(drawn)
    given_world["unread"] = []
    given_world["keys"][0]["key_policy"]["Statement"].append(deny("*"))
    assert reference.verdict(given_world, request) == "denied"


def test_strategies_reach_every_verdict() -> None:
    seen: set[str] = set()

    @settings(max_examples=600, database=None, deadline=None, derandomize=True)
    @given(worlds())
    def collect(drawn: tuple[Json, Json]) -> None:
        seen.add(reference.verdict(*drawn))

    collect()
    assert seen == {"allowed", "conditional", "latent", "unknown", "denied"}
