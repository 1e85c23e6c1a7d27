/* All findings of a split report as a grid of which only the rows in sight exist. Without it the worst ones stay. */
(async () => {
const d = document, box = d.querySelector(".all"), fixed = d.querySelector(".fixed"), data = d.querySelector(".packed");
if (!box || !fixed || !data || !self.DecompressionStream) return;
const swap = on => { box.hidden = !on; fixed.classList.toggle("off", on) };
swap(true);
try {
  const packed = atob(data.textContent), bytes = new Uint8Array(packed.length);
  data.textContent = "";
  for (let i = 0; i < bytes.length; i++) bytes[i] = packed.charCodeAt(i);
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { findings, columns } = JSON.parse(await new Response(unpacked).text());
  for (const column of Object.values(columns)) {
    column.rows = Uint32Array.from(column.rows || column.values.keys());
    column.lower = column.values.map(value => value.toLowerCase());
  }
  const value = (name, row) => columns[name].values[columns[name].rows[row]];
  const grid = box.querySelector(".grid"), head = grid.querySelector(".head"), body = grid.querySelector(".lines");
  const status = box.querySelector(".matching"), search = box.querySelector("[type=search]");
  const choices = [...box.querySelectorAll("[type=checkbox]")], filtered = [...new Set(choices.map(e => e.dataset.column))];
  const searched = ["title", "name", "arn", "account", "grantee", "selector", "id"];
  const ids = /^[a-z0-9-]+$/, pages = /^report\/(?:[0-9]{12}|other)(?:-[0-9]+)?\.html$/, most = 1e7, spare = 6;
  let shown = [], lines = new Map(), active = 0, height = 1;

  /* Rows: our elements, with texts of AWS as text. */
  const made = (name, text, parent, role) => {
    const e = d.createElement(name);
    if (text) e.textContent = text;
    if (role) e.setAttribute("role", role);
    parent.append(e);
    return e;
  };
  const prose = (text, parent) => {
    const parts = text.split("`");
    if (parts.length % 2 === 0) parts.push(parts.splice(-2).join("`"));
    parts.forEach((part, i) => made(i % 2 ? "code" : "span", part, parent));
  };
  const words = text => text.replaceAll("_", " ");
  const line = place => {
    const row = shown[place], of = name => value(name, row), e = d.createElement("div");
    const cell = () => made("div", "", e, "gridcell");
    e.setAttribute("role", "row");
    e.setAttribute("class", "line");
    e.setAttribute("aria-rowindex", place + 2);
    e.dataset.place = place;
    const first = cell(), tags = made("div", "", first), what = cell();
    made("span", of("severity"), tags).setAttribute("class", "tag sev-" + of("severity"));
    made("span", of("verdict"), tags).setAttribute("class", "tag v-" + of("verdict"));
    const link = made("a", of("id"), first);
    link.setAttribute("tabindex", -1);
    if (ids.test(of("id")) && pages.test(of("page"))) link.setAttribute("href", of("page") + "#" + of("id"));
    prose(of("title"), made("div", "", what));
    made("small", words(of("kind")) + ", " + words(of("party")), what);
    for (const [one, other] of [["name", "arn"], ["account"], ["grantee", "selector"]]) {
      const e = cell();
      made("div", of(one), e);
      if (other) made("small", of(other), e);
      e.setAttribute("title", of(one) + (other ? "\n" + of(other) : ""));
    }
    what.setAttribute("title", of("title"));
    return e;
  };

  /* A list longer than browsers can lay out moves faster than the bar beside it. */
  const view = () => grid.clientHeight - head.offsetHeight;
  const room = () => Math.min(shown.length * height, most);
  const scale = () => room() > view() ? (shown.length * height - view()) / (room() - view()) : 1;
  const draw = () => {
    const bar = grid.scrollTop, top = bar * scale(), bottom = top + view();
    const from = Math.max(0, Math.floor(top / height) - spare), to = Math.min(shown.length, Math.ceil(bottom / height) + spare);
    body.style.height = room() + "px";
    for (const [place, e] of lines) if (place < from || place >= to) {
      if (e.contains(d.activeElement)) grid.focus({ preventScroll: true });
      e.remove();
      lines.delete(place);
    }
    const stop = active >= from && active < to ? active : Math.min(Math.ceil(top / height), to - 1);
    let after = null;
    for (let place = to - 1; place >= from; place--) {
      let e = lines.get(place);
      if (!e) lines.set(place, e = line(place)), body.insertBefore(e, after);
      e.style.transform = `translateY(${place * height - top + bar}px)`;
      e.querySelector("a").setAttribute("tabindex", place === stop ? 0 : -1);
      after = e;
    }
  };
  const clear = () => { lines.forEach(e => e.remove()); lines.clear() };
  const measure = () => {
    clear();
    if (shown.length) {
      const e = line(0);
      body.append(e);
      height = e.getBoundingClientRect().height || 1;
      e.remove();
    }
    draw();
  };
  const go = place => {
    active = Math.max(0, Math.min(place, shown.length - 1));
    const at = active * height, top = grid.scrollTop * scale();
    if (at < top) grid.scrollTop = at / scale();
    else if (at + height > top + view()) grid.scrollTop = (at + height - view()) / scale();
    draw();
    lines.get(active)?.querySelector("a").focus({ preventScroll: true });
  };

  /* Every different text is looked at once, whatever the number of rows that have it, and only where a row is left. */
  const tested = (column, texts, test) => ({ rows: column.rows, texts, test, marks: new Uint8Array(texts.length) });
  const holds = ({ rows, texts, test, marks }, row) => (marks[rows[row]] ||= test(texts[rows[row]]) ? 2 : 1) > 1;
  const narrow = (keep, any) => {
    for (let row = 0; row < findings; row++) if (keep[row] && !any.some(column => holds(column, row))) keep[row] = 0;
  };
  const find = () => {
    const keep = new Uint8Array(findings).fill(1);
    for (const word of search.value.toLowerCase().split(/\s+/).filter(Boolean))
      narrow(keep, searched.map(name => tested(columns[name], columns[name].lower, text => text.includes(word))));
    const found = search.value ? keep.reduce((number, kept) => number + kept, 0) : 0;
    for (const name of filtered) {
      const on = new Set(choices.filter(e => e.dataset.column === name && e.checked).map(e => e.value));
      narrow(keep, [tested(columns[name], columns[name].values, text => on.has(text))]);
    }
    shown = [];
    keep.forEach((kept, row) => { if (kept) shown.push(row) });
    const count = number => number.toLocaleString("en"), hidden = found - shown.length;
    status.textContent = `${count(shown.length)} of ${count(findings)} findings shown` +
      (hidden > 0 ? `, ${count(hidden)} with this text hidden by filters` : "");
    grid.setAttribute("aria-rowcount", shown.length + 1);
    grid.setAttribute("tabindex", shown.length ? -1 : 0);
    active = grid.scrollTop = 0;
    measure();
  };

  grid.onkeydown = e => {
    const page = Math.max(1, Math.floor(view() / height) - 1);
    const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: shown.length - 1 }[e.key];
    if (to === undefined || e.altKey || e.metaKey) return;
    e.preventDefault();
    go(to);
  };
  grid.onscroll = draw;
  grid.addEventListener("focusin", e => { const row = e.target.closest("[data-place]"); if (row) active = +row.dataset.place });
  search.oninput = find;
  choices.forEach(e => e.onchange = find);
  onresize = measure;
  find();
} catch { swap(false) }
})()
