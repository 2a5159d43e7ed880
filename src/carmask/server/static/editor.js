// The photo that is being edited: loading it, its mask, and what is decided about it.

import { $, ApiError, bytes, json, make, percent, request, settled, toast } from "/static/common.js";
import { Mask, scaled } from "/static/mask.js";
import { QueueList } from "/static/queue.js";
import { Tools } from "/static/tools.js";
import { View } from "/static/view.js";

export const folder = location.pathname.split("/").pop();
const api = `/api/folders/${encodeURIComponent(folder)}`;
const REASONS = ["No car", "Several cars", "Car cut off", "Blurred", "Too dark or too bright", "Another reason"];

export const view = new View();
export const tools = new Tools(view, edit, changed);
export const list = new QueueList(api, (item) => show(item.id));
export let about = { background: "none", picture: true };
export let current = null; // the photo that is shown: what the server says of it, and its masks
let asked = 0; // counts photos asked for: an answer that comes late is dropped
let author = "";
export const ready = new Map(); // photos that were loaded ahead, by id

const who = () => `author=${encodeURIComponent(author || "someone")}`;
export const photoApi = (id) => `${api}/photos/${id}`;

/** Learn what the folder is, and who is editing. */
export async function open(name) {
  author = name;
  about = await json(api);
}

// ---- loading

/** Load a photo: what is known of it, its pixels and its mask, side by side. */
async function load(id) {
  const [meta, image, runs] = await Promise.all([
    json(`${photoApi(id)}?${who()}`),
    request(`${photoApi(id)}/image`).then((response) => response.blob()),
    bytes(`${photoApi(id)}/mask?kind=current&${who()}`),
  ]);
  let bitmap = await createImageBitmap(image).catch(() => null);
  if (!bitmap || bitmap.width !== meta.width || bitmap.height !== meta.height) {
    // The browser reads the file otherwise than the server does: as a picture that both read alike.
    bitmap = await createImageBitmap(await (await request(`${photoApi(id)}/image?as=jpeg`)).blob());
  }
  return { meta, bitmap, mask: Mask.fromRuns(runs, meta.width, meta.height) };
}

function ahead(id) {
  if (!ready.has(id)) {
    ready.set(id, load(id).catch((error) => error));
    while (ready.size > 4) ready.delete(ready.keys().next().value);
  }
  return ready.get(id);
}

export async function show(id) {
  const number = ++asked;
  await leave();
  const started = performance.now();
  list.mark(id);
  history.replaceState(null, "", `#${id}`);
  $("queue").classList.remove("open");
  const slow = setTimeout(() => { if (number === asked) empty("Loading …"); }, 250);
  const found = await ahead(id);
  ready.delete(id);
  clearTimeout(slow);
  if (number !== asked) return;
  if (found instanceof Error) {
    current = null;
    view.close();
    empty(found.message);
    describe();
    return;
  }
  const { meta, bitmap, mask } = found;
  current = { id, meta, start: mask.copy(), base: null, saved: true };
  tools.reset();
  empty("");
  drawViews();
  view.open(bitmap, mask);
  view.onDrawn = () => {
    view.onDrawn = null;
    document.body.dataset.shown = id; // for whoever waits for it
    performance.measure("carmask-open", { start: started, end: performance.now(), detail: { id } });
  };
  describe();
  note();
  if (meta.draft) await restore(meta.draft);
  loadBand();
  loadBehind();
  if (view.mode === "rendered") loadRendered();
  announce(id);
  // The next two, so that they are there at once.
  let next = list.beside(id, 1);
  for (let count = 0; next && count < 2; count++) {
    if (next.status === "done") ahead(next.id);
    next = list.beside(next.id, 1);
  }
}

