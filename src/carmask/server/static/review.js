// The editor's page: commands, keys, buttons.

import { $, json, make, setTheme } from "/static/common.js";
import { closeDrawer, openDrawer } from "/static/drawer.js";
import {
  accept, atRisk, autosave, current, go, keepDraft, list, loadBand, loadBehind, loadRendered, reject, reopen, save, show,
  tools, view,
} from "/static/editor.js";
import { describe, empty } from "/static/facts.js";
import { about, folder, open } from "/static/folder.js";
import { commandOf } from "/static/keys.js";
import { baseMask, takeMask } from "/static/masks.js";
import { TOOLS } from "/static/tools.js";
import { SHOWN } from "/static/view.js";

// ---- commands

function setMode(mode) {
  view.mode = mode;
  $("shown").value = mode;
  localStorage.setItem("carmask-view", mode);
  if (mode === "rendered") loadRendered();
  loadBehind();
  view.redraw();
}

// The slider goes by the root of the size: small brushes are chosen exactly, and large photos need large ones.
const LARGEST = 400;
const sizeOf = (part) => 1 + (LARGEST - 1) * (part / 100) ** 2;

function setSize(size) {
  tools.radius = Math.min(LARGEST, Math.max(1, Math.round(size)));
  $("size").value = 100 * Math.sqrt((tools.radius - 1) / (LARGEST - 1));
  $("size").ariaValueText = $("size-text").textContent = tools.radius;
}

function setHard(value) {
  $("hard").value = value;
  tools.hardness = Number($("hard").value) / 100;
  $("hard-text").textContent = `${$("hard").value} %`;
}

function useTool(tool) {
  tools.use(tool);
  for (const button of $("tools").children) button.setAttribute("aria-pressed", button.dataset.tool === tool);
}

let comparing = false;

/** Show the network's own mask for as long as it is wanted. */
async function before(on) {
  if (on === comparing || (on && !current)) return;
  comparing = on;
  $("before").setAttribute("aria-pressed", on);
  if (!on) { view.compare(null); return; }
  tools.cancel();
  const mine = current;
  const mask = await baseMask().catch(() => null);
  if (comparing && mine === current) view.compare(mask);
}

function toggleBand() {
  view.showBand = !view.showBand;
  $("band").setAttribute("aria-pressed", view.showBand);
  loadBand();
  view.redraw();
}

const COMMANDS = {
  accept, save, reject, reopen,
  next: () => go(1), previous: () => go(-1),
  search: () => { openDrawer(); $("search").focus(); },
  smaller: () => setSize(tools.radius / 1.25 - 0.3), larger: () => setSize(tools.radius * 1.25 + 0.3),
  softer: () => setHard(Math.max(0, tools.hardness * 100 - 10)), harder: () => setHard(Math.min(100, tools.hardness * 100 + 10)),
  undo: () => tools.undo(), redo: () => tools.redo(), reset: () => takeMask("base"),
  in: () => view.zoom(1.25), out: () => view.zoom(0.8), fit: () => view.fit(),
  one: () => view.zoom(view.ratio / view.scale), band: toggleBand, before: () => before(true),
  cycle: () => setMode(SHOWN[(SHOWN.findIndex(([mode]) => mode === view.mode) + 1) % SHOWN.length][0]),
  keys: () => window.open("/keys", "_blank", "noopener"),
};
for (const [tool] of TOOLS) COMMANDS[tool] = () => useTool(tool);
SHOWN.forEach(([mode], at) => { COMMANDS[`view${at + 1}`] = () => setMode(mode); });

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const typing = event.target.matches("input[type=text], input[type=search], textarea");
  if (typing) {
    if (event.key === "Escape" || (event.key === "Enter" && event.target === $("search"))) $("overlay").focus();
    return;
  }
  const onList = event.target.matches("select, input[type=range]");
  const onButton = event.target.matches("button, a");
  const arrow = ARROWS[event.key];
  if (arrow && event.target.closest?.("#photos")) {
    event.preventDefault();
    list.focusBeside(arrow[0] + arrow[1]);
    return;
  }
  if (arrow && !onList && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    if (event.altKey) view.pan(-60 * arrow[0], -60 * arrow[1]);
    else tools.step((event.shiftKey ? 1 : 10) * arrow[0], (event.shiftKey ? 1 : 10) * arrow[1]);
    return;
  }
  if (event.key === " " && !onButton && !event.target.matches("select")) {
    event.preventDefault();
    if (event.repeat) spaceDown &&= !tools.spaceHeld; // held for the mouse to move the photo
    else {
      tools.spaceHeld = !tools.stroke;
      tools.panned = false;
      spaceDown = tools.keyboard || event.target === $("overlay") || event.target === document.body;
    }
    return;
  }
  if (event.key === "Escape") { tools.cancel(); closeDrawer(); return; }
  if (event.key === "Enter" && onButton && event.target.id !== "accept" && !event.target.closest("#photos")) return;
  if (event.key === "Enter" && event.target.closest?.("#photos")) return;
  const command = commandOf(event);
  if (!command || (onList && !event.ctrlKey && event.key.length > 1)) return;
  event.preventDefault();
  if (event.repeat && ["accept", "save", "reject", "reopen"].includes(command)) return;
  if (command !== "before") before(false);
  COMMANDS[command]?.();
});
let spaceDown = false; // it begins or ends a stroke when it is let go
addEventListener("keyup", (event) => {
  if (event.key === " ") {
    tools.spaceHeld = false;
    if (spaceDown && !tools.panned) tools.press();
    spaceDown = false;
  }
  if (event.key.toLowerCase() === "q") before(false);
});
// The keys may be let go in another window.
addEventListener("blur", () => { before(false); tools.spaceHeld = spaceDown = false; });

