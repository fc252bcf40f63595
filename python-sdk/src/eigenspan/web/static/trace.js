// One trace: choose a span by click or keys, fold branches, ask for more rows.
"use strict";

const tree = document.getElementById("tree");
const details = document.getElementById("details");
const fold = document.getElementById("fold");
const base = `/trace/${tree.dataset.trace}`;
let asking = null;

const depth = (row) => Number(row.dataset.depth);
const folded = (row) => row.getAttribute("aria-expanded") === "false";
const parent = (row) => row.hasAttribute("aria-expanded");

/** Hide what is under folded rows, from `row` on. */
function apply(row = tree.firstElementChild) {
  let under = Infinity;
  let level = row ? depth(row) : 0;
  for (let other = row?.previousElementSibling; other && level > 0; other = other.previousElementSibling) {
    if (depth(other) >= level) continue;
    level = depth(other);
    if (folded(other)) under = level;
  }
  for (; row; row = row.nextElementSibling) {
    if (depth(row) <= under) under = Infinity;
    row.hidden = under !== Infinity;
    if (under === Infinity && folded(row)) under = depth(row);
  }
}

function setFolded(row, on) {
  row.setAttribute("aria-expanded", String(!on));
  apply(row);
}

/** Whether a click is on the triangle: by place, for rows just scrolled to may not have drawn it yet. */
function onTwist(row, x) {
  const box = row.querySelector(".twist")?.getBoundingClientRect();
  return Boolean(box && box.width && x >= box.left - 2 && x <= box.right + 2);
}

function focus(row) {
  for (const other of tree.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
  row.tabIndex = 0;
  row.focus();
}

/** Show a span's details beside the tree and put it in the address. */
async function choose(row) {
  for (const other of tree.querySelectorAll('[aria-selected="true"]')) other.setAttribute("aria-selected", "false");
  row.setAttribute("aria-selected", "true");
  focus(row);
  asking?.abort();
  const mine = (asking = new AbortController());
  details.setAttribute("aria-busy", "true");
  try {
    const text = await fragment(`${base}/spans/${encodeURIComponent(row.dataset.key)}`, mine.signal);
    details.replaceChildren(parsed(text));
    details.scrollTop = 0;
    history.replaceState(null, "", `${base}?span=${encodeURIComponent(row.dataset.key)}`);
    details.removeAttribute("aria-busy");
  } catch (error) {
    if (error.name === "AbortError") return;
    details.removeAttribute("aria-busy");
    details.textContent = "The collector did not answer.";
  }
}

/** The next row that is to be seen. */
function next(row, forward) {
  do row = forward ? row.nextElementSibling : row.previousElementSibling;
  while (row && row.hidden);
  return row;
}

function above(row) {
  for (let other = row.previousElementSibling; other; other = other.previousElementSibling) {
    if (depth(other) < depth(row)) return other;
  }
  return null;
}

async function more(link) {
  const from = Number(link.dataset.from);
  const text = await fragment(`${base}/rows?from=${from}`);
  const last = tree.lastElementChild;
  tree.append(parsed(text));
  apply(last);
  const shown = tree.childElementCount;
  const total = Number(tree.dataset.total);
  document.getElementById("shown").textContent = `${shown.toLocaleString("en")} of ${total.toLocaleString("en")} spans shown. `;
  say(`${shown} of ${total} spans shown`);
  link.dataset.from = String(shown);
  link.textContent = `Show ${Math.min(Number(link.dataset.step), total - shown).toLocaleString("en")} more`;
  if (shown >= total) link.remove();
}

tree.addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (onTwist(row, event.clientX)) setFolded(row, !folded(row));
  else choose(row);
});

tree.addEventListener("keydown", (event) => {
  const row = event.target.closest(".row");
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
  let to = null;
  switch (event.key) {
    case "ArrowDown": case "j": to = next(row, true); break;
    case "ArrowUp": case "k": to = next(row, false); break;
    case "Home": to = tree.firstElementChild; break;
    case "End": to = tree.lastElementChild; while (to?.hidden) to = to.previousElementSibling; break;
    case "ArrowRight": if (parent(row)) { if (folded(row)) setFolded(row, false); else to = next(row, true); } break;
    case "ArrowLeft": if (parent(row) && !folded(row)) setFolded(row, true); else to = above(row); break;
    case "Enter": case " ": choose(row); break;
    default: return;
  }
  event.preventDefault();
  if (to) focus(to);
});

document.getElementById("more")?.addEventListener("click", async (event) => {
  event.preventDefault();
  const link = event.currentTarget;
  if (link.getAttribute("aria-busy")) return;
  link.setAttribute("aria-busy", "true");
  try { await more(link); } catch { say("The collector did not answer"); }
  link.removeAttribute("aria-busy");
});

fold.addEventListener("click", () => {
  const rows = [...tree.querySelectorAll(".row[aria-expanded]")].filter((row) => depth(row) > 0);
  const on = fold.textContent === "Collapse all";
  for (const row of rows) row.setAttribute("aria-expanded", String(!on));
  apply();
  fold.textContent = on ? "Expand all" : "Collapse all";
});

fold.hidden = !tree.querySelector('.row[aria-expanded]:not([data-depth="0"])');
tree.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
