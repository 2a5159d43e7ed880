// Masks of others for the photo that is edited: the network's, another model's, that of another view.

import { toast, untoast } from "/static/common.js";
import { current, tools } from "/static/editor.js";
import { maskOf, metaOf } from "/static/loading.js";
import { scaled } from "/static/mask.js";

/** The network's own mask of the photo that is shown, asked for once. */
export async function baseMask() {
  const mine = current;
  mine.base ??= await maskOf(mine.id, mine.meta, "base");
  return mine.base;
}

/** Take another mask: ``base``, a model's name, or ``view:ID``. */
export async function takeMask(which) {
  const mine = current;
  if (!mine || !which) return;
  const slow = setTimeout(() => {
    if (mine === current) toast("The other mask is being made …", { about: "mask", seconds: 600 });
  }, 400);
  try {
    let mask;
    if (which.startsWith("view:")) {
      const other = await metaOf(which.slice(5));
      mask = await maskOf(other.id, other, "current");
    } else mask = await (which === "base" ? baseMask() : maskOf(mine.id, mine.meta, "model", which));
    if (mine !== current) return;
    mask = scaled(mask, mine.meta.width, mine.meta.height);
    untoast("mask");
    toast(tools.replace(mask) ? "Another mask was taken; undo brings yours back." : "That mask is the same.", { about: "taken" });
  } catch (error) {
    untoast("mask");
    toast(error.message, { bad: true });
  } finally {
    clearTimeout(slow);
  }
}
