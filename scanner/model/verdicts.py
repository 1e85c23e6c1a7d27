"""What judging one key gave, in plain values, as one run leaves it to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from scanner.model.decision import Decision
from scanner.model.finding import AccessRow, Finding, FindingVerdict


@dataclass(frozen=True, slots=True)
class KeptSources:
    """Which Allow sources were asked about; of statements (document hash, index) and grants, None means all."""

    mechanisms: tuple[str, ...]
    statements: tuple[tuple[str, int], ...] | None
    grants: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class KeptUse:
    """What principals of ours can do with one action on a key of another account.

    `sources` is None where no policy had to be looked at.
    """

    action: str
    verdict: FindingVerdict
    reason: str
    decision: Decision
    sources: KeptSources | None


@dataclass(frozen=True, slots=True)
class KeptShare:
    """Callers who can do the same, in the order of their names, and all that they can do."""

    callers: tuple[str, ...]
    uses: tuple[KeptUse, ...]


@dataclass(frozen=True, slots=True)
class NamingUses:
    """What callers can do with the key by one naming; `actions` in the order in which they are told."""

    mechanism: str
    actions: tuple[str, ...]
    shares: tuple[KeptShare, ...]


@dataclass(frozen=True, slots=True)
class VerdictInputs:
    """What a key was judged from: a hash of all of it, and what was looked at beside the key.

    `looked_at` are the accounts and unique ids whose principals were asked about. `unread` are the rows of the ledger,
    and the accounts whose rows, that findings would cite.
    """

    sha256: str
    looked_at: tuple[str, ...]
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyVerdicts:
    """The judgement of one key, remedies aside.

    `findings` are without what is shown as it is now: the key itself and the time. `rows` are those about outsiders,
    `insiders` those about principals of the key's own account, `documents` the texts of grants that findings cite,
    `uses` what principals of other accounts can do with it.
    """

    key: str
    inputs: VerdictInputs
    findings: tuple[Finding, ...]
    rows: tuple[AccessRow, ...]
    insiders: tuple[AccessRow, ...]
    documents: Mapping[str, str]
    uses: tuple[NamingUses, ...]


def _nothing(key: str) -> KeyVerdicts | None:
    del key
    return None


@dataclass(frozen=True, slots=True)
class KnownVerdicts:
    """The judgements of an earlier run: what each key was judged from, and the judgement when it is asked for.

    `load` gives None where a judgement cannot be read; the key is judged then.
    """

    inputs: Mapping[str, VerdictInputs] = field(default_factory=dict)
    load: Callable[[str], KeyVerdicts | None] = _nothing
