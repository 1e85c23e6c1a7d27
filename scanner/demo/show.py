"""Runs the production path against the demo server and says how a second terminal reaches it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TextIO

from scanner.clock import SystemClock
from scanner.config import Settings
from scanner.demo.server import DemoServer, start_demo
from scanner.errors import UsageError
from scanner.executors import HowToAnalyze
from scanner.pipeline import Outcome, run
from scanner.progress import shown as progress_shown
from scanner.runs import real_run


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that has been scanned; its server runs until the block ends."""

    server: DemoServer
    outcome: Outcome

    def second_terminal(self) -> str:
        """What to type in a second terminal, for a POSIX shell."""
        exports = [f"export {name}={shlex.quote(value)}" for name, value in self.server.environment.items()]
        return "\n".join([
            "",
            "the server keeps running; in a second terminal:",
            "",
            f"unset {' '.join(self.server.unset_environment)}",
            *exports,
            f"kms-scan run --role {self.server.member_role} --output second-terminal",
            "",
            "Ctrl-C here stops it",
        ])  # fmt: skip

    @staticmethod
    def wait() -> None:
        """Block until interrupted."""
        try:
            Event().wait()
        except KeyboardInterrupt:
            return


@contextmanager
def run_demo(
    load: Callable[[str], Settings], environ: Mapping[str, str], *, stream: TextIO, quiet: bool, no_color: bool
) -> Iterator[Demo]:
    """Start the server, build the organization, and collect, analyze and report it as a real run would.

    `load` gives the settings for the name of the audit role; `environ` is what the process was started with.

    Raises:
        UnavailableError: moto is not installed.
        UsageError: the output folder holds runs that read an AWS organization.
    """
    clock = SystemClock()
    settings = load(DemoServer.member_role)
    refuse_real_runs(settings.output.directory)
    with start_demo() as server:
        from scanner.demo.build import build  # noqa: PLC0415  # needs moto, which start_demo has asked for

        build(server)
        with (
            _environment_of(server),
            progress_shown(stream, clock.monotonic, quiet=quiet, no_color=no_color) as on_progress,
        ):
            how = HowToAnalyze(on_progress=on_progress)
            outcome = run(settings, environ, clock=clock, synthetic=True, how=how)
        yield Demo(server, outcome)


def refuse_real_runs(output: Path) -> None:
    """The demo never stands among real runs, where it would become their `latest`. Raises UsageError."""
    found = real_run(output)
    if found is not None:
        raise UsageError(
            f"`{output}` holds runs that read an AWS organization, such as `{found.name}`",
            hint="give the demo a folder of its own: `kms-scan demo --output kms-scan-demo`",
        )


@contextmanager
def _environment_of(server: DemoServer) -> Iterator[None]:
    """Point AWS's own environment variables at the server; botocore reads nothing else."""
    names = (*server.environment, *server.unset_environment)
    before = {name: os.environ.get(name) for name in names}  # noqa: TID251  # restored below
    for name in server.unset_environment:
        os.environ.pop(name, None)  # noqa: TID251
    os.environ.update(server.environment)  # noqa: TID251
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)  # noqa: TID251
            else:
                os.environ[name] = value  # noqa: TID251
