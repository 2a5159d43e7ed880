// Photos, masks and the pictures that lie over or behind them, from the server; the next photos ahead of time.

import { bytes, json, request } from "/static/common.js";
import { api, photoApi, who } from "/static/folder.js";
import { Mask } from "/static/mask.js";

const AHEAD = 4; // photos that are kept ready
const ready = new Map();

const bitmapOf = async (address) => createImageBitmap(await (await request(address)).blob());

/** What the server says of a photo. */
export const metaOf = (id) => json(`${photoApi(id)}?${who()}`);

/** A mask of a photo: ``current``, ``base`` (the run's network), ``draft``, or ``model`` with a model's name. */
export async function maskOf(id, { width, height }, kind, model = "") {
  const query = new URLSearchParams(model ? { kind, model } : { kind });
  return Mask.fromRuns(await bytes(`${photoApi(id)}/mask?${query}&${who()}`), width, height);
}

/** A photo with all that is shown at first, asked for side by side. */
async function load(id) {
  const [meta, image, runs] = await Promise.all([
    metaOf(id),
    request(`${photoApi(id)}/image`).then((response) => response.blob()),
    bytes(`${photoApi(id)}/mask?kind=current&${who()}`),
  ]);
  let bitmap = await createImageBitmap(image).catch(() => null);
  if (!bitmap || bitmap.width !== meta.width || bitmap.height !== meta.height) {
    // The browser reads the file otherwise than the server does: as a picture that both read alike.
    bitmap = await bitmapOf(`${photoApi(id)}/image?as=jpeg`);
  }
  return { meta, bitmap, mask: Mask.fromRuns(runs, meta.width, meta.height) };
}

/** A photo, or the error in its place; what was loaded ahead is there at once. */
export function ahead(id) {
  if (!ready.has(id)) {
    ready.set(id, load(id).catch((error) => error));
    while (ready.size > AHEAD) ready.delete(ready.keys().next().value);
  }
  return ready.get(id);
}

/** What was loaded ahead of a photo no longer holds. */
export const forget = (id) => ready.delete(id);

/** Where the network is uncertain, at the network's resolution. */
export const bandOf = (id) => bitmapOf(`${photoApi(id)}/band`);

/** The run's background, made to fit a photo. */
export function backgroundFor({ width, height }) {
  const scale = Math.min(1, 1600 / Math.max(width, height));
  const side = (length) => Math.max(16, Math.round(length * scale));
  return bitmapOf(`${api}/background?${new URLSearchParams({ width: side(width), height: side(height) })}`);
}

/** The last of the files that the run wrote for a photo. */
export const renderedOf = ({ id, outputs }) => bitmapOf(`${photoApi(id)}/output/${outputs[outputs.length - 1].number}`);
