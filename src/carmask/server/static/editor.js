// The photo that is being edited: showing it, keeping what is drawn, and what is decided about it.

import { $, ApiError, bytes, json, request, settled, toast, untoast } from "/static/common.js";
import { askConflict, askReason } from "/static/dialogs.js";
import { closeDrawer } from "/static/drawer.js";
import { describe, drawViews, empty, note } from "/static/facts.js";
import { about, api, author, folder, photoApi, who } from "/static/folder.js";
import { ahead, backgroundFor, bandOf, forget, maskOf, renderedOf } from "/static/loading.js";
import { Mask } from "/static/mask.js";
import { QueueList } from "/static/queue.js";
import { Tools } from "/static/tools.js";
import { View } from "/static/view.js";

export const view = new View();
export const tools = new Tools(view, edit, changed);
export const list = new QueueList(api, (item) => show(item.id));
/** The photo that is shown: what the server says of it, its mask as it is stored, and the network's once it was asked for. */
export let current = null;
let asked = 0; // counts photos asked for: an answer that comes late is dropped
let arrived = 0; // the one that is there: until it is the last one asked for, keys are not about the photo that is left

/** Whether a photo is shown, and none is on its way in its place. */
const isHere = (mine) => mine && mine === current && arrived === asked;

// ---- showing

