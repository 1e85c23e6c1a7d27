"""Decides who is asked for an MFA code: a person at a terminal, and nobody else."""

from __future__ import annotations

import getpass
import sys

from botocore.credentials import AssumeRoleProvider
from botocore.exceptions import CredentialRetrievalError
from botocore.session import Session


class MfaWithoutTerminalError(CredentialRetrievalError):
    """The profile needs an MFA code and nobody is there to type it."""

    def __init__(self) -> None:
        super().__init__(provider="assume-role", error_msg="the profile asks for an MFA code")


def ask_on_terminal_only(session: Session) -> None:
    """Let a profile with `mfa_serial` ask on a terminal only.

    botocore asks with getpass, which falls back to standard input where there is no terminal: under cron or in a
    pipeline it would read what is not meant for it, or wait for ever.
    """
    provider = session.get_component("credential_provider").get_provider("assume-role")
    assert isinstance(provider, AssumeRoleProvider)
    provider._prompter = _code  # type: ignore[attr-defined]  # the stubs lack where botocore keeps it


def _code(prompt: str) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        raise MfaWithoutTerminalError
    return getpass.getpass(prompt)
