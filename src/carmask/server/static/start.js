// The start page: photos in, results out.

import { $, json, make, percent, request, setTheme, toast, untoast } from "/static/common.js";
import { filesOf, listed, sorted } from "/static/taking.js";

const PRESETS = [
  ["", "Transparent"], ["white", "White"], ["#d9dde2", "Light grey"], ["#3a3f47", "Dark grey"], ["white:#8a8f98", "White to grey"],
  ["#e8eef5:#5f6f82", "Blue to grey"], ["showroom", "Drawn showroom"], ["blur", "Blurred surroundings"],
];
const WORDS = { "": "None", showroom: "Showroom", blur: "Blur" }; // of presets that are no colours
const SENDING = 3; // photos sent at the same time
let job = null;
let source = null;
let photos = new Map();
let shown = null;
let total = 0;
let kept = false; // the server has a background picture of this job

// ---- options

function swatch(value, text) {
  const label = make("label", { title: text }, make("input", { type: "radio", name: "background", value, checked: value === "" }));
  label.append(make("span", { className: "visually-hidden" }, text));
  const colours = value ? value.split(":") : [];
  if (value in WORDS) { label.className = "wide"; label.append(WORDS[value]); return label; }
  const id = `g${Math.random().toString(36).slice(2)}`;
  const stops = colours.length > 1
    ? `<defs><linearGradient id="${id}" x2="0" y2="1"><stop stop-color="${colours[0]}"/><stop offset="1" stop-color="${colours[1]}"/></linearGradient></defs>` : "";
  label.insertAdjacentHTML("beforeend", `<svg viewBox="0 0 10 10" preserveAspectRatio="none" aria-hidden="true">${stops}<rect width="10" height="10" fill="${stops ? `url(#${id})` : colours[0]}"/></svg>`);
  return label;
}

for (const [value, text] of PRESETS) $("swatches").append(swatch(value, text));
const colour = make("input", { type: "color", value: "#9fb4c7", title: "Another colour", ariaLabel: "Another colour" });
const own = make("input", { type: "radio", name: "background", value: "colour" });
const picture = make("input", { type: "file", accept: "image/*", className: "visually-hidden" });
const fromFile = make("input", { type: "radio", name: "background", value: "picture" });
const fileLabel = make("label", { className: "wide", title: "A picture as background" }, fromFile, make("span", {}, "Picture …"));
$("swatches").append(make("label", { className: "wide" }, own, "Colour"), colour, fileLabel, picture);
colour.addEventListener("input", () => { own.checked = true; optionsChanged(); });
fromFile.addEventListener("click", () => picture.click());
picture.addEventListener("change", () => {
  fileLabel.lastChild.textContent = picture.files.length ? picture.files[0].name.slice(0, 18) : "Picture …";
  if (!picture.files.length && !kept) $("swatches").querySelector("input").checked = true;
  optionsChanged();
});
picture.addEventListener("cancel", () => { if (!sends()) $("swatches").querySelector("input").checked = true; optionsChanged(); });
$("options").addEventListener("change", optionsChanged);
$("options").addEventListener("submit", (event) => event.preventDefault());

function optionsChanged() {
  const { background, format } = $("options").elements;
  // JPEG has no transparency.
  const jpeg = [...format.options].find((option) => option.value === "jpg");
  jpeg.disabled = background.value === "";
  if (jpeg.disabled && format.value === "jpg") format.value = "png";
  $("again").hidden = !job || job.state === "running";
}

/** Whether a background picture is sent, or was. */
const sends = () => $("options").elements.background.value === "picture" && (kept || picture.files.length > 0);

function optionsForm() {
  const form = new FormData();
  const { elements } = $("options");
  for (const name of ["shadow", "plate", "others", "place", "size", "format"]) if (elements[name].value) form.append(name, elements[name].value);
  const background = elements.background.value;
  if (background === "picture" && picture.files.length) form.append("background_file", picture.files[0]);
  else if (background === "picture" && kept) form.append("keep_background", "true");
  else if (background === "colour") form.append("background", colour.value);
  else if (background && background !== "picture") form.append("background", background);
  return form;
}

// ---- sending

async function send(dropped) {
  const { files, refused } = sorted(dropped);
  if (!files.length) { tell(refused, refused.length); toast("There are no photos among these files.", { bad: true, about: "files" }); return; }
  if (kept && sends() && !picture.files.length) { toast("Choose the background picture again: the server has it for the other photos alone.", { bad: true }); return; }
  const count = files.length + refused.length;
  begin();
  untoast("files");
  tell(refused, count);
  kept = false;
  try {
    const made = await json("/v1/jobs", { method: "POST", body: optionsForm() });
    kept = sends();
    job = { id: made.id, state: "new" };
    history.replaceState(null, "", `#${job.id}`);
    let sent = 0;
    const queue = files.slice();
    const worker = async () => {
      for (let file = queue.shift(); file; file = queue.shift()) {
        const form = new FormData();
        form.append("photo", file, file.name);
        try {
          await request(`/v1/jobs/${job.id}/photos`, { method: "POST", body: form });
        } catch (error) {
          refused.push([file.name, error.message.replace(/^photo: /, "")]);
          tell(refused, count);
        }
        status(`Sending ${++sent} of ${files.length} photos`, sent / files.length);
      }
    };
    await Promise.all(Array.from({ length: SENDING }, worker));
    if (refused.length === count) {
      status("No photo could be sent.", 0);
      await request(`/v1/jobs/${job.id}`, { method: "DELETE" }).catch(() => {});
      job = null;
      history.replaceState(null, "", "/");
      earlier();
      return;
    }
    await request(`/v1/jobs/${job.id}/start`, { method: "POST" });
    follow();
  } catch (error) {
    status("", 0);
    toast(error.message, { bad: true });
  }
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
}

// ---- following

function follow() {
  job.state = "running";
  total = 0;
  photos = new Map();
  $("tiles").replaceChildren();
  // Beside an opaque picture nothing is transparent.
  $("tiles").classList.toggle("opaque", $("options").elements.background.value !== "");
  source?.close();
  source = new EventSource(`/v1/jobs/${job.id}/events`);
  source.addEventListener("total", (event) => {
    total = JSON.parse(event.data).total;
    progress();
  });
  source.addEventListener("photo", (event) => {
    const photo = JSON.parse(event.data);
    photos.set(photo.number, photo);
    tile(photo);
    progress();
  });
  source.addEventListener("end", (event) => {
    source.close();
    const { state, error } = JSON.parse(event.data);
    job.state = state;
    if (state === "failed") toast(error, { bad: true });
    finished();
  });
  source.onerror = () => { if (job.state === "running") $("status").textContent = "The server does not answer; trying again …"; };
  optionsChanged();
}

const status = (text, share) => {
  $("status").textContent = text;
  $("meter").style.width = `${100 * share}%`;
};

function progress() {
  status(`${photos.size} of ${total} photos done`, total ? photos.size / total : 0);
}

function finished() {
  const all = [...photos.values()];
  const failed = all.filter((photo) => photo.status === "failed").length;
  const doubtful = all.filter((photo) => photo.review).length;
  const parts = [`${all.length - failed} of ${total} photos done`];
  if (doubtful) parts.push(`${doubtful} to look at`);
  if (failed) parts.push(`${failed} failed`);
  status(parts.join(", "), 1);
  $("zip").hidden = all.length === failed;
  $("zip").href = `/v1/jobs/${job.id}/zip`;
  $("review").hidden = job.state !== "done" || all.length === failed;
  $("review").href = `/review/${job.id}`;
  $("review").textContent = doubtful ? `Mend doubtful ones (${doubtful})` : "Look through and mend";
  $("review").classList.toggle("primary-look", doubtful > 0);
  $("delete").hidden = false;
  document.body.dataset.done = job.id; // for whoever waits for it
  optionsChanged();
}

const output = (photo, query = "") => `/v1/jobs/${job.id}/photos/${photo.number}/output/${photo.outputs.length - 1}?v=${encodeURIComponent(photo.made)}${query}`;
const original = (photo, side) => `/v1/jobs/${job.id}/photos/${photo.number}/image?side=${side}`;

function tile(photo) {
  const picture = make("span", { className: "picture" });
  if (photo.status === "done") picture.append(make("img", { src: output(photo), alt: "", loading: "lazy", decoding: "async" }));
  const badge = photo.status === "failed" ? "failed" : photo.review ? "review" : photo.decision;
  const button = make("button", { onclick: () => view(photo), title: photo.title, disabled: photo.status === "failed" }, picture,
    make("span", { className: "line" }, make("span", { className: "name" }, photo.title),
      badge ? make("span", { className: `badge ${badge}` }, badge === "review" ? "look" : badge) : make("span", { className: "soft" }, percent(photo.confidence))));
  if (photo.reason) button.append(make("span", { className: photo.status === "failed" ? "why" : "soft" }, photo.reason));
  const item = make("li", {}, button);
  item.dataset.number = photo.number;
  const after = [...$("tiles").children].find((one) => Number(one.dataset.number) > photo.number);
  $("tiles").insertBefore(item, after ?? null);
}

// ---- looking

function view(photo) {
  shown = photo;
  $("viewer-title").textContent = photo.title;
  $("compare").classList.toggle("opaque", $("tiles").classList.contains("opaque"));
  $("result").src = output(photo);
  $("original").src = original(photo, 1600);
  const parts = [`confidence ${percent(photo.confidence)}`];
  if (photo.expected_error_px !== null) parts.push(`contour off by about ${photo.expected_error_px.toFixed(1)} px`);
  if (photo.reason) parts.push(photo.reason);
  $("viewer-more").textContent = parts.join(" · ");
  $("viewer-download").href = output(photo, "&download=1");
  $("viewer-mend").href = `/review/${job.id}#${photo.id}`;
  $("viewer-mend").hidden = job.state !== "done";
  if (!$("viewer").open) $("viewer").showModal();
  $("slider").focus();
}

/** Where the result ends and the original begins, in percent of the width. */
function slide(place) {
  $("slider").value = place;
  $("original").style.clipPath = `inset(0 0 0 ${place}%)`;
  $("edge").style.left = `${place}%`;
}

function step(by) {
  const list = [...photos.values()].filter((photo) => photo.status === "done").sort((one, other) => one.number - other.number);
  const next = list[list.indexOf(shown) + by];
  if (next) view(next);
}

$("slider").oninput = () => slide(Number($("slider").value));
const drag = (event) => {
  if (event.buttons || event.type === "pointerdown") {
    const box = $("compare").getBoundingClientRect();
    slide(Math.round(Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width))));
  }
};
$("compare").addEventListener("pointerdown", drag);
$("compare").addEventListener("pointermove", drag);
$("viewer-close").onclick = () => $("viewer").close();
$("viewer-back").onclick = () => step(-1);
$("viewer-next").onclick = () => step(1);
$("viewer").addEventListener("keydown", (event) => {
  if (event.key === "PageDown" || event.key === "n") step(1);
  if (event.key === "PageUp" || event.key === "p") step(-1);
});
slide(50);

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
$("again").onclick = async () => {
  try {
    await request(`/v1/jobs/${job.id}/start`, { method: "POST", body: optionsForm() });
    kept = sends();
    delete document.body.dataset.done;
    follow();
  } catch (error) {
    toast(error.message, { bad: true });
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
    return make("li", {}, link, make("span", {}, one.photos === 1 ? "1 photo" : `${one.photos} photos`), make("span", { className: `badge ${one.state}` }, one.state));
  }));
}

/** Show what a job was told. */
function setOptions(options) {
  const { elements } = $("options");
  for (const name of ["shadow", "plate", "others", "place", "size", "format"]) {
    if (name in options && ![...elements[name].options].some((one) => one.value === options[name])) elements[name].append(make("option", {}, options[name]));
    elements[name].value = options[name] ?? elements[name].options[0].value;
  }
  const behind = options.background ?? "";
  const preset = [...elements.background].find((one) => one.value === behind);
  if (preset) preset.checked = true;
  else if (/^#[0-9a-f]{6}$/i.test(behind)) { colour.value = behind; own.checked = true; }
}

async function resume(id) {
  try {
    const found = await json(`/v1/jobs/${id}`);
    begin();
    setOptions(found.options);
    kept = found.background_file;
    if (kept) fromFile.checked = true;
    job = { id, state: found.state };
    follow();
    job.state = found.state;
  } catch (error) {
    history.replaceState(null, "", "/");
    toast(error.message, { bad: true });
  }
}
setTheme($("theme"));
optionsChanged();
if (location.hash.length > 1) resume(location.hash.slice(1));
addEventListener("hashchange", () => location.reload()); // another job, or back to none
earlier();