// ---- what happens when the page goes away, and other tabs

addEventListener("pagehide", () => {
  if (atRisk() || tools.stroke) {
    tools.cancel();
    keepDraft({ keepalive: true });
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden" && autosave.pending()) { autosave.cancel(); keepDraft({ keepalive: true }); }
});
// ---- the page

globalThis.carmask = { view, tools }; // for tests, measurements, and the console

for (const [tool, text, key, path] of TOOLS) {
  const button = make("button", { title: `${text} (${key})`, ariaLabel: text });
  button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg><span class="text"></span>`;
  button.lastChild.textContent = text;
  button.dataset.tool = tool;
  button.onclick = (event) => { useTool(tool); if (event.detail) toStage(); };
  $("tools").append(button);
}
for (const [number, [mode, text]] of SHOWN.entries()) $("shown").append(make("option", { value: mode }, `${number + 1} ${text}`));
$("shown").onchange = () => { setMode($("shown").value); $("overlay").focus(); };
// After the mouse the keys are the photo's again, above all Space and Enter; by keyboard the focus stays.
const toStage = () => $("overlay").focus({ preventScroll: true });
for (const id of ["size", "hard"]) $(id).addEventListener("pointerup", toStage);
$("size").oninput = () => setSize(sizeOf(Number($("size").value)));
$("hard").oninput = () => setHard(Number($("hard").value));
$("other").onchange = () => { takeMask($("other").value); $("other").value = ""; $("overlay").focus(); };
const clicks = {
  undo: "undo", redo: "redo", "zoom-in": "in", "zoom-out": "out", "zoom-fit": "fit", "zoom-one": "one", band: "band",
  next: "next", previous: "previous", reject: "reject", save: "save", accept: "accept",
};
for (const [id, command] of Object.entries(clicks)) {
  $(id).onclick = () => { COMMANDS[command](); if (id !== "reject") $("overlay").focus({ preventScroll: true }); };
}
$("before").onpointerdown = () => before(true);
$("before").onpointerup = $("before").onpointerleave = () => before(false);
// By keyboard it stays until it is pressed again.
$("before").onclick = (event) => { if (event.detail === 0) before(!comparing); else toStage(); };
setTheme($("theme"));
setSize(24);
setHard(100);
useTool("brush");
setMode(SHOWN.some(([mode]) => mode === localStorage.getItem("carmask-view")) ? localStorage.getItem("carmask-view") : "tint");

/** Ask who is editing; a name that was given before stays if the question is put away. */
async function askAuthor(name) {
  $("author").value = name;
  $("who").returnValue = "";
  $("who").showModal();
  $("author").select();
  await new Promise((done) => $("who").addEventListener("close", done, { once: true }));
  const given = $("who").returnValue === "ok" ? $("author").value.trim() : "";
  localStorage.setItem("carmask-author", given || name || "someone");
  return given || name || "someone";
}

// Drafts are each person's own: the page begins anew, and keeps the last stroke as any page that is closed does.
$("me").onclick = async () => {
  const before = $("me").textContent;
  if ((await askAuthor(before)) !== before) location.reload();
};

async function begin() {
  describe(null);
  $("home").hidden = folder === "out";
  $("home").href = `/#${folder}`;
  let author = localStorage.getItem("carmask-author") || "";
  if (!author) {
    const { author: user } = await json("/api/about").catch(() => ({ author: "" }));
    author = await askAuthor(user);
  }
  $("me").textContent = author;
  $("me").ariaLabel = `Who is editing: ${author}`;
  $("me").hidden = false;
  try {
    await open(author);
  } catch (error) {
    empty(error.message);
    return;
  }
  $("title").textContent = about.title;
  document.title = `${about.title} – carmask`;
  for (const option of $("shown").options) {
    option.hidden = option.disabled = (option.value === "background" && about.background !== "picture")
      || (option.value === "rendered" && !about.picture);
  }
  const wanted = location.hash.slice(1);
  list.filter = about.counts.todo ? "todo" : "all";
  $("filter").value = list.filter;
  await list.load(0, wanted || null);
  if (wanted && !list.items.some((item) => item.id === wanted)) { list.filter = "all"; $("filter").value = "all"; await list.load(0, wanted); }
  const first = list.items.find((item) => item.id === wanted) ?? list.items[0];
  if (first) await show(first.id);
  else empty("No photo to look at.");
  $("overlay").focus();
}
begin();
