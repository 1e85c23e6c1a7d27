/* Text search, a live count, and opening the card that a link points at. The page works without any of it.
   A card is searched with the shared evidence that it leads to. */
(() => {
const d=document, $=s=>d.querySelector(s), q=$("#q"), n=$(".shown"), c=[...d.querySelectorAll(".findings .finding, .row")],
text=e=>(e.textContent+[...e.querySelectorAll("[href^='#e']")].map(a=>$(a.hash).textContent)).toLowerCase(),
count=()=>{const m=c.filter(e=>!e.matches(".off")), s=m.filter(e=>e.checkVisibility()).length, x=m.length-s; n.textContent=s+n.dataset.of+(q.value&&x?`, ${x} with this text hidden by filters`:"")},
find=()=>{c.forEach(e=>e.classList.toggle("off",!text(e).includes(q.value.toLowerCase()))); count()},
open=()=>{const e=d.getElementById(location.hash.slice(1)), p=e?.closest("details"); if(p){p.classList.remove("off"); p.open=1; e.scrollIntoView()}};
q.parentNode.hidden=0;
q.oninput=find;
d.onchange=count;
onhashchange=open;
find(); open()
})()
