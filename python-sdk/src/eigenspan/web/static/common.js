// Shared by every page: copy buttons, and words for screen readers.
"use strict";

/** Say something to those who listen. */
function say(text) {
  document.getElementById("said").textContent = text;
}

/** A fragment of this origin as nodes; the server has escaped all that came from outside. */
async function fragment(url, signal) {
  const answer = await fetch(url, { signal, headers: { accept: "text/html" }, credentials: "same-origin" });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.text();
}

/** Parsed markup; scripts in it would not run, and there are none. */
function parsed(text) {
  const holder = document.createElement("template");
  holder.innerHTML = text;
  return holder.content;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    const code = button.parentElement.querySelector("code");
    if (code) getSelection().selectAllChildren(code);
    button.textContent = "Press Ctrl-C";
  }
  say(button.textContent);
  setTimeout(() => { button.textContent = before; }, 1500);
});

// Sent by script: without referrers a form's own request would name no origin.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form.demo");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  let text = "Sent: they show once they are decided";
  try {
    const answer = await fetch(form.action, { method: "POST", redirect: "manual" });
    if (answer.type !== "opaqueredirect") text = (await answer.text()).match(/<h1>(.*?)<\/h1>/)?.[1] ?? "The collector did not take them";
  } catch { text = "The collector did not answer"; }
  form.querySelector("p").textContent = text;
  say(text);
  button.disabled = false;
});
