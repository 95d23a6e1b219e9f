// Live regions, keyboard shortcuts and local times.  Pages work without this script, as links and forms.

const liveBadge = document.getElementById("live");
let paused = false, changePending = false, timer = 0;

function setLiveState(state, word) {
  liveBadge.dataset.state = state;
  liveBadge.querySelector(".word").textContent = word;
}

// --- live regions: on a change, the page is fetched again and its [data-live] elements are replaced -----------------------

// What the reader has ticked, opened, typed, selected or focused stays.
function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  const ticked = [...old.querySelectorAll("input:checked")].map((box) => box.value);
  const open = [...old.querySelectorAll("details[open]")].map((details) => details.closest("[data-key]")?.dataset.key);
  const known = new Set([...old.querySelectorAll("[data-key]")].map((row) => row.dataset.key));
  const hasFocus = old.contains(document.activeElement);
  const focusedKey = hasFocus ? document.activeElement.closest("[data-key]")?.dataset.key : null;
  const focusedId = hasFocus ? document.activeElement.id : "";
  const selected = old.querySelector("[aria-selected=true]")?.dataset.key;
  const typed = [...old.querySelectorAll("input[type=text], select")].map((field) => [field.id, field.value]);
  old.toggleAttribute("data-poll", fresh.hasAttribute("data-poll"));
  old.replaceChildren(...fresh.childNodes);
  for (const [id, value] of typed) { const field = document.getElementById(id); if (field) field.value = value; }
  if (focusedId) document.getElementById(focusedId)?.focus({ preventScroll: true });
  for (const box of old.querySelectorAll("input[type=checkbox]")) box.checked = ticked.includes(box.value);
  for (const details of old.querySelectorAll("details")) if (open.includes(details.closest("[data-key]")?.dataset.key)) details.open = true;
  for (const row of old.querySelectorAll("[data-key]")) {
    if (known.size && !known.has(row.dataset.key)) row.classList.add("new");
    if (row.dataset.key === selected) row.setAttribute("aria-selected", "true");
    if (row.dataset.key === focusedKey) row.querySelector("a")?.focus({ preventScroll: true });
  }
}

async function refresh() {
  changePending = false;
  const response = await fetch(location.href, { headers: { accept: "text/html" } });
  if (response.redirected) { location.reload(); return; }  // the session is over
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const region of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(region.id);
    if (!fresh) continue;
    if ("newest" in region.dataset && region.querySelector("input:checked, [aria-selected=true]")) offerNewRows(region, fresh);
    else merge(region, fresh);
  }
  addLocalTimes(document);
  showCopyButtons(document);
}

// While a row is selected, rows must not move: new rows wait behind a button.
function offerNewRows(region, fresh) {
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

function onChange() {
  if (paused || document.hidden) { changePending = true; return; }
  clearTimeout(timer);
  timer = setTimeout(() => refresh().catch(() => setLiveState("lost", "reconnecting")), 250);
}

if (document.querySelector("[data-live]")) {
  const source = new EventSource("/live");
  source.addEventListener("open", () => setLiveState("on", "live"));
  source.addEventListener("error", () => setLiveState("lost", "reconnecting"));
  source.addEventListener("changed", onChange);
  addEventListener("pagehide", () => source.close());
  document.addEventListener("visibilitychange", () => { if (!document.hidden && changePending) onChange(); });
}

// A bulk action's progress does not always change the queue's figures, so its page is polled while it runs.
setInterval(() => { if (document.querySelector("[data-poll]") && !paused) refresh().catch(() => {}); }, 1000);

// --- keyboard shortcuts ---------------------------------------------------------------------------------------------------

function selectRow(step) {
  const rows = [...document.querySelectorAll("tr[data-href]")];
  if (!rows.length) return;
  const index = rows.findIndex((row) => row.ariaSelected === "true");
  const next = rows[Math.min(Math.max(index + step, 0), rows.length - 1)];
  for (const row of rows) row.removeAttribute("aria-selected");
  next.setAttribute("aria-selected", "true");
  next.scrollIntoView({ block: "nearest" });
}

function togglePause() {
  paused = !paused;
  setLiveState(paused ? "paused" : "on", paused ? "paused" : "live");
  if (!paused && changePending) onChange();
}

let goPressedAt = 0;
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  const row = document.querySelector("tr[aria-selected=true]");
  if (Date.now() - goPressedAt < 1500) {
    goPressedAt = 0;
    document.querySelector(`nav a[data-go="${CSS.escape(event.key)}"]`)?.click();
    return;
  }
  switch (event.key) {
    case "/": (document.getElementById("q") ?? document.getElementById("quick-search")).focus(); event.preventDefault(); break;
    case "?": document.getElementById("keys").showModal(); break;
    case "g": goPressedAt = Date.now(); break;
    case "j": selectRow(1); break;
    case "k": selectRow(-1); break;
    case "p": togglePause(); break;
    case "Enter": if (row && event.target === document.body) location.href = row.dataset.href; break;
    case "x": { const box = row?.querySelector("input[type=checkbox]"); if (box) box.checked = !box.checked; break; }
  }
});

// --- copy buttons: shown where the browser has a clipboard ----------------------------------------------------------------

function showCopyButtons(root) {
  for (const button of root.querySelectorAll("button[data-copy][hidden]")) button.hidden = !navigator.clipboard;
}
addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = "Copied";
});
showCopyButtons(document);

// --- the countdown to the next tick ---------------------------------------------------------------------------------------

setInterval(() => {
  for (const time of document.querySelectorAll("time[data-countdown]")) {
    const left = Math.round((new Date(time.dateTime) - Date.now()) / 1000);
    time.textContent = `${((left % 60) + 60) % 60} s`;
  }
}, 1000);

// --- times: written in UTC, with the browser's time zone in the tooltip ---------------------------------------------------

function addLocalTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    time.dataset.local = "";
    const local = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    time.title = `${time.title}\n${local} here`;
  }
}
addLocalTimes(document);
