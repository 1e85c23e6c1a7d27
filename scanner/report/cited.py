"""Which excerpts several cards of a page show alike: the page writes each of them once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

from scanner.model.decision import StatementRef
from scanner.report.cards import FindingCard
from scanner.report.source import SourceView


def cited_by_several(cards: Iterable[FindingCard]) -> Mapping[SourceView, str]:
    """The excerpts that more than one card has with the same marks, each with its id in the page.

    A control policy that allows everything is evidence of nearly every finding of an organization: on the cards it
    would fill more of a report than what the findings differ in.
    """
    counts = Counter(part for card in cards for part in dict.fromkeys(card.evidence) if part.lines)
    shared = sorted((part for part, cards_with_it in counts.items() if cards_with_it > 1), key=_order)
    return {part: f"e{number}" for number, part in enumerate(shared, 1)}


def led_to(cards: Iterable[FindingCard], cited: Mapping[SourceView, str]) -> tuple[FindingCard, ...]:
    """The cards without those excerpts: the statement that a gate, a role or a capability names leads to them.

    It leads to an excerpt of the card itself as well. The cards are all of one page, so that ids are used once.
    """
    ids = (f"x{number}" for number in count(1))
    return tuple(_led_to(card, cited, ids) for card in cards)


def _led_to(card: FindingCard, cited: Mapping[SourceView, str], ids: Iterator[str]) -> FindingCard:
    shared = [part for part in card.evidence if part in cited]
    own = tuple(part for part in card.evidence if part not in cited)
    named = tuple(_named(card))
    anchors = {part: next(ids) for part in own if part.lines and any(_holds(part, ref) for ref in named)}
    places = {**anchors, **{part: cited[part] for part in shared}}
    links = {ref: places[part] for ref in named for part in places if _holds(part, ref)}
    return replace(
        card,
        evidence=own,
        links=links,
        see=tuple((part, cited[part]) for part in shared if cited[part] not in links.values()),
        anchors=anchors,
    )


def _named(card: FindingCard) -> Iterator[StatementRef]:
    """The statements that a card names."""
    groups: Sequence[Sequence[StatementRef]] = (
        *(statements for hop in card.finding.path.hops for statements in (hop.statements, hop.caller_statements)),
        *(gate.cited for gate in card.gates),
        *(line.cited for line in card.capabilities),
    )
    for statements in groups:
        yield from statements


def _holds(part: SourceView, ref: StatementRef) -> bool:
    return (part.source_arn, part.sha256) == (
        ref.source,
        ref.sha256,
    ) and part.line_from <= ref.line_from <= part.line_to


def _order(part: SourceView) -> tuple[str, str, str, int, str]:
    """By document, holder and place, as a reader looks for it; the lines tell apart what differs in marks alone."""
    return part.document, part.source_arn, part.sha256, part.line_from, repr(part.lines)
