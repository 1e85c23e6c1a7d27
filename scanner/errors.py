"""The errors a person can meet, and the exit code each one ends with.

KmsScanError (1)
├── UsageError (2)                what was typed, configured or handed over cannot be used
│   ├── ConfigError               a configuration file with every problem in it
│   ├── SnapshotError             a snapshot or run that cannot be read
│   ├── OutputError               a folder or file that cannot be written
│   ├── UnavailableError          a part or an extra that is not in this installation
│   └── WorkerError               processes or a cluster that were to do parts of an analysis and do not
├── NothingScannedError (5)       nothing could be scanned: credentials, organization, every role refused
└── InterruptedRunError (130)     stopped by a signal; what was collected is kept

Messages are lower-case, without a final period, with user input in backticks. They say what happened and where;
`hint` says what to do.
"""

from __future__ import annotations


class KmsScanError(Exception):
    """Base of every error that is shown to a person without a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.run_id = ""
        """The run whose collection `--resume` continues; empty where there is none."""


class UsageError(KmsScanError):
    """What was typed, configured or handed over cannot be used."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration with one or more problems; all of them are in `problems`, each as `file:line: text`.

    `details` has the same for programs, one mapping of file, line, message and suggestion per problem.
    """

    def __init__(
        self, problems: tuple[str, ...], *, hint: str | None = None, details: tuple[dict[str, object], ...] = ()
    ) -> None:
        super().__init__("\n".join((*problems, f"{len(problems)} problem(s)")), hint=hint)
        self.problems = problems
        self.details = details


class SnapshotError(UsageError):
    """A snapshot or run directory that is missing, damaged or of another version."""


class OutputError(UsageError):
    """A folder or file that cannot be written."""


class UnavailableError(UsageError):
    """A setting, command or extra that this version or installation does not have.

    `details` has settings for programs, as those of ConfigError.
    """

    def __init__(self, message: str, *, hint: str | None = None, details: tuple[dict[str, object], ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.details = details


class WorkerError(UsageError):
    """Processes or a cluster that were to do parts of an analysis, and do not answer or have ended."""


class NothingScannedError(KmsScanError):
    """Nothing could be scanned: no credentials, organization unreadable, every AssumeRole refused."""

    exit_code = 5


class InterruptedRunError(KmsScanError):
    """Stopped by a signal. What was collected is kept."""

    exit_code = 130