export async function show(id) {
  const number = ++asked;
  for (const one of ["back", "mask"]) untoast(one); // they are about the photo that was shown
  list.mark(id);
  await leave();
  const started = performance.now();
  history.replaceState(null, "", `#${id}`);
  closeDrawer();
  // Enter accepts the photo that was chosen: the list has done its part.
  if (document.activeElement?.closest("#photos, #views")) $("overlay").focus({ preventScroll: true });
  const slow = setTimeout(() => {
    if (number !== asked) return;
    empty("Loading …");
    describe(null, null, list.nameOf(id));
  }, 250);
  const found = await ahead(id);
  forget(id);
  clearTimeout(slow);
  if (number !== asked) return;
  await leave(); // what was drawn meanwhile
  if (number !== asked) return;
  tools.reset();
  arrived = number;
  if (found instanceof Error) {
    current = null;
    drawViews(null);
    view.close();
    empty(found.message);
    describe(null, null, list.nameOf(id));
    note(null);
    if (found.status === 0) comeBack(id, number);
    return;
  }
  const { meta, bitmap, mask } = found;
  current = { id, meta, start: mask.copy(), base: null, saved: true, storing: false };
  list.learned(id, meta);
  empty("");
  drawViews(meta, show);
  view.open(bitmap, mask);
  view.onDrawn = () => {
    view.onDrawn = null;
    document.body.dataset.shown = id; // for whoever waits for it
    performance.measure("carmask-open", { start: started, end: performance.now(), detail: { id } });
  };
  say();
  note(meta);
  const draft = unkept.get(id) ?? meta.draft;
  if (draft) await restore(draft);
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

/** Show a photo as soon as the server answers, unless another one was asked for by then. */
async function comeBack(id, number) {
  for (let found; !found || found.status === 0; found = await ahead(id)) {
    await new Promise((done) => setTimeout(done, 3000));
    if (number !== asked) return;
    forget(id);
  }
  if (number === asked) show(id);
}

const say = () => describe(current, tools.history);

/** Load a picture into the view, unless another photo is shown by then. */
async function loadLayer(name, loading) {
  const mine = current;
  try {
    const bitmap = await loading;
    if (mine === current) { view[name] = bitmap; view.redraw(); }
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

export function loadBand() {
  if (current && view.showBand && !view.band) loadLayer("band", bandOf(current.id));
}

export function loadBehind() {
  if (current && view.mode === "background" && !view.behind && about.background === "picture") {
    loadLayer("behind", backgroundFor(current.meta));
  }
}

export function loadRendered() {
  if (current?.meta.outputs.length) loadLayer("rendered", renderedOf(current.meta));
}

// ---- editing

async function edit(tool, points, radius) {
  const mine = current, mask = view.mask;
  const runs = mask.toRuns();
  const body = new ArrayBuffer(4 + 8 * points.length + runs.byteLength);
  const words = new DataView(body);
  words.setUint32(0, points.length, true);
  points.forEach(([x, y], at) => {
    words.setFloat32(4 + 8 * at, x, true);
    words.setFloat32(8 + 8 * at, y, true);
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

// ---- what is drawn and not yet decided

function changed() {
  if (!current) return;
  if (!tools.history.done.length && !current.storing && view.mask.same(current.start)) { dropDraft(); return; } // all undone
  current.saved = false;
  say();
  autosave();
}

export const autosave = settled(1500, () => keepDraft());
let sending = 0; // drafts that are on their way
/** Whether the server has no draft yet of what was drawn. */
export const atRisk = () => autosave.pending() || sending > 0;

const draftOf = ({ id, meta }) => `${photoApi(id)}/draft?revision=${meta.revision}&photo=${meta.photo}&${who()}`;

export async function keepDraft(options = {}) {
  if (!current || current.saved || current.meta.replaced) return;
  const mine = current, mask = view.mask.copy();
  sending += 1;
  try {
    await request(draftOf(mine), { method: "PUT", body: mask.toRuns(), ...options });
    kept(mine.id);
  } catch (error) {
    keepHere(mine, mask);
    toast(`Your work is kept on this page only: ${error.message}`, { bad: true, about: "draft" });
  } finally {
    sending -= 1;
  }
}

// What was drawn, by photo, that the server could neither store nor keep: it is sent again until it is there.
const unkept = new Map();

const sendAgain = settled(3000, async () => {
  for (const [id, { mask, revision, photo }] of [...unkept]) {
    if (id === current?.id && !current.saved) await keepDraft(); // as it is by now
    else {
      const sent = request(draftOf({ id, meta: { revision, photo } }), { method: "PUT", body: mask.toRuns() });
      await sent.then(() => kept(id), () => sendAgain());
    }
  }
});

function keepHere(mine, mask) {
  unkept.set(mine.id, { mask, revision: mine.meta.revision, photo: mine.meta.photo });
  sendAgain();
}

function kept(id) {
  unkept.delete(id);
  forget(id); // what was loaded ahead knows of no draft
  if (!unkept.size) untoast("draft");
}

let storing = 0; // masks that are on their way to be stored
addEventListener("beforeunload", (event) => { if (unkept.size || storing) event.preventDefault(); });

function dropDraft() {
  autosave.cancel();
  current.saved = true;
  kept(current.id);
  say();
  request(draftOf(current), { method: "DELETE" }).catch(() => {});
}

async function restore(draft) {
  const mine = current, here = unkept.get(mine.id)?.mask;
  if (here && draft.photo !== mine.meta.photo) {
    if (mine.meta.replaced) return; // the one that it was drawn on may be put back
    kept(mine.id);
    toast("Your unsaved work was on another photo, which was replaced by this one. It is dropped.", { bad: true });
    return;
  }
  try {
    const mask = here ?? await maskOf(mine.id, mine.meta, "draft");
    if (mine !== current || !tools.replace(mask)) return;
    if (draft.revision !== mine.meta.revision) {
      note(mine.meta, `Your draft began before ${mine.meta.author} saved this photo: look at both before you save.`, true);
    }
    const discard = () => { if (mine === current) { tools.replace(mine.start); dropDraft(); note(mine.meta); } };
    toast("Your unsaved work on this photo is back.", { action: { text: "Discard it", run: discard }, seconds: 8, about: "back" });
  } catch {
    // Without the draft the photo is as it was saved.
  }
}

/** Before another photo is shown: what is not saved is kept as a draft. */
async function leave() {
  tools.cancel();
  await tools.settled; // what the server is still at, such as an edge
  if (autosave.pending()) {
    autosave.cancel();
    await keepDraft();
  }
}

// ---- deciding

/** Store a decision. The next photo need not wait for it: what goes wrong is said, with a way back.
    True; "stored" if it is, and could not be rendered; false if it is not. */
export async function decide(decision, reason = "") {
  const mine = current;
  if (!mine || mine.meta.replaced || mine.storing) return false;
  autosave.cancel();
  untoast("back");
  const query = new URLSearchParams({ decision, reason, author, revision: mine.meta.revision, photo: mine.meta.photo });
  const sent = decision === "corrected" ? view.mask.copy() : null; // drawing goes on meanwhile
  const wasSaved = mine.saved;
  mine.saved = mine.storing = true;
  if (sent) storing += 1;
  const started = performance.now();
  try {
    const saved = await json(`${photoApi(mine.id)}/decision?${query}`, { method: "POST", body: sent?.toRuns(), keepalive: !sent });
    performance.measure("carmask-save", { start: started, end: performance.now(), detail: { decision } });
    isStored(mine, saved, sent);
    untoast(`save ${mine.id}`);
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.body.stored) {
      isStored(mine, error.body.stored, sent);
      toast(`${mine.meta.name}: ${error.message}`, { bad: true, about: `save ${mine.id}` });
      return "stored";
    }
    mine.storing = false;
    mine.saved &&= wasSaved;
    if (error instanceof ApiError && error.status === 409 && error.body.current) {
      return resolve(mine, decision, reason, error.body);
    }
    // It is shown, and is to stay: not one that was replaced, which is to be opened again, nor one that is just being left.
    const stays = isHere(mine) && error.status !== 409;
    const back = stays ? null : { text: "Show it", run: () => show(mine.id) };
    const why = error.message.replace(`${mine.meta.name}: `, "");
    toast(`${mine.meta.name}: not saved: ${why}`, { bad: true, action: back, about: `save ${mine.id}` });
    // What was drawn must not be lost with the page.
    if (sent) request(draftOf(mine), { method: "PUT", body: sent.toRuns() }).catch(() => keepHere(mine, sent));
    if (mine === current) say();
    return false;
  } finally {
    if (sent) storing -= 1;
  }
}

/** A decision is in the server's store. */
function isStored(mine, saved, sent) {
  mine.storing = false;
  Object.assign(mine.meta, { why: "" }, saved);
  mine.start = sent ?? mine.start;
  list.decided(mine.id, saved);
  kept(mine.id);
  if (mine !== current) return;
  if (view.mode === "rendered") loadRendered();
  say();
  note(mine.meta);
}

/** Somebody else decided first: ask whose decision counts. */
async function resolve(mine, decision, reason, answer) {
  if (mine !== current) {
    const back = { text: "Show it", run: () => show(mine.id) };
    toast(`${mine.meta.name}: not saved: ${answer.error}`, { bad: true, action: back, about: `save ${mine.id}` });
    return false;
  }
  const choice = await askConflict(answer.current);
  if (mine !== current) return false;
  if (choice === "mine") {
    mine.meta.revision = answer.current.revision;
    return decide(decision, reason);
  }
  if (choice === "theirs") {
    dropDraft();
    forget(mine.id);
    await show(mine.id);
  } else say();
  return false;
}

const edited = () => !view.mask.same(current.start);

export async function accept() {
  const mine = current;
  if (!isHere(mine)) return;
  await tools.settled;
  if (!isHere(mine) || mine.storing) return;
  if (edited()) {
    if (await decide("corrected") && isHere(mine) && mine.saved) await go(1);
    return;
  }
  const storing = mine.meta.decision === "corrected" ? true : decide("accepted");
  // The next page of the list depends on it; the next photo of this page does not.
  if (list.beside(mine.id, 1) || ((await storing) && isHere(mine))) await go(1);
}

export async function save() {
  const mine = current;
  if (!isHere(mine)) return;
  await tools.settled;
  if (isHere(mine) && (await decide("corrected")) === true) toast("Saved, and rendered again.");
}

export async function reject() {
  const mine = current;
  if (!isHere(mine) || mine.meta.replaced) return;
  const reason = await askReason();
  if (reason && isHere(mine) && (await decide("rejected", reason)) && isHere(mine)) await go(1);
}

/** Take the decision back: the network's mask holds again, and undo brings back what was there. */
export async function reopen() {
  const mine = current;
  if (!isHere(mine)) return;
  await tools.settled;
  if (!isHere(mine) || mine.storing) return;
  if (mine.meta.decision === "open") { toast("Nothing has been decided about this photo."); return; }
  const drawn = view.mask.copy();
  if (!(await decide("open"))) return;
  await show(mine.id);
  const box = current?.id === mine.id && drawn.difference(view.mask);
  if (box) { tools.history.note(view.mask, box, drawn.take(box)); say(); }
  toast(box ? "The decision was taken back, and the network's mask is shown. Undo brings yours back." : "The decision was taken back.");
}

export async function go(step) {
  const next = await list.after(step);
  if (next) await show(next.id);
  else if (step < 0) toast("This is the first photo of this list.", { about: "end" });
  else toast(list.counts.todo ? `That was the last photo of this list; ${list.counts.todo} are still to look at.` : "That was the last photo of this list.", { about: "end" });
}

// ---- other tabs

const tabs = new BroadcastChannel("carmask");
const announce = (id) => tabs.postMessage({ folder, id, kind: "open" });
tabs.onmessage = ({ data }) => {
  if (data.folder !== folder || !current || data.id !== current.id) return;
  if (data.kind === "open") tabs.postMessage({ folder, id: data.id, kind: "also" });
  toast("This photo is open in another tab, too. Whoever saves second is asked.");
};
