"""Size and render time of the HTML report per finding, and how it is split: `python benchmarks/report.py [DIR]`.

With a folder, the reports stay there, to be opened in a browser. Figures depend on the machine; bytes do not.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from scanner.model.finding import Finding, KeyRow, Severity  # noqa: E402
from scanner.report.context import PageSources  # noqa: E402
from scanner.report.directory import RunDirectory  # noqa: E402
from scanner.report.keys import KeyHolding  # noqa: E402
from scanner.report.options import ReportOptions  # noqa: E402
from scanner.report.write import render_all  # noqa: E402

import report_builders as build  # noqa: E402  # tests/ first

SIZES = (10, 1_000, 20_000)
FINDINGS_PER_KEY = 4
KEYS_PER_ACCOUNT = 50


def findings(number: int) -> tuple[Finding, ...]:
    """Findings of three forms in turn, four to a key, fifty keys to an account."""
    forms = (build.stranger_finding(), build.partner_finding(), build.grant_finding())
    return tuple(_placed(forms[place % 3], place) for place in range(number))


def rows(number: int) -> tuple[KeyRow, ...]:
    """The keys of so many findings, and as many again without any."""
    base = build.key_rows()[0]
    places = range(0, 2 * number, FINDINGS_PER_KEY)
    return tuple(replace(base, key_arn=_key(place), account_id=_account(place)) for place in places)


def _account(place: int) -> str:
    return f"{100_000_000_000 + place // FINDINGS_PER_KEY // KEYS_PER_ACCOUNT}"


def _key(place: int) -> str:
    number = place // FINDINGS_PER_KEY
    return f"arn:aws:kms:eu-west-1:{_account(place)}:key/{number:08d}-0000-0000-0000-000000000000"


def _placed(form: Finding, place: int) -> Finding:
    account, arn = _account(place), _key(place)
    name = f"team-{account[-3:]}"
    key = build.key_facts(arn=arn, account_id=account, account_name=name, key_id=arn.rsplit("/", 1)[-1])
    caller = f"{200_000_000_000 + place % 97}"
    return replace(
        form,
        id=f"kx-{place:012d}",
        severity=tuple(Severity)[place % 5],
        key=key,
        resource=replace(form.resource, arn=arn, account_id=account, account_name=name),
        grantee=replace(form.grantee, account_id=caller, account_name="", vendor=""),
    )


def measure(number: int, folder: Path) -> tuple[float, list[int]]:
    """Seconds to render so many findings, and the sizes of the pages."""
    directory = RunDirectory.create(folder, f"{number}")
    policy = (("key policy `default`", build.sha256(build.POLICY)),)
    sources = PageSources(rows(number), {}, build.documents, lambda _: KeyHolding(policy))
    document = build.document(findings=findings(number))
    started = perf_counter()
    render_all(document, sources, directory, ReportOptions(("html",)))
    seconds = perf_counter() - started
    pages = [name for name in directory.files() if name.endswith(".html")]
    return seconds, sorted((directory.path / name).stat().st_size for name in pages)


def main(folder: Path) -> None:
    """Print one line per number of findings."""
    smallest = 0
    for number in SIZES:
        seconds, sizes = measure(number, folder)
        smallest = smallest or sum(sizes)
        each = (sum(sizes) - smallest) / max(number - SIZES[0], 1)
        print(
            f"{number:>6,} findings: {len(sizes)} pages, {sum(sizes) / 1e6:.1f} MB, largest {sizes[-1] / 1e6:.2f} MB, "
            f"{seconds:.1f} s, {each:,.0f} bytes per finding with its share of keys"
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
