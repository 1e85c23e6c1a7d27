"""View model of the access path picture: which boxes, gates and sentences it consists of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from scanner.model.decision import Gate, GateOutcome, Layer, Side, Verdict
from scanner.model.finding import Finding, FindingVerdict, Grantee, Hop, KeyFactsRef
from scanner.report.diagnostic import columns
from scanner.report.escape import visible
from scanner.report.method import GATE_WORDS, LAYER_WORDS
from scanner.report.phrases import account_text

SLOT_WIDTH = 56
"""Pixels from the middle of one gate to the middle of the next."""

_MARGIN = 4
"""Pixels before the first gate, where the account border is drawn."""

_BOX_COLUMNS = 23
"""Characters that fit into a box of the picture; the whole text stands beside it."""

_LABELS: Final[Mapping[str, str]] = {
    Layer.IAM: "IAM", Layer.BOUNDARY: "boundary", Layer.SESSION: "session", Layer.SCP: "SCP", Layer.RCP: "RCP",
    Layer.KEY_POLICY: "key policy", Layer.GRANT: "grant", Layer.RAM: "RAM", Layer.TRUST: "trust",
    Layer.KEY_STATE: "state",
}  # fmt: skip
_NEEDLESS = "not needed"
_SPARED = frozenset({Layer.IAM, Layer.KEY_POLICY})
_HOLDS = frozenset({FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL})
_LETS_THROUGH = frozenset({GateOutcome.ALLOW, GateOutcome.CONDITIONAL})
_OR = "or "
"""Stands before the label of a gate that is enough where the one before is not."""

TRACKS: Final[Mapping[str, tuple[str, ...]]] = {
    "tc": ("IAM", "boundary", "session", "SCP"), "to": ("RCP", "key policy", "state"), "tt": ("trust",),
}  # fmt: skip
"""The usual gates in their order: the page draws each of these lines with its labels once."""

_ALTERNATIVES = (Layer.KEY_POLICY, Layer.GRANT, Layer.RAM)
"""Gates of the key's side of which one is enough."""

SHAPES: Final[Mapping[GateOutcome, str]] = {
    GateOutcome.ALLOW: "pa", GateOutcome.DENY_EXPLICIT: "pd", GateOutcome.DENY_IMPLICIT: "pd",
    GateOutcome.CONDITIONAL: "pi", GateOutcome.UNREAD: "pu", GateOutcome.NOT_APPLICABLE: "pn",
}  # fmt: skip
"""Ids of the shapes in the page, which are also the classes of their words."""

