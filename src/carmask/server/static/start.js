// The start page: photos in, results out.

import { choices, forget, named, offerProfiles, onChange, opaque, optionsForm, sends, setOptions } from "/static/choices.js";
import { $, json, make, percent, request, setTheme, toast, untoast } from "/static/common.js";
import { byName, filesOf, listed, sorted, unreadable } from "/static/taking.js";
import { view } from "/static/viewer.js";

const SENDING = 3; // photos sent at the same time
const AGAIN = 2000; // milliseconds until a server that did not answer is asked again
const LATER = new Set([0, 429, 502, 503, 504]); // answers after which the same is asked again
const REFUSED = new Set([400, 413, 422]); // answers that are about one photo
const STATES = { new: "not started" }; // in words, where they are others
let job = null; // its state is also "sending"
let source = null;
let sending = null;
let photos = new Map();
let total = 0;

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// ---- what is shown

/** Show what fits the job's state. */
function refresh() {
  const state = job?.state;
  $("again").hidden = !job || state === "running" || state === "sending";
  $("again").textContent = { new: "Start", cancelled: "Go on" }[state] ?? "Render again";
  $("cancel").hidden = state !== "running" && state !== "sending";
}

/** Say how far something is; those who do not see it hear each quarter, and how it ends. */
function status(text, share, { heard = false } = {}) {
  $("status").textContent = text;
  $("meter").style.width = `${100 * share}%`;
  $("meter").parentNode.setAttribute("aria-valuenow", Math.round(100 * share));
  const quarter = Math.floor(4 * share);
  if (heard || quarter !== Number($("said").dataset.quarter)) $("said").textContent = text;
  $("said").dataset.quarter = quarter;
}

/** Say which of the files are not taken, and why. */
function tell(refused, count) {
  $("refused").hidden = !refused.length;
  $("refused").textContent = listed(refused, count);
}

function begin() {
  source?.close();
  photos = new Map();
  $("tiles").replaceChildren();
  $("job").hidden = false;
  $("earlier").hidden = true;
  $("drop").classList.add("small");
  for (const id of ["review", "zip", "delete", "refused", "again"]) $(id).hidden = true;
  delete document.body.dataset.done;
}

// ---- sending

async function send(dropped) {
  if (sending) { toast("Photos are being sent. Add others when these are done, or cancel first.", { bad: true, about: "files" }); return; }
  const { files, refused } = sorted(dropped);
  if (!files.length) { tell(refused, refused.length); toast("There are no photos among these files.", { bad: true, about: "files" }); return; }
  if (choices.kept && sends() && !named()) { toast("Choose the background picture again: the server has it for the other photos alone.", { bad: true }); return; }
  const count = files.length + refused.length;
  begin();
  untoast("files");
  tell(refused, count);
  forget();
  const mine = sending = { stop: false };
  let sent = 0;
  let tried = 0;
  job = { id: "", state: "sending" };
  $("cancel").disabled = false;
  refresh();
  status(`Sending ${files.length === 1 ? "1 photo" : `${files.length} photos`}`, 0, { heard: true });
  try {
    job.id = (await json("/v1/jobs", { method: "POST", body: optionsForm() })).id;
    choices.kept = sends();
    history.replaceState(null, "", `#${job.id}`);
    const queue = files.slice();
    const worker = async () => {
      for (let file = queue.shift(); file && !mine.stop; file = queue.shift()) {
        const why = await sendOne(file, mine).catch((error) => { mine.stop = true; throw error; });
        if (why === null) return;
        if (why) { refused.push([file.name, why]); tell(refused, count); } else sent += 1;
        status(`Sending ${++tried} of ${files.length} photos`, tried / files.length);
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: SENDING }, worker));
    const broken = ends.find((one) => one.reason);
    if (broken) throw broken.reason;
    sending = null;
    if (!sent) await nothing(mine.stop);
    else if (mine.stop) unstarted(sent, `Cancelled: ${sent} of ${files.length} photos were sent.`);
    else {
      await request(`/v1/jobs/${job.id}/start`, { method: "POST" });
      follow();
    }
  } catch (error) {
    sending = null;
    toast(error.message, { bad: true });
    if (job.id) unstarted(sent, `${sent} of ${files.length} photos were sent.`);
    else { job = null; $("job").hidden = true; refresh(); }
  }
}

