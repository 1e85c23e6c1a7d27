"""`explain` and `who-can` on small worlds: what is cited, what it saw, what is refused; hostile text is inert."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.decision.decide import evaluate
from scanner.analyze.decision.gates import gates_of
from scanner.analyze.decision.trace import complete_trace
from scanner.analyze.explain import explain
from scanner.analyze.findings import AnalysisRules
from scanner.analyze.principals.question import action_name, ask, find_key
from scanner.analyze.request.caller import resolve_caller
from scanner.analyze.request.request import Request
from scanner.analyze.who_can import Wanted, who_can
from scanner.commands.explain import painter
from scanner.errors import UsageError
from scanner.model.actions import find_action
from scanner.model.decision import CheckOutcome, GateOutcome, Layer, TracedGate, Verdict
from scanner.model.explanation import Explanation, WhoCan
from scanner.model.finding import FindingVerdict, Kind
from scanner.model.policy import DocumentKind
from scanner.model.world import World
from scanner.report.diagnostic import columns
from scanner.report.explain import dump_explanation, render_explanation
from scanner.report.who_can import dump_who_can, render_who_can

from builders import (
    FULL,
    KEY,
    MEMBER,
    ORG,
    OU,
    OWNER,
    ROOT,
    STRANGER,
    account,
    allow,
    analyzed,
    deny,
    grant,
    iam,
    key,
    organization,
    policy,
    principal,
    ram,
    text,
    world,
)
from report_builders import HOSTILE

APP = iam(MEMBER, "role/App")
OWN = iam(OWNER, "role/App")
APP_OF_STRANGER = iam(STRANGER, "role/App")
NO_KMS = policy(deny(None, "kms:*"))
INVISIBLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def explained(given: World, who: str = APP, action: str = "Decrypt", *context: str, **options: Any) -> Explanation:
    every = options.pop("every_action", False)
    return explain(given, ask(given, find_key(given, KEY), who, action, context, **options), every_action=every)


def shown(given: World, *question: str, **options: Any) -> str:
    return render_explanation(explained(given, *question, **options))


def gate_of(explanation: Explanation, layer: Layer) -> TracedGate:
    """The gate of a layer."""
    (found,) = [g for g in explanation.decision.gates if g.layer is layer]
    assert isinstance(found, TracedGate)
    return found


def both(*more: dict[str, Any], **parts: Any) -> World:
    """A role of another account that both sides allow, with more statements in the key policy."""
    return world(key(allow(APP, Sid="Named"), *more), principal(APP, FULL, **parts))


def as_written(raw: str) -> World:
    """A world with the key policy exactly as given."""
    document = text(policy(), DocumentKind.KEY_POLICY, KEY, "key policy default")
    written = replace(document, text=raw, sha256=hashlib.sha256(raw.encode()).hexdigest())
    return world(replace(key(), key_policy=written), principal(APP, FULL))


def underlined(printed: str, label: str) -> str:
    """What stands above the carets with this label, counted in columns of a terminal."""
    lines = printed.splitlines()
    at = max(i for i, line in enumerate(lines) if line.endswith(f"^ {label}"))
    start, end = lines[at].index("^"), lines[at].rindex("^") + 1
    return "".join(c for i, c in enumerate(lines[at - 1]) if start <= columns(lines[at - 1][:i]) < end)


# -- the trace --------------------------------------------------------------------------------------------------------


def test_gates_stand_in_order_with_side_outcome_and_place() -> None:
    gates = explained(both()).decision.gates
    assert [(g.side, g.layer, g.outcome) for g in gates] == [
        ("caller", Layer.IAM, GateOutcome.ALLOW),
        ("caller", Layer.BOUNDARY, GateOutcome.NOT_APPLICABLE),
        ("caller", Layer.SESSION, GateOutcome.NOT_APPLICABLE),
        ("caller", Layer.SCP, GateOutcome.ALLOW),
        ("owner", Layer.RCP, GateOutcome.ALLOW),
        ("owner", Layer.KEY_POLICY, GateOutcome.ALLOW),
        ("owner", Layer.RAM, GateOutcome.NOT_APPLICABLE),
        ("owner", Layer.GRANT, GateOutcome.NOT_APPLICABLE),
        ("owner", Layer.KEY_STATE, GateOutcome.ALLOW),
    ]
    (ref,) = next(g for g in gates if g.layer is Layer.KEY_POLICY).statements
    assert (ref.source, ref.document, ref.index, ref.sid) == (KEY, "key policy default", 0, "Named")
    assert 0 < ref.line_from < ref.line_to


def test_condition_that_failed_is_named_with_the_value_it_saw() -> None:
    fence = {"StringEquals": {"aws:PrincipalOrgID": "o-other00000"}}
    given = world(key(allow("*", when=fence)), principal(APP, FULL))
    explanation = explained(given)
    gate = next(g for g in explanation.decision.gates if g.layer is Layer.KEY_POLICY)
    (failure,) = gate.failed
    assert failure.check.outcome is CheckOutcome.FAILS
    assert (failure.check.key, failure.check.operator) == ("aws:PrincipalOrgID", "StringEquals")
    assert (failure.check.wanted, failure.check.saw) == (("o-other00000",), "o-own0000001")
    assert failure.statement.index == 0
    assert failure.check.line_from >= failure.statement.line_from
    assert "asks StringEquals aws:PrincipalOrgID: o-other00000; saw o-own0000001" in render_explanation(explanation)


@pytest.mark.parametrize(
    ("condition", "saw"),
    [
        ({"StringEquals": {"aws:SourceArn": "arn:aws:s3:::b"}}, "absent"),
        ({"Bool": {"aws:PrincipalIsAWSService": "true"}}, "false"),
        ({"StringEquals": {"aws:PrincipalTag/team": "blue"}}, "red"),
    ],
)
def test_value_that_was_seen_is_absent_or_the_snapshot_s(condition: Any, saw: str) -> None:
    given = world(key(allow("*", when=condition)), principal(APP, FULL, tags={"team": "red"}))
    gate = next(g for g in explained(given).decision.gates if g.layer is Layer.KEY_POLICY)
    if saw == "red":  # whoever starts a session of the role may pass the tag
        given = world(key(allow("*", when=condition)), principal(iam(MEMBER, "user/Ann"), FULL, tags={"team": "red"}))
        gate = next(g for g in explained(given, iam(MEMBER, "user/Ann")).decision.gates if g.layer is Layer.KEY_POLICY)
    assert [f.check.saw for f in gate.failed] == [saw]


def test_request_key_is_open_and_its_line_is_underlined() -> None:
    given = world(key(allow(APP, when={"StringEquals": {"aws:SourceVpce": "vpce-1"}})), principal(APP, FULL))
    printed = shown(given)
    assert printed.startswith("conditional: `role/App`")
    assert "if aws:SourceVpce = vpce-1        (not chosen by the caller)" in printed
    assert "aws:SourceVpce is open, the request decides" in printed


def test_carets_stand_under_the_deciding_text() -> None:
    lines = shown(both()).splitlines()
    at = next(i for i, line in enumerate(lines) if "arn:aws:iam::" in line and "|" in line and "^" in lines[i + 1])
    start, end = lines[at + 1].index("^"), lines[at + 1].rindex("^") + 1
    assert lines[at][start:end] == f'"{APP}"'


@pytest.mark.parametrize(
    ("given", "who", "reason", "words"),
    [
        (both(boundary=policy(allow(None, "s3:*"))), APP, "boundary", "no statement of boundary of"),
        (
            world(key(allow(APP)), principal(APP, FULL), organization(scps={OU: [policy(allow(None, "s3:*"))]})),
            APP, "scp_deny", f"no policy attached to {OU} allows kms:Decrypt",
        ),
        (
            world(key(allow(APP)), principal(APP, FULL), organization(scps={ROOT: [FULL, NO_KMS]})),
            APP, "scp_deny", "deny: statement 0 covers action and key (caller scp; R3.3, R3.43)",
        ),
        (
            world(key(allow(APP)), principal(APP, FULL), organization(rcps={ROOT: [policy(deny("*", "kms:*"))]})),
            APP, "rcp_deny", "deny: statement 0 covers action and key (owner rcp; R3.3, R3.51)",
        ),
        (world(key(allow(APP)), principal(APP)), APP, "no_identity_policy", "there are no identity policies"),
        (world(key(allow(OWN)), principal(APP, FULL)), APP, "no_key_side", "no statement of key policy default of"),
        (both(deny("*", Sid="Stop")), APP, "explicit_deny_key_policy", "deny: statement 1 `Stop` names everybody"),
    ],
)  # fmt: skip
def test_refusal_names_the_gate_and_the_document(given: World, who: str, reason: str, words: str) -> None:
    explanation = explained(given, who)
    assert (explanation.decision.verdict, explanation.decision.reason) == (Verdict.DENIED, reason)
    assert words in render_explanation(explanation)


def test_statement_that_names_the_caller_for_other_actions_came_close() -> None:
    given = world(key(allow(APP, "kms:Encrypt", Sid="WriteOnly")), principal(APP, FULL))
    printed = shown(given)
    assert "does not apply: statement 0 `WriteOnly`, its actions do not cover kms:Decrypt" in printed


def test_resource_of_an_identity_policy_that_misses_the_key_came_close() -> None:
    elsewhere = f"arn:aws:kms:us-east-1:{OWNER}:key/*"
    given = world(key(allow(APP)), principal(APP, policy(allow(None, Resource=elsewhere))))
    printed = shown(given)
    assert "its resources do not cover the key" in printed
    assert f"asks Resource: {elsewhere}; saw {KEY}" in printed


def test_operation_without_effect_across_accounts_asks_no_gate_and_cites_what_is_written() -> None:
    given = world(key(allow(APP, "kms:PutKeyPolicy")), principal(APP, FULL))
    explanation = explained(given, APP, "PutKeyPolicy")
    assert explanation.decision.reason == "not_cross_account"
    assert explanation.decision.gates == ()
    printed = render_explanation(explanation)
    assert "no gate was asked: this holds whatever policies say" in printed
    assert "has no effect: statement 0 names the caller's role" in printed


def test_control_policies_that_allow_everything_are_not_cited() -> None:
    maybe = policy(deny(None, "kms:*", when={"Bool": {"aws:MultiFactorAuthPresent": "false"}}, Sid="Mfa"))
    given = world(key(allow(APP)), principal(APP, FULL), organization(scps={ROOT: [FULL, maybe], OU: [FULL]}))
    cited = [c for c in explained(given).statements if c.layer is Layer.SCP]
    assert [(c.effect, c.statement.sid) for c in cited] == [("deny under a condition", "Mfa")]


def test_grant_is_cited_with_its_text() -> None:
    given = world(key(grants=(grant(APP),)), principal(APP))
    printed = shown(given)
    assert printed.startswith("allowed: ")
    assert "allow: grant `g-1` names the caller (owner grant; R4.9, R4.11)" in printed
    assert f'"GranteePrincipal": "{APP}"' in printed


def test_grant_constraint_that_fails_shows_the_value_it_saw() -> None:
    tenant = {"EncryptionContextSubset": {"tenant": "blue"}}
    given = world(key(grants=(grant(APP, constraints=tenant),)), principal(APP))
    printed = shown(given, APP, "Decrypt", "kms:EncryptionContext:tenant=red")
    assert printed.startswith("denied: ")
    assert "asks EncryptionContextSubset kms:EncryptionContext:tenant: blue; saw red" in printed


def test_key_state_is_a_gate() -> None:
    explanation = explained(world(key(allow(APP), state="Disabled"), principal(APP, FULL)))
    assert explanation.decision.verdict is Verdict.LATENT
    assert explanation.outcome_of(Layer.KEY_STATE) is GateOutcome.DENY_IMPLICIT
    assert "the key is Disabled (owner key_state)" in render_explanation(explanation)


def test_unread_policy_is_unknown_and_names_the_ledger_row() -> None:
    given = world(key(key_policy=None, gaps={"key_policy": f"{OWNER}/eu-west-1/kms:GetKeyPolicy/x"}))
    printed = shown(given, STRANGER)
    assert printed.startswith("unknown: ")
    assert f"not read: {OWNER}/eu-west-1/kms:GetKeyPolicy/x, see coverage.csv" in printed


def test_deny_of_all_but_our_organization_is_what_refuses_a_stranger() -> None:
    guard = {"StringNotEquals": {"aws:PrincipalOrgID": ORG}}
    given = world(key(allow(iam(STRANGER, "root")), deny("*", when=guard)))
    explanation, printed = explained(given, STRANGER), shown(given, STRANGER)
    assert explanation.decision.reason == "explicit_deny_key_policy"
    gate = gate_of(explanation, Layer.KEY_POLICY)
    assert (gate.outcome, [s.index for s in gate.statements]) == (GateOutcome.DENY_EXPLICIT, [1])
    assert "deny: statement 1 names everybody" in printed
    assert "perhaps" not in printed
    assert "no gate denies by itself" not in printed
    saw = "not known, but of no listed organization: organization not read (R6.5)"
    assert f"holds: aws:PrincipalOrgID is {saw}" in printed


def test_deny_of_all_but_our_organization_in_a_control_policy_refuses_a_stranger() -> None:
    guard = policy(deny("*", "kms:*", when={"StringNotEqualsIfExists": {"aws:PrincipalOrgID": ORG}}))
    given = world(key(allow(APP_OF_STRANGER)), organization(rcps={OWNER: [guard]}))
    assert gate_of(explained(given, APP_OF_STRANGER), Layer.RCP).outcome is GateOutcome.DENY_EXPLICIT


def test_allow_to_our_organization_does_not_apply_to_a_stranger() -> None:
    given = world(key(allow("*", when={"StringEquals": {"aws:PrincipalOrgID": ORG}})))
    printed = shown(given, APP_OF_STRANGER)
    assert gate_of(explained(given, APP_OF_STRANGER), Layer.KEY_POLICY).outcome is GateOutcome.DENY_IMPLICIT
    assert "perhaps" not in printed
    assert "its condition on aws:PrincipalOrgID fails" in printed


def test_organization_that_is_not_listed_leaves_a_statement_open() -> None:
    given = world(key(allow("*", when={"StringEquals": {"aws:PrincipalOrgID": "o-else"}})))
    assert "perhaps allow: statement 0 names everybody" in shown(given, APP_OF_STRANGER)
    unread = world(key(allow("*", when={"StringEquals": {"aws:PrincipalOrgID": ORG}})), organizations=())
    assert "aws:PrincipalOrgID is not known: organization not read (R6.5)" in shown(unread, APP_OF_STRANGER)


def test_every_other_action_has_one_line() -> None:
    explanation = explained(both(), every_action=True)
    assert len({a.action for a in explanation.actions}) == 46 == len(explanation.actions)
    assert re.search(r"^  denied +kms:PutKeyPolicy +not_cross_account$", render_explanation(explanation), re.MULTILINE)


def test_plain_text_has_sentences_and_no_drawing() -> None:
    printed = render_explanation(explained(both()), plain=True)
    assert "^" not in printed
    assert "Gate 1, iam of the caller: allow." in printed
    assert re.search(r"^  line \d+, columns \d+ to \d+: allows the action$", printed, re.MULTILINE)


def test_damaged_statement_and_damaged_document_say_what_is_wrong() -> None:
    maybe = world(key(allow(APP) | {"Effect": "Maybe"}), principal(APP, FULL))
    assert "perhaps allow: statement 0 names the caller's role, and is damaged: the effect is `Maybe`" in shown(maybe)
    printed = shown(as_written("{"))
    assert printed.startswith("unknown: ")
    assert re.search(r"^unread: key policy default of \S+ is damaged: .* \(owner key_policy\)$", printed, re.MULTILINE)


def test_damaged_statement_without_principal_and_action_may_concern_anybody() -> None:
    given = as_written('{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": 1}]}')
    (cited,) = [c for c in explained(given).statements if c.layer is Layer.KEY_POLICY and c.effect == "perhaps allow"]
    assert [c.outcome for c in cited.checks] == [CheckOutcome.UNREAD, CheckOutcome.HOLDS]


def test_statement_that_lacks_action_or_resource_came_close() -> None:
    lacking = [{k: v for k, v in allow(APP).items() if k != part} for part in ("Action", "Resource")]
    empty = allow(APP, Resource=[])
    gate = gate_of(explained(world(key(*lacking, empty), principal(APP, FULL))), Layer.KEY_POLICY)
    assert [(f.check.part, f.check.wanted, f.check.line_from) for f in gate.failed] == [
        ("action", (), 0), ("resource", (), 0), ("resource", (), 0),
    ]  # fmt: skip


def test_deny_for_everybody_but_a_few_is_cited_as_such() -> None:
    spared = {"NotPrincipal": {"AWS": OWN}, "Effect": "Deny", "Action": "kms:*", "Resource": "*"}
    printed = shown(both(spared))
    assert "deny: statement 1 names everybody but a few (owner key_policy; R3.3, R2.15)" in printed
    assert underlined(printed, "everybody but these") == f'"{OWN}"'


def test_not_action_and_not_resource_are_cited_as_such() -> None:
    statement = {"Effect": "Allow", "NotAction": "s3:*", "NotResource": "arn:aws:s3:::x"}
    printed = shown(world(key(allow(APP)), principal(APP, policy(statement))))
    assert underlined(printed, "allows every action but these") == '"s3:*"'
    assert underlined(printed, "spares these only") == '"arn:aws:s3:::x"'


def test_resource_share_is_a_gate_and_never_certain() -> None:
    printed = shown(world(key(ram_policy=ram(allow(APP))), principal(APP, FULL)))
    assert "perhaps allow: statement 0 names the caller's role (owner ram; R2.4, R2.20)" in printed


def test_boundary_that_allows_and_grants_for_accounts_and_services_are_cited() -> None:
    assert "(caller boundary; R3.26)" in shown(both(boundary=FULL))
    by_account = world(key(grants=(grant(iam(MEMBER, "root")),)), principal(APP, FULL))
    assert "grant `g-1` names the caller's account (owner grant; R4.13)" in shown(by_account)
    by_service = world(key(grants=(grant("logs.amazonaws.com"), grant(APP, grant_id="g-2"))))
    printed = shown(by_service, "logs.amazonaws.com")
    assert "grant `g-1` names the caller" in printed
    assert "g-2" not in printed


@pytest.mark.parametrize(
    ("source", "effect"), [("arn:aws:logs:*:1:x", "does not apply"), ("arn:aws:logs:*:2:x", "allow")]
)
def test_source_of_a_grant_is_held_against_the_context(source: str, effect: str) -> None:
    given = world(key(grants=(grant("logs.amazonaws.com", constraints={"SourceArn": source}),)))
    (cited,) = explained(given, "logs.amazonaws.com", "Decrypt", "aws:SourceArn=arn:aws:logs:eu-west-1:2:x").statements
    assert cited.effect == effect
    open_source = explained(given, "logs.amazonaws.com").statements[0]
    assert (open_source.effect, open_source.checks[-1].outcome) == ("allow under a condition", CheckOutcome.OPEN)


def test_constraint_on_a_key_that_the_request_never_carries_fails() -> None:
    given = world(key(grants=(grant(APP, constraints={"SourceArn": "arn:aws:s3:::b"}),)), principal(APP))
    gate = gate_of(explained(given), Layer.GRANT)
    assert [(f.check.operator, f.check.saw) for f in gate.failed] == [("SourceArn", "absent")]


def test_grant_that_covers_other_operations_came_close() -> None:
    printed = shown(world(key(grants=(grant(APP, "Encrypt"),)), principal(APP)))
    assert "does not apply: grant `g-1`, its actions do not cover Decrypt (owner grant)" in printed
    assert "none of the key's grants (1) covers the request" in printed


def test_right_to_retire_a_grant_is_cited() -> None:
    given = world(key(grants=(grant(OWN, retiring_principal=APP),)), principal(APP, FULL))
    assert "lets the caller retire it (owner grant; R4.22)" in shown(given, APP, "RetireGrant")


def test_more_statements_than_are_cited_are_counted() -> None:
    given = world(key(*(allow(APP, Sid=f"S{i}") for i in range(8))), principal(APP, FULL))
    explanation = explained(given)
    assert explanation.left_out == {Layer.KEY_POLICY: 3}
    assert "key_policy: 3 more statements not shown" in render_explanation(explanation)


def test_deny_that_does_not_apply_is_cited_where_everything_allows() -> None:
    printed = shown(both(deny(OWN, "kms:*"), deny("*", when={"Bool": {"aws:PrincipalIsAWSService": "true"}}, Sid="No")))
    assert printed.startswith("allowed: ")
    assert "does not apply: Deny statement 2 `No`, its condition on aws:PrincipalIsAWSService fails" in printed


def test_allow_that_does_not_apply_is_left_out_where_another_one_does() -> None:
    assert "does not apply" not in shown(both(allow(APP, "kms:Encrypt")))


@pytest.mark.parametrize(
    ("condition", "saw"),
    [
        ({"StringEquals": {"aws:SourceAccount": OWNER}}, "open, the request decides"),
        ({"ForAnyValue:StringEquals": {"aws:PrincipalServiceNamesList": ["logs.amazonaws.com"]}},
         "logs.amazonaws.com and perhaps more"),
    ],
)  # fmt: skip
def test_service_shows_what_its_requests_carry(condition: Any, saw: str) -> None:
    (cited,) = explained(world(key(allow("*", when=condition))), "logs.amazonaws.com").statements
    assert cited.checks[-1].saw == saw


@pytest.mark.parametrize("ref", ["", "row/1"])
def test_fact_that_was_not_read_is_said_with_its_row(ref: str) -> None:
    alpha = allow(None, when={"StringEquals": {"aws:ResourceTag/Project": "Alpha"}})
    given = world(key(allow(APP), tags=None, gaps={"tags": ref}), principal(APP, policy(alpha)))
    (cited,) = [c for c in explained(given).statements if c.layer is Layer.IAM]
    assert (cited.effect, cited.checks[-1].outcome) == ("perhaps allow", CheckOutcome.UNREAD)
    assert cited.checks[-1].saw == ("not known: tags not read (row/1)" if ref else "not known: tags not read")


def test_state_that_was_not_read_is_an_unread_gate() -> None:
    gate = gate_of(explained(world(key(allow(APP), state="", gaps={"describe": "row/2"}), principal(APP, FULL))),
                   Layer.KEY_STATE)  # fmt: skip
    assert (gate.outcome, gate.why) == (GateOutcome.UNREAD, "not read, see row/2 in Coverage")
    odd = gate_of(explained(world(key(allow(APP), state="Odd"), principal(APP, FULL))), Layer.KEY_STATE)
    assert odd.why == "the state `Odd` is not known to this version"


def test_root_user_and_asserted_context_are_noted() -> None:
    given = replace(both(allow(iam(MEMBER, "root"))), asserted={"aws:sourcevpce": ("vpce-1",)})
    notes = explained(given, iam(MEMBER, "root")).notes
    assert "whether the root user has credentials was not read (R7.15)" in notes
    assert "the configuration asserts aws:sourcevpce for every request" in notes


def test_inside_an_account_the_reasons_are_those_of_an_account() -> None:
    direct = explained(world(key(allow(OWN)), principal(OWN)), OWN)
    assert direct.why == "the key policy allows it, by itself or together with the caller's identity policies"
    assert [r.rule for r in direct.rules] == ["R3.10", "R3.11"]
    service = explained(world(key(allow({"Service": "logs.amazonaws.com"}))), "logs.amazonaws.com")
    assert (service.why, [r.rule for r in service.rules]) == ("the key policy admits the service", ["R2.12", "R3.25"])


def test_requests_without_a_key_have_a_trace_too() -> None:
    given = world(principal(OWN, policy(allow(None, "s3:*"))))
    asked = Request(resolve_caller(given, OWN), "kms:ListKeys", "*", action=find_action("kms:ListKeys"))
    gates = complete_trace(given, asked, gates_of(asked, evaluate(given, asked)))
    assert [g.layer for g in gates] == [Layer.IAM, Layer.BOUNDARY, Layer.SESSION, Layer.SCP]
    assert gates[0].why == f"no statement of inline policy 0 of {OWN} allows kms:ListKeys"


def test_session_policy_is_a_gate_of_its_own() -> None:
    session = f"arn:aws:sts::{MEMBER}:assumed-role/App/blue"
    listed = principal(session, parent=APP, session_policies=[policy(allow(None, "s3:*"))])
    explanation = explained(world(key(allow(APP)), principal(APP, FULL), listed), session)
    assert explanation.decision.reason == "session"
    assert f"no statement of session policy 0 of {session} allows kms:Decrypt" in render_explanation(explanation)


# -- the principal ----------------------------------------------------------------------------------------------------


def test_account_that_was_read_stands_for_its_strongest_identity() -> None:
    given = world(key(allow(iam(MEMBER, "root"))), principal(APP, FULL), principal(iam(MEMBER, "role/Weak")))
    explanation = explained(given, MEMBER)
    assert (explanation.question.principal, explanation.question.judged) == (APP, 3)
    assert f"`{MEMBER}` stands for 3 identities that were read" in render_explanation(explanation)


VPCE = {"StringEquals": {"aws:SourceVpce": "vpce-1"}}
CONTEXT = {"StringEquals": {"kms:EncryptionContext:app": "a"}}
AS_FOUND: list[tuple[dict[str, Any], str, str]] = [
    ({}, "confirmed", f"confirmed: any identity of {STRANGER} can `kms:Decrypt`"),
    ({"when": VPCE}, "conditional", f"conditional: any identity of {STRANGER} can, under conditions, `kms:Decrypt`"),
    ({"when": CONTEXT}, "conditional", f"conditional: any identity of {STRANGER} can, under conditions, `kms:Decrypt`"),
    ({"state": "Disabled"}, "blocked", f"blocked: any identity of {STRANGER} could, and cannot at present, `kms:Decry"),
]


@pytest.mark.parametrize(("parts", "verdict", "opens"), AS_FOUND)
def test_stranger_is_told_first_as_its_finding_has_it(parts: dict[str, Any], verdict: str, opens: str) -> None:
    state = {"state": parts["state"]} if "state" in parts else {}
    given = world(key(allow(iam(STRANGER, "root"), when=parts.get("when")), **state))
    (found,) = analyzed(given).of(Kind.EXTERNAL_ACCESS)
    explanation, printed = explained(given, STRANGER), shown(given, STRANGER)
    assert explanation.finding is not None
    assert explanation.finding.verdict == found.verdict == verdict
    assert explanation.finding.reason == found.verdict_reasons[0]
    assert explanation.finding.condition == found.capabilities[0].condition
    assert explanation.finding.caller_chosen == found.capabilities[0].caller_chosen
    assert explanation.decision.verdict is Verdict.UNKNOWN
    lines = printed.splitlines()
    assert lines[0].startswith(opens)
    assert f"({found.verdict_reasons[0]}" in lines[1]
    assert "as findings count it: by the key's side alone" in printed
    assert "both sides together: unknown, because the caller's side was not read" in printed


def test_condition_of_a_stranger_says_whose_choice_it_is() -> None:
    given = world(key(allow(iam(STRANGER, "root"), when=CONTEXT)))
    assert "  if kms:EncryptionContext:app = a        (chosen by the caller)" in shown(given, STRANGER)
    fenced = world(key(allow(iam(STRANGER, "root"), when=VPCE)))
    assert "  if aws:SourceVpce = vpce-1        (not chosen by the caller)" in shown(fenced, STRANGER)


def test_stranger_whom_findings_only_call_possible_stays_unknown_with_a_note() -> None:
    shared = world(key(ram_policy=ram(allow(iam(STRANGER, "root")))))
    assert shown(shared, STRANGER).startswith("unknown: ")
    assert "findings count the key's side alone (R3.30)" in shown(shared, STRANGER)


def test_other_actions_of_a_stranger_read_as_their_finding() -> None:
    given = world(key(allow(iam(STRANGER, "root"), "kms:Decrypt", "kms:Encrypt")))
    explanation = explained(given, STRANGER, every_action=True)
    (encrypt,) = (a for a in explanation.actions if a.action == "kms:Encrypt")
    assert (encrypt.verdict, encrypt.finding is not None) == ("unknown", True)
    printed = render_explanation(explanation)
    assert re.search(r"^  confirmed +kms:Encrypt +delegated_to_third_party$", printed, re.MULTILINE)
    assert re.search(r"^  denied +kms:Sign +key_usage$", printed, re.MULTILINE)


@pytest.mark.parametrize(
    ("who", "opens"), [("*", "confirmed: anybody whom"), ("logs.amazonaws.com", "allowed: the ser")]
)
def test_everybody_and_services_can_be_asked_about(who: str, opens: str) -> None:
    assert shown(world(key(allow("*"))), who).startswith(opens)


def test_closed_account_is_told_as_its_finding_has_it() -> None:
    closed = account(MEMBER, status="SUSPENDED", collected=False, gap="row")
    given = world(key(allow(iam(MEMBER, "root"))), closed)
    assert analyzed(given).external.verdict_reasons == ("account_suspended",)
    assert shown(given, MEMBER).startswith("blocked: any identity of")
    assert "nobody of a closed account can call until it is opened again (R6.8)" in shown(given, MEMBER)
    open_one = world(key(allow(iam(MEMBER, "root"))), replace(closed, status="ACTIVE"))
    assert "closed account" not in shown(open_one, MEMBER)


def test_role_of_an_account_nobody_read_is_taken_as_it_is() -> None:
    who = iam(STRANGER, "role/Theirs")
    explanation = explained(world(key(allow(who))), who)
    assert (explanation.decision.verdict, explanation.question.principal) == (Verdict.UNKNOWN, who)


def test_account_without_an_organization_has_no_guardrails() -> None:
    explanation = explained(replace(both(), organizations=()))
    assert explanation.decision.verdict is Verdict.ALLOWED
    assert explanation.outcome_of(Layer.SCP) is GateOutcome.NOT_APPLICABLE
    assert explanation.outcome_of(Layer.TRUST) is None


@pytest.mark.parametrize(
    ("who", "message"),
    [
        ("payroll-reader", "`payroll-reader` is no principal"),
        ("", "`` is no principal"),
        (iam(MEMBER, "role/*"), "names no single principal"),
        (iam(MEMBER, "role/Ap"), "does not exist: the IAM of"),
        (f"arn:aws:sts::{MEMBER}:assumed-role/Gone/x", "does not exist"),
        ("arn:aws:iam::12:role/x", "no account id of 12 digits"),
        ("arn:aws:s3:::bucket", "is no principal"),
        ("x" * 9000, "…` is no principal"),
    ],
)
def test_principal_that_is_none_is_refused(who: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        explained(both(), who)
    assert len(caught.value.message) < 400


# -- the key ----------------------------------------------------------------------------------------------------------

TWIN = KEY.replace("eu-west-1", "us-east-1")


def two_keys() -> World:
    return world(key(aliases=("alias/card", "alias/one")), key(arn=TWIN, aliases=("alias/card",)))


@pytest.mark.parametrize("name", [KEY, "alias/one", f"arn:aws:kms:eu-west-1:{OWNER}:alias/card"])
def test_key_is_found_by_arn_alias_and_alias_arn(name: str) -> None:
    assert find_key(two_keys(), name).arn == KEY


@pytest.mark.parametrize("name", ["alias/card", KEY.rsplit("/", 1)[-1]])
def test_name_that_fits_several_keys_lists_them(name: str) -> None:
    with pytest.raises(UsageError, match="fits 2 keys") as caught:
        find_key(two_keys(), name)
    assert KEY in caught.value.message
    assert TWIN in caught.value.message


def test_key_that_is_missing_is_said_with_the_nearest_and_what_was_not_read() -> None:
    given = world(key(aliases=("alias/card",)), key(arn=TWIN, aliases=None))
    with pytest.raises(UsageError, match="there is no key `crd`") as caught:
        find_key(given, "crd")
    assert caught.value.hint == "did you mean `alias/card`?; the aliases of 1 keys were not read"


# -- action and context -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["Decrypt", "decrypt", "kms:decrypt", "KMS:Decrypt"])
def test_action_is_understood_in_any_spelling(typed: str) -> None:
    assert action_name(typed) == "kms:Decrypt"


@pytest.mark.parametrize("typed", ["s3:GetObject", "kms:*", "", "kms:ListKeys", "a b"])
def test_text_that_is_no_action_on_a_key_is_refused(typed: str) -> None:
    with pytest.raises(UsageError):
        action_name(typed)


@pytest.mark.parametrize("statement", [allow(APP, "kms:*"), allow(APP, "kms:Decrypt")])
def test_action_of_tomorrow_is_unknown_and_no_error(statement: dict[str, Any]) -> None:
    explanation = explained(world(key(statement), principal(APP, FULL)), APP, "Decrypto")
    assert (explanation.decision.verdict, explanation.decision.reason) == (Verdict.UNKNOWN, "unknown_action")
    assert "is it `kms:Decrypt`?" in render_explanation(explanation)


def test_action_of_tomorrow_that_a_deny_covers_is_denied() -> None:
    given = world(key(allow(APP, "kms:*"), deny("*", "kms:*")), principal(APP, FULL))
    assert explained(given, APP, "Frob").decision.verdict is Verdict.DENIED


VIA = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}


@pytest.mark.parametrize(("service", "verdict"), [("s3", Verdict.ALLOWED), ("ec2", Verdict.DENIED)])
def test_fixed_context_decides_the_condition(service: str, verdict: Verdict) -> None:
    given = world(key(allow(APP, when=VIA)), principal(APP, FULL))
    explanation = explained(given, APP, "Decrypt", f"KMS:viaservice={service}.eu-west-1.amazonaws.com")
    assert explanation.decision.verdict is verdict
    assert f"given KMS:viaservice = {service}.eu-west-1.amazonaws.com" in render_explanation(explanation)


@pytest.mark.parametrize(("complete", "verdict"), [(False, Verdict.CONDITIONAL), (True, Verdict.DENIED)])
def test_complete_context_has_no_other_key(complete: bool, verdict: Verdict) -> None:
    given = world(key(allow(APP, when=VIA)), principal(APP, FULL))
    assert explained(given, complete=complete).decision.verdict is verdict


def test_complete_context_is_said() -> None:
    assert "given that the request carries no other key" in render_explanation(explained(both(), complete=True))


def test_encryption_context_and_values_of_a_repeated_key_are_fixed() -> None:
    when = {
        "StringEquals": {"kms:EncryptionContext:app": "a=b"},
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["app", "team"]},
    }
    given = world(key(allow(APP, when=when)), principal(APP, FULL))
    context = ("kms:EncryptionContext:app=a=b", "kms:EncryptionContextKeys=app", "kms:EncryptionContextKeys=team")
    assert explained(given, APP, "Decrypt", *context).decision.verdict is Verdict.ALLOWED
    assert explained(given, APP, "Decrypt", context[0], complete=True).decision.verdict is Verdict.ALLOWED


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("aws:SourceVpce", "is no KEY=VALUE"),
        ("=x", "is no KEY=VALUE"),
        ("aws:Nonsense=x", "is no condition key that this version knows"),
        ("aws:SourceIp=300.0.0.1", "which is an IP address"),
        ("aws:MultiFactorAuthPresent=maybe", "which is true or false"),
        ("aws:MultiFactorAuthAge=old", "which is a number"),
        ("aws:TokenIssueTime=yesterday", "which is a time in ISO 8601"),
        (f"aws:PrincipalAccount={STRANGER}", f"is known to be `{MEMBER}` here, not `{STRANGER}`"),
        (f"aws:PrincipalArn={OWN}", f"is known to be `{APP}` here"),
        ("aws:PrincipalOrgID=o-else000000", "is known to be `o-own0000001` here"),
        ("aws:CurrentTime=2020-01-01T00:00:00Z", "is known to be"),
        ("aws:SourceAccount=111122223333", "no kms:Decrypt request of this caller on this key carries"),
        ("kms:GrantOperations=Decrypt", "no kms:Decrypt request of this caller on this key carries"),
        ("aws:ViaAWSService=no", "which is true or false"),
    ],
)
def test_context_that_cannot_be_is_refused(pair: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        explained(both(), APP, "Decrypt", pair)


@pytest.mark.parametrize(
    ("who", "pair", "message"),
    [
        ("logs.amazonaws.com", "aws:PrincipalServiceNamesList=s3.amazonaws.com", "holds `logs.amazonaws.com` in any"),
        (STRANGER, "aws:PrincipalType=Robot", "`aws:PrincipalType` cannot be `Robot` here"),
        (STRANGER, f"aws:PrincipalArn={APP}", f"`aws:PrincipalArn` cannot be `{APP}` here"),
        ("*", f"aws:PrincipalAccount={MEMBER}", f"`aws:PrincipalAccount` cannot be `{MEMBER}` here"),
    ],
)
def test_value_that_this_caller_never_has_is_refused(who: str, pair: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        explained(both(), who, "Decrypt", pair)


@pytest.mark.parametrize(
    ("who", "pair"),
    [
        ("logs.amazonaws.com", "aws:PrincipalServiceNamesList=logs.amazonaws.com"),
        (STRANGER, "aws:PrincipalType=User"), ("*", f"aws:PrincipalAccount={STRANGER}"),
        (STRANGER, "aws:PrincipalTag/team=blue"),
    ],
)  # fmt: skip
def test_value_that_this_caller_may_have_is_taken(who: str, pair: str) -> None:
    assert explained(both(), who, "Decrypt", pair).question.context == {
        pair.split("=", maxsplit=1)[0]: (pair.split("=")[1],)
    }


def test_key_with_one_value_is_not_given_two() -> None:
    with pytest.raises(UsageError, match="has one value in a request"):
        explained(both(), APP, "Decrypt", "aws:SourceVpce=a", "aws:sourcevpce=b")


def test_fact_that_agrees_with_the_snapshot_may_be_repeated() -> None:
    assert explained(both(), APP, "Decrypt", f"aws:PrincipalArn={APP}").decision.verdict is Verdict.ALLOWED


# -- JSON -------------------------------------------------------------------------------------------------------------


def test_json_holds_what_the_documentation_lists() -> None:
    fence = {"StringEquals": {"aws:PrincipalOrgID": "o-other00000"}}
    given = world(key(allow(APP, when=VIA), allow("*", when=fence)), principal(APP, FULL))
    data = json.loads(dump_explanation(explained(given)))
    assert set(data) == {
        "schema_version", "engine", "question", "verdict", "reason", "why", "rules", "references", "condition",
        "residual", "caller_chosen", "vouched", "conditional_access", "unknowns", "gates", "statements", "left_out",
        "notes", "actions", "finding",
    }  # fmt: skip
    assert set(data["question"]) == {
        "key", "asked", "principal", "principal_kind", "account_id", "account_name", "action", "context",
        "context_complete", "judged",
    }  # fmt: skip
    gate = next(g for g in data["gates"] if g["layer"] == "key_policy")
    assert set(gate) == {"layer", "side", "outcome", "statements", "why", "failed"}
    assert gate["failed"][0]["check"]["saw"] == "o-own0000001"
    assert set(data["statements"][0]) == {
        "layer", "side", "effect", "says", "statement", "lines", "checks", "rules",
    }  # fmt: skip
    assert data["condition"] == "kms:ViaService = s3.eu-west-1.amazonaws.com"


# -- who can ----------------------------------------------------------------------------------------------------------


def listed(given: World, wanted: Wanted | None = None, **rules: Any) -> WhoCan:
    return who_can(given, find_key(given, KEY), AnalysisRules(**rules), wanted or Wanted())


def many() -> World:
    """A stranger, a conditional colleague, a blocked one, one who may be admitted, and a service for one source."""
    other = iam(MEMBER, "role/Other")
    return world(
        key(
            allow(iam(STRANGER, "root"), "kms:Decrypt", "kms:PutKeyPolicy"),
            allow(APP, "kms:Decrypt", "kms:DescribeKey", when=VIA),
            allow(other),
            allow(iam("333344445555", "root"), "kms:Encrypt"),
            allow({"Service": "cloudtrail.amazonaws.com"}, when={"StringEquals": {"aws:SourceAccount": OWNER}}),
            allow(iam("222200002222", "root"), "kms:PutKeyPolicy"),
        ),
        principal(APP, FULL),
        principal(other),
        principal(OWN, FULL),
        account("333344445555", name="media", collected=False),
    )


def test_list_puts_strangers_first_and_agrees_with_findings() -> None:
    answer = listed(many())
    assert [(a.verdict.value, a.selector.rsplit(":", 1)[-1], a.party) for a in answer.access] == [
        ("confirmed", "root", "unknown_third_party"),
        ("conditional", "role/App", "same_organization"),
        ("possible", "root", "own_other_organization"),
        ("blocked", "role/Other", "same_organization"),
    ]
    findings = {f.id: f for f in analyzed(many()).of(Kind.EXTERNAL_ACCESS)}
    assert {a.finding_id for a in answer.access} == set(findings)
    for line in answer.access:
        results = [c for c in findings[line.finding_id].capabilities if c.verdict is line.verdict]
        assert line.actions == tuple(a for c in results for a in c.actions)
    assert (answer.today, answer.perhaps) == (2, 1)


def test_principals_behind_a_line_are_those_of_access_csv() -> None:
    rows = analyzed(many()).access
    for line in listed(many()).access:
        assert set(line.principals) <= {r.principal_arn for r in rows if r.finding_id == line.finding_id}
    assert listed(many()).access[0].principals == (iam(STRANGER, "root"),)


def test_one_action_narrows_the_list() -> None:
    answer = listed(many(), Wanted(action="kms:Encrypt"))
    assert [a.selector for a in answer.access] == [iam("333344445555", "root")]
    assert (answer.today, answer.perhaps) == (0, 1)
    assert "can do kms:Encrypt with this key today, 1 could" in render_who_can(answer)


def test_verdicts_and_limit_cut_the_lines_and_not_the_counts() -> None:
    answer = listed(many(), Wanted(verdicts=(FindingVerdict.BLOCKED,)))
    assert [a.verdict.value for a in answer.access] == ["blocked"]
    assert (answer.today, answer.perhaps) == (2, 1)
    assert "1 of 4 lines are shown; --limit shows more" in render_who_can(listed(many(), Wanted(limit=1)))


def test_ineffective_lines_are_listed_on_request() -> None:
    (line,) = listed(many(), Wanted(verdicts=(FindingVerdict.INEFFECTIVE,))).access
    assert (line.selector, line.reasons) == (iam("222200002222", "root"), ("action_not_cross_account",))


def test_insiders_are_listed_on_request_and_last() -> None:
    given = many()
    delegating = replace(given, keys={KEY: key(allow(iam(OWNER, "root"), "kms:*"), allow(iam(STRANGER, "root")))})
    answer = listed(delegating, Wanted(insiders=True))
    assert [a.party for a in answer.access] == ["unknown_third_party", "own_account", "own_account"]
    assert {a.selector for a in answer.access[1:]} == {OWN, iam(OWNER, "root")}
    assert answer.today == 1


def test_services_left_out_by_the_configuration_are_named() -> None:
    assert listed(many()).left_out == ("cloudtrail.amazonaws.com",)
    everything = listed(many(), service_principals="all")
    assert everything.left_out == ()
    assert "the service cloudtrail.amazonaws.com" in render_who_can(everything)


def test_list_names_everybody_organizations_and_the_dead() -> None:
    org = {"StringEquals": {"aws:PrincipalOrgID": "o-own0000001"}}
    given = world(
        key(allow("*", when=VIA), allow("*", "kms:Encrypt", when=org), allow("AIDADEADDEADDEADDEAD1")),
        principal(APP, FULL), account("333344445555", collected=False),
    )  # fmt: skip
    printed = render_who_can(listed(given, Wanted(verdicts=tuple(FindingVerdict))))
    assert "any principal of any AWS account" in printed
    assert "any principal of organization o-own0000001" in printed
    assert "AIDADEADDEADDEADDEAD1, which is no principal that exists" in printed
    assert "that is accounts this run does not know, " in printed


def test_principals_of_one_account_are_listed_by_name() -> None:
    given = world(key(allow(iam(MEMBER, "root"))), principal(APP, FULL), principal(iam(MEMBER, "role/Weak")))
    assert "               that is role/App, root" in render_who_can(listed(given))


def test_insiders_are_narrowed_to_the_action() -> None:
    given = world(key(allow(iam(OWNER, "root"), "kms:*")), principal(OWN, policy(allow(None, "kms:Encrypt"))))
    answer = listed(given, Wanted(action="kms:Decrypt", insiders=True))
    assert [a.selector for a in answer.access] == [iam(OWNER, "root")]
    assert f"the root user of {OWNER}" in render_who_can(answer)


def test_condition_key_that_may_not_work_is_listed_once() -> None:
    gated = {"StringEquals": {"aws:ResourceTag/Project": "Alpha"}}
    given = world(key(allow(APP, when=gated)), principal(APP, FULL))
    assert len(analyzed(given).about_keys) == 2
    (line,) = listed(given, Wanted(verdicts=tuple(FindingVerdict))).access
    assert (line.verdict.value, line.reasons) == ("possible", ("unsupported_condition_key",))


def test_several_grants_and_many_statements_are_counted() -> None:
    grants = tuple(grant(APP, grant_id=f"g-{i}") for i in range(3))
    shared = key(*(allow(APP, Sid=f"S{i}") for i in range(5)), grants=grants)
    printed = render_who_can(listed(world(shared, principal(APP, FULL))))
    assert "grant `g-0` and 2 more" in printed
    assert "`S2`" in printed
    assert "`S3`" not in printed
    assert " and 2 more: decrypt" in printed


def test_unread_key_policy_stands_before_the_list_and_is_no_clean_answer() -> None:
    given = world(key(key_policy=None, gaps={"key_policy": "row"}))
    printed = render_who_can(listed(given))
    assert "NOT READ  the key policy (row): the list may be incomplete" in printed
    assert "in what was read, 0 selectors outside the account can use this key today" in printed


def test_damaged_key_policy_stands_before_the_list() -> None:
    printed = render_who_can(listed(world(key(allow(APP) | {"Effect": "Maybe"}), principal(APP, FULL))))
    assert "NOT READ  a damaged part of the key policy" in printed
    assert "  possible" in printed


def test_one_selector_with_several_lines_is_counted_once_and_its_lines_are_said() -> None:
    twice = world(key(allow(iam(STRANGER, "root")), allow(iam(STRANGER, "root"), "kms:Encrypt", when=VPCE)))
    answer = listed(twice)
    assert (len(answer.access), answer.today, answer.today_lines) == (2, 1, 2)
    assert "1 selector outside the account can use this key today (2 lines)" in render_who_can(answer)


def test_lines_that_a_filter_leaves_out_are_said() -> None:
    given = world(key(allow(iam(STRANGER, "root")), allow(iam("222200002222", "root"), when=VPCE)))
    only = render_who_can(listed(given, Wanted(verdicts=(FindingVerdict.CONDITIONAL,))))
    assert "2 selectors outside the account can use this key today (2 lines, 1 of them listed)" in only
    assert "can use this key today\n" in render_who_can(listed(given)) + "\n"


def test_accounts_that_were_not_read_are_named_after_the_list() -> None:
    assert "not read: the IAM of media (333344445555)" in render_who_can(listed(many()))
    assert "paths through assumed roles: none was found in what was read" in render_who_can(listed(many()))


def test_aws_managed_key_lists_no_outsider() -> None:
    given = world(key(manager="AWS", key_policy=None, gaps={"key_policy": ""}), principal(OWN, FULL))
    answer = listed(given)
    assert (answer.access, answer.key_gaps) == ((), ())
    assert "AWS managed keys cannot be used from another account (R9.5)" in render_who_can(answer)
    assert "unread: not read (owner key_policy)" in shown(given, OWN)


def test_json_of_the_list_holds_what_the_documentation_lists() -> None:
    data = json.loads(dump_who_can(listed(many())))
    assert set(data) == {
        "schema_version", "engine", "key", "action", "insiders", "verdicts", "access", "total", "today",
        "today_lines", "perhaps", "key_gaps", "accounts_not_read", "left_out", "paths_through_assumed_roles",
    }  # fmt: skip
    assert set(data["access"][0]) == {
        "verdict", "selector", "kind", "account_id", "account_name", "party", "mechanism", "path", "statements",
        "grants", "capabilities", "actions", "condition", "caller_chosen", "vouched", "reasons", "principals",
        "finding_id",
    }  # fmt: skip


# -- hostile text -----------------------------------------------------------------------------------------------------


def hostile(poison: str) -> World:
    """A world whose Sids, names, aliases, conditions and grants hold the text."""
    role = iam(MEMBER, "role/App")
    when = {"StringEquals": {"kms:EncryptionContext:tenant": poison, "kms:ViaService": poison}}
    given = key(
        allow(role, Sid=poison, when=when),
        allow(role, "kms:Encrypt", Sid=poison),
        aliases=(f"alias/{poison}",),
        state=poison,
        description=poison,
        grants=(grant(role, name=poison, constraints={"EncryptionContextSubset": {"tenant": poison}}),),
    )
    people = (principal(role, policy(allow(None, Sid=poison))), principal(OWN, FULL))
    return world(given, *people, accounts=(account(OWNER, name=poison), account(MEMBER, name=poison)))


@pytest.mark.parametrize("poison", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("plain", [False, True])
def test_hostile_text_is_inert_and_cut(poison: str, plain: bool) -> None:
    given = hostile(poison)
    printed = render_explanation(explained(given, every_action=True), plain=plain)
    printed += render_who_can(listed(given, Wanted(insiders=True)))
    assert not INVISIBLE.search(printed)
    assert max(map(len, printed.splitlines())) < 3000
    data = dump_explanation(explained(given)) + dump_who_can(listed(given))
    assert data.isascii()
    assert not INVISIBLE.search(data)


def test_forged_line_of_a_sid_stays_inside_its_line() -> None:
    printed = shown(hostile("x\nallowed: everything\x1b[2J"))
    assert "\nallowed: everything" not in printed
    assert r"x\x0aallowed: everything\x1b[2J" in printed


@pytest.mark.parametrize("wide", ["", "漢字" * 5, "\u202e" * 5, "e\u0301" * 5])
def test_carets_keep_their_place_behind_wide_and_escaped_characters(wide: str) -> None:
    raw = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": wide} | allow(APP)]}, ensure_ascii=False)
    raw = raw.replace('"Principal"', '\n"Principal"').replace('"Sid"', '\n"Sid"')
    assert underlined(shown(as_written(raw)), "allows the action") == '"kms:Decrypt"'


def test_one_long_line_is_cut_to_what_surrounds_each_mark() -> None:
    raw = json.dumps(policy(allow(APP, *(f"kms:Encrypt{i}" for i in range(900)), "kms:Decrypt")))
    assert len(raw) > 8000
    printed = shown(as_written(raw))
    assert max(map(len, printed.splitlines())) < 200
    assert underlined(printed, "allows the action") == '"kms:Decrypt"'
    assert underlined(printed, "names role/App") == f'"{APP}"'


# -- colours ----------------------------------------------------------------------------------------------------------


class Terminal:
    """A stream that says whether it is a terminal."""

    def __init__(self, tty: bool) -> None:
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


@pytest.mark.parametrize(
    ("tty", "environ", "no_color", "coloured"),
    [
        (True, {}, False, True), (False, {}, False, False), (True, {"NO_COLOR": "1"}, False, False),
        (True, {}, True, False), (False, {"FORCE_COLOR": "1"}, False, True),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False), (True, {"NO_COLOR": ""}, False, True),
    ],
)  # fmt: skip
def test_colours_are_for_terminals_that_want_them(
    tty: bool, environ: dict[str, str], no_color: bool, coloured: bool
) -> None:
    paint, colour = painter(Terminal(tty), environ, no_color=no_color)  # type: ignore[arg-type]
    assert colour is coloured
    assert ("\x1b[" in paint("denied", "verdict")) is coloured
    printed = render_explanation(explained(both()), paint=paint)
    assert ("\x1b[" in printed) is coloured
