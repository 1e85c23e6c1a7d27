"""The organization that the fault matrix scans: two accounts, guardrails, IAM and keys, every list cut into pages.

Each part of it decides a verdict, so that a part that was lost shows: an unread guardrail, group or boundary, a key
whose policy hands the decision to another account, a grant to a stranger on the last page of its list.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from scanner.config import Settings

from builders import allow, deny, iam, policy
from fault_server import CALLER, FaultServer, Key, Reply, Request, as_json, role_xml

A, B, STRANGER = "111122223333", "444455556666", "777788889999"
EU, US = "eu-west-1", "us-east-1"
K1, K2, K3, K4 = (f"{n}{n}{n}{n}{n}{n}{n}{n}-0000-0000-0000-000000000000" for n in "1234")
ROOT, OU = "r-1", "ou-1"
SCP, RCP = "p-own00scp", "p-own00rcp"
SCPS, RCPS = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"
LIMIT = f"arn:aws:iam::{B}:policy/Limit"
APP, JOB, ANN, BOB = iam(B, "role/App"), iam(A, "role/Job"), iam(B, "user/Ann"), iam(B, "user/Bob")

_OWN = allow(iam(A, "root"), "kms:*", Sid="Own")
_FULL = json.dumps(policy(allow(None, "*")))
_KMS = json.dumps(policy(allow(None, "kms:*")))
_LAMBDA_TRUST = json.dumps(policy(allow({"Service": "lambda.amazonaws.com"}, "sts:AssumeRole")))
_JOB_TRUST = json.dumps(policy(allow({"AWS": [iam(B, "root"), iam(STRANGER, "root")]}, "sts:AssumeRole")))
_POLICIES = {
    "p-FullAWSAccess": (SCPS, _FULL, [ROOT, OU, A, B, CALLER]),
    SCP: (SCPS, json.dumps(policy(deny(None, "kms:Decrypt", when={"ArnEquals": {"aws:PrincipalArn": BOB}}))), [OU]),
    "p-RCPFullAWSAccess": (RCPS, json.dumps(policy(allow("*", "*"))), []),
    RCP: (
        RCPS,
        json.dumps(
            policy(
                deny("*", "kms:*", Resource=f"arn:aws:kms:{US}:*:key/*")
                | {"Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-world"}}}
            )
        ),
        [A],
    ),
}


def settings(**sections: dict[str, Any]) -> Settings:
    """The configuration of a run through the world: no gate on findings, so that the exit code tells of coverage."""
    given: dict[str, dict[str, Any]] = {
        "aws": {"member_role": "KmsScanReadOnly"},
        "accounts": {"exclude": [CALLER]},
        "keys": {"last_usage": True},
        "gate": {"fail_on": "none"},
        "output": {"formats": ["json"]},
        "limits": {"workers": 4, "max_attempts": 2, "unit_deadline": "30s"},
    }
    merged = {name: {**given.get(name, {}), **sections.get(name, {})} for name in {*given, *sections}}
    return Settings.model_validate(merged)


class FaultWorld(FaultServer):
    """The organization; `page` things fit on a page of any list."""

    page = 1

    def __init__(self) -> None:
        super().__init__()
        for account, regions in ((A, (EU, US)), (B, (EU,))):
            self.account(account, *regions)
        grants = [_grant(f"g{n}", who) for n, who in enumerate((iam(A, "role/Job"), iam(STRANGER, "role/Copy")))]
        shared = policy(_OWN, allow({"AWS": [iam(B, "root"), iam(STRANGER, "root")]}, "kms:Decrypt", "kms:Encrypt"))
        tagged = {"StringEquals": {"aws:ResourceTag/team": "data"}}
        by_tag = policy(_OWN, allow(iam(STRANGER, "root"), "kms:GenerateDataKey", when=tagged, Sid="Tagged"))
        tags = [{"TagKey": "team", "TagValue": "data"}, {"TagKey": "env", "TagValue": "prod"}]
        self.keys[(A, EU)] = {
            K1: Key(json.dumps(shared, indent=1), grants, tags),
            K2: Key(json.dumps(by_tag), tags=tags[:1]),
        }
        self.keys[(A, US)] = {K3: Key(json.dumps(policy(_OWN, allow({"AWS": [APP, iam(STRANGER, "root")]}, "kms:*"))))}
        own = allow(iam(B, "root"), "kms:*")
        self.keys[(B, EU)] = {K4: Key(json.dumps(policy(own, allow(JOB, "kms:Decrypt"), allow(iam(A, "root")))))}
        self.aliases[(A, EU)] = [
            {"AliasName": "alias/cards", "TargetKeyId": K1},
            {"AliasName": "alias/spare", "TargetKeyId": K1},
        ]
        self.aliases[(B, EU)] = [{"AliasName": "alias/lake", "TargetKeyId": K4}]
        self.shared[(A, EU)] = [f"arn:aws:kms:{EU}:{owner}:key/{K4}" for owner in (B, STRANGER)]
        self.pages_of_iam = {A: [_roles(role_xml(JOB, _JOB_TRUST, inline={"p": _KMS}))], B: _iam_of_b()}

    def _iam_GetAccountAuthorizationDetails(self, request: Request) -> Reply:
        held = self.pages_of_iam[request.account]
        at = int(request.params.get("Marker", "m0")[1:])
        more = at + 1 < len(held)
        inner = f"{held[at]}<IsTruncated>{str(more).lower()}</IsTruncated>"
        return self._xml("GetAccountAuthorizationDetails", inner + (f"<Marker>m{at + 1}</Marker>" if more else ""))

    def _iam_GetPolicy(self, request: Request) -> Reply:
        arn = request.params["PolicyArn"]
        inner = (
            f"<Policy><PolicyName>Limit</PolicyName><Arn>{arn}</Arn><DefaultVersionId>v1</DefaultVersionId></Policy>"
        )
        return self._xml("GetPolicy", inner)

    def _iam_GetPolicyVersion(self, request: Request) -> Reply:
        inner = f"<Document>{quote(_KMS)}</Document><VersionId>v1</VersionId><IsDefaultVersion>true</IsDefaultVersion>"
        return self._xml("GetPolicyVersion", f"<PolicyVersion>{inner}</PolicyVersion>")

    def _iam_ListOpenIDConnectProviders(self, request: Request) -> Reply:
        arn = f"arn:aws:iam::{request.account}:oidc-provider/ci.example"
        inner = f"<OpenIDConnectProviderList><member><Arn>{arn}</Arn></member></OpenIDConnectProviderList>"
        return self._xml("ListOpenIDConnectProviders", inner)

    def _iam_ListSAMLProviders(self, request: Request) -> Reply:
        arn = f"arn:aws:iam::{request.account}:saml-provider/login"
        return self._xml("ListSAMLProviders", f"<SAMLProviderList><member><Arn>{arn}</Arn></member></SAMLProviderList>")

    def _ec2_DescribeRegions(self, request: Request) -> Reply:
        items = "".join(
            f"<item><regionName>{name}</regionName><optInStatus>opt-in-not-required</optInStatus></item>"
            for name in self.regions[request.account]
        )
        return Reply(200, f"<R><regionInfo>{items}</regionInfo></R>".encode(), "text/xml")

    # The organization.

    def _organizations_DescribeOrganization(self, request: Request) -> Reply:
        arn = f"arn:aws:organizations::{CALLER}:account/o-world/{CALLER}"
        return as_json({"Organization": {"Id": "o-world", "MasterAccountId": CALLER, "MasterAccountArn": arn}})

    def _organizations_ListRoots(self, request: Request) -> Reply:
        types = [{"Type": kind, "Status": "ENABLED"} for kind in (SCPS, RCPS)]
        return as_json({"Roots": [{"Id": ROOT, "PolicyTypes": types}]})

    def _organizations_ListAccountsForParent(self, request: Request) -> Reply:
        held = {ROOT: [CALLER], OU: [A, B]}[request.params["ParentId"]]
        return as_json({"Accounts": [{"Id": a, "Name": f"n{a[0]}", "State": "ACTIVE"} for a in held]})

    def _organizations_ListAccounts(self, request: Request) -> Reply:
        accounts = (CALLER, A, B)
        return as_json({"Accounts": [{"Id": a, "Name": f"n{a[0]}", "State": "ACTIVE"} for a in accounts]})

    def _organizations_ListOrganizationalUnitsForParent(self, request: Request) -> Reply:
        held = [{"Id": OU, "Name": "Prod"}] if request.params["ParentId"] == ROOT else []
        return as_json({"OrganizationalUnits": held})

    def _organizations_ListPolicies(self, request: Request) -> Reply:
        kind = request.params["Filter"]
        found = [
            {"Id": name, "Name": name, "AwsManaged": "Full" in name} for name, p in _POLICIES.items() if p[0] == kind
        ]
        return as_json({"Policies": found})

    def _organizations_ListTargetsForPolicy(self, request: Request) -> Reply:
        return as_json({"Targets": [{"TargetId": target} for target in _POLICIES[request.params["PolicyId"]][2]]})

    def _organizations_DescribePolicy(self, request: Request) -> Reply:
        policy_id = request.params["PolicyId"]
        return as_json({"Policy": {"PolicySummary": {"Id": policy_id}, "Content": _POLICIES[policy_id][1]}})

    def genuine(self, request: Request) -> Reply:
        """The answer, cut into pages."""
        whole = super().genuine(request)
        paging = _LISTS.get(request.operation)
        if paging is None or whole.status != 200:
            return whole
        member, token_in, token_out, truncated = paging
        answer = json.loads(whole.body)
        at = int(request.params.get(token_in, "m0")[1:])
        more = at + self.page < len(answer[member])
        answer[member] = answer[member][at : at + self.page]
        if more:
            answer[token_out] = f"m{at + self.page}"
        if truncated:
            answer[truncated] = more
        return as_json(answer)


_ORGANIZATION_LISTS = {
    "ListRoots": "Roots", "ListAccountsForParent": "Accounts", "ListAccounts": "Accounts",
    "ListOrganizationalUnitsForParent": "OrganizationalUnits", "ListPolicies": "Policies",
    "ListTargetsForPolicy": "Targets",
}  # fmt: skip
_KMS_LISTS = {
    "ListKeys": "Keys", "ListAliases": "Aliases", "ListGrants": "Grants", "ListRetirableGrants": "Grants",
    "ListResourceTags": "Tags",
}  # fmt: skip
_LISTS: dict[str, tuple[str, str, str, str]] = {
    **{f"organizations:{name}": (member, "NextToken", "NextToken", "") for name, member in _ORGANIZATION_LISTS.items()},
    **{f"kms:{name}": (member, "Marker", "NextMarker", "Truncated") for name, member in _KMS_LISTS.items()},
    "account:ListRegions": ("Regions", "NextToken", "NextToken", ""),
}
"""Member, token asked, token answered and flag of every list in JSON."""


def _grant(grant_id: str, grantee: str) -> dict[str, Any]:
    who = {"GranteePrincipal": grantee, "RetiringPrincipal": JOB, "IssuingAccount": iam(A, "root")}
    return {"GrantId": grant_id, **who, "Operations": ["Decrypt"]}


def _roles(*members: str) -> str:
    return f"<RoleDetailList>{''.join(members)}</RoleDetailList>"


def _user(arn: str, document: str) -> str:
    name = arn.rsplit("/", 1)[-1]
    inline = f"<member><PolicyName>p</PolicyName><PolicyDocument>{quote(document)}</PolicyDocument></member>"
    return (
        f"<member><Path>/</Path><UserName>{name}</UserName><UserId>AIDA{name}</UserId><Arn>{arn}</Arn>"
        f"<UserPolicyList>{inline}</UserPolicyList><GroupList/><AttachedManagedPolicies/></member>"
    )


def _iam_of_b() -> list[str]:
    """Two pages: users, then a role with a boundary that the details do not hold."""
    by_tag = allow(None, "kms:Encrypt", when={"StringEquals": {"aws:ResourceTag/team": "data"}})
    on_key = json.dumps(policy(allow(None, "kms:Decrypt", Resource=f"arn:aws:kms:{EU}:{A}:key/{K1}"), by_tag))
    users = f"<UserDetailList>{_user(ANN, on_key)}{_user(BOB, _KMS)}</UserDetailList>"
    return [users, _roles(role_xml(APP, _LAMBDA_TRUST, inline={"p": _FULL}, boundary=LIMIT))]
