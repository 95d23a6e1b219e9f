// What a page can do beyond links and forms: live regions, keys, times in the reader's own zone.  Without it all works, too.

const live = document.getElementById("live");
let paused = false, waiting = false, timer = 0;

function say(state, word) {
  live.dataset.state = state;
  live.querySelector(".word").textContent = word;
}

// --- live: the server says that something changed; the page is fetched again, and its live regions are patched -----------

function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  const held = [...old.querySelectorAll("input:checked")].map((box) => box.value);
  const open = [...old.querySelectorAll("details[open]")].map((box) => box.closest("[data-key]")?.dataset.key);
  const known = new Set([...old.querySelectorAll("[data-key]")].map((row) => row.dataset.key));
  const focused = old.contains(document.activeElement) ? document.activeElement.closest("[data-key]")?.dataset.key : null;
  const selected = old.querySelector("[aria-selected=true]")?.dataset.key;
  const typing = old.contains(document.activeElement) ? document.activeElement.id : "";
  const typed = [...old.querySelectorAll("input[type=text], select")].map((field) => [field.id, field.value]);
  old.toggleAttribute("data-poll", fresh.hasAttribute("data-poll"));
  old.replaceChildren(...fresh.childNodes);
  for (const [id, value] of typed) { const field = document.getElementById(id); if (field) field.value = value; }
  if (typing) document.getElementById(typing)?.focus({ preventScroll: true });
  for (const box of old.querySelectorAll("input[type=checkbox]")) box.checked = held.includes(box.value);
  for (const box of old.querySelectorAll("details")) if (open.includes(box.closest("[data-key]")?.dataset.key)) box.open = true;
  for (const row of old.querySelectorAll("[data-key]")) {
    if (known.size && !known.has(row.dataset.key)) row.classList.add("new");
    if (row.dataset.key === selected) row.setAttribute("aria-selected", "true");
    if (row.dataset.key === focused) row.querySelector("a")?.focus({ preventScroll: true });
  }
}

async function refresh() {
  waiting = false;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (answer.redirected) { location.reload(); return; }  // the session is over
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const region of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(region.id);
    if (!fresh) continue;
    if ("newest" in region.dataset && region.querySelector("input:checked, [aria-selected=true]")) offer(region, fresh);
    else merge(region, fresh);
  }
  localise(document);
  copyable(document);
}

// Rows do not jump while one is selected: what is new waits behind a button.
function offer(region, fresh) {
  const known = new Set([...region.querySelectorAll("tr[data-key]")].map((row) => row.dataset.key));
  const count = [...fresh.querySelectorAll("tr[data-key]")].filter((row) => !known.has(row.dataset.key)).length;
  let pill = document.getElementById("pill");
  if (!count) return;
  if (!pill) {
    pill = document.createElement("button");
    pill.id = "pill"; pill.className = "pill"; pill.type = "button";
    region.before(pill);
  }
  pill.textContent = `${count} new: show`;
  pill.onclick = () => { pill.remove(); merge(region, fresh); };
}

function changed() {
  if (paused || document.hidden) { waiting = true; return; }
  clearTimeout(timer);
  timer = setTimeout(() => refresh().catch(() => say("lost", "reconnecting")), 250);
}

if (document.querySelector("[data-live]")) {
  const source = new EventSource("/live");
  source.addEventListener("open", () => say("on", "live"));
  source.addEventListener("error", () => say("lost", "reconnecting"));
  source.addEventListener("changed", changed);
  addEventListener("pagehide", () => source.close());
  document.addEventListener("visibilitychange", () => { if (!document.hidden && waiting) changed(); });
}

// What this server does by itself, the database tells only in part: it is asked while it runs.
setInterval(() => { if (document.querySelector("[data-poll]") && !paused) refresh().catch(() => {}); }, 1000);

// --- keys ----------------------------------------------------------------------------------------------------------------

const rows = () => [...document.querySelectorAll("tr[data-href]")];

function select(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.ariaSelected === "true");
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  for (const row of all) row.removeAttribute("aria-selected");
  next.setAttribute("aria-selected", "true");
  next.scrollIntoView({ block: "nearest" });
}

function togglePause() {
  paused = !paused;
  say(paused ? "paused" : "on", paused ? "paused" : "live");
  if (!paused && waiting) changed();
}

let gone = 0;
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  const row = document.querySelector("tr[aria-selected=true]");
  if (Date.now() - gone < 1500) {
    gone = 0;
    document.querySelector(`nav a[data-go="${CSS.escape(event.key)}"]`)?.click();
    return;
  }
  switch (event.key) {
    case "/": (document.getElementById("q") ?? document.getElementById("find")).focus(); event.preventDefault(); break;
    case "?": document.getElementById("keys").showModal(); break;
    case "g": gone = Date.now(); break;
    case "j": select(1); break;
    case "k": select(-1); break;
    case "p": togglePause(); break;
    case "Enter": if (row && event.target === document.body) location.href = row.dataset.href; break;
    case "x": { const box = row?.querySelector("input[type=checkbox]"); if (box) box.checked = !box.checked; break; }
  }
});

// --- copying -------------------------------------------------------------------------------------------------------------

function copyable(root) {
  for (const button of root.querySelectorAll("button[data-copy][hidden]")) button.hidden = !navigator.clipboard;
}
addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = "Copied";
});
copyable(document);

// --- the next look: counted down here, since the page comes anew only when something changed -----------------------------

setInterval(() => {
  for (const time of document.querySelectorAll("time[data-countdown]")) {
    const left = Math.round((new Date(time.dateTime) - Date.now()) / 1000);
    time.textContent = `${((left % 60) + 60) % 60} s`;
  }
}, 1000);

// --- times: the reader's own zone, on hovering; UTC stays what is written ------------------------------------------------------

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    time.dataset.local = "";
    const own = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    time.title = `${time.title}\n${own} here`;
  }
}
localise(document);