_STEP_OUTCOMES: Final[Mapping[str, GateOutcome]] = {
    Verdict.ALLOWED: GateOutcome.ALLOW, Verdict.CONDITIONAL: GateOutcome.CONDITIONAL,
    Verdict.UNKNOWN: GateOutcome.UNREAD, Verdict.LATENT: GateOutcome.DENY_IMPLICIT,
    Verdict.DENIED: GateOutcome.DENY_IMPLICIT,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Box:
    """Somebody or something at an end of a part: its name, and the account or place below it."""

    name: str
    place: str
    account_id: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A gate: the id of its shape, its label, and the middle of both in pixels."""

    shape: str
    label: str
    x: int


@dataclass(frozen=True, slots=True, order=True)
class Frame:
    """What a part has in common with others: all but its box. The page draws each once, `words` and all."""

    role: str
    crosses: bool
    slots: tuple[Slot, ...]
    words: str

    @property
    def track(self) -> str:
        """Id of the line that the page draws once; empty where labels differ from the usual ones."""
        labels = tuple(slot.label for slot in self.slots)
        return next((name for name, usual in TRACKS.items() if usual == labels), "")


@dataclass(frozen=True, slots=True)
class PicturePart:
    """A piece of the path that is never broken: a box with the gates behind it, or the gates before the key's box.

    `role` is `step`, `caller` or `owner`; `crosses` says that the account border lies before its gates. `words`
    say in plain words what is drawn beside the box.
    """

    role: str
    words: str
    box: Box
    slots: tuple[Slot, ...]
    crosses: bool

    @property
    def frame(self) -> Frame:
        """What is drawn and said alike for other parts; the words of a step name its role, so no other has them."""
        words = "" if self.role == "step" else self.words
        return Frame(self.role, self.crosses, self.slots, words)


def picture_parts(finding: Finding) -> tuple[PicturePart, ...]:
    """The whole path of a finding: a part per assumed role, the caller's side and the key's side; none without gates.

    A border is drawn where the accounts on both sides differ, or one of them is not known: an outsider is nowhere
    shown as an insider.
    """
    path = finding.path
    if not path.layers:
        return ()
    layers = standing_gates(finding)
    names = account_names(finding)
    callers = [
        _grantee_box(finding.grantee, names),
        *(principal_box(hop.role_arn, names) for hop in path.hops),
    ]
    steps = [_step(hop, box, role) for hop, box, role in zip(path.hops, callers, callers[1:], strict=False)]
    caller, key = callers[-1], _key_box(finding, names)
    own = tuple(gate for gate in layers if gate.side is Side.CALLER)
    slots = _slots((_LABELS[gate.layer], gate.outcome) for gate in own)
    words = _words(own)
    before = PicturePart("caller", words, caller, slots, False)
    return (*steps, before, _owner_part(finding, caller, key))


def picture_frames(parts: Iterable[PicturePart]) -> Mapping[Frame, int]:
    """A number for each frame that occurs: pictures are alike, and a page of them draws and describes it once."""
    return {frame: number for number, frame in enumerate(sorted({part.frame for part in parts}))}


def _owner_part(finding: Finding, caller: Box, key: Box) -> PicturePart:
    gates = [gate for gate in standing_gates(finding) if gate.side is Side.OWNER and gate.layer is not Layer.KEY_STATE]
    drawn = [
        gate
        for gate in gates
        if gate.layer not in _ALTERNATIVES
        or gate.outcome is not GateOutcome.NOT_APPLICABLE
        or gate.layer is Layer.KEY_POLICY
    ]
    state = key_state_gate(finding)
    crosses = _differs(caller.account_id, key.account_id)
    slots = _slots((*_owner_labels(drawn), *((_LABELS[Layer.KEY_STATE], gate.outcome) for gate in state)))
    border = "across the account border; " if crosses else ""
    return PicturePart("owner", border + _words((*gates, *state)), key, slots, crosses)


def _owner_labels(gates: Iterable[Gate]) -> Iterator[tuple[str, GateOutcome]]:
    """Labels of the gates; `or` before the second and third of those of which one is enough."""
    seen = False
    for gate in gates:
        alternative = gate.layer in _ALTERNATIVES
        yield f"{_OR}{_LABELS[gate.layer]}" if alternative and seen else _LABELS[gate.layer], gate.outcome
        seen = seen or alternative


def _slots(gates: Iterable[tuple[str, GateOutcome]]) -> tuple[Slot, ...]:
    return tuple(Slot(SHAPES[outcome], label, slot_middle(place)) for place, (label, outcome) in enumerate(gates))


def slot_middle(place: int) -> int:
    """Where the middle of a gate lies, in pixels."""
    return _MARGIN + SLOT_WIDTH * place + SLOT_WIDTH // 2


def _step(hop: Hop, box: Box, role: Box) -> PicturePart:
    """One role that is assumed: the gate is its trust policy together with what the caller needs for it."""
    outcome = _STEP_OUTCOMES.get(hop.verdict, GateOutcome.UNREAD)
    crosses = _differs(box.account_id, role.account_id)
    border = "across the account border; " if crosses else ""
    words = f"{border}trust policy of {caller_text(role)}: {GATE_WORDS[outcome]}"
    return PicturePart("step", words, box, _slots(((_LABELS[Layer.TRUST], outcome),)), crosses)


def key_state_gate(finding: Finding) -> tuple[Gate, ...]:
    """What the key's state does, where a key is known: from its gate, or from its state and the finding's reasons.

    Only an enabled key lets through without further proof; another state does where the verdict proves it.
    """
    given = tuple(gate for gate in finding.path.layers if gate.layer is Layer.KEY_STATE)
    key = first_key(finding)
    if given or key is None:
        return given
    reasons = finding.verdict_reasons
    if not key.state or "key_not_described" in reasons:
        outcome = GateOutcome.UNREAD
    elif key.state == "Enabled":
        outcome = GateOutcome.ALLOW
    elif "key_can_be_woken" in reasons:
        outcome = GateOutcome.CONDITIONAL
    elif finding.verdict is FindingVerdict.BLOCKED and any(reason.startswith("key_") for reason in reasons):
        outcome = GateOutcome.DENY_IMPLICIT
    elif finding.verdict in {FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL}:
        outcome = GateOutcome.ALLOW
    else:
        outcome = GateOutcome.UNREAD
    why = f"the key is {key.state}" if key.state not in {"", "Enabled"} else ""
    return (Gate(Layer.KEY_STATE, Side.OWNER, outcome, why=why),)


def first_key(finding: Finding) -> KeyFactsRef | None:
    """The key that the gates are about: the finding's own, or the worst of several."""
    return finding.key or next(iter(finding.keys), None)


def account_names(finding: Finding) -> dict[str, str]:
    """Names of the accounts that a finding speaks of, by id."""
    keys = ((key.account_id, key.account_name) for key in (finding.key, *finding.keys) if key)
    grantee, resource = finding.grantee, finding.resource
    named = ((grantee.account_id, grantee.account_name), (resource.account_id, resource.account_name), *keys)
    return {account: name for account, name in named if account and name}


def _differs(one: str, other: str) -> bool:
    return not one or not other or one != other


def _words(gates: Iterable[Gate]) -> str:
    """The gates in order; neighbours that do the same share the word for it."""
    runs = groupby(gates, key=gate_word)
    return "; ".join(f"{', '.join(LAYER_WORDS[gate.layer] for gate in run)}: {does}" for does, run in runs)


def gate_word(gate: Gate) -> str:
    """What a gate does, in a word; one that another stands in for is not needed."""
    return _NEEDLESS if gate.why.startswith(_NEEDLESS) else GATE_WORDS[gate.outcome]


def standing_gates(finding: Finding) -> tuple[Gate, ...]:
    """The gates of a finding; one that does not allow, and stops nothing, is shown as one that does not apply.

    Access that is sure, be it under conditions, has all that it needs: what does not allow it is not needed then, as
    the key policy beside a grant, or identity policies where the key policy names the caller.
    """
    layers = finding.path.layers
    if finding.verdict not in _HOLDS:
        return layers
    granted = any(gate.layer is Layer.GRANT and gate.outcome in _LETS_THROUGH for gate in layers)
    instead = f"{_NEEDLESS}, {'the grant' if granted else 'the key policy'} stands in for it"
    return tuple(
        replace(gate, outcome=GateOutcome.NOT_APPLICABLE, why=gate.why if _NEEDLESS in gate.why else instead)
        if gate.outcome is GateOutcome.DENY_IMPLICIT and gate.layer in _SPARED
        else gate
        for gate in layers
    )


def caller_text(box: Box) -> str:
    """`role/batch of backup (222233334444)`."""
    return f"{box.name} of {box.place}" if box.place else box.name


def clipped(text: str, limit: int = _BOX_COLUMNS) -> str:
    """A text that fits into a box, cut in the middle where both ends tell more than the middle."""
    shown = visible(text[: 8 * limit]).replace("\n", " ").replace("\t", " ")
    if columns(shown) <= limit and len(text) <= 8 * limit:
        return shown
    head, tail = shown[: limit * 2 // 3], text[-(limit // 3 - 1) :]
    return f"{_fitting(head, limit * 2 // 3)}…{_fitting(visible(tail)[::-1], limit // 3 - 1)[::-1]}"


def _fitting(text: str, limit: int) -> str:
    while columns(text) > limit:
        text = text[:-1]
    return text


def _grantee_box(grantee: Grantee, names: Mapping[str, str]) -> Box:
    account = account_text(grantee.account_name, grantee.account_id)
    match grantee.kind:
        case "organization":
            return Box("any principal", f"organization {grantee.selector}")
        case "root_user":
            return Box("the root user", account, grantee.account_id)
        case "account":
            return Box("any principal", account, grantee.account_id)
    return principal_box(grantee.selector, names)


def principal_box(selector: str, names: Mapping[str, str]) -> Box:
    """Who a selector or ARN means, in two lines."""
    if selector == "*":
        return Box("any principal", "any AWS account")
    parts = selector.split(":", 5)
    if len(parts) < 6:
        return Box(selector, "AWS" if "amazonaws.com" in selector else "")
    account, resource = parts[4], parts[5]
    provider, is_identity, subject = resource.partition("-provider/")[2].partition("#")
    if is_identity:
        return Box("anybody" if subject in {"", "*"} else subject, provider)
    place = account_text(names.get(account, ""), account)
    return Box("any principal" if resource == "root" else resource, place, account)


def _key_box(finding: Finding, names: Mapping[str, str]) -> Box:
    """The key, or the worst of several with their number."""
    key = first_key(finding)
    if key is None:
        about = finding.resource
        if about.kind != "key":
            return Box("any key", "any account")
        return Box(about.name, account_text(names.get(about.account_id, ""), about.account_id), about.account_id)
    place = account_text(key.account_name, key.account_id)
    more = 0 if finding.key else finding.keys_total - 1
    if more > 0:
        place = f"{key.account_name or key.account_id} and {more:,} more"
    return Box(next(iter(key.aliases), key.key_id), place, key.account_id)
