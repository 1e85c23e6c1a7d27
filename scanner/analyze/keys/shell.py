"""What a person types to make a change in AWS: one block for a POSIX shell, which stops at the first step that fails.

It is never executed by this tool. A block is pasted whole, so no step may follow one that failed: a policy that was not
patched must not be written back as if it were. The steps are: the account is the expected one; the document is read;
the patch applies to it, forward and without fuzz; the snapshot is judged with the result and nobody gains by it; the
document that was read is kept; the result is written; it is read again and is what was written.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scanner.model.key import KeyFacts
from scanner.model.remediation import RUN

_ACCOUNT = "aws sts get-caller-identity --query Account --output text"
_DONE = "echo in place"
_SHARED_ID = "mrk-"
"""Start of the ids of multi-Region keys, whose replicas have the same one."""


@dataclass(frozen=True, slots=True)
class Place:
    r"""Where a document stands: the account, the options that name it (`"$@"` in `read` and `write`), the two commands.

    `option` and `target` name it for `what-if`. The last line of `read` prints the document, `write` ends where its
    new text follows; `delete` takes it away.
    """

    account: str
    options: str
    read: str
    write: str
    option: str
    target: str
    delete: str = ""


def change_block(place: Place, name: str = "policy", *, may_widen: bool = False) -> str:
    """Patch a document; `NAME.before.json` keeps it as it was.

    What is read again is compared without white space: the AWS CLI prints a document anew, and AWS may store it so.
    The copy is made only where the patch applied, and never in the place of another one (`set -C`).

    Who gains by the result stops the block, but for `may_widen`: where a part of everybody is named in its place, what
    that part has through everybody is compared as gone, and what it has by name as gained.
    """
    file = f"{name}.json"
    return block(
        place.account,
        place.options,
        (
            f"{place.read} > read.json",
            f"patch -N -F0 -o {file} read.json change.patch",
            _trial([place.option, f"{place.target}={file}"], may_widen=may_widen),
            _kept(name),
            f"{place.write} file://{file}",
            _compared(place.read, file),
            _DONE,
        ),
    )


def deletion_block(place: Place, name: str = "policy") -> str:
    """Take a document away; `NAME.before.json` keeps it."""
    return block(
        place.account,
        place.options,
        (f"{place.read} > read.json", _kept(name), place.delete, _DONE),
    )


def revoke_block(key: KeyFacts, grant_ids: Sequence[str], verb: str = "revoke", account: str = "") -> str:
    """Revoke grants, or retire them from the account of who holds them."""
    options = f"--region {shlex.quote(key.region)} --key-id {shlex.quote(key.arn)}"
    commands = (f'aws kms {verb}-grant "$@" --grant-id {shlex.quote(grant_id)}' for grant_id in grant_ids)
    trial = _trial([word for grant_id in grant_ids for word in ("--revoke", grant_id)])
    return block(account or key.account_id, options, (trial, *commands, _DONE))


def key_name(key: KeyFacts) -> str:
    """A key as `what-if` is told of it: by its id, where no replica has the same one."""
    name = key.arn.rsplit("/", 1)[-1]
    return key.arn if name.startswith(_SHARED_ID) else name


def block(account: str, options: str, steps: Iterable[str]) -> str:
    """Steps in a subshell of their own, after the check of the account, with the options as `"$@"`.

    The shell prints each step before it takes it (`set -x`), so that the last one is where a block has stopped.
    """
    return "\n".join((f"(set -eux -- {options}", f'test "$({_ACCOUNT})" = {account}', *steps)) + ")"


def _kept(name: str) -> str:
    """The document that was read as the way back; one that is there already stops the block."""
    return f"set -C; cat read.json > {name}.before.json"


def _compared(read: str, file: str) -> str:
    """Whether what AWS holds now is what was written; `set -x` prints both where it is not."""
    before, line_feed, last = read.rpartition("\n")
    packed = "tr -d ' \\n'"
    return f'{before}{line_feed}test "$({last} | {packed})" = "$({packed} < {file})"'


def _trial(words: Sequence[str], *, may_widen: bool = False) -> str:
    return f"kms-scan what-if {RUN} {shlex.join(words)}{'' if may_widen else ' --fail-on-widened'}"
