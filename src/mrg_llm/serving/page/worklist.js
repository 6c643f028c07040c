// What came in by DICOM: asked for every few seconds while the page is looked at, less often while the server does not
// answer.

import * as api from "./api.js";

const $ = (id) => document.getElementById(id);
const EVERY = 5_000; // ms
const AFTER_ERROR = 30_000; // ms
const wide = () => matchMedia("(min-width: 1101px)").matches; // else the list lies over the films
const STATES = { waiting: "waiting", drafted: "draft ready", sent: "draft sent back", failed: "failed" };

export class Worklist {
  // open(id, name): show that item's draft. said(words): for a screen reader.
  constructor({ open, said }) {
    Object.assign(this, { open, said, known: null, current: null });
    $("worklist-toggle").addEventListener("click", () => this.toggle());
    document.addEventListener("visibilitychange", () => { if (!document.hidden && this.known) this.ask(); });
  }

  start() {
    this.known = new Set();
    $("worklist-toggle").hidden = false;
    this.toggle(wide());
    this.ask();
  }

  toggle(on = $("worklist").hidden) {
    $("worklist").hidden = !on;
    $("worklist-toggle").setAttribute("aria-expanded", on);
  }

  focus() {
    if (!this.known) return;
    this.toggle(true);
    $("worklist-items").querySelector("button:not(:disabled)")?.focus();
  }

  async ask() {
    clearTimeout(this.timer);
    if (document.hidden) return;
    let pause = EVERY;
    try {
      this.show((await api.worklist()).items);
    } catch (error) {
      pause = AFTER_ERROR;
      $("worklist-state").textContent = `The worklist is not to be had: ${error.message}`;
      $("worklist-state").hidden = false;
    }
    this.timer = setTimeout(() => this.ask(), pause);
  }

  show(items) {
    const fresh = items.filter(({ id }) => !this.known.has(id)).length;
    if (fresh && this.known.size) this.said(`${fresh} new in the worklist.`);
    this.known = new Set(items.map(({ id }) => id));
    $("worklist-count").textContent = items.length;
    $("worklist-state").textContent = "Nothing has come in by DICOM yet.";
    $("worklist-state").hidden = items.length > 0;
    const focused = document.activeElement?.dataset?.item;
    $("worklist-items").replaceChildren(...items.map((item) => this.row(item)));
    if (focused) $("worklist-items").querySelector(`[data-item="${CSS.escape(focused)}"]`)?.focus();
  }

  row({ id, received_at: received, films, state }) {
    const [item, button] = [document.createElement("li"), document.createElement("button")];
    const at = new Date(received);
    const day = at.toDateString() === new Date().toDateString() ? "" : `${at.toLocaleDateString()} `;
    const time = `${day}${at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })}`;
    const count = `${films} ${films === 1 ? "film" : "films"}`;
    button.type = "button";
    button.dataset.item = id;
    button.dataset.state = state;
    button.disabled = state === "waiting" || state === "failed";
    if (id === this.current) button.setAttribute("aria-current", "true");
    const said = [["when", time], ["id", id.slice(0, 8)], ["what", `${count}, ${STATES[state] ?? state}`]];
    for (const [name, text] of said) {
      button.append(Object.assign(document.createElement("span"), { className: name, textContent: text }));
    }
    button.addEventListener("click", () => {
      if (!wide()) this.toggle(false);
      this.open(id, `Study ${id.slice(0, 8)}`);
    });
    item.append(button);
    return item;
  }

  mark(id) {
    this.current = id;
    for (const button of $("worklist-items").querySelectorAll("button")) {
      button.toggleAttribute("aria-current", button.dataset.item === id);
      if (button.dataset.item === id) button.setAttribute("aria-current", "true");
    }
  }
}
