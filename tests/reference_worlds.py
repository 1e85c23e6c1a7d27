"""Hypothesis strategies for whole small worlds in the case-file format, each with a request that matters in it.

Values come from small shared pools, and every world draws its condition keys from a palette of a few, so that tests
match often and the contexts of a request stay few enough for brute force.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from reference_pools import (
    ACTIONS,
    ENTRIES,
    EXEMPTED,
    FEATURES,
    KEY_ID,
    OPERATIONS,
    OTHER_KEY,
    PRINCIPALS,
    REQUEST,
    STATIC,
    TARGET,
    TESTS,
    A,
    B,
    C,
    Json,
    Template,
    iam,
)

Draw = Callable[[st.SearchStrategy[Any]], Any]
_PICKS: dict[int, st.SearchStrategy[int]] = {}
_FEATURES = st.lists(st.sampled_from(FEATURES), max_size=7)


@dataclass(frozen=True)
class Hand:
    """What the parts of one world share: draw function, request, palette of condition keys, features."""

    draw: Draw
    action: str
    principal: str
    key_arn: str
    palette: list[Template]
    features: frozenset[str]

    def pick(self, options: list[Any] | tuple[Any, ...]) -> Any:
        """One of the options; shrinks to the first."""
        top = len(options) - 1
        if top not in _PICKS:
            _PICKS[top] = st.integers(0, top)
        return options[self.draw(_PICKS[top])]

    def has(self, *features: str) -> bool:
        """Whether the world got any of these features."""
        return not self.features.isdisjoint(features)


def _conditions(hand: Hand, numbers: tuple[int, ...] = (0, 0, 1, 1, 2)) -> Json:
    """None, one or two tests; two on the same operator share its block."""
    result: Json = {}
    for _ in range(hand.pick(numbers)):
        template: Template = hand.pick(hand.palette)
        for operator, block in hand.pick(TESTS[template.key]).items():
            result.setdefault(operator, {}).update(block)
    return {"Condition": result} if result else {}


def _action(hand: Hand) -> Json:
    """The action asked for, a pattern around it, another one, or the complement."""
    service, name = hand.action.split(":")
    options = [
        {"Action": hand.action},
        {"Action": f"{service}:*"},
        {"Action": "*"},
        {"Action": ["kms:DescribeKey", hand.action]},
        {"Action": f"{service.upper()}:{name[:3].lower()}*"},
        {"Action": f"{service}:?{name[1:]}"},
        {"Action": f"{service}:*"},
        {"NotAction": "kms:PutKeyPolicy"},
        {"Action": "kms:TagResource"},
        {"NotAction": [f"{service}:{name[:2]}*"]},
    ]
    return dict(hand.pick(options))


def _resource(hand: Hand) -> Json:
    """Everything, the key, patterns over it, another key, a variable, or the complement."""
    arn = hand.key_arn
    options: list[Any] = ["*", "*", "*", "*", arn, f"arn:aws:kms:*:{A}:key/*", "arn:aws:kms:us-west-2:*", OTHER_KEY]
    options += [f"arn:aws:kms:us-west-2:{A}:alias/app", f"arn:aws:kms:us-west-2:{A}:key/${{aws:PrincipalTag/key}}"]
    options += [arn[:-1] + "?", [OTHER_KEY, arn], "*", "*"]
    if hand.action == "sts:AssumeRole":
        options = ["*", "*", TARGET, f"arn:aws:iam::{A}:role/*", f"arn:aws:iam::{B}:role/*", "arn:aws:iam::*:role/T*"]
    complement: list[Json] = [{"NotResource": OTHER_KEY}, {"NotResource": [arn]}]
    return dict(hand.pick([{"Resource": option} for option in options] + complement))


def _document(hand: Hand, statements: tuple[int, ...], effects: tuple[str, ...] = ("Allow", "Allow", "Deny")) -> Json:
    """An identity-like document; the first statement allows, more often than not without conditions."""
    version = hand.pick(("2012-10-17",) * 9 + ("2008-10-17",))
    found = []
    for number in range(hand.pick(statements)):
        effect = hand.pick(effects) if number or effects[0] == "Deny" else "Allow"
        numbers = (0, 0, 1, 1, 2) if number else (0, 0, 0, 0, 1)
        found.append({"Effect": effect, **_action(hand), **_resource(hand), **_conditions(hand, numbers)})
    return {"Version": version, "Statement": found}


def _fitting(principal: str) -> list[Any]:
    """Principal elements that reach a caller, the account last."""
    if not principal.startswith("arn:"):
        return [{"Service": principal}, "*"]
    account, resource = principal.split(":")[4], principal.split(":", 5)[5]
    root: list[Any] = [{"AWS": iam(account, "root")}]
    if resource.startswith("assumed-role/"):
        root.insert(0, {"AWS": iam(account, "role/team/Ops" if "/Ops/" in resource else "role/App")})
    own = [] if resource == "root" else [{"AWS": principal}]
    return root + own + ["*", {"AWS": account}]


def _resource_document(hand: Hand, statements: tuple[int, ...]) -> Json:
    """A key policy or trust policy: every principal form, resource mostly `*`; the first reaches the caller."""
    found: list[Json] = []
    for number in range(hand.pick(statements)):
        effect = hand.pick(("Allow", "Deny")) if number else hand.pick(("Allow",) * 7 + ("Deny",))
        statement = {"Effect": effect, **_action(hand), **_conditions(hand)}
        if hand.has("not_principal") and number:
            statement["NotPrincipal"] = hand.pick(EXEMPTED)
        else:
            statement["Principal"] = hand.pick(ENTRIES if number else _fitting(hand.principal))
        if hand.action != "sts:AssumeRole":
            statement["Resource"] = hand.pick(("*",) * 12 + (hand.key_arn, OTHER_KEY))
        found.append(statement)
    return {"Version": hand.pick(("2012-10-17",) * 9 + ("2008-10-17",)), "Statement": found}


_CONSTRAINTS: list[Json] = [
    {}, {}, {"EncryptionContextSubset": {"App": "a"}}, {"EncryptionContextEquals": {"App": "a"}},
    {"SourceArn": f"arn:aws:sns:us-west-2:{A}:topic"}, {"EncryptionContextSubset": {"app": "b"}},
]  # fmt: skip


def _grant(hand: Hand, number: int) -> Json:
    """A grant, mostly to the caller."""
    grant: Json = {"grant_id": f"g-{number}", "issuing_account": hand.pick([A, B])}
    other = iam(hand.principal.split(":")[4], "root") if hand.principal.startswith("arn:") else PRINCIPALS[0]
    grantee = hand.pick([hand.principal, hand.principal, other, *PRINCIPALS[:9], "sns.us-west-2.amazonaws.com"])
    if grantee == "sns.amazonaws.com":
        grant |= {"grantee_service_principal": grantee, "retiring_service_principal": grantee}
    else:
        grant["grantee_principal"] = grantee
    retiring = hand.pick([None, None, hand.principal, other])
    if retiring is not None and retiring.startswith("arn:"):
        grant["retiring_principal"] = retiring
    name = hand.action.split(":")[1]
    first = name if name in OPERATIONS else "Decrypt"
    grant["operations"] = list(dict.fromkeys([hand.pick([first, first, *OPERATIONS]), hand.pick(OPERATIONS)]))
    constraints = hand.pick(_CONSTRAINTS)
    return {**grant, "constraints": constraints} if constraints else grant


_SPECS = [
    ("RSA_2048", "SIGN_VERIFY"), ("RSA_2048", "ENCRYPT_DECRYPT"), ("HMAC_256", "GENERATE_VERIFY_MAC"),
]  # fmt: skip


def _key(hand: Hand) -> Json:
    key: Json = {"arn": hand.key_arn, "key_policy": _resource_document(hand, (1, 2, 2, 3, 3))}
    if hand.has("grants"):
        key["grants"] = [_grant(hand, number) for number in range(hand.pick((1, 1, 2)))]
    if hand.has("tags", "tag_twins"):
        key["tags"] = {"team": "blue", "TEAM": "red"} if hand.has("tag_twins") else {"Team": hand.pick(["blue", "red"])}
    if hand.has("aliases", "by_alias"):
        key["aliases"] = hand.pick([["alias/app"], ["alias/app", "alias/x"]])
    if hand.has("spec") or hand.action in {"kms:Sign", "kms:GetPublicKey"}:
        key["spec"], key["usage"] = hand.pick(_SPECS)
    if hand.has("state"):
        key["state"] = hand.pick(["Disabled", "PendingDeletion", "Unavailable", "PendingImport"])
    if hand.has("ram_policy"):
        key["ram_policy"] = _resource_document(hand, (1, 2))
    if hand.has("multi_region"):
        key |= {"multi_region": True, "multi_region_type": "PRIMARY"}
    if hand.has("aws_managed"):
        key["manager"] = "AWS"
    return key


_TRUSTS: list[Json] = [
    {"Effect": "Allow", "Principal": {"AWS": iam(B, "root")}, "Action": ["sts:AssumeRole", "sts:TagSession"]},
    {"Effect": "Allow", "Principal": {"AWS": iam(B, "root")}, "Action": "sts:AssumeRole"},
    {"Effect": "Allow", "Principal": {"AWS": iam(B, "root")}, "Action": "sts:*",
     "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["cost"]}}},
    {"Effect": "Allow", "Principal": {"AWS": iam(B, "root")}, "Action": "sts:TagSession",
     "Condition": {"StringEquals": {"aws:RequestTag/team": ["blue", "green"]}}},
]  # fmt: skip


def _identity(hand: Hand, arn: str) -> Json:
    """The user or role behind the caller, with what its account attached to it."""
    documents = [_document(hand, (1, 1, 2)) for _ in range(2 if hand.has("two_policies") else 1)]
    entry: Json = {"arn": arn, "identity_policies": documents}
    if hand.has("boundary"):
        entry["boundary"] = _document(hand, (1, 1, 2))
    if hand.has("caller_tags"):
        entry["tags"] = hand.pick([{"team": "blue"}, {"TEAM": "red"}, {"team": "red", "key": KEY_ID}])
    if hand.has("unique_id"):
        entry["unique_id"] = "AIDAEXAMPLEANN0000001" if ":user/" in arn else "AROAEXAMPLEAPP0000001"
    if ":role/" in arn and hand.has("trust"):
        entry["trust_policy"] = {"Version": "2012-10-17", "Statement": [hand.pick(_TRUSTS)]}
    return entry


def _principals(hand: Hand) -> list[Json]:
    """The entries that concern the caller; sometimes none, sometimes the session itself."""
    principal = hand.principal
    if hand.has("no_principal") or not principal.startswith("arn:") or principal.endswith(":root"):
        return []
    account, resource = principal.split(":")[4], principal.split(":", 5)[5]
    if resource.startswith(("user/", "role/")):
        return [_identity(hand, principal)]
    if resource.startswith("federated-user/"):
        owner, field = iam(account, "user/Ann"), "user"
    else:
        owner, field = iam(account, "role/team/Ops" if "/Ops/" in resource else "role/App"), "role"
    session: Json = {"arn": principal, field: owner}
    if hand.has("session_policies"):
        session["session_policies"] = [_document(hand, (1, 1, 2))]
    if hand.has("session_tags"):
        session["session_tags"] = {"team": hand.pick(["blue", "red"])}
    listed = hand.has("listed_session", "session_policies", "session_tags")
    return [_identity(hand, owner), session] if listed else [_identity(hand, owner)]


_MEMBERS: list[Json] = [
    {A: ["r-1"], B: ["r-1", "ou-1"]},
    {A: ["r-1", "ou-1"]},
    {A: ["r-1"], B: ["r-1"], C: ["r-1", "ou-1"]},
    {B: ["r-1", "ou-1"]},
]


def _organization(hand: Hand) -> Json:
    manager = hand.pick([A, B]) if hand.has("management") else "999999999999"
    members = {account: path for account, path in hand.pick(_MEMBERS).items() if account != manager}
    result: Json = {"id": "o-own", "root": "r-1", "management_account": manager, "members": members}
    targets = ["r-1", "ou-1", A, B]
    if hand.has("scp", "scp_only"):
        documents: list[Any] = [] if hand.has("scp_only") else ["FullAWSAccess"]
        effects = ("Allow", "Allow", "Deny") if hand.has("scp_only") else ("Deny", "Deny", "Allow")
        result["scps"] = {hand.pick(targets): [*documents, _document(hand, (1,), effects)]}
    if hand.has("rcp"):
        statement = {
            "Effect": "Deny",
            "Principal": "*",
            **_action(hand),
            **_resource(hand),
            **_conditions(hand, (1, 1, 2, 0)),
        }
        result["rcps"] = {hand.pick(targets): [{"Version": "2012-10-17", "Statement": [statement]}]}
    if hand.has("scp_disabled"):
        result["scp_enabled"] = False
    return result


def _accounts(hand: Hand, region: str) -> Json:
    accounts: Json = {}
    if hand.has("uncollected"):
        accounts[hand.pick([B, C])] = {"collected": False}
    elif hand.has("organization_unknown"):
        accounts[hand.pick([B, C])] = {"org_unknown": True}
    if hand.has("owner_unknown"):
        accounts[A] = hand.pick([{"org_unknown": True}, {"collected": False}])
    if region != "us-west-2":
        enabled: Json = hand.pick([{"opted_in_regions": []}, {"opted_in_regions": [region]}, {}])
        accounts[B] = {**accounts.get(B, {}), **enabled}
    return accounts


def _gap(hand: Hand) -> Any:
    parts = [{"key": hand.key_arn, "part": part} for part in ("key_policy", "grants", "tags", "aliases")]
    return hand.pick(["scp", "rcp", *parts, {"account": B, "part": "iam"}, {"account": A, "part": "iam"}])


def _request(hand: Hand) -> Json:
    resource = hand.key_arn
    if hand.action == "sts:AssumeRole":
        resource = TARGET
    elif hand.action == "kms:ListKeys":
        resource = "*"
    elif hand.has("by_alias"):
        resource = hand.key_arn.rsplit(":", 1)[0] + ":alias/app"
    request: Json = {"principal": hand.principal, "action": hand.action, "resource": resource}
    if hand.action == "kms:CreateGrant" and hand.has("grant_request", "grants"):
        request["grant_request"] = {"operations": [hand.pick(OPERATIONS)]}
    return request


def _palette(draw: Draw, action: str, principal: str) -> list[Template]:
    """Two keys of the world's and two of the request's; keys that suit this kind of request are preferred."""
    hand = Hand(draw, action, principal, "", [], frozenset())
    common = REQUEST[:9]
    if action == "kms:CreateGrant":
        common = common[:4] + [one for one in REQUEST if "Grant" in one.key]
    elif action == "sts:AssumeRole":
        common = common[3:6] + [one for one in REQUEST if one.key.startswith(("sts:", "aws:TagKeys"))]
    if not principal.startswith("arn:"):
        common = common[:3] + [one for one in REQUEST if one.key.startswith("aws:Source")]
    return [hand.pick(STATIC), hand.pick(common), hand.pick(STATIC), hand.pick(common + REQUEST)]


@st.composite
def worlds(draw: Draw, actions: tuple[str, ...] = tuple(ACTIONS)) -> tuple[Json, Json]:
    """A world in the case-file format and an audit request in it (no context): `(world, request)`."""
    features = frozenset(draw(_FEATURES))
    bare = Hand(draw, "", "", "", [], features)
    action, principal = bare.pick(actions[:5] * 3 + actions), bare.pick(PRINCIPALS)
    region = "me-south-1" if bare.has("opt_in_region") else "us-west-2"
    key_arn = f"arn:aws:kms:{region}:{A}:key/{KEY_ID}"
    hand = Hand(draw, action, principal, key_arn, _palette(draw, action, principal), features)
    world: Json = {"accounts": _accounts(hand, region), "keys": [_key(hand)], "principals": _principals(hand)}
    if hand.has("other_key", "other_key_policy"):
        policy = _resource_document(hand, (1, 2)) if hand.has("other_key_policy") else {"Statement": []}
        world["keys"].append({"arn": OTHER_KEY, "key_policy": policy})
    if hand.has("organization", "scp", "rcp", "scp_only", "management"):
        world["orgs"] = [_organization(hand)]
    if action == "sts:AssumeRole":
        world["principals"].append({"arn": TARGET, "trust_policy": _resource_document(hand, (1, 2, 3))})
    if hand.has("unread"):
        world["unread"] = [_gap(hand)]
    return world, _request(hand)
