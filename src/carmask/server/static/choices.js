// What is to be made of the photos: the options of the start page.

import { $, json, make } from "/static/common.js";

const PRESETS = [
  ["", "Transparent"], ["white", "White"], ["#d9dde2", "Light grey"], ["#3a3f47", "Dark grey"], ["white:#8a8f98", "White to grey"],
  ["#e8eef5:#5f6f82", "Blue to grey"], ["showroom", "Drawn showroom"], ["blur", "Blurred surroundings"],
];
const WORDS = { "": "None", showroom: "Showroom", blur: "Blur" }; // of presets that are no colours
/** Options that the page does not offer, in words. */
const FURTHER = { strength: "strength of the shadow", light: "light from", crop: "cropped to the car with margin", match: "car in the background's light" };
const NAMES = ["shadow", "plate", "others", "place", "size", "format"];
/** Options that have no meaning with the value of another. */
const POINTLESS = {
  place: { photo: ["scale", "floor"], centre: ["crop"], turntable: ["crop"], vehicle: ["crop"] },
  background: { "": ["fit", "match"], blur: ["fit", "match"] }, format: { png: ["quality"] }, shadow: { none: ["strength", "light"], keep: ["light"] },
};
const profiles = new Map(); // options by name
const pictures = new Set(); // names of those with a picture
/** Whether the server has the background picture of the job that is shown, and options that the page does not offer: of
 * that job, or of the profile that was chosen. */
export const choices = { kept: false, further: {}, profiled: false };

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
const picture = make("input", { type: "file", accept: "image/*", className: "visually-hidden", tabIndex: -1, ariaLabel: "A picture as background" });
const fromFile = make("input", { type: "radio", name: "background", value: "picture" });
const fileLabel = make("label", { className: "wide", title: "A picture as background" }, fromFile, make("span", {}, "Picture …"));
$("swatches").append(make("label", { className: "wide" }, own, "Colour"), colour, fileLabel, picture);
colour.addEventListener("input", () => { own.checked = true; optionsChanged(); });
fromFile.addEventListener("click", () => picture.click());
picture.addEventListener("change", () => {
  fileLabel.lastChild.textContent = picture.files.length ? picture.files[0].name.slice(0, 18) : "Picture …";
  if (!picture.files.length && !choices.kept) $("swatches").querySelector("input").checked = true;
  optionsChanged();
});
picture.addEventListener("cancel", () => { if (!sends()) $("swatches").querySelector("input").checked = true; optionsChanged(); });
$("options").addEventListener("change", (event) => {
  if (event.target === $("profile")) choose($("profile").value);
  else $("profile").value = "";
  optionsChanged();
});
$("options").addEventListener("submit", (event) => event.preventDefault());

let changed = () => {};

/** Offer the profiles that the server has. */
export async function offerProfiles() {
  const found = await json("/v1/profiles").catch(() => ({ profiles: [] })); // without, all can be chosen one by one
  for (const { name, description, picture, options } of found.profiles.sort((one, other) => one.name.length - other.name.length)) {
    const alike = [...profiles].find(([, stated]) => same(stated, options)); // they differ in what is for folders alone
    if (alike) { [...$("profile").options].find((one) => one.value === alike[0]).append(`, ${name}`); continue; }
    profiles.set(name, options);
    if (picture) { pictures.add(name); WORDS[name] = name; own.parentNode.before(swatch(name, `The picture of ${name}`)); }
    $("profile").append(make("option", { value: name, title: description }, name));
  }
  $("profile-choice").hidden = !profiles.size;
  optionsChanged();
}

function choose(name) {
  const { kept } = choices;
  if (name) { setOptions(profiles.get(name), false); choices.kept = kept; } // the picture can be chosen again
  else { choices.further = {}; choices.profiled = false; }
}

const same = (one, other) => JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());

/** Call a function after each change of an option. */
export function onChange(run) { changed = run; optionsChanged(); }

function optionsChanged() {
  const { background, format } = $("options").elements;
  // JPEG has no transparency.
  const jpeg = [...format.options].find((option) => option.value === "jpg");
  jpeg.disabled = background.value === "";
  if (jpeg.disabled && format.value === "jpg") format.value = "png";
  const { value, title } = $("profile").selectedOptions[0];
  const also = further().map(([name, set]) => `${FURTHER[name] ?? name} ${set}`).join(", ");
  const hint = profiles.size ? "A profile sets all of these at once; what is changed afterwards is over it." : "";
  const told = also && `${choices.profiled ? "Also set" : "These photos also have"}: ${also}.`;
  $("about").textContent = [value ? title && `${title.replace(/\.$/, "")}.` : also ? "" : hint, told].filter(Boolean).join(" ");
  changed();
}

/** The options that the page does not offer, without those that have no meaning with what is chosen. */
function further() {
  const { elements } = $("options");
  const pointless = Object.entries(POINTLESS).flatMap(([name, values]) => values[elements[name].value] ?? []);
  if (elements.size.value) pointless.push("crop");
  return Object.entries(choices.further).filter(([name]) => !pointless.includes(name));
}

/** Forget what only the job that is shown has: other photos are sent. */
export function forget() {
  choices.kept = false;
  if (!choices.profiled) choices.further = {};
  optionsChanged();
}

/** Whether a background picture is sent, or was. */
export const sends = () => $("options").elements.background.value === "picture" && (choices.kept || picture.files.length > 0);

/** The options as a form; of a job that is rendered again, and of a profile, with those that the page does not offer. */
export function optionsForm(again = false) {
  const form = new FormData();
  const { elements } = $("options");
  if (again || choices.profiled) for (const [name, value] of further()) form.append(name, value);
  for (const name of NAMES) if (elements[name].value) form.append(name, elements[name].value);
  const background = elements.background.value;
  if (background === "picture" && picture.files.length) form.append("background_file", picture.files[0]);
  else if (background === "picture" && choices.kept) form.append("keep_background", "true");
  else if (background === "colour") form.append("background", colour.value);
  else if (background && background !== "picture") form.append("background", background);
  return form;
}

/** Whether a new background picture is named. */
export const named = () => picture.files.length > 0;

/** Whether there is something behind the car. */
export const opaque = () => $("options").elements.background.value !== "";

/** Show what a job was told, or what a profile states. */
export function setOptions(options, kept) {
  if (pictures.has(options.background)) kept = false; // it is the profile's, which is still there
  choices.kept = kept;
  choices.further = Object.fromEntries(Object.entries(options).filter(([name]) => name !== "background" && !NAMES.includes(name)));
  const profile = kept ? undefined : [...profiles].find(([, stated]) => same(stated, options));
  choices.profiled = Boolean(profile);
  const { elements } = $("options");
  $("profile").value = profile?.[0] ?? "";
  for (const name of NAMES) {
    if (name in options && ![...elements[name].options].some((one) => one.value === options[name])) elements[name].append(make("option", {}, options[name]));
    elements[name].value = options[name] ?? elements[name].options[0].value;
  }
  const behind = options.background ?? "";
  const preset = [...elements.background].find((one) => one.value === behind);
  if (kept) fromFile.checked = true;
  else if (preset) preset.checked = true;
  else if (/^#[0-9a-f]{6}$/i.test(behind)) { colour.value = behind; own.checked = true; }
  else {
    const other = swatch(behind, behind);
    colour.parentNode.insertBefore(other, own.parentNode);
    other.querySelector("input").checked = true;
  }
  optionsChanged();
}