async function restore(draft) {
  try {
    const mine = current;
    const content = await bytes(`${photoApi(mine.id)}/mask?kind=draft&${who()}`);
    if (mine !== current) return;
    if (!tools.replace(Mask.fromRuns(content, mine.meta.width, mine.meta.height))) return;
    if (draft.revision !== mine.meta.revision) {
      note(`Your draft began before ${mine.meta.author} saved this photo: look at both before you save.`, true);
    }
    toast("Your unsaved work on this photo is back.", {
      action: { text: "Discard it", run: () => { if (mine === current) { tools.undo(); dropDraft(); } } }, seconds: 8,
    });
  } catch {
    // Without the draft the photo is as it was saved.
  }
}

export async function loadBand() {
  const mine = current;
  if (!view.showBand || view.band) return;
  try {
    const bitmap = await createImageBitmap(await (await request(`${photoApi(mine.id)}/band`)).blob());
    if (mine === current) { view.band = bitmap; view.redraw(); }
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

export async function loadBehind() {
  const mine = current;
  if (view.mode !== "background" || view.behind || about.background !== "picture" || !mine) return;
  const { width, height } = mine.meta;
  const scale = Math.min(1, 1600 / Math.max(width, height));
  const query = new URLSearchParams({ width: Math.max(16, Math.round(width * scale)), height: Math.max(16, Math.round(height * scale)) });
  try {
    const bitmap = await createImageBitmap(await (await request(`${api}/background?${query}`)).blob());
    if (mine === current) { view.behind = bitmap; view.redrawMask(); }
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

export async function loadRendered() {
  const mine = current;
  if (!mine?.meta.outputs.length) return;
  const { number } = mine.meta.outputs[mine.meta.outputs.length - 1];
  try {
    const blob = await (await request(`${photoApi(mine.id)}/output/${number}`)).blob();
    const bitmap = await createImageBitmap(blob);
    if (mine === current) { view.rendered = bitmap; view.redraw(); }
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

// ---- what is said of the photo

export function empty(text) {
  $("empty").hidden = !text;
  $("empty").replaceChildren(text ? make("h2", {}, text) : "");
}

function note(text = "", bad = false) {
  const { meta } = current;
  if (!text && meta.replaced) {
    text = "This photo has been replaced since it was cut. Cut the folder again; nothing can be saved for it now.";
    bad = true;
  }
  if (!text && meta.decision === "rejected") text = `Rejected by ${meta.author}: ${meta.why}`;
  $("note").hidden = !text;
  $("note").classList.toggle("bad", bad);
  $("note").textContent = text;
}

function describe() {
  const on = Boolean(current);
  const locked = !on || current.meta.replaced;
  for (const id of ["accept", "save", "reject"]) $(id).disabled = locked;
  $("name").textContent = on ? current.meta.name : "";
  $("undo").disabled = !tools.history.done.length;
  $("redo").disabled = !tools.history.undone.length;
  if (!on) { $("more").textContent = ""; return; }
  const { meta } = current;
  const parts = [`${meta.width} × ${meta.height}`, `confidence ${percent(meta.confidence)}`];
  if (meta.error !== null) parts.push(`contour off by about ${meta.error.toFixed(1)} px`);
  if (meta.reason) parts.push(meta.reason);
  if (meta.decision !== "open") parts.push(`${meta.decision} by ${meta.author}, ${meta.saved.replace("T", " ").slice(0, 16)} UTC`);
  if (!current.saved) parts.push("not saved yet");
  $("more").textContent = parts.join(" · ");
}

function drawViews() {
  const { views } = current.meta;
  $("views").hidden = views.length < 2;
  $("views").replaceChildren(...(views.length < 2 ? [] : views.map((item) => {
    const button = make("button", { title: item.name, onclick: () => show(item.id) },
      make("img", { src: `${photoApi(item.id)}/thumb`, alt: item.name, loading: "lazy" }));
    button.setAttribute("aria-current", item.id === current.id);
    return button;
  })));
  const others = [["", "Take mask …"], ["base", "The network's"], ["default", "Model default"], ["best", "Model best"]];
  for (const item of views) if (item.id !== current.id && item.status === "done") others.push([`view:${item.id}`, item.name]);
  $("other").replaceChildren(...others.map(([value, text]) => make("option", { value }, text)));
}

// ---- editing

async function edit(tool, points, radius) {
  const mine = current, mask = view.mask;
  const runs = mask.toRuns();
  const body = new ArrayBuffer(4 + 8 * points.length + runs.byteLength);
  new DataView(body).setUint32(0, points.length, true);
  points.forEach(([x, y], at) => {
    new DataView(body).setFloat32(4 + 8 * at, x, true);
    new DataView(body).setFloat32(8 + 8 * at, y, true);
  });
  new Uint8Array(body, 4 + 8 * points.length).set(runs);
  const query = new URLSearchParams({ tool, radius: Math.min(400, Math.max(1, radius)).toFixed(2) });
  const started = performance.now();
  try {
    const found = await bytes(`${photoApi(mine.id)}/edit?${query}`, { method: "POST", body });
    performance.measure("carmask-edit", { start: started, end: performance.now(), detail: { tool } });
    return mine === current ? Mask.fromRuns(found, mask.width, mask.height) : null;
  } catch (error) {
    toast(error.message, { bad: true });
    return null;
  }
}

function changed() {
  if (!current) return;
  current.saved = false;
  describe();
  autosave();
}

export const autosave = settled(1500, () => keepDraft());

export async function keepDraft(options = {}) {
  if (!current || current.saved || current.meta.replaced) return;
  const query = `revision=${current.meta.revision}&${who()}`;
  await request(`${photoApi(current.id)}/draft?${query}`, { method: "PUT", body: view.mask.toRuns(), ...options })
    .catch((error) => toast(`Your work is not kept on the server: ${error.message}`, { bad: true }));
}

function dropDraft() {
  autosave.cancel();
  if (!current) return;
  current.saved = true;
  describe();
  request(`${photoApi(current.id)}/draft?${who()}`, { method: "DELETE" }).catch(() => {});
}

/** Before another photo is shown: what is not saved is kept as a draft. */
async function leave() {
  tools.cancel();
  if (autosave.pending()) {
    autosave.cancel();
    await keepDraft();
  }
}

export async function takeMask(which) {
  const mine = current;
  if (!mine || !which) return;
  let address = `${photoApi(mine.id)}/mask?kind=base`;
  if (which === "default" || which === "best") address = `${photoApi(mine.id)}/mask?kind=model&model=${which}`;
  let size = mine.meta;
  try {
    if (which.startsWith("view:")) {
      const id = which.slice(5);
      size = await json(`${photoApi(id)}?${who()}`);
      address = `${photoApi(id)}/mask?kind=current&${who()}`;
    }
    let mask = Mask.fromRuns(await bytes(address), size.width, size.height);
    if (mine !== current) return;
    mask = scaled(mask, mine.meta.width, mine.meta.height);
    toast(tools.replace(mask) ? "Another mask was taken; undo brings yours back." : "That mask is the same.");
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

// ---- deciding

/** Store a decision. The next photo need not wait for it: what goes wrong is said, with a way back. */
export async function decide(decision, { reason = "", revision = null } = {}) {
  const mine = current;
  if (!mine || mine.meta.replaced) return false;
  autosave.cancel();
  const query = new URLSearchParams({ decision, reason, author: author || "someone", revision: revision ?? mine.meta.revision });
  const body = decision === "corrected" ? view.mask.toRuns() : undefined;
  const kept = { saved: mine.saved, mask: view.mask };
  mine.saved = true;
  const started = performance.now();
  try {
    const saved = await json(`${photoApi(mine.id)}/decision?${query}`, { method: "POST", body });
    performance.measure("carmask-save", { start: started, end: performance.now(), detail: { decision } });
    Object.assign(mine.meta, { why: "" }, saved);
    list.decided(mine.id, saved);
    ready.delete(mine.id);
    if (mine === current) {
      mine.start = kept.mask.copy();
      if (view.mode === "rendered") loadRendered();
      describe();
      note();
    }
    return true;
  } catch (error) {
    mine.saved = kept.saved;
    if (error instanceof ApiError && error.status === 409 && error.body.current) {
      await conflict(mine, decision, reason, error.body);
    } else {
      const back = mine === current ? null : { text: "Show it", run: () => show(mine.id) };
      toast(`${mine.meta.name}: not saved: ${error.message}`, { bad: true, action: back });
      // What was drawn must not be lost with the page.
      if (body) {
        const draft = `${photoApi(mine.id)}/draft?revision=${mine.meta.revision}&${who()}`;
        request(draft, { method: "PUT", body }).catch(() => {});
      }
    }
    if (mine === current) describe();
    return false;
  }
}

const edited = () => current && !view.mask.same(current.start);

export async function accept() {
  const mine = current;
  if (!mine) return;
  const kind = edited() ? "corrected" : mine.meta.decision === "corrected" ? null : "accepted";
  const storing = kind ? decide(kind) : Promise.resolve(true);
  if (kind === "corrected") await storing; // the mask is still needed if it fails
  if (mine === current && (kind !== "corrected" || mine.saved)) await go(1);
}

export async function save() {
  if (current && (await decide("corrected"))) toast("Saved, and rendered again.");
}

export async function go(step) {
  const next = await list.after(current?.id, step);
  if (next) await show(next.id);
  else toast(step > 0 ? "That was the last photo of this list." : "This is the first photo of this list.");
}

async function conflict(mine, decision, reason, body) {
  $("conflict-text").textContent = `${body.error}. Nothing was overwritten.`;
  const choice = await new Promise((done) => {
    for (const button of $("conflict").querySelectorAll("button")) {
      button.onclick = () => { $("conflict").close(); done(button.dataset.choice); };
    }
    $("conflict").oncancel = () => done("stay");
    $("conflict").showModal();
  });
  if (choice === "mine") {
    mine.meta.revision = body.current.revision;
    await decide(decision, { reason });
  } else if (choice === "theirs") {
    dropDraft();
    ready.delete(mine.id);
    await show(mine.id);
  }
}

export async function reject() {
  if (!current || current.meta.replaced) return;
  $("reason").value = "";
  $("reasons").replaceChildren(...REASONS.map((text, at) => {
    const radio = make("input", { type: "radio", name: "why", value: text });
    radio.onchange = () => { $("reason").value = at === REASONS.length - 1 ? "" : text; $("reason").focus(); };
    return make("label", {}, radio, make("kbd", {}, String(at + 1)), text);
  }));
  $("rejecting").returnValue = "";
  $("rejecting").showModal();
  $("reasons").querySelector("input").focus();
  await new Promise((done) => $("rejecting").addEventListener("close", done, { once: true }));
  const reason = $("reason").value.trim();
  if ($("rejecting").returnValue !== "ok") return;
  if (!reason) { toast("A reason is needed to reject a photo.", { bad: true }); return; }
  if (await decide("rejected", { reason })) await go(1);
}
$("rejecting").addEventListener("keydown", (event) => {
  const number = Number(event.key);
  if (event.target !== $("reason") && number >= 1 && number <= REASONS.length) {
    event.preventDefault();
    $("reasons").querySelectorAll("input")[number - 1].click();
  }
});
$("rejecting").querySelector("[data-close]").onclick = () => $("rejecting").close("");

// ---- other tabs

const tabs = new BroadcastChannel("carmask");
const announce = (id) => tabs.postMessage({ folder, id, kind: "open" });
tabs.onmessage = ({ data }) => {
  if (data.folder !== folder || !current || data.id !== current.id) return;
  if (data.kind === "open") tabs.postMessage({ folder, id: data.id, kind: "also" });
  toast("This photo is open in another tab, too. Whoever saves second is asked.");
};
