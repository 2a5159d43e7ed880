// The list of photos as a drawer, where the screen is too narrow to show it beside the photo.

import { $ } from "/static/common.js";

function set(open) {
  $("queue").classList.toggle("open", open);
  $("drawer").setAttribute("aria-expanded", open);
}

const isDrawer = () => $("drawer").offsetParent !== null;
const isOpen = () => isDrawer() && $("queue").classList.contains("open");

/** Open it, if it is one here. */
export function openDrawer() {
  if (!isDrawer()) return;
  set(true);
  $("filter").focus();
}

/** Close it; the photo has the keys again. */
export function closeDrawer() {
  if (!isOpen()) return;
  set(false);
  $("overlay").focus({ preventScroll: true });
}

$("drawer").onclick = openDrawer;
$("drawer-close").onclick = closeDrawer;
// A tap beside it closes it, and does nothing else: no stroke begins.
addEventListener("pointerdown", (event) => {
  if (!isOpen() || event.target.closest("#queue, dialog, .toasts")) return;
  event.preventDefault();
  event.stopPropagation();
  closeDrawer();
}, { capture: true });
