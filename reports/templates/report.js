/* Text search, a live count, and opening the card that a link points at. The page works without any of it. */
(() => {
const d = document, q = d.querySelector("#q"), n = d.querySelector(".shown"), c = [...d.querySelectorAll(".findings .finding, .row")],
count = () => { const m = c.filter(e => !e.classList.contains("off")), s = m.filter(e => e.checkVisibility()).length, x = m.length - s; n.textContent = s + n.dataset.of + (q.value && x ? `, ${x} with this text hidden by filters` : "") },
find = () => { c.forEach(e => e.classList.toggle("off", !e.textContent.toLowerCase().includes(q.value.toLowerCase()))); count() },
open = () => { const e = d.getElementById(location.hash.slice(1)), p = e?.closest("details"); if (p) { p.classList.remove("off"); p.open = true; e.scrollIntoView() } };
q.parentNode.hidden = false;
q.oninput = find;
d.onchange = count;
onhashchange = open;
find(); open()
})()
