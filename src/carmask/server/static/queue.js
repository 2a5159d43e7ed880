// The list of photos at the side: filters, counts, pages.

import { $, json, make, percent, settled, toast } from "/static/common.js";

const FILTERS = [
  ["todo", "To look at"], ["review", "Marked by the run"], ["all", "All photos"], ["corrected", "Corrected"],
  ["accepted", "Accepted"], ["rejected", "Rejected"], ["failed", "Failed"],
];
const LIMIT = 50;

export class QueueList {
  /**
   * @param api address of the folder
   * @param choose called with a photo's item when it is chosen
   */
  constructor(api, choose) {
    this.api = api;
    this.choose = choose;
    this.items = [];
    this.offset = 0;
    this.total = 0;
    this.counts = {};
    this.filter = "todo";
    this.text = "";
    for (const [value, text] of FILTERS) $("filter").append(make("option", { value }, text));
    $("filter").addEventListener("change", () => this.show($("filter").value));
    const search = settled(250, () => { this.text = $("search").value; this.load(0); });
    $("search").addEventListener("input", search);
    $("page-back").addEventListener("click", () => this.load(Math.max(0, this.offset - LIMIT)));
    $("page-on").addEventListener("click", () => this.load(this.offset + LIMIT));
  }

  async show(filter) {
    this.filter = filter;
    $("filter").value = filter;
    await this.load(0);
  }

  /** Load a page; the one with a photo if its id is given. */
  async load(offset, around = null) {
    const query = new URLSearchParams({ filter: this.filter, text: this.text, offset, limit: LIMIT });
    if (around) query.set("around", around);
    try {
      const found = await json(`${this.api}/queue?${query}`);
      Object.assign(this, { items: found.items, offset: found.offset, total: found.total });
      this.#count(found.counts);
      this.#draw();
    } catch (error) {
      toast(error.message, { bad: true });
    }
  }

  mark(id) {
    this.current = id;
    for (const button of $("photos").querySelectorAll("button")) {
      const here = button.dataset.id === id;
      button.setAttribute("aria-current", here);
      if (here) button.scrollIntoView({ block: "nearest" });
    }
  }

  /** A decision was made: the photo stays where it is until the list is loaded again. */
  decided(id, decision) {
    const item = this.items.find((one) => one.id === id);
    if (item) {
      const before = item.decision;
      Object.assign(item, decision);
      const counts = { ...this.counts };
      if (before in counts && before !== "open") counts[before]--;
      if (item.decision !== "open") counts[item.decision]++;
      if (item.review) counts.todo += (item.decision === "open") - (before === "open");
      this.#count(counts);
      this.#draw();
      this.mark(this.current);
    }
  }

  /** The photo before or after one; null at the ends of the page. */
  beside(id, step) {
    const at = this.items.findIndex((one) => one.id === id);
    return at < 0 ? (this.items[0] ?? null) : (this.items[at + step] ?? null);
  }

  /** The next photo, on the next page if need be. */
  async after(id, step) {
    const item = this.beside(id, step);
    if (item || !this.items.length) return item;
    if (step > 0) {
      // What was decided has left the filter: the next ones have moved up.
      const left = this.filter === "todo" ? this.items.filter((one) => one.decision === "open").length : LIMIT;
      const offset = this.offset + (this.filter === "todo" ? Math.min(left, LIMIT) : LIMIT);
      if (this.filter !== "todo" && offset >= this.total) return null;
      await this.load(this.filter === "todo" ? 0 : offset);
      return this.items.find((one) => one.id !== id) ?? null;
    }
    if (!this.offset) return null;
    await this.load(Math.max(0, this.offset - LIMIT));
    return this.items[this.items.length - 1] ?? null;
  }

  #count(counts) {
    this.counts = counts;
    for (const option of $("filter").options) {
      const name = FILTERS.find(([value]) => value === option.value)[1];
      option.textContent = `${name} (${counts[option.value] ?? 0})`;
    }
    const done = counts.review - counts.todo;
    $("progress").textContent = counts.review ? `${done} of ${counts.review} looked at` : "nothing is marked";
    $("meter").style.width = counts.review ? `${(100 * done) / counts.review}%` : "0";
    $("meter").parentElement.setAttribute("aria-valuenow", counts.review ? Math.round((100 * done) / counts.review) : 0);
  }

  #draw() {
    $("photos").replaceChildren(
      ...this.items.map((item) => {
        const picture = make("img", { alt: "", loading: "lazy", decoding: "async" });
        if (item.status === "done") picture.src = `${this.api}/photos/${item.id}/thumb`;
        const badge = badgeOf(item);
        const about = make("span", { className: "about" }, percent(item.confidence), ...(badge ? [badge] : []));
        const button = make("button", { onclick: () => this.choose(item) }, picture,
          make("span", {}, make("span", { className: "name" }, item.name), about));
        button.dataset.id = item.id;
        button.title = item.name;
        return make("li", {}, button);
      }),
    );
    $("page-back").disabled = !this.offset;
    $("page-on").disabled = this.offset + LIMIT >= this.total;
    const last = Math.min(this.total, this.offset + this.items.length);
    $("page-text").textContent = this.total ? `${this.offset + 1}–${last} of ${this.total}` : "none";
    this.mark(this.current);
  }
}

export function badgeOf(item) {
  const state = item.status === "failed" ? "failed" : item.decision !== "open" ? item.decision : item.review ? "review" : "";
  return state ? make("span", { className: `badge ${state}` }, state === "review" ? "look" : state) : null;
}
