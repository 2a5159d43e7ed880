// One photo on the start page: the result beside the original.

import { $, percent } from "/static/common.js";

let shown = null;
let from = null;

/** Show a photo: `one` has its addresses, whether it can be mended, and the others to go on to. */
export function view(photo, one) {
  shown = photo;
  from = one;
  $("viewer-title").textContent = photo.title;
  $("compare").classList.toggle("opaque", $("tiles").classList.contains("opaque"));
  $("result").src = from.output(photo);
  $("original").src = from.original(photo, 1600);
  const parts = [`confidence ${percent(photo.confidence)}`];
  if (photo.expected_error_px !== null) parts.push(`contour off by about ${photo.expected_error_px.toFixed(1)} px`);
  if (photo.reason) parts.push(photo.reason);
  $("viewer-more").textContent = parts.join(" · ");
  $("viewer-download").href = from.output(photo, "&download=1");
  $("viewer-mend").href = from.editor(photo);
  $("viewer-mend").hidden = !from.mendable();
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
  const list = from.photos().filter((photo) => photo.status === "done");
  const next = list[list.findIndex((photo) => photo.number === shown.number) + by];
  if (next) view(next, from);
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
  const by = { PageDown: 1, n: 1, PageUp: -1, p: -1 }[event.key];
  if (!by) return;
  event.preventDefault(); // the slider takes these keys, too
  step(by);
});
slide(50);