/** Send a photo; the answer is why it is refused, or empty, or null if the sending was cancelled before. */
async function sendOne(file, mine) {
  while (!mine.stop) {
    const form = new FormData();
    form.append("photo", file, file.name);
    try {
      await request(`/v1/jobs/${job.id}/photos`, { method: "POST", body: form });
      return "";
    } catch (error) {
      if (REFUSED.has(error.status)) return error.message.replace(/^photo: /, "");
      if (!LATER.has(error.status)) throw error;
      if (error.status === 0 && await unreadable(file)) return "it has been changed or deleted since it was chosen";
      $("status").textContent = "The server does not answer; trying again …";
      await pause(Math.max(AGAIN, 1000 * error.retry));
    }
  }
  return null;
}

/** No photo was sent: nothing is kept of the job. */
async function nothing(stopped) {
  status(stopped ? "Cancelled: no photo was sent." : "No photo could be sent.", 0, { heard: true });
  await request(`/v1/jobs/${job.id}`, { method: "DELETE" }).catch(() => {});
  job = null;
  history.replaceState(null, "", "/");
  refresh();
  earlier();
}

/** A job that waits for its start, as the page was closed or the sending broke off. */
function unstarted(sent, text) {
  job.state = "new";
  total = sent;
  status(text, 0, { heard: true });
  refresh();
  $("again").hidden = !sent;
  $("delete").hidden = false;
}

// ---- following

function follow() {
  job.state = "running";
  total = 0;
  photos = new Map();
  $("tiles").replaceChildren();
  // Beside an opaque picture nothing is transparent.
  $("tiles").classList.toggle("opaque", opaque());
  $("delete").hidden = $("review").hidden = $("zip").hidden = true;
  $("cancel").disabled = false;
  refresh();
  listen();
}

function listen() {
  let run = "";
  source?.close();
  const mine = source = new EventSource(`/v1/jobs/${job.id}/events`);
  source.addEventListener("total", (event) => {
    total = JSON.parse(event.data).total;
    progress();
  });
  source.addEventListener("photo", (event) => {
    const photo = JSON.parse(event.data);
    const [of] = event.lastEventId.split("-");
    if (run && of !== run) { photos.clear(); $("tiles").replaceChildren(); } // it was started again, or the server was
    run = of;
    photos.set(photo.number, photo);
    tile(photo);
    progress();
  });
  source.addEventListener("end", (event) => {
    mine.close();
    const { state, error } = JSON.parse(event.data);
    job.state = state;
    if (state === "new") { unstarted(total, `${total} photos were sent. They wait for the start.`); return; }
    if (state === "failed") toast(error, { bad: true });
    finished();
  });
  source.onerror = async () => {
    if (job.state !== "running") return;
    $("status").textContent = "The server does not answer; trying again …";
    if (mine.readyState !== EventSource.CLOSED) return; // the browser does
    await pause(AGAIN);
    if (source !== mine) return;
    try {
      await json(`/v1/jobs/${job.id}`);
    } catch (error) {
      if (error.status === 404) { begin(); status("These photos are no longer on the server.", 0, { heard: true }); job = null; refresh(); return; }
    }
    listen();
  };
}

function progress() {
  const text = `${photos.size} of ${total} photos done`;
  status($("cancel").disabled ? `Cancelling: ${text}` : text, total ? photos.size / total : 0);
}

function finished() {
  const all = [...photos.values()];
  const failed = all.filter((photo) => photo.status === "failed").length;
  const doubtful = all.filter((photo) => photo.review).length;
  const parts = [`${job.state === "cancelled" ? "Cancelled: " : ""}${all.length - failed} of ${total} photos done`];
  if (doubtful) parts.push(`${doubtful} to look at`);
  if (failed) parts.push(`${failed} failed`);
  status(parts.join(", "), total ? all.length / total : 1, { heard: true });
  $("zip").hidden = all.length === failed;
  $("zip").href = `/v1/jobs/${job.id}/zip`;
  $("zip").textContent = job.state === "cancelled" ? "Download these (ZIP)" : "Download all (ZIP)";
  $("review").hidden = !mendable() || all.length === failed;
  $("review").href = `/review/${job.id}`;
  $("review").textContent = doubtful ? `Mend doubtful ones (${doubtful})` : "Look through and mend";
  $("review").classList.toggle("primary-look", doubtful > 0);
  $("delete").hidden = false;
  document.body.dataset.done = job.id; // for whoever waits for it
  refresh();
  if (job.state === "cancelled" && $("cancel").disabled) $("again").focus(); // the button that was pressed has gone
}

const mendable = () => job.state === "done" || job.state === "cancelled";
const output = (photo, query = "") => `/v1/jobs/${job.id}/photos/${photo.number}/output/${photo.outputs.length - 1}?v=${encodeURIComponent(photo.made)}${query}`;
const shown = {
  output, mendable,
  original: (photo, side) => `/v1/jobs/${job.id}/photos/${photo.number}/image?side=${side}`,
  editor: (photo) => `/review/${job.id}#${photo.id}`,
  photos: () => [...photos.values()].sort(byName),
};

