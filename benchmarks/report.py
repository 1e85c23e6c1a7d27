"""Size and render time of the HTML report per finding, and how it is split: `python benchmarks/report.py [DIR]`.

With a folder, the reports stay there, to be opened in a browser. Figures depend on the machine; bytes do not.
`--table` measures the table on the index of a split report instead, in Chromium where it is installed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from scanner.model.decision import StatementRef  # noqa: E402
from scanner.model.finding import Finding, KeyRow, Severity  # noqa: E402
from scanner.report.context import PageSources  # noqa: E402
from scanner.report.directory import RunDirectory  # noqa: E402
from scanner.report.html import render_pages  # noqa: E402
from scanner.report.keys import KeyHolding  # noqa: E402
from scanner.report.options import ReportOptions  # noqa: E402
from scanner.report.pages import HtmlOptions  # noqa: E402
from scanner.report.write import render_all  # noqa: E402

import report_builders as build  # noqa: E402  # tests/ first

SIZES = (10, 1_000, 20_000)
TABLES = (20_000, 100_000)
TEXTS, REPEATED = ("payroll", "decrypt 200000000042", "no such text anywhere"), 5
CHROMIUM = Path("/usr/bin/chromium")
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


def policy_of(key_arn: str) -> str:
    """A text of its own for each key: one that findings are about was edited by hand."""
    return build.POLICY.replace("LegacyShare", f"Share{key_arn[-11:]}").replace(build.OWNER, key_arn.split(":")[4])


def _account(place: int) -> str:
    return f"{100_000_000_000 + place // FINDINGS_PER_KEY // KEYS_PER_ACCOUNT}"


def _key(place: int) -> str:
    number = place // FINDINGS_PER_KEY
    digest = _digest("key", number)
    parts = (digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32])
    return f"arn:aws:kms:eu-west-1:{_account(place)}:key/{'-'.join(parts)}"


def _digest(what: str, number: int) -> str:
    """Ids as they are: nothing that can be compressed."""
    return hashlib.sha256(f"{what} {number}".encode()).hexdigest()


def _finding_id(place: int) -> str:
    """As an id of ours: 60 bits in Base32."""
    return f"kx-{base64.b32encode(bytes.fromhex(_digest('finding', place)))[:12].decode().lower()}"


def _placed(form: Finding, place: int) -> Finding:
    account, arn = _account(place), _key(place)
    name = f"team-{account[-3:]}"
    alias = f"alias/{('card', 'payroll', 'backup', 'audit')[place // 4 % 4]}-data-{place // FINDINGS_PER_KEY}"
    key = build.key_facts(
        arn=arn, account_id=account, account_name=name, key_id=arn.rsplit("/", 1)[-1], aliases=(alias,)
    )
    caller = f"{200_000_000_000 + place % 97}"
    return replace(
        form,
        id=_finding_id(place),
        mechanism=replace(form.mechanism, statements=_of_key(form.mechanism.statements, arn)),
        path=replace(
            form.path,
            layers=tuple(replace(gate, statements=_of_key(gate.statements, arn)) for gate in form.path.layers),
        ),
        evidence=tuple(replace(part, source_arn=arn, sha256=_text_of(part.sha256, arn)) for part in form.evidence),
        title=form.title.replace("alias/card-data", alias).replace("999988887777", caller),
        severity=tuple(Severity)[place % 5],
        key=key,
        resource=replace(form.resource, arn=arn, account_id=account, account_name=name),
        grantee=replace(
            form.grantee, account_id=caller, account_name="", vendor="", selector=f"arn:aws:iam::{caller}:root"
        ),
    )


def _of_key(refs: tuple[StatementRef, ...], arn: str) -> tuple[StatementRef, ...]:
    """The statements as those of another key: what a finding cites stands in its own key's policy."""
    return tuple(replace(ref, source=arn, sha256=_text_of(ref.sha256, arn)) for ref in refs)


def _text_of(sha256: str, key_arn: str) -> str:
    """The hash of the key's own policy in place of the one they are made from; that of a grant stays."""
    return build.sha256(policy_of(key_arn)) if sha256 == build.sha256(build.POLICY) else sha256


