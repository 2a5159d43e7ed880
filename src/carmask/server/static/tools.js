// Mouse, pen, fingers and arrow keys on the stage, and what each tool does with them.

import { History, join } from "/static/mask.js";
import { $, toast } from "/static/common.js";

export const TOOLS = [
  ["brush", "Brush", "B", "M4 20c3 0 4-1 4-3 0-1.5 1-2.5 2.5-2.5S13 15.5 13 17c0 2.5-2 4-5 4-1.5 0-3-.3-4-1zM11.5 14 20 4"],
  ["eraser", "Eraser", "E", "M8 20h12M5 15l9-10 6 5-8.5 10H8z"],
  ["lasso", "Lasso +", "L", "M4 9c0-3 4-5 8-5s8 2 8 5-4 5-8 5-8-2-8-5zM6 13c-1 3 0 6 2 7M16 18h6M19 15v6"],
  ["unlasso", "Lasso −", "K", "M4 9c0-3 4-5 8-5s8 2 8 5-4 5-8 5-8-2-8-5zM6 13c-1 3 0 6 2 7M16 18h6"],
  ["snap", "Snap", "S", "M6 4v7a6 6 0 0 0 12 0V4M3 4h6M15 4h6M9 20l-1 2M12 20v2M15 20l1 2"],
  ["smooth", "Smooth", "M", "M3 15c3-8 6-8 9 0s6 8 9 0"],
  ["fill", "Fill hole", "F", "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z"],
  ["remove", "Remove", "C", "M4 8h9v9H4zM16 5l5 5M21 5l-5 5"],
  ["hand", "Move", "H", "M12 3v18M3 12h18M12 3 9.5 5.5M12 3l2.5 2.5M12 21l-2.5-2.5M12 21l2.5-2.5M3 12l2.5-2.5M3 12l2.5 2.5M21 12l-2.5-2.5M21 12l-2.5 2.5"],
];
const NOTHING = {
  snap: "Nothing to snap: the stroke is the contour already, or no contour is near its ends.",
  smooth: "The contour is smooth here.", fill: "There is no hole here.", remove: "There is no car here.",
};
const UNSEEN = "The mask is not shown in this view. Choose another view to draw.";
const PAINTS = new Set(["brush", "eraser"]);
const AREAS = new Set(["lasso", "unlasso"]);
const STROKES = new Set(["snap", "smooth"]);

