"""What a card says beside a capability: its keys where capabilities differ in them, and the statements that give it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scanner.model.decision import StatementRef
from scanner.model.finding import CapabilityKeys, CapabilityResult, Finding
from scanner.report.phrases import whose_choice

KEYS_SHOWN = 3
"""Keys that a line names; findings.json has more and access.csv all."""
STATEMENTS_SHOWN = 2


@dataclass(frozen=True, slots=True)
class CapabilityLine:
    """A capability of a card, and whose choice its condition is.

    `held` are the keys it holds with, None where they go without saying or are those of the line before; `keys` are
    ARN and name of some of them, unless it is all. `cited` are statements that no gate and no line before names.
    """

    result: CapabilityResult
    choice: str
    held: CapabilityKeys | None = None
    keys: tuple[tuple[str, str], ...] = ()
    cited: tuple[StatementRef, ...] = ()
    cited_total: int = 0


def capability_lines(finding: Finding) -> tuple[CapabilityLine, ...]:
    """The capabilities of a finding, worst first."""
    return tuple(_lines(finding))


def _lines(finding: Finding) -> Iterator[CapabilityLine]:
    names = {key.arn: (key.aliases or (key.key_id,))[0] for key in finding.keys}
    differ = any(r.keys is not None and r.keys.total != finding.keys_total for r in finding.capabilities)
    told = {ref for gate in finding.path.layers for ref in gate.statements}
    before: CapabilityKeys | None = None
    for result in finding.capabilities:
        held = result.keys if differ and result.keys != before else None
        shown = held.sample[:KEYS_SHOWN] if held and held.total < finding.keys_total else ()
        cited = tuple(ref for ref in result.statements if ref not in told)
        told.update(cited)
        keys = tuple((arn, names.get(arn, arn.rsplit("/", 1)[-1])) for arn in shown)
        choice = whose_choice(caller_chosen=result.caller_chosen, vouched=result.vouched)
        yield CapabilityLine(result, choice, held, keys, cited[:STATEMENTS_SHOWN], len(cited))
        before = result.keys
