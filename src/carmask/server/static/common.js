// What all pages share: requests, messages, the theme, small helpers.

/** An answer that is no success. */
export class ApiError extends Error {
  constructor(status, body, retry) {
    super(body.error || `the server answered ${status}`);
    this.status = status;
    this.body = body;
    this.retry = retry;
  }
}

/** Ask the server; an answer that is no success is thrown. */
export async function request(address, options = {}) {
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { error: "the server does not answer; is it still running?" });
  }
  if (response.ok) return response;
  let body = {};
  try {
    body = await response.json();
  } catch {
    body = { error: `the server answered ${response.status}` };
  }
  throw new ApiError(response.status, body, Number(response.headers.get("retry-after")) || 0);
}

export const json = async (address, options) => (await request(address, options)).json();
export const bytes = async (address, options) => new Uint8Array(await (await request(address, options)).arrayBuffer());

/** The element with an id. */
export const $ = (id) => document.getElementById(id);

/** Make an element: properties, then children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Take back what was said about something: it is so no more. */
export function untoast(about) {
  for (const box of [...$("toasts").children]) if (box.dataset.about === about) box.remove();
}

/** Say something for some seconds; bad news stays until it is put away, or something else is said about the same. */
export function toast(text, { bad = false, action = null, seconds = 4, about = "" } = {}) {
  const box = make("div", { className: bad ? "toast bad" : "toast" }, make("span", {}, text));
  if (about) { untoast(about); box.dataset.about = about; }
  const close = () => box.remove();
  if (action) box.append(make("button", { onclick: () => { close(); action.run(); } }, action.text));
  if (bad) box.append(make("button", { onclick: close, ariaLabel: "Close" }, "×"));
  else setTimeout(close, seconds * 1000);
  $("toasts").append(box);
  while ($("toasts").children.length > 4) $("toasts").firstChild.remove();
  return close;
}

/** Light, dark, or what the system says. */
export function setTheme(button) {
  const kept = localStorage.getItem("carmask-theme");
  if (kept) document.documentElement.dataset.theme = kept;
  button?.addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("carmask-theme", document.documentElement.dataset.theme);
  });
}

export const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);

/** Call a function once, some time after the last of many calls. */
export function settled(wait, run) {
  let timer = 0;
  const later = () => { clearTimeout(timer); timer = setTimeout(() => { timer = 0; run(); }, wait); };
  later.cancel = () => { clearTimeout(timer); timer = 0; };
  later.pending = () => timer !== 0;
  return later;
}