def sources_of(number: int) -> PageSources:
    """Keys, texts and holdings; a key without findings carries what its account's template says, one text for all."""
    given = rows(number)
    cited = {_key(place) for place in range(0, number, FINDINGS_PER_KEY)}
    held = {row.key_arn: row.key_arn if row.key_arn in cited else _template(row.account_id) for row in given}
    texts = {build.sha256(text): text for text in map(policy_of, set(held.values()))}
    holdings = {
        key: KeyHolding((("key policy `default`", build.sha256(policy_of(named))),)) for key, named in held.items()
    }
    return PageSources(given, {}, lambda sha256: texts.get(sha256) or build.documents(sha256), holdings.__getitem__)


def _template(account_id: str) -> str:
    """Stands for the key whose text every key without findings of an account has."""
    return f"arn:aws:kms:eu-west-1:{account_id}:key/00000000-0000-0000-0000-000000000000"


def measure(number: int, folder: Path) -> tuple[float, list[int]]:
    """Seconds to render so many findings, and the sizes of the pages."""
    directory = RunDirectory.create(folder, f"{number}")
    sources = sources_of(number)
    document = build.document(findings=findings(number))
    started = perf_counter()
    render_all(document, sources, directory, ReportOptions(("html",)))
    seconds = perf_counter() - started
    pages = [name for name in directory.files() if name.endswith(".html")]
    return seconds, sorted((directory.path / name).stat().st_size for name in pages)


def index_of(number: int, path: Path) -> float:
    """Write the index of so many findings, without the pages; seconds."""
    sources = PageSources(rows(number), {}, build.documents)
    document = build.document(findings=findings(number))
    started = perf_counter()
    _, content = next(render_pages(document, sources, HtmlOptions()))
    path.write_bytes(content)
    return perf_counter() - started


SEARCH = """text => new Promise(done => {
  const box = document.querySelector(".all [type=search]"), started = performance.now();
  box.value = text;
  box.dispatchEvent(new Event("input"));
  const spent = performance.now() - started;
  requestAnimationFrame(() => setTimeout(() => done([spent, performance.now() - started])));
})"""
"""Milliseconds that the script takes for a text, and until the next picture is drawn."""


def in_chromium(path: Path) -> str:
    """How long the table of an index takes to be there, and to answer three texts, the best of a few times."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - the rest of the benchmark needs no browser

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        started = perf_counter()
        page.goto(path.as_uri(), wait_until="commit")
        page.locator(".lines .line").first.wait_for(timeout=120_000)
        ready = perf_counter() - started
        times = [min(page.evaluate(SEARCH, text) for _ in range(REPEATED)) for text in TEXTS]
        browser.close()
    filtered = ", ".join(f"{spent:.0f} ({drawn:.0f})" for spent, drawn in times)
    return f"ready in {ready:.2f} s, three texts filtered (and drawn) in {filtered} ms"


def tables(folder: Path) -> None:
    """Print one line per number of findings in the table."""
    for number in TABLES:
        path = folder / f"index-{number}.html"
        seconds = index_of(number, path)
        data = len(path.read_text().split('type="application/octet-stream">', 1)[1].split("<", 1)[0])
        opened = in_chromium(path) if CHROMIUM.is_file() else "no Chromium to open it with"
        size = f"{path.stat().st_size / 1e6:.2f} MB, table {data / 1e6:.2f} MB"
        print(f"{number:>7,} findings: index {size}, rendered in {seconds:.1f} s; {opened}")


def main(folder: Path) -> None:
    """Print one line per number of findings."""
    smallest = 0
    for number in SIZES:
        seconds, sizes = measure(number, folder)
        smallest = smallest or sum(sizes)
        each = (sum(sizes) - smallest) / max(number - SIZES[0], 1)
        whole = sum(sizes) / number
        print(
            f"{number:>6,} findings: {len(sizes)} pages, {sum(sizes) / 1e6:.1f} MB, largest {sizes[-1] / 1e6:.2f} MB, "
            f"{seconds:.1f} s, {each:,.0f} bytes per finding with its share of keys, "
            f"{whole:,.0f} with its share of everything"
        )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Measure the HTML report.")
    arguments.add_argument("--table", action="store_true", help="the table on the index of a split report")
    arguments.add_argument("folder", nargs="?", type=Path, help="where the reports stay")
    given = arguments.parse_args()
    measured = tables if given.table else main
    if given.folder:
        measured(given.folder)
    else:
        with tempfile.TemporaryDirectory() as made:
            measured(Path(made))
