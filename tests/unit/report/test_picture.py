"""The access path picture: which boxes and gates are drawn, in which shape, and what is said beside it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from scanner.model.decision import Gate, GateOutcome, Layer, Side
from scanner.model.finding import Finding, FindingVerdict, Grantee, Hop, Path
from scanner.report.html import render_html
from scanner.report.picture import (
    PicturePart,
    clipped,
    picture_frames,
    picture_parts,
    principal_box,
    standing_gates,
)

import report_builders as build

ALLOW, DENY, SILENT = GateOutcome.ALLOW, GateOutcome.DENY_EXPLICIT, GateOutcome.DENY_IMPLICIT
IF, UNREAD, BESIDE = GateOutcome.CONDITIONAL, GateOutcome.UNREAD, GateOutcome.NOT_APPLICABLE
ENTRY = "arn:aws:iam::888899990000:role/entry"
LAST = f"arn:aws:iam::{build.OWNER}:role/last"


def gate(layer: Layer, outcome: GateOutcome = ALLOW) -> Gate:
    """A gate on the side it belongs to."""
    caller = {Layer.IAM, Layer.BOUNDARY, Layer.SESSION, Layer.SCP}
    return Gate(layer, Side.CALLER if layer in caller else Side.OWNER, outcome)


def drawn(*gates: Gate, hops: tuple[Hop, ...] = (), finding: Finding | None = None) -> tuple[PicturePart, ...]:
    """The picture of a finding with these gates."""
    return picture_parts(replace(finding or build.stranger_finding(), path=Path(hops, gates)))


def shapes(part: PicturePart) -> list[tuple[str, str]]:
    """Labels with the shapes above them."""
    return [(slot.label, slot.shape) for slot in part.slots]


def test_finding_without_gates_has_no_picture() -> None:
    assert drawn() == ()


@pytest.mark.parametrize(
    ("outcome", "shape", "word"),
    [
        (ALLOW, "pa", "allows"),
        (DENY, "pd", "denies"),
        (SILENT, "pd", "does not allow"),
        (IF, "pi", "allows under a condition"),
        (UNREAD, "pu", "not read"),
        (BESIDE, "pn", "does not apply"),
    ],
)
def test_every_outcome_has_its_shape_and_its_words(outcome: GateOutcome, shape: str, word: str) -> None:
    caller, owner = drawn(gate(Layer.SCP, outcome), gate(Layer.RCP, outcome))
    assert shapes(caller) == [("SCP", shape)]
    assert caller.words == f"service control policies: {word}"
    assert shapes(owner)[0] == ("RCP", shape)
    assert f"resource control policies{', key state' if outcome is ALLOW else ''}: {word}" in owner.words


def test_mechanisms_are_alternatives_and_those_that_do_not_apply_are_only_told() -> None:
    owner = drawn(gate(Layer.KEY_POLICY, SILENT), gate(Layer.RAM, BESIDE), gate(Layer.GRANT, ALLOW))[-1]
    assert shapes(owner) == [("key policy", "pn"), ("or grant", "pa"), ("state", "pa")]
    assert "key policy: not needed" in owner.words
    assert "RAM share: does not apply" in owner.words


@pytest.mark.parametrize(
    ("verdict", "layer", "outcome", "shown"),
    [
        (FindingVerdict.CONFIRMED, Layer.KEY_POLICY, SILENT, BESIDE),
        (FindingVerdict.CONDITIONAL, Layer.IAM, SILENT, BESIDE),
        (FindingVerdict.BLOCKED, Layer.KEY_POLICY, SILENT, SILENT),
        (FindingVerdict.POSSIBLE, Layer.KEY_POLICY, SILENT, SILENT),
        (FindingVerdict.CONFIRMED, Layer.SCP, SILENT, SILENT),
        (FindingVerdict.CONFIRMED, Layer.KEY_POLICY, GateOutcome.DENY_EXPLICIT, GateOutcome.DENY_EXPLICIT),
    ],
)
def test_gate_is_not_needed_only_where_access_is_sure_and_another_can_stand_in(
    verdict: FindingVerdict, layer: Layer, outcome: GateOutcome, shown: GateOutcome
) -> None:
    path = Path((), (gate(layer, outcome), gate(Layer.GRANT, ALLOW)))
    finding = replace(build.stranger_finding(), verdict=verdict, path=path)
    first = standing_gates(finding)[0]
    assert first.outcome is shown
    assert (first.why == "not needed, the grant stands in for it") is (shown is BESIDE)


def test_identity_policies_beside_a_key_policy_that_names_the_caller_say_what_stands_in() -> None:
    path = Path((), (gate(Layer.IAM, SILENT), gate(Layer.KEY_POLICY, ALLOW)))
    finding = replace(build.stranger_finding(), path=path)
    assert standing_gates(finding)[0].why == "not needed, the key policy stands in for it"
    card = render_html(build.document(findings=(finding,)), build.key_rows(), {}, build.documents).decode()
    assert "identity policies: <em class=pn>not needed</em>, the key policy stands in for it" in card


def test_key_policy_is_drawn_even_where_it_does_not_apply() -> None:
    assert shapes(drawn(gate(Layer.KEY_POLICY, BESIDE))[-1])[0] == ("key policy", "pn")


def test_every_assumed_role_has_a_box_of_its_own() -> None:
    hops = (
        Hop(f"arn:aws:iam::{build.STRANGER}:root", "sts:AssumeRole", ENTRY, "conditional", "residual_condition"),
        Hop(ENTRY, "sts:AssumeRole", LAST, "unknown", "trust_not_read"),
    )
    parts = drawn(gate(Layer.IAM), gate(Layer.KEY_POLICY), hops=hops)
    assert [part.role for part in parts] == ["step", "step", "caller", "owner"]
    assert [part.box.name for part in parts] == ["any principal", "role/entry", "role/last", "alias/card-data"]
    assert [shapes(part) for part in parts[:2]] == [[("trust", "pi")], [("trust", "pu")]]
    assert [part.crosses for part in parts] == [True, True, False, False]
    assert parts[1].words == (
        f"across the account border; trust policy of role/last of payments-prod ({build.OWNER}): not read"
    )


@pytest.mark.parametrize("verdict", ["denied", "latent", "something new"])
def test_step_that_is_not_proven_is_never_drawn_as_allowed(verdict: str) -> None:
    hop = Hop("*", "sts:AssumeRole", ENTRY, verdict, "")
    assert shapes(drawn(gate(Layer.IAM), hops=(hop,))[0])[0][1] in {"pd", "pu"}


def test_border_is_drawn_unless_both_accounts_are_known_and_one() -> None:
    own = replace(build.stranger_finding(), grantee=Grantee(LAST, "role", build.OWNER, "", "own_account"))
    unknown = replace(own, grantee=Grantee("AROA1", "unknown_id", "", "", "unknown_third_party"))
    assert not drawn(gate(Layer.IAM), finding=own)[-1].crosses
    assert drawn(gate(Layer.IAM), finding=unknown)[-1].crosses
    assert drawn(gate(Layer.IAM))[-1].crosses


@pytest.mark.parametrize(
    ("state", "verdict", "reasons", "shape"),
    [
        ("Enabled", "confirmed", (), "pa"),
        ("Enabled", "blocked", ("scp_deny",), "pa"),
        ("Disabled", "blocked", ("key_disabled",), "pd"),
        ("PendingDeletion", "blocked", ("key_pending_deletion",), "pd"),
        ("Disabled", "conditional", ("key_can_be_woken",), "pi"),
        ("Disabled", "confirmed", ("both_sides_allow",), "pa"),
        ("Disabled", "possible", ("guardrail_not_read",), "pu"),
        ("Disabled", "blocked", ("scp_deny",), "pu"),
        ("", "possible", (), "pu"),
        ("Enabled", "possible", ("key_not_described",), "pu"),
    ],
)
def test_state_of_the_key_is_drawn_as_far_as_it_is_proven(
    state: str, verdict: str, reasons: tuple[str, ...], shape: str
) -> None:
    finding = build.stranger_finding(
        key=build.key_facts(state=state), verdict=FindingVerdict(verdict), verdict_reasons=reasons
    )
    assert shapes(drawn(gate(Layer.RCP), finding=finding)[-1])[-1] == ("state", shape)


def test_gate_of_the_key_state_goes_before_the_guess() -> None:
    assert shapes(drawn(gate(Layer.KEY_STATE, DENY))[-1]) == [("state", "pd")]


def test_several_keys_are_drawn_as_the_worst_of_them_with_their_number() -> None:
    finding = replace(build.stranger_finding(), key=None, keys=(build.key_facts(),), keys_total=27)
    box = drawn(gate(Layer.IAM), finding=finding)[-1].box
    assert (box.name, box.place) == ("alias/card-data", "payments-prod and 26 more")


def test_key_that_was_not_read_has_a_box_and_no_state() -> None:
    finding = replace(build.stranger_finding(), key=None, keys_total=1)
    owner = drawn(gate(Layer.RCP, UNREAD), finding=finding)[-1]
    assert owner.box.name == "alias/card-data"
    assert shapes(owner) == [("RCP", "pu")]
    wildcard = replace(finding, resource=replace(finding.resource, kind="role"))
    assert drawn(gate(Layer.RCP), finding=wildcard)[-1].box.name == "any key"


@pytest.mark.parametrize(
    ("selector", "name", "place"),
    [
        ("*", "any principal", "any AWS account"),
        ("logs.eu-west-1.amazonaws.com", "logs.eu-west-1.amazonaws.com", "AWS"),
        ("AROA1234", "AROA1234", ""),
        ("arn:aws:iam::222233334444:root", "any principal", "backup (222233334444)"),
        ("arn:aws:iam::222233334444:role/a/b", "role/a/b", "backup (222233334444)"),
        ("arn:aws:iam::1:oidc-provider/x.example#*", "anybody", "x.example"),
        ("arn:aws:iam::1:oidc-provider/x.example#repo:a/b:*", "repo:a/b:*", "x.example"),
    ],
)
def test_selector_is_told_in_two_lines(selector: str, name: str, place: str) -> None:
    box = principal_box(selector, {"222233334444": "backup"})
    assert (box.name, box.place) == (name, place)


@pytest.mark.parametrize(("kind", "name"), [("root_user", "the root user"), ("organization", "any principal")])
def test_kind_of_the_grantee_decides_whom_the_first_box_names(kind: str, name: str) -> None:
    grantee = Grantee("arn:aws:iam::1:root", kind, "1", "one", "unknown_third_party")
    assert drawn(gate(Layer.IAM), finding=replace(build.stranger_finding(), grantee=grantee))[0].box.name == name


@pytest.mark.parametrize("text", ["a" * 9000, "名" * 40, "\u202e" * 40, "role/" + "x" * 60 + "-reader", "a\nb"])
def test_text_in_a_box_fits_and_stays_inert(text: str) -> None:
    shown = clipped(text, 25)
    assert len(shown) <= 25
    assert "\n" not in shown
    assert "\u202e" not in shown
    assert clipped("名" * 40, 25).count("名") <= 12


def test_long_name_keeps_both_ends() -> None:
    shown = clipped("role/AWSReservedSSO_Admins_0123456789abcdef", 25)
    assert shown.startswith("role/AWSReserved")
    assert shown.endswith("9abcdef")


def page(*findings: Finding) -> str:
    """The page of some findings."""
    return render_html(build.document(findings=findings), build.key_rows(), {}, build.documents).decode()


def names_of_pictures(html: str) -> list[str]:
    """What each picture is called: by the words of its frame, or by its own."""
    shared = dict(re.findall(r'<title id="(d\d+)">([^<]+)</title>', html))
    found = re.findall(r"<svg role=img(?: aria-labelledby=(d\d+))?>(?:<title>([^<]+)</title>)?<use", html)
    return [shared[frame] if frame else own for frame, own in found]


def test_picture_is_an_image_named_in_words_and_uses_shapes_defined_once() -> None:
    html = page(*build.document().findings)
    for shape in ("pa", "pd", "pi", "pu", "pn", "pl", "pt", "tc", "to", "tt"):
        assert html.count(f'<symbol id="{shape}">') == 1
    names = names_of_pictures(html)
    assert len(names) == 2 * sum(bool(finding.path.layers) for finding in build.document().findings)
    assert names[0].startswith("identity policies, service control policies: not read")
    assert all(names)
    used = set(re.findall(r'<use (?:class="[\w-]+" )?href="?#(\w+)', html))
    assert used <= set(re.findall(r'<symbol id="(\w+)"', html))


def test_part_whose_labels_shapes_border_or_words_differ_has_a_frame_of_its_own() -> None:
    callers = [
        (), (gate(Layer.IAM),), (gate(Layer.SCP),), (gate(Layer.IAM), gate(Layer.SCP)),
        (gate(Layer.SCP), gate(Layer.IAM)), (gate(Layer.IAM, UNREAD), gate(Layer.SCP)),
        (gate(Layer.IAM), gate(Layer.BOUNDARY)), (gate(Layer.SESSION),),
    ]  # fmt: skip
    policy, grant, ram = gate(Layer.KEY_POLICY), gate(Layer.GRANT), gate(Layer.RAM)
    owners = [(policy, grant), (grant, policy), (grant,), (policy, ram), (policy, grant, ram), (policy,)]
    owners += [(policy, gate(Layer.RAM, BESIDE))]  # drawn as without it, and said
    parts = [drawn(*own, policy)[-2] for own in callers] + [drawn(*own)[-1] for own in owners]
    crossing = drawn(policy)[-1]
    inside = replace(crossing, crosses=not crossing.crosses)
    assert sorted(picture_frames([*parts, inside]).values()) == list(range(len(parts) + 1))


def test_parts_that_look_alike_share_a_frame_that_is_drawn_and_described_once() -> None:
    first = build.stranger_finding()
    html = page(first, replace(first, id="kx-000000000002"))
    frames = picture_frames(picture_parts(first))
    assert len(frames) == 2
    for part in picture_parts(first):
        number = frames[part.frame]
        assert html.count(f"<use href=#p{number} />") == 2
        assert html.count(f'<symbol id="p{number}">') == 1
        assert html.count(f'<title id="d{number}">{part.words}</title>') == 1
    shapes = '<use href="#to"/><use href="#pa" x="32"/><use href="#pa" x="88"/><use href="#pa" x="144"/>'
    assert html.count(shapes) == 1


def test_part_of_an_assumed_role_says_in_its_own_words_whose_trust_policy_it_is() -> None:
    hops = (Hop("arn:aws:iam::444455556666:root", "sts:AssumeRole", ENTRY, "allowed", ""),)
    finding = replace(build.stranger_finding(), path=Path(hops, build.gates()))
    other = replace(finding, id="kx-000000000002", path=Path((replace(hops[0], role_arn=LAST),), build.gates()))
    names = names_of_pictures(page(finding, other))
    assert len(names) == 6
    assert sum("trust policy of role/entry of 888899990000" in name for name in names) == 1
    assert sum("trust policy of role/last of" in name for name in names) == 1
    assert len(picture_frames([*picture_parts(finding), *picture_parts(other)])) == 4
