"""Every key of the demo, in the order of creation."""

from __future__ import annotations

from scanner.demo import keys_others, keys_payments
from scanner.demo.blueprint import Key

KEYS: tuple[Key, ...] = (
    *keys_payments.STRANGERS,
    *keys_payments.COLLEAGUES,
    *keys_payments.WITHOUT_EFFECT,
    *keys_payments.TAGGED,
    *keys_payments.SPECIAL,
    *keys_others.LAKE,
    *keys_others.SECURITY_AND_LOGS,
    *keys_others.REMAINING,
)
