"""What was read, what was not, and why: the coverage ledger's rows."""

from __future__ import annotations

from enum import StrEnum

from scanner.model.value import value_class


class Outcome(StrEnum):
    """How one call about one subject ended. Everything but `ok`, `empty` and `skipped` is a gap."""

    OK = "ok"
    EMPTY = "empty"
    DENIED = "denied"
    DENIED_BY_SCP = "denied_by_scp"
    DENIED_BY_KEY_POLICY = "denied_by_key_policy"
    THROTTLED = "throttled"
    TIMEOUT = "timeout"
    ERROR = "error"
    MISMATCH = "mismatch"
    NOT_ENABLED = "not_enabled"
    SKIPPED = "skipped"
    GONE = "gone"
    MALFORMED = "malformed"
    NOT_REACHED = "not_reached"

    @property
    def is_gap(self) -> bool:
        """Whether something that exists may have gone unseen."""
        return self not in _NO_GAP


_NO_GAP = frozenset({Outcome.OK, Outcome.EMPTY, Outcome.SKIPPED, Outcome.NOT_ENABLED, Outcome.GONE})


@value_class
class LedgerRow:
    """One line of the coverage ledger.

    `region` is `global` for services without one and `*` where the account's regions are unknown. `call` is
    `service:Operation`. `subject` is the key id, account id, policy id or empty for the whole unit.
    """

    account_id: str
    region: str
    call: str
    subject: str
    outcome: Outcome
    error_code: str = ""
    message: str = ""
    what_to_do: str = ""

    @property
    def ref(self) -> str:
        """Stable reference to this row, cited by findings."""
        return "/".join((self.account_id, self.region, self.call, self.subject))
