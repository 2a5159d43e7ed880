// The stage: the photo, the mask over it, and the pointer, each on a canvas of its own.
//
// The mask is drawn at the screen's resolution, only where it changed: what a stroke costs does not depend on how
// large the photo is.

import { $, make } from "/static/common.js";

export const SHOWN = [
  ["tint", "Tint"], ["outline", "Outline"], ["checker", "On checkerboard"], ["white", "On white"], ["black", "On black"],
  ["background", "On the run's background"], ["photo", "Photo alone"], ["rendered", "Rendered output"],
];
const rgba = (r, g, b, a) => ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;
const LINE = rgba(60, 255, 140, 255), HALO = rgba(0, 0, 0, 200);
const LIGHT = rgba(236, 238, 241, 255), DARK = rgba(205, 209, 216, 255);

export class View {
  constructor() {
    this.stage = $("stage");
    this.photo = $("photo").getContext("2d");
    this.overlay = $("overlay").getContext("2d");
    const pointer = make("canvas");
    pointer.style.pointerEvents = "none";
    $("overlay").after(pointer);
    this.pointer = pointer.getContext("2d");
    this.levels = [];
    this.mask = null;
    this.instead = null;
    this.mode = "tint";
    this.band = null;
    this.showBand = false;
    this.behind = null;
    this.rendered = null;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.marks = { photo: true, all: true, box: null };
    this.drawPointer = () => {};
    this.frames = [];
    this.stroking = false;
    new ResizeObserver(() => this.resize()).observe(this.stage);
    this.resize();
    const tick = (now) => { this.#draw(now); requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
  }

  /** Show another photo: a bitmap and its mask. */
  open(bitmap, mask) {
    this.levels = [bitmap];
    this.mask = mask;
    this.band = this.behind = this.rendered = this.instead = null;
    this.fit();
  }

  /** Show no photo. */
  close() {
    this.levels = [];
    this.mask = this.band = this.behind = this.rendered = this.instead = null;
    this.redraw();
  }

  /** Show another mask in place of the one that is edited, to compare; null ends it. */
  compare(mask) {
    this.instead = mask;
    this.redrawMask();
  }

  get size() {
    return this.mask ? { w: this.mask.width, h: this.mask.height } : { w: 1, h: 1 };
  }

  resize() {
    this.ratio = Math.min(2, devicePixelRatio || 1);
    const w = Math.max(1, Math.round(this.stage.clientWidth * this.ratio));
    const h = Math.max(1, Math.round(this.stage.clientHeight * this.ratio));
    const fitted = this.fitted;
    for (const context of [this.photo, this.overlay, this.pointer]) {
      context.canvas.width = w;
      context.canvas.height = h;
    }
    this.w = w;
    this.h = h;
    if (fitted && this.mask) this.fit();
    this.redraw();
  }

  fit() {
    const { w, h } = this.size;
    const strip = $("views").offsetHeight ? 80 * this.ratio : 0;
    const room = 16 * this.ratio;
    this.scale = Math.min((this.w - 2 * room) / w, (this.h - strip - 2 * room) / h);
    this.x = (this.w - w * this.scale) / 2;
    this.y = (this.h - strip - h * this.scale) / 2;
    this.fitted = true;
    this.redraw();
  }

  /** Zoom by a factor around a place on the screen, in CSS pixels; the middle if none is given. */
  zoom(factor, place = null) {
    const at = place ? { x: place.x * this.ratio, y: place.y * this.ratio } : { x: this.w / 2, y: this.h / 2 };
    const scale = Math.min(32 * this.ratio, Math.max(0.02, this.scale * factor));
    this.x = at.x - ((at.x - this.x) * scale) / this.scale;
    this.y = at.y - ((at.y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.redraw();
  }

  pan(dx, dy) {
    this.x += dx * this.ratio;
    this.y += dy * this.ratio;
    this.fitted = false;
    this.redraw();
  }

  /** From CSS pixels of the stage to pixels of the photo, and back. */
  toPhoto(x, y) {
    return [(x * this.ratio - this.x) / this.scale, (y * this.ratio - this.y) / this.scale];
  }

  toStage(x, y) {
    return [(x * this.scale + this.x) / this.ratio, (y * this.scale + this.y) / this.ratio];
  }

  redraw() {
    this.marks = { photo: true, all: true, box: null };
  }

  redrawMask() {
    this.marks.all = true;
  }

  /** The mask changed in a rectangle of the photo. */
  touch(box) {
    if (!box || !box.w) return;
    const line = Math.ceil(2 + 2 * Math.max(1, 1 / this.scale));
    const x = Math.floor((box.x - line) * this.scale + this.x), y = Math.floor((box.y - line) * this.scale + this.y);
    const right = Math.ceil((box.x + box.w + line) * this.scale + this.x);
    const bottom = Math.ceil((box.y + box.h + line) * this.scale + this.y);
    const old = this.marks.box;
    this.marks.box = old
      ? [Math.min(old[0], x), Math.min(old[1], y), Math.max(old[2], right), Math.max(old[3], bottom)]
      : [x, y, right, bottom];
  }

  #draw(now) {
    if (this.stroking) this.frames.push(now);
    const { photo, all, box } = this.marks;
    this.marks = { photo: false, all: false, box: null };
    if (photo) this.#drawPhoto();
    if (all || photo) this.#drawMask(0, 0, this.w, this.h);
    else if (box) {
      const [x, y] = [Math.max(0, box[0]), Math.max(0, box[1])];
      const [right, bottom] = [Math.min(this.w, box[2]), Math.min(this.h, box[3])];
      if (right > x && bottom > y) this.#drawMask(x, y, right - x, bottom - y);
    }
    this.pointer.setTransform(1, 0, 0, 1, 0, 0);
    this.pointer.clearRect(0, 0, this.w, this.h);
    if (this.mask) this.drawPointer(this.pointer);
    if ((photo || all) && this.onDrawn && this.mask) this.onDrawn();
  }

  #drawPhoto() {
    const context = this.photo;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.w, this.h);
    if (!this.mask) return;
    const { w, h } = this.size;
    context.setTransform(this.scale, 0, 0, this.scale, this.x, this.y);
    context.imageSmoothingEnabled = this.scale < 4;
    if (this.mode === "rendered" && this.rendered) {
      const ratio = Math.min(w / this.rendered.width, h / this.rendered.height);
      const [rw, rh] = [this.rendered.width * ratio, this.rendered.height * ratio];
      checkered(context, (w - rw) / 2, (h - rh) / 2, rw, rh, this.scale);
      context.drawImage(this.rendered, (w - rw) / 2, (h - rh) / 2, rw, rh);
      return;
    }
    context.drawImage(this.#level(), 0, 0, w, h);
    if (this.showBand && this.band) {
      context.globalAlpha = 0.85;
      context.drawImage(this.band, 0, 0, w, h);
      context.globalAlpha = 1;
    }
  }

  /** The photo at half, a quarter … of its size, whichever is nearest above what is shown. */
  #level() {
    let level = 0;
    while (this.scale * 2 ** (level + 1) <= 1 && level < 4) level++;
    while (this.levels.length <= level) {
      const last = this.levels[this.levels.length - 1];
      const half = new OffscreenCanvas(Math.max(1, last.width >> 1), Math.max(1, last.height >> 1));
      half.getContext("2d").drawImage(last, 0, 0, half.width, half.height);
      this.levels.push(half);
    }
    return this.levels[level];
  }