export class Tools {
  /**
   * @param view the stage
   * @param ask sends an edit to the server: (tool, points, radius) to the new mask
   * @param changed called after each change of the mask
   */
  constructor(view, ask, changed) {
    this.view = view;
    this.ask = ask;
    this.changed = changed;
    this.tool = "brush";
    this.radius = 24;
    this.hardness = 1;
    this.history = new History();
    this.fingers = new Map();
    this.stroke = null;
    this.cursor = null;
    this.busy = false;
    this.settled = Promise.resolve(); // when no edit is waited for
    view.drawPointer = (context) => this.#drawPointer(context);
    const stage = $("overlay");
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => this.#up(event));
    stage.addEventListener("pointerleave", () => { if (!this.stroke && !this.keyboard) this.cursor = null; });
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.view.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0018)), this.#at(event));
    }, { passive: false });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** Begin with another photo. */
  reset() {
    this.history = new History();
    this.stroke = null;
    this.pan = null;
    this.view.stroking = false;
  }

  use(tool) {
    this.cancel();
    this.tool = tool;
    this.view.stage.classList.toggle("panning", tool === "hand");
  }

  undo() {
    if (this.stroke) this.cancel(); // the stroke that is being made
    else if (!this.busy) this.#replay(this.history.undo(this.view.mask));
  }

  redo() { if (!this.stroke && !this.busy) this.#replay(this.history.redo(this.view.mask)); }

  #replay(box) {
    if (!box) return;
    this.view.touch(box);
    this.changed();
  }

  /** Put another mask in place of this one, as one step. */
  replace(mask) {
    const box = this.view.mask.difference(mask);
    if (!box) return false;
    const before = this.view.mask.take(box);
    this.view.mask.put(box, mask.take(box));
    this.history.note(this.view.mask, box, before);
    this.view.touch(box);
    this.changed();
    return true;
  }

  /** Give up the stroke that is being made. */
  cancel() {
    const { stroke } = this;
    this.stroke = null;
    this.view.stroking = false;
    if (stroke?.before) {
      this.view.mask.data.set(stroke.before);
      this.view.touch(stroke.box);
    }
  }

  // ---- the keyboard's pointer

  /** Move the pointer by CSS pixels; the photo follows where it would leave the stage. */
  step(dx, dy) {
    const { clientWidth: w, clientHeight: h } = this.view.stage;
    this.keyboard = true;
    this.cursor ??= { x: w / 2, y: h / 2 };
    const x = this.cursor.x + dx, y = this.cursor.y + dy;
    const inX = Math.min(w - 20, Math.max(20, x)), inY = Math.min(h - 20, Math.max(20, y));
    if (inX !== x || inY !== y) this.view.pan(inX - x, inY - y);
    this.cursor = { x: inX, y: inY };
    if (this.stroke) this.#extend(this.view.toPhoto(inX, inY), 1);
  }

  /** Begin or end a stroke at the keyboard's pointer. */
  press() {
    if (!this.view.mask) return;
    const { clientWidth: w, clientHeight: h } = this.view.stage;
    this.keyboard = true;
    this.cursor ??= { x: w / 2, y: h / 2 };
    if (this.stroke) this.#finish();
    else this.#begin(this.view.toPhoto(this.cursor.x, this.cursor.y), 1);
    if (this.stroke && (this.tool === "fill" || this.tool === "remove")) this.#finish();
  }

  // ---- mouse, pen, fingers

  #at(event) {
    const box = $("overlay").getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #down(event) {
    if (!this.view.mask) return;
    $("overlay").focus({ preventScroll: true });
    this.keyboard = false;
    const at = this.#at(event);
    $("overlay").setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") {
      this.fingers.set(event.pointerId, at);
      if (this.fingers.size === 2) {
        this.cancel();
        this.pinch = this.#span();
        return;
      }
    }
    this.cursor = at;
    if (event.button === 1 || this.tool === "hand" || this.spaceHeld) {
      this.pan = at;
      this.panned = true;
      this.view.stage.classList.add("panning");
      return;
    }
    if (event.button === 0 || event.pointerType !== "mouse") this.#begin(this.view.toPhoto(at.x, at.y), pressure(event));
  }

  #move(event) {
    const at = this.#at(event);
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, at);
    if (this.pinch && this.fingers.size === 2) {
      const now = this.#span();
      this.view.pan(now.x - this.pinch.x, now.y - this.pinch.y);
      this.view.zoom(now.length / this.pinch.length, now);
      this.pinch = now;
      return;
    }
    this.cursor = at;
    this.keyboard = false;
    if (this.pan) {
      this.view.pan(at.x - this.pan.x, at.y - this.pan.y);
      this.pan = at;
    } else if (this.stroke) {
      // All places that the pointer passed since the last frame, not the last one alone.
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length ? all : [event]) {
        const { x, y } = this.#at(one);
        this.#extend(this.view.toPhoto(x, y), pressure(one));
      }
    }
  }

  #up(event) {
    this.fingers.delete(event.pointerId);
    if (this.fingers.size < 2) this.pinch = null;
    if (this.pan) {
      this.pan = null;
      this.view.stage.classList.toggle("panning", this.tool === "hand");
    }
    if (this.stroke && event.type === "pointerup") this.#finish();
    else if (this.stroke && event.type === "pointercancel") this.cancel();
    if (event.pointerType === "touch") this.cursor = null;
  }

  #span() {
    const [one, other] = [...this.fingers.values()];
    return {
      x: (one.x + other.x) / 2, y: (one.y + other.y) / 2,
      length: Math.max(10, Math.hypot(one.x - other.x, one.y - other.y)),
    };
  }

  // ---- strokes

  #begin(place, weight) {
    if (this.busy || this.tool === "hand" || this.view.instead) return;
    const { mode } = this.view;
    if (mode === "rendered" || (mode === "photo" && PAINTS.has(this.tool))) { toast(UNSEEN, { about: "unseen" }); return; }
    this.stroke = { points: [place], box: null, before: null };
    if (PAINTS.has(this.tool)) {
      this.stroke.before = this.view.mask.data.slice();
      this.view.stroking = true;
      this.view.frames = [];
      this.#dab(place, weight);
    }
  }

  #extend(place, weight) {
    const last = this.stroke.points[this.stroke.points.length - 1];
    const length = Math.hypot(place[0] - last[0], place[1] - last[1]);
    if (PAINTS.has(this.tool)) {
      const step = Math.max(1, this.radius / (this.hardness > 0.9 ? 6 : 4));
      if (length < Math.min(1, step)) return;
      for (let along = step; along < length; along += step) {
        const share = along / length;
        this.#dab([last[0] + (place[0] - last[0]) * share, last[1] + (place[1] - last[1]) * share], weight);
      }
      this.#dab(place, weight);
      this.stroke.points.push(place);
    } else if (length > 0.5) this.stroke.points.push(place);
  }

  #dab(place, weight) {
    const box = this.view.mask.dab(place[0], place[1], this.radius * weight, this.hardness, this.tool === "brush");
    this.stroke.box = join(this.stroke.box, box);
    this.view.touch(box);
  }

  #finish() {
    const { stroke, view, tool } = this;
    this.stroke = null;
    view.stroking = false;
    if (PAINTS.has(tool)) {
      const box = stroke.box && view.mask.clip(stroke.box);
      if (!box?.w) return;
      if (view.frames.length > 2) {
        const steps = view.frames.slice(1).map((now, at) => now - view.frames[at]);
        performance.measure("carmask-stroke", { start: view.frames[0], end: view.frames[view.frames.length - 1], detail: { steps } });
      }
      const before = new Uint8Array(box.w * box.h);
      for (let row = 0; row < box.h; row++) {
        const start = (box.y + row) * view.mask.width + box.x;
        before.set(stroke.before.subarray(start, start + box.w), row * box.w);
      }
      this.history.note(view.mask, box, before);
      this.changed();
    } else if (AREAS.has(tool)) {
      if (stroke.points.length < 3) return;
      const next = view.mask.copy();
      next.polygon(stroke.points, tool === "lasso");
      this.replace(next);
    } else if (STROKES.has(tool) || tool === "fill" || tool === "remove") {
      this.settled = this.#edit(tool, stroke.points);
    }
  }

  /** Let the server edit the mask. */
  async #edit(tool, points) {
    this.busy = true;
    this.pending = points;
    try {
      const next = await this.ask(tool, points, this.radius);
      const { mask } = this.view;
      if (next && next.width === mask?.width && next.height === mask?.height && !this.replace(next)) toast(NOTHING[tool]);
    } finally {
      this.busy = false;
      this.pending = null;
    }
  }

  #drawPointer(context) {
    const { view } = this;
    const path = this.pending ?? (this.stroke && !PAINTS.has(this.tool) ? this.stroke.points : null);
    if (path) {
      context.setTransform(view.scale, 0, 0, view.scale, view.x, view.y);
      context.beginPath();
      for (const [x, y] of path) context.lineTo(x, y);
      if (AREAS.has(this.tool)) context.closePath();
      context.lineJoin = context.lineCap = "round";
      if (STROKES.has(this.tool)) {
        context.strokeStyle = "rgb(255 220 60 / 25%)";
        context.lineWidth = 2 * this.radius;
        context.stroke();
      }
      for (const [colour, width] of [["#000", 4], [this.pending ? "#fff" : "#ffd83c", 2]]) {
        context.strokeStyle = colour;
        context.lineWidth = (width * view.ratio) / view.scale;
        context.stroke();
      }
    }
    if (!this.cursor || this.pan || this.tool === "hand") return;
    const x = this.cursor.x * view.ratio, y = this.cursor.y * view.ratio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    const round = PAINTS.has(this.tool) || STROKES.has(this.tool);
    for (const [colour, width] of [["rgb(0 0 0 / 80%)", 3], ["#fff", 1.3]]) {
      context.strokeStyle = colour;
      context.lineWidth = width * view.ratio;
      context.beginPath();
      if (round) context.arc(x, y, Math.max(2, this.radius * view.scale), 0, 7);
      const arm = (round ? 4 : 9) * view.ratio;
      context.moveTo(x - arm, y);
      context.lineTo(x + arm, y);
      context.moveTo(x, y - arm);
      context.lineTo(x, y + arm);
      context.stroke();
    }
  }
}

const pressure = (event) => (event.pointerType === "pen" && event.pressure ? 0.35 + 0.65 * event.pressure : 1);