function tile(photo) {
  const picture = make("span", { className: "picture" });
  if (photo.status === "done") picture.append(make("img", { src: output(photo, "&side=480"), alt: "", loading: "lazy", decoding: "async" }));
  const badge = photo.status === "failed" ? "failed" : photo.review ? "review" : photo.decision;
  const button = make("button", { onclick: () => view(photo, shown), title: photo.title, disabled: photo.status === "failed" }, picture,
    make("span", { className: "line" }, make("span", { className: "name" }, photo.title),
      badge ? make("span", { className: `badge ${badge}` }, badge === "review" ? "look" : badge) : make("span", { className: "soft" }, percent(photo.confidence))));
  if (photo.reason) button.append(make("span", { className: photo.status === "failed" ? "why" : "soft" }, photo.reason));
  const item = make("li", {}, button);
  item.dataset.number = photo.number;
  const after = [...$("tiles").children].find((one) => byName(photos.get(Number(one.dataset.number)), photo) >= 0);
  $("tiles").insertBefore(item, after ?? null);
  if (after?.dataset.number === item.dataset.number) after.remove(); // said again, after a break
}

// ---- the page

for (const id of ["files", "folder"]) {
  $(id).onchange = () => { send([...$(id).files]); $(id).value = ""; };
}
addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").classList.remove("over"); });
addEventListener("drop", async (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  send(await filesOf(event.dataTransfer));
});
addEventListener("beforeunload", (event) => { if (sending) event.preventDefault(); }); // what is not sent would be lost
$("cancel").onclick = async () => {
  $("cancel").disabled = true;
  if (sending) { sending.stop = true; return; }
  progress();
  try {
    await request(`/v1/jobs/${job.id}/cancel`, { method: "POST" });
  } catch (error) {
    $("cancel").disabled = false;
    if (job?.state === "running") { progress(); toast(error.message, { bad: true }); } // else it is done by now
  }
};
$("again").onclick = async () => {
  try {
    await request(`/v1/jobs/${job.id}/start`, { method: "POST", body: optionsForm(true) });
    choices.kept = sends();
    delete document.body.dataset.done;
    follow();
  } catch (error) {
    const found = await json(`/v1/jobs/${job.id}`).catch(() => null);
    if (found?.state === "running") resume(job.id); // it was started in another tab
    else toast(error.message, { bad: true });
  }
};
$("delete").onclick = () => $("deleting").showModal();
$("deleting").querySelector("[data-close]").onclick = () => $("deleting").close("");
$("deleting").onclose = async () => {
  if ($("deleting").returnValue !== "ok") return;
  try {
    await request(`/v1/jobs/${job.id}`, { method: "DELETE" });
    location.assign("/");
  } catch (error) {
    toast(error.message, { bad: true });
  }
};

async function earlier() {
  const { jobs, keep_hours: hours } = await json("/v1/jobs").catch(() => ({ jobs: [], keep_hours: null }));
  if (hours) $("kept").textContent = `Photos are deleted after ${hours === 24 ? "a day" : hours > 48 ? `${Math.round(hours / 24)} days` : `${+hours.toFixed(1)} hours`}.`;
  $("earlier").hidden = !jobs.length || Boolean(job);
  $("jobs").replaceChildren(...jobs.map((one) => {
    const link = make("a", { href: `/#${one.id}`, }, new Date(one.created * 1000).toLocaleString());
    return make("li", {}, link, make("span", {}, one.photos === 1 ? "1 photo" : `${one.photos} photos`), make("span", { className: `badge ${one.state}` }, STATES[one.state] ?? one.state));
  }));
}

async function resume(id) {
  try {
    const found = await json(`/v1/jobs/${id}`);
    begin();
    setOptions(found.options, found.background_file);
    job = { id, state: found.state };
    if (found.state === "new") { unstarted(found.total, `${found.total === 1 ? "1 photo was" : `${found.total} photos were`} sent, and not started.`); return; }
    follow();
    job.state = found.state;
    refresh();
  } catch (error) {
    history.replaceState(null, "", "/");
    toast(error.message, { bad: true });
  }
}
setTheme($("theme"));
onChange(refresh);
offerProfiles().then(() => { if (location.hash.length > 1) resume(location.hash.slice(1)); });
addEventListener("hashchange", () => location.reload()); // another job, or back to none
earlier();
