// The list of photos at the side: filters, counts, pages.

import { $, json, make, percent, settled, toast, untoast } from "/static/common.js";

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
    this.asked = 0; // counts requests: an answer that comes late is dropped
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
    const number = ++this.asked;
    const query = new URLSearchParams({ filter: this.filter, text: this.text, offset, limit: LIMIT });
    if (around) query.set("around", around);
    try {
      const found = await json(`${this.api}/queue?${query}`);
      if (number !== this.asked) return;
      untoast("list");
      Object.assign(this, { items: found.items, offset: found.offset, total: found.total });
      this.#count(found.counts);
      this.#draw();
    } catch (error) {
      toast(error.message, { bad: true, about: "list" });
    }
  }

  /** What people call a photo of this page. */
  nameOf(id) {
    return this.items.find((one) => one.id === id)?.name ?? "";
  }

  /** Show which photo is open. One photo of the list is reached with Tab, the others from there with the arrow keys. */
  mark(id) {
    this.current = id;
    const buttons = [...$("photos").querySelectorAll("button")];
    for (const button of buttons) {
      const here = button.dataset.id === id;
      button.setAttribute("aria-current", here);
      button.tabIndex = here ? 0 : -1;
      if (here) button.scrollIntoView({ block: "nearest" });
    }
    if (buttons.length && buttons.every((button) => button.tabIndex < 0)) buttons[0].tabIndex = 0;
  }

  /** A decision was made: the photo stays where it is until the list is loaded again. */
  decided(id, decision) {
    const item = this.items.find((one) => one.id === id);
    if (!item) return;
    const before = item.decision;
    Object.assign(item, decision);
    const counts = { ...this.counts };
    if (before in counts && before !== "open") counts[before]--;
    if (item.decision !== "open") counts[item.decision]++;
    if (item.review) counts.todo += (item.decision === "open") - (before === "open");
    this.#count(counts);
    this.#draw();
  }

  /** The photo that is opened may have been decided by others since the list was loaded. */
  learned(id, { decision, revision, why, author, saved }) {
    const item = this.items.find((one) => one.id === id);
    if (item && item.revision !== revision) this.decided(id, { decision, revision, why, author, saved });
  }

  /** The photo before or after one; null at the ends of the page. */
  beside(id, step) {
    const at = this.items.findIndex((one) => one.id === id);
    return at < 0 ? (this.items[0] ?? null) : (this.items[at + step] ?? null);
  }

  /** The photo before or after the one that is open, on another page if need be; null at the ends of the list. */
  async after(step) {
    const item = this.beside(this.current, step);
    if (item || !this.items.length || (step < 0 && !this.offset)) return item;
    // What was decided leaves this filter: as many photos as are still open here lie before the next ones.
    const passed = this.filter === "todo" ? this.items.filter((one) => one.decision === "open").length : LIMIT;
    const offset = step > 0 ? this.offset + passed : Math.max(0, this.offset - LIMIT);
    const last = this.total - (this.filter === "todo" ? this.items.length - passed : 0);
    if (step > 0 && offset >= last) {
      if (this.filter === "todo") await this.load(0); // those that were passed over
      return null;
    }
    await this.load(offset);
    return this.items[step > 0 ? 0 : this.items.length - 1] ?? null;
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
    const none = this.text ? `No name here contains “${this.text}”.` : "No photo in this list.";
    $("photos").replaceChildren(
      ...(this.items.length ? [] : [make("li", { className: "soft none" }, none)]),
      ...this.items.map((item) => {
        const picture = make("img", { alt: "", loading: "lazy", decoding: "async" });
        if (item.status === "done") picture.src = `${this.api}/photos/${item.id}/thumb?cut=${item.cut}`;
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

  /** Move the focus up or down in the list. */
  focusBeside(step) {
    const buttons = [...$("photos").querySelectorAll("button")];
    const next = buttons[buttons.indexOf(document.activeElement) + step];
    if (!next) return;
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  }
}

function badgeOf(item) {
  const state = item.status === "failed" ? "failed" : item.decision !== "open" ? item.decision : item.review ? "review" : "";
  return state ? make("span", { className: `badge ${state}` }, state === "review" ? "look" : state) : null;
}
