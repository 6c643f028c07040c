// The draft sentence by sentence with its confidence. Pointing at one, or moving to it by keys, shows where it came
// from.

const $ = (id) => document.getElementById(id);
const isKnown = (confidence) => typeof confidence === "number";
const percent = (share) => `${Math.round(100 * share)} %`;

export class Sentences {
  // looked(index | null): whose heat map is to be seen now.
  constructor(looked) {
    this.looked = looked;
    this.pinned = this.shown = null; // the one chosen, and the one whose map is seen
    const list = $("sentences");
    list.addEventListener("pointerover", (event) => this.look(this.indexOf(event.target)));
    list.addEventListener("pointerleave", () => this.look(this.pinned));
    list.addEventListener("focusin", (event) => this.pin(this.indexOf(event.target)));
    list.addEventListener("click", (event) => this.pin(this.indexOf(event.target)));
    list.addEventListener("keydown", (event) => this.steer(event));
  }

  rows() { return [...$("sentences").children]; }

  indexOf(target) {
    const index = this.rows().indexOf(target.closest("li"));
    return index < 0 ? null : index;
  }

  clear() {
    $("sentences").replaceChildren();
    $("sentences").hidden = true;
    for (const part of ["impression", "uncalibrated"]) $(part).hidden = true;
    $("draft-empty").hidden = false;
    this.pinned = this.shown = null;
  }

  // One that has arrived while the draft is written; its confidence comes with the whole.
  add(text) {
    $("draft-empty").hidden = true;
    $("sentences").hidden = false;
    $("sentences").append(row(text));
    this.rove(this.pinned ?? 0);
    $("written").scrollTop = $("written").scrollHeight;
  }

  // All of a finished draft, in the place of what has arrived.
  show({ sentences, impression }) {
    const focused = this.rows().indexOf(document.activeElement);
    $("draft-empty").hidden = sentences.length > 0;
    $("sentences").hidden = sentences.length === 0;
    $("sentences").replaceChildren(...sentences.map((s, n) => scored(row(s.text), s, n, sentences.length)));
    $("uncalibrated").hidden = sentences.some(({ confidence }) => isKnown(confidence));
    $("impression").hidden = !impression;
    $("impression-text").textContent = impression ?? "";
    $("written").scrollTop = 0;
    this.rove(Math.max(focused, 0));
    if (focused >= 0) this.rows()[focused]?.focus();
  }

  look(index) {
    if (index !== this.shown) this.looked(index);
    this.shown = index;
  }

  pin(index) {
    if (index === null) return;
    this.pinned = index;
    this.rows().forEach((r, n) => r.setAttribute("aria-selected", n === index));
    this.rove(index);
    this.look(index);
  }

  // The text of the one chosen, or undefined.
  chosen() { return this.rows()[this.pinned]?.querySelector(".said").firstChild.textContent; }

  unpin() {
    this.pinned = null;
    for (const r of this.rows()) r.setAttribute("aria-selected", "false");
    this.look(null);
  }

  rove(index) { this.rows().forEach((r, n) => { r.tabIndex = n === index ? 0 : -1; }); }

  // The next (1) or the one before (-1) gets the focus.
  step(by) {
    const rows = this.rows();
    if (!rows.length) return;
    const from = this.pinned ?? (by > 0 ? -1 : rows.length);
    rows[Math.min(Math.max(from + by, 0), rows.length - 1)].focus();
  }

  steer(event) {
    const rows = this.rows();
    const ends = { Home: 0, End: rows.length - 1 };
    if (event.key === "ArrowDown") this.step(1);
    else if (event.key === "ArrowUp") this.step(-1);
    else if (event.key in ends) rows[ends[event.key]].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function row(text) {
  const item = document.createElement("li");
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", "false");
  item.append(span("said", text), span("sure", ""));
  return item;
}

function scored(item, { text, confidence, marked }, n, count) {
  const sure = item.querySelector(".sure");
  const known = isKnown(confidence);
  item.classList.toggle("marked", marked);
  if (marked) item.querySelector(".said").append(span("mark", "uncertain"));
  if (known) {
    const bar = span("bar", "");
    bar.style.setProperty("--share", percent(confidence).replace(" ", ""));
    sure.append(span("number", percent(confidence)), bar);
  } else {
    sure.append(span("number", "–"));
  }
  const said = known ? `Confidence ${percent(confidence)}.` : "No confidence known.";
  item.setAttribute("aria-label", `${text} Sentence ${n + 1} of ${count}. ${said}${marked ? " Uncertain." : ""}`);
  return item;
}

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
