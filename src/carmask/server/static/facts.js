// What the page says of a photo: below it, above it, in its place, and the strip of other views.

import { $, make, percent } from "/static/common.js";
import { photoApi } from "/static/folder.js";

const PHOTO_CONTROLS = ["band", "before", "other", "accept", "save", "reject", "undo", "redo"];

/** Words in the photo's place; '' takes them away. */
export function empty(text) {
  $("empty").hidden = !text;
  $("empty").replaceChildren(text ? make("h2", {}, text) : "");
}

/** A line over the photo: what is given, else what is to be known of it. */
export function note(meta, text = "", bad = false) {
  if (!text && meta?.replaced) {
    text = "This photo has been replaced since it was cut. Cut the folder again; nothing can be saved for it now.";
    bad = true;
  }
  if (!text && meta?.decision === "rejected") text = `Rejected by ${meta.author}: ${meta.why}`;
  $("note").hidden = !text;
  $("note").classList.toggle("bad", bad);
  $("note").textContent = text;
}

/** Name, facts and buttons of the photo that is shown; without a photo, the name of the one that cannot be. */
export function describe(current, history, name = "") {
  for (const id of PHOTO_CONTROLS) $(id).disabled = !current;
  $("name").textContent = current ? current.meta.name : name;
  $("unsaved").hidden = !current || current.saved;
  $("more").textContent = $("more").title = current ? factsOf(current.meta).join(" · ") : "";
  if (!current) return;
  for (const id of ["accept", "save", "reject"]) $(id).disabled = current.meta.replaced;
  $("undo").disabled = !history.done.length;
  $("redo").disabled = !history.undone.length;
}

/** When a decision was made. */
export const timeOf = ({ saved }) => `${saved.replace("T", " ").slice(0, 16)} UTC`;

function factsOf(meta) {
  const facts = [`${meta.width} × ${meta.height}`, `confidence ${percent(meta.confidence)}`];
  if (meta.error !== null) facts.push(`contour off by about ${meta.error.toFixed(1)} px`);
  facts.push(...[meta.checks, meta.reason].filter(Boolean));
  if (meta.decision !== "open") facts.push(`${meta.decision} by ${meta.author}, ${timeOf(meta)}`);
  return facts;
}

/** The strip of a car's other views, and the masks that can be taken from them; nothing without a photo. */
export function drawViews(meta, choose) {
  const views = meta && meta.views.length > 1 ? meta.views : [];
  $("views").hidden = !views.length;
  $("views").replaceChildren(...views.map((item) => {
    const button = make("button", { title: item.name, onclick: () => choose(item.id) },
      make("img", { src: `${photoApi(item.id)}/thumb?cut=${item.cut}`, alt: item.name, loading: "lazy" }));
    button.setAttribute("aria-current", item.id === meta.id);
    return button;
  }));
  const masks = [["", "Take mask …"], ["base", "The network's"], ["default", "Model default"], ["best", "Model best"]];
  for (const item of views) if (item.id !== meta.id && item.status === "done") masks.push([`view:${item.id}`, item.name]);
  $("other").replaceChildren(...masks.map(([value, text]) => make("option", { value }, text)));
}
