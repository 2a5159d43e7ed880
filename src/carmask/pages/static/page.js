"use strict";
// Tables: a click on a heading sorts, a second click turns the order round; a box above filters.
for (const table of document.querySelectorAll("table.sort")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const sort = (column) => {
    const up = heads[column].getAttribute("aria-sort") === (heads[column].classList.contains("n") ? "descending" : null)
      || heads[column].getAttribute("aria-sort") === "descending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
    const number = heads[column].classList.contains("n");
    const key = (row) => {
      const cell = row.cells[column];
      const value = cell.dataset.v ?? cell.textContent;
      return number ? (value === "" || isNaN(value) ? -Infinity : Number(value)) : value.toLowerCase();
    };
    const order = up ? 1 : -1;
    const rows = [...body.rows].map((row) => [key(row), row]);
    rows.sort(([a], [b]) => (a < b ? -order : a > b ? order : 0));
    body.append(...rows.map(([, row]) => row));
  };
  heads.forEach((head, column) => {
    head.tabIndex = 0;
    head.title = "sort";
    head.addEventListener("click", () => sort(column));
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(column); });
  });
}
for (const box of document.querySelectorAll("input.find")) {
  const target = box.parentNode.nextElementSibling;
  const table = target.querySelector("table");
  const rows = table ? [...table.tBodies[0].rows] : [...target.children];
  const count = box.parentNode.querySelector(".count");
  const words = rows.map((row) => (row.dataset.words ?? row.textContent).toLowerCase());
  box.addEventListener("input", () => {
    const wanted = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, i) => {
      const hit = wanted.every((word) => words[i].includes(word));
      row.hidden = !hit;
      row.style.display = hit ? "" : "none";
      shown += hit;
    });
    count.textContent = `${shown} of ${rows.length}`;
  });
}
// Pictures: a click enlarges; wheel or + and - zoom, dragging moves, arrows go to the next one, Escape closes.
{
  const all = [...document.querySelectorAll("figure img")];
  const layer = document.getElementById("zoom");
  const [image, text] = [layer.querySelector("img"), layer.querySelector("p")];
  let [at, scale, x, y, moved] = [0, 1, 0, 0, 0];
  const place = () => { image.style.transform = `translate(${x}px, ${y}px) scale(${scale})`; image.style.imageRendering = scale >= 3 ? "pixelated" : "auto"; };
  const show = (index) => {
    at = (index + all.length) % all.length;
    image.onload = () => {
      scale = Math.min(innerWidth / image.naturalWidth, (innerHeight - 44) / image.naturalHeight, 3);
      x = (innerWidth - image.naturalWidth * scale) / 2;
      y = (innerHeight - 44 - image.naturalHeight * scale) / 2;
      place();
    };
    image.src = all[at].src;
    text.textContent = all[at].alt;
    const hint = document.createElement("span");
    hint.textContent = "wheel: zoom \u00b7 drag: move \u00b7 \u2190 \u2192: next \u00b7 Esc: close";
    text.prepend(hint);
    layer.classList.add("on");
  };
  const zoom = (factor, cx, cy) => {
    const next = Math.min(40, Math.max(.05, scale * factor));
    x = cx - (cx - x) * next / scale; y = cy - (cy - y) * next / scale; scale = next;
    place();
  };
  const close = () => layer.classList.remove("on");
  all.forEach((one, index) => {
    one.tabIndex = 0;
    one.addEventListener("click", () => show(index));
    one.addEventListener("keydown", (event) => { if (event.key === "Enter") show(index); });
  });
  layer.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY / 400), event.clientX, event.clientY); }, { passive: false });
  layer.addEventListener("pointerdown", (event) => { moved = 0; layer.classList.add("drag"); layer.setPointerCapture(event.pointerId); });
  layer.addEventListener("pointermove", (event) => {
    if (!layer.classList.contains("drag")) return;
    x += event.movementX; y += event.movementY; moved += Math.abs(event.movementX) + Math.abs(event.movementY);
    place();
  });
  layer.addEventListener("pointerup", () => { layer.classList.remove("drag"); if (moved < 4) close(); });
  addEventListener("keydown", (event) => {
    if (!layer.classList.contains("on")) return;
    if (event.key === "Escape") close();
    else if (event.key === "ArrowRight") show(at + 1);
    else if (event.key === "ArrowLeft") show(at - 1);
    else if (event.key === "+") zoom(1.4, innerWidth / 2, innerHeight / 2);
    else if (event.key === "-") zoom(1 / 1.4, innerWidth / 2, innerHeight / 2);
    else return;
    event.preventDefault();
  });
}
