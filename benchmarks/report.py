"""Size and render time of the HTML report per finding, and how it is split: `python benchmarks/report.py [DIR]`.

The findings are those that the analysis makes of an organization of `benchmarks/org.py`, with remedies, copied under
other names until there are enough (`benchmarks/reported.py`): nothing of a card is made up here. A key without findings
takes room as well, so the share of all keys is told beside the cards. With a folder, the reports stay there, to be
opened in a browser. Figures depend on the machine; bytes do not. `--table` measures the table on the index of a split
report instead, in Chromium where it is installed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from time import perf_counter

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from scanner.model.finding import Finding, KeyRow, Severity  # noqa: E402
from scanner.report.context import PageSources  # noqa: E402
from scanner.report.directory import RunDirectory  # noqa: E402
from scanner.report.html import render_pages  # noqa: E402
from scanner.report.options import ReportOptions  # noqa: E402
from scanner.report.pages import HtmlOptions  # noqa: E402
from scanner.report.write import render_all  # noqa: E402

import report_builders as build  # noqa: E402  # tests/ first
from reported import Reported, reported, side_by_side  # noqa: E402
from synthetic.shape import Shape  # noqa: E402

ORGANIZATION = Shape(200, 100, 0, "")
SIZES = (1_000, 20_000)
TABLES = (20_000, 100_000)
TEXTS, REPEATED = ("payroll", "decrypt 200000000042", "no such text anywhere"), 5
CHROMIUM = Path("/usr/bin/chromium")
FINDINGS_PER_KEY = 4
KEYS_PER_ACCOUNT = 50
CARD = re.compile(r'<details class="finding.*?</details>', re.DOTALL)
KEYS = re.compile(r'<section id="keys".*?</section>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of the pages of a report: all of each page, each card, and all that is said of keys."""

    pages: tuple[int, ...]
    cards: tuple[int, ...]
    keys: int


def sizes_of(pages: Iterable[str]) -> Sizes:
    """The sizes of pages."""
    whole: list[int] = []
    cards: list[int] = []
    keys = 0
    for page in pages:
        whole.append(len(page.encode()))
        cards += (len(card.encode()) for card in CARD.findall(page))
        keys += sum(len(section.encode()) for section in KEYS.findall(page))
    return Sizes(tuple(sorted(whole)), tuple(cards), keys)


def measure(one: Reported, number: int, folder: Path) -> tuple[float, Sizes, int]:
    """Seconds to render so many findings, the sizes of the pages, and how many keys there are."""
    directory = RunDirectory.create(folder, f"{number}")
    many = side_by_side(one, number)
    started = perf_counter()
    render_all(many.document, many.sources, directory, ReportOptions(("html",)))
    seconds = perf_counter() - started
    pages = [name for name in directory.files() if name.endswith(".html")]
    return seconds, sizes_of((directory.path / name).read_text("utf-8") for name in pages), len(many.rows)


def findings(number: int) -> tuple[Finding, ...]:
    """Findings for the table: of three forms in turn, four to a key, fifty keys to an account."""
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
        title=form.title.replace("alias/card-data", alias).replace("999988887777", caller),
        severity=tuple(Severity)[place % 5],
        key=key,
        resource=replace(form.resource, arn=arn, account_id=account, account_name=name),
        grantee=replace(
            form.grantee, account_id=caller, account_name="", vendor="", selector=f"arn:aws:iam::{caller}:root"
        ),
    )


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


OPENED = """() => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"""
"""Milliseconds from the start of the navigation until the page is drawn."""


def opened(path: Path) -> str:
    """How long a page takes to be drawn, the best of a few times."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - the rest of the benchmark needs no browser

    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(REPEATED):
            page = browser.new_page()
            page.goto(path.as_uri())
            times.append(page.evaluate(OPENED) / 1000)
            page.close()
        browser.close()
    return f"opened in {min(times):.1f} s"


def main(folder: Path) -> None:
    """Print two lines per number of findings."""
    (folder / "made-up").mkdir()
    one = reported(ORGANIZATION, folder / "made-up")
    for number in SIZES:
        seconds, sizes, keys = measure(one, number, folder)
        first = folder / f"{number}" / "report.html"
        shown = opened(first) if CHROMIUM.is_file() else "no Chromium to open it with"
        print(
            f"{number:>6,} findings, {keys:,} keys: {len(sizes.pages)} pages, {sum(sizes.pages) / 1e6:.1f} MB, "
            f"largest {sizes.pages[-1] / 1e6:.2f} MB, rendered in {seconds:.1f} s; report.html {shown}\n"
            f"{'':16} {mean(sizes.cards):,.0f} bytes per card, {sizes.keys / keys:,.0f} per key, "
            f"{(sum(sizes.pages) - sizes.keys) / number:,.0f} per finding without keys, "
            f"{sum(sizes.pages) / number:,.0f} with everything"
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
