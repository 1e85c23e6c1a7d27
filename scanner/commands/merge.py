"""`merge`: joins snapshots that were collected in parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from scanner.clock import SystemClock
from scanner.commands.options import json_option, load, logging_options

_EXAMPLES = """\b
Examples:
  kms-scan merge joined/snapshot.sqlite part-1/snapshot.sqlite part-2/snapshot.sqlite
  kms-scan merge joined/snapshot.sqlite 2026-11-22T0010Z-7f3a 2026-11-22T0010Z-9c41
  kms-scan merge joined/snapshot.sqlite parts/*/snapshot.sqlite --prefer newest
"""


@click.command(epilog=_EXAMPLES)
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("snapshots", nargs=-1, required=True, metavar="SNAPSHOT...")
@click.option(
    "--prefer",
    type=click.Choice(["newest", "fail"]),
    default="fail",
    help="What several parts hold: refuse it, or take it from the part that ended last [fail].",
)
@click.option("-o", "--output", metavar="DIR", help="Where runs are looked for [./kms-scan-out].")
@json_option
@logging_options
def merge(out: Path, snapshots: tuple[str, ...], prefer: str, as_json: bool, **options: Any) -> int:
    """Join SNAPSHOTs (files or runs), each of other accounts of one organization, into the new file OUT."""
    from scanner.pipeline import new_run_id  # noqa: PLC0415
    from scanner.runs import SNAPSHOT, find_run  # noqa: PLC0415
    from scanner.snapshot.merge import merge as joined  # noqa: PLC0415

    folder = load(options).settings.output.directory
    paths = [Path(name) if Path(name).is_file() else find_run(name, folder).path / SNAPSHOT for name in snapshots]
    run_id = new_run_id(SystemClock())
    digest = joined(out, paths, run_id=run_id, prefer_newest=prefer == "newest")
    if as_json:
        click.echo(json.dumps({"run": run_id, "snapshot": str(out), "snapshot_hash": digest, "parts": len(paths)}))
    else:
        click.echo(f"{out}\nnext: kms-scan analyze {out}")
    return 0