  #drawMask(x, y, w, h) {
    const context = this.overlay;
    context.clearRect(x, y, w, h);
    if (!this.mask || this.mode === "photo" || this.mode === "rendered") return;
    const image = context.createImageData(w, h);
    const out = new Uint32Array(image.data.buffer);
    const { data, width, height } = this.instead ?? this.mask;
    const { scale } = this;
    const fine = scale < 1 ? 2 : 1;
    const columns = samples(x, w, this.x, scale, width, fine), rows = samples(y, h, this.y, scale, height, fine);
    if (this.mode === "outline" || this.mode === "tint") {
      const reach = Math.max(1, Math.round(1.2 / scale));
      const outline = this.mode === "outline";
      for (let row = 0; row < h; row++) {
        const at = rows[row * fine];
        if (at < 0) continue;
        const start = at * width;
        const above = Math.max(0, at - reach) * width, below = Math.min(height - 1, at + reach) * width;
        for (let column = 0; column < w; column++) {
          const c = columns[column * fine];
          if (c < 0) continue;
          const car = data[start + c] >> 7;
          const left = Math.max(0, c - reach), right = Math.min(width - 1, c + reach);
          const around = (data[start + left] >> 7) + (data[start + right] >> 7) + (data[above + c] >> 7) + (data[below + c] >> 7);
          if (car && around < 4) out[row * w + column] = LINE;
          else if (!car && around && outline) out[row * w + column] = HALO;
          else if (car && !outline) out[row * w + column] = TINT;
        }
      }
    } else {
      const behind = this.#behind(x, y, w, h);
      const total = fine * fine;
      for (let row = 0; row < h; row++) {
        const starts = [];
        for (let i = 0; i < fine; i++) starts.push(rows[row * fine + i]);
        if (starts[0] < 0 && starts[fine - 1] < 0) continue;
        for (let column = 0; column < w; column++) {
          let car = 0, seen = 0;
          for (let i = 0; i < fine; i++) {
            if (starts[i] < 0) continue;
            for (let j = 0; j < fine; j++) {
              const c = columns[column * fine + j];
              if (c < 0) continue;
              seen++;
              car += data[starts[i] * width + c] >> 7;
            }
          }
          if (!seen || car === total) continue;
          const colour = behind ? behind[row * w + column] : this.#plain(x + column, y + row);
          const alpha = Math.round((255 * (seen - car)) / seen);
          out[row * w + column] = ((alpha << 24) | (colour & 0xffffff)) >>> 0;
        }
      }
    }
    context.putImageData(image, x, y);
  }

  #plain(x, y) {
    if (this.mode === "white") return 0xffffff;
    if (this.mode === "black") return 0;
    return ((x >> 4) ^ (y >> 4)) & 1 ? LIGHT : DARK;
  }

  /** The run's background as it lies on the screen. */
  #behind(x, y, w, h) {
    if (this.mode !== "background" || !this.behind) return null;
    const canvas = new OffscreenCanvas(w, h);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.setTransform(this.scale, 0, 0, this.scale, this.x - x, this.y - y);
    context.drawImage(this.behind, 0, 0, this.size.w, this.size.h);
    return new Uint32Array(context.getImageData(0, 0, w, h).data.buffer);
  }
}

const TINT = rgba(255, 0, 150, 105);

/** The pixel of the photo under each sample of the screen along one axis; -1 beside the photo. */
function samples(first, count, offset, scale, side, fine) {
  const found = new Int32Array(count * fine);
  for (let at = 0; at < count * fine; at++) {
    const place = Math.floor((first + (at + 0.5) / fine - offset) / scale);
    found[at] = place >= 0 && place < side ? place : -1;
  }
  return found;
}

function checkered(context, x, y, w, h, scale) {
  const side = 16 / scale;
  context.fillStyle = "#eceef1";
  context.fillRect(x, y, w, h);
  context.fillStyle = "#cdd1d8";
  for (let row = 0; row * side < h; row++) {
    for (let column = row % 2; column * side < w; column += 2) {
      const left = x + column * side, top = y + row * side;
      context.fillRect(left, top, Math.min(side, x + w - left), Math.min(side, y + h - top));
    }
  }
}
