// A mask on the page: one byte a pixel, 128 and more is car. Soft brushes leave values in between.

export class Mask {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.data = new Uint8Array(width * height);
  }

  /** From little-endian pairs of start and length, as the server sends masks. */
  static fromRuns(content, width, height) {
    const mask = new Mask(width, height);
    const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
    for (let at = 0; at + 8 <= content.byteLength; at += 8) {
      const start = view.getUint32(at, true);
      mask.data.fill(255, start, start + view.getUint32(at + 4, true));
    }
    return mask;
  }

  /** The same back. */
  toRuns() {
    const { data } = this;
    const runs = [];
    let at = 0;
    while (at < data.length) {
      while (at < data.length && data[at] < 128) at++;
      if (at === data.length) break;
      const start = at;
      while (at < data.length && data[at] >= 128) at++;
      runs.push(start, at - start);
    }
    return new Uint8Array(new Uint32Array(runs).buffer); // every machine with a browser is little-endian
  }

  copy() {
    const other = new Mask(this.width, this.height);
    other.data.set(this.data);
    return other;
  }

  /** Whether the two cut the same car out. */
  same(other) {
    const { data } = this;
    for (let at = 0; at < data.length; at++) if ((data[at] >= 128) !== (other.data[at] >= 128)) return false;
    return true;
  }

  /** The rectangle in which another mask differs, or null. */
  difference(other) {
    const { data, width, height } = this;
    let left = width, right = -1, top = height, bottom = -1;
    for (let row = 0; row < height; row++) {
      const start = row * width, end = start + width;
      let first = start;
      while (first < end && data[first] === other.data[first]) first++;
      if (first === end) continue;
      let last = end - 1;
      while (data[last] === other.data[last]) last--;
      if (row < top) top = row;
      bottom = row;
      left = Math.min(left, first - start);
      right = Math.max(right, last - start);
    }
    return bottom < 0 ? null : { x: left, y: top, w: right - left + 1, h: bottom - top + 1 };
  }

  clip({ x, y, w, h }) {
    const left = Math.max(0, Math.floor(x)), top = Math.max(0, Math.floor(y));
    const right = Math.min(this.width, Math.ceil(x + w)), bottom = Math.min(this.height, Math.ceil(y + h));
    return { x: left, y: top, w: Math.max(0, right - left), h: Math.max(0, bottom - top) };
  }

  /** The values in a rectangle. */
  take(box) {
    const part = new Uint8Array(box.w * box.h);
    for (let row = 0; row < box.h; row++) {
      const start = (box.y + row) * this.width + box.x;
      part.set(this.data.subarray(start, start + box.w), row * box.w);
    }
    return part;
  }

  /** Put values back. */
  put(box, part) {
    for (let row = 0; row < box.h; row++) {
      this.data.set(part.subarray(row * box.w, (row + 1) * box.w), (box.y + row) * this.width + box.x);
    }
  }

  /** Paint a round dab; the rectangle that it touched. A soft one adds to what is there. */
  dab(x, y, radius, hardness, value) {
    const box = this.clip({ x: x - radius, y: y - radius, w: 2 * radius, h: 2 * radius });
    const inner = radius * hardness, soft = radius - inner;
    for (let row = box.y; row < box.y + box.h; row++) {
      const down = row + 0.5 - y;
      const reach = radius * radius - down * down;
      if (reach < 0) continue;
      const half = Math.sqrt(reach);
      const from = Math.max(0, Math.ceil(x - half - 0.5)), to = Math.min(this.width - 1, Math.floor(x + half - 0.5));
      const start = row * this.width;
      if (soft < 0.5) {
        if (to >= from) this.data.fill(value ? 255 : 0, start + from, start + to + 1);
        continue;
      }
      for (let column = from; column <= to; column++) {
        const away = Math.hypot(column + 0.5 - x, down);
        const share = away <= inner ? 1 : 0.35 * (1 - (away - inner) / soft) ** 2;
        const old = this.data[start + column];
        this.data[start + column] = value ? old + (255 - old) * share + 0.5 : old * (1 - share);
      }
    }
    return box;
  }

  /** Set what lies inside a polygon (even-odd rule); the rectangle that it touched. */
  polygon(points, value) {
    const xs = points.map((point) => point[0]), ys = points.map((point) => point[1]);
    const x = Math.min(...xs), y = Math.min(...ys);
    const box = this.clip({ x, y, w: Math.max(...xs) - x, h: Math.max(...ys) - y });
    if (!box.w || !box.h) return box;
    const canvas = new OffscreenCanvas(box.w, box.h);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.beginPath();
    for (const [px, py] of points) context.lineTo(px - box.x, py - box.y);
    context.closePath();
    context.fill("evenodd");
    const drawn = context.getImageData(0, 0, box.w, box.h).data;
    for (let row = 0; row < box.h; row++) {
      const start = (box.y + row) * this.width + box.x;
      for (let column = 0; column < box.w; column++) {
        if (drawn[4 * (row * box.w + column) + 3] >= 128) this.data[start + column] = value ? 255 : 0;
      }
    }
    return box;
  }
}

/** Runs of equal bytes: a step of the history takes kilobytes, so that there may be any number. */
export function pack(part) {
  const packed = [];
  for (let at = 0; at < part.length;) {
    const value = part[at];
    const start = at;
    while (at < part.length && part[at] === value) at++;
    packed.push(value, at - start);
  }
  return new Uint32Array(packed);
}

export function unpack(packed, length) {
  const part = new Uint8Array(length);
  let at = 0;
  for (let pair = 0; pair < packed.length; pair += 2) {
    part.fill(packed[pair], at, at + packed[pair + 1]);
    at += packed[pair + 1];
  }
  return part;
}

export const join = (one, other) => {
  if (!one) return other;
  if (!other) return one;
  const x = Math.min(one.x, other.x), y = Math.min(one.y, other.y);
  const right = Math.max(one.x + one.w, other.x + other.w), bottom = Math.max(one.y + one.h, other.y + other.h);
  return { x, y, w: right - x, h: bottom - y };
};

/** What was done, without limit. */
export class History {
  constructor() {
    this.done = [];
    this.undone = [];
  }

  /** Note a change: the values in a rectangle before it; after it they are in the mask. */
  note(mask, box, before) {
    this.done.push({ box, before: pack(before), after: pack(mask.take(box)) });
    this.undone = [];
  }

  undo(mask) {
    return this.#move(mask, this.done, this.undone, "before");
  }

  redo(mask) {
    return this.#move(mask, this.undone, this.done, "after");
  }

  #move(mask, from, to, side) {
    const step = from.pop();
    if (!step) return null;
    mask.put(step.box, unpack(step[side], step.box.w * step.box.h));
    to.push(step);
    return step.box;
  }
}

/** A mask at another size, by nearest pixels. */
export function scaled(mask, width, height) {
  if (mask.width === width && mask.height === height) return mask;
  const result = new Mask(width, height);
  for (let row = 0; row < height; row++) {
    const start = Math.floor(((row + 0.5) * mask.height) / height) * mask.width;
    for (let column = 0; column < width; column++) {
      result.data[row * width + column] = mask.data[start + Math.floor(((column + 0.5) * mask.width) / width)];
    }
  }
  return result;
}
