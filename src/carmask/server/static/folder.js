// The folder that is reviewed: addresses of its API, and who is editing.

import { json } from "/static/common.js";

export const folder = location.pathname.split("/").pop();
export const api = `/api/folders/${encodeURIComponent(folder)}`;
export const photoApi = (id) => `${api}/photos/${id}`;

/** What the folder's run made of each photo. */
export let about = { background: "none", picture: true };
export let author = "someone";
export const who = () => `author=${encodeURIComponent(author)}`;

/** Learn what the folder is. */
export async function open(name) {
  author = name || "someone";
  about = await json(api);
}
