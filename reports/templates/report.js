/* Text search, a live count, and opening the card that a link points at. The page works without any of it.
   A card is searched with the heading that it stands under and the shared evidence that it leads to; every word of the
   search must occur. */
(() => {
const d=document, a=(e,s)=>[...e.querySelectorAll(s)], [q,n]=a(d,"#q,.shown"), c=a(d,".findings .finding,.row"),
text=e=>[e,...a(e.parentNode,"h3,h3+p"),...a(e,"[href^='#e']").flatMap(l=>a(d,l.hash))].map(t=>t.textContent).join().toLowerCase(),
count=()=>{const m=c.filter(e=>!e.matches(".off")), s=m.filter(e=>e.checkVisibility()).length, x=m.length-s; n.textContent=s+n.dataset.of+(q.value?m[0]?x?`, ${x} with this text hidden by filters`:"":": none has all these words":"")},
find=()=>{const w=q.value.toLowerCase().split(" "); c.map(e=>{const t=text(e); e.classList.toggle("off",!w.every(x=>t.includes(x)))}); count()},
open=()=>{const e=d.getElementById(location.hash.slice(1)), p=e?.closest("details"); if(p){p.classList.remove("off"); p.open=1; (e.parentNode==p?p:e).scrollIntoView()}};
q.parentNode.hidden=0;
q.oninput=find;
d.onchange=count;
onhashchange=open;
find(); open()
})()
