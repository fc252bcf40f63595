// The list: filters apply as they change, the list refreshes by itself, j and k move through it.
"use strict";

const INTERVAL_MS = 3000;
const live = document.getElementById("live");
const form = document.getElementById("filters");
const button = document.getElementById("live-button");
let shown = null;
let asking = null;

const running = () => button.getAttribute("aria-pressed") === "true";
const links = () => [...live.querySelectorAll("a.open")];
const ids = () => new Set([...live.querySelectorAll("tr[data-trace]")].map((row) => row.dataset.trace));

/** Replace what changed; keep the place of the keyboard. */
function replace(text) {
  if (text === shown) return;
  const first = shown === null;
  shown = text;
  const before = ids();
  const focused = live.contains(document.activeElement) ? document.activeElement : null;
  const row = focused?.closest("tr")?.dataset.trace;
  if (focused && !row) { shown = null; return; } // someone reads or copies: leave it alone
  live.replaceChildren(parsed(text));
  if (row) live.querySelector(`tr[data-trace="${CSS.escape(row)}"] a.open`)?.focus({ preventScroll: true });
  const fresh = [...ids()].filter((id) => !before.has(id)).length;
  if (!first && fresh) say(`${fresh} new ${fresh === 1 ? "trace" : "traces"}`);
}

async function refresh() {
  if (!running() || document.hidden || asking || !getSelection().isCollapsed) return;
  asking = new AbortController();
  try {
    replace(await fragment(live.dataset.source, asking.signal));
    status(false);
  } catch (error) {
    if (error.name !== "AbortError") status(true);
  } finally {
    asking = null;
  }
}

/** Show whether the collector still answers. */
function status(lost) {
  button.classList.toggle("lost", lost);
  button.querySelector(".word").textContent = !running() ? "Paused" : lost ? "No answer" : "Live";
}

function toggle() {
  const on = !running();
  button.setAttribute("aria-pressed", String(on));
  try { sessionStorage.setItem("live", on ? "1" : "0"); } catch { /* private windows */ }
  status(false);
  say(on ? "The list refreshes" : "The list is paused");
  if (on) refresh();
}

/** Move between the traces of the list. */
function move(step) {
  const all = links();
  if (!all.length) return;
  const at = all.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
  all[next].focus();
}

/** The address without empty fields. */
function submit() {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value.trim() && !(name === "limit" && value === "50")) fields.set(name, value.trim());
  }
  const query = fields.toString();
  location.assign(query ? `/traces?${query}` : "/traces");
}

form.addEventListener("change", submit);
form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
button.addEventListener("click", toggle);
live.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-trace]");
  if (row && !event.target.closest("a") && getSelection().isCollapsed) row.querySelector("a.open").click();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const inside = live.contains(event.target);
  if (event.key === "j" || (event.key === "ArrowDown" && inside)) move(1);
  else if (event.key === "k" || (event.key === "ArrowUp" && inside)) move(-1);
  else if (event.key === "p") toggle();
  else if (event.key === "/") form.querySelector("input, select").focus();
  else return;
  event.preventDefault();
});
document.addEventListener("visibilitychange", refresh);

try { if (sessionStorage.getItem("live") === "0") button.setAttribute("aria-pressed", "false"); } catch { /* private windows */ }
button.hidden = false;
status(false);
setInterval(refresh, INTERVAL_MS);
