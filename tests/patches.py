"""Printed patches applied as a person would: tests then judge the edited document from scratch."""

from __future__ import annotations

import re


def patched(text: str, diff: str) -> str:
    """A text with a unified diff applied to it; every line that the diff does not add must be there."""
    lines, made, at = text.split("\n"), [], 0
    for line in diff.split("\n")[2:]:
        hunk = re.match(r"@@ -(\d+),", line)
        if hunk:
            made += lines[at : int(hunk[1]) - 1]
            at = int(hunk[1]) - 1
        elif line.startswith("+"):
            made.append(line[1:])
        else:
            assert lines[at] == line[1:]
            made += [] if line.startswith("-") else [lines[at]]
            at += 1
    return "\n".join([*made, *lines[at:]])
