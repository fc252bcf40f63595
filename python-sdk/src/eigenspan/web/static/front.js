// The overview: it refreshes by itself, unless someone reads in it.
"use strict";

const INTERVAL_MS = 5000;
const live = document.getElementById("live");
let shown = null;
let asking = false;

async function refresh() {
  const reading = live.contains(document.activeElement) || live.matches(":hover") || !getSelection().isCollapsed;
  if (document.hidden || asking || reading) return;
  asking = true;
  try {
    const text = await fragment(live.dataset.source);
    if (text !== shown && !live.contains(document.activeElement)) live.replaceChildren(parsed(text));
    shown = text;
  } catch { /* the next turn asks again */ }
  asking = false;
}

if (live) setInterval(refresh, INTERVAL_MS);
else setInterval(async () => { // nothing is stored yet: look whether that has changed
  if (document.hidden) return;
  try { if (!(await fragment("/")).includes('class="empty"')) location.reload(); } catch { /* later */ }
}, 2000);
