// The films of one study side by side, frontal first, with the tools above them and the heat map's controls below.

import { heat, paintScale } from "./colours.js";
import { Pane } from "./pane.js";

const $ = (id) => document.getElementById(id);
const PROJECTIONS = { frontal: ["PA", "AP"], lateral: ["LL", "RL", "LATERAL"] }; // of DICOM's ViewPosition
const NAMES = Object.keys(PROJECTIONS);

// "frontal", "lateral", or null where the film does not say.
export const projectionOf = ({ projection }) => NAMES.find((name) => (
  name === projection?.toLowerCase() || PROJECTIONS[name].includes(projection?.toUpperCase())
)) ?? null;

export class Viewer {
  constructor() {
    Object.assign(this, { panes: [], active: null, tool: "window", alone: null }); // alone: the one film seen, or null
    Object.assign(this, { maps: null, shown: null, words: "", without: "" }); // shown: the sentence whose map is seen
    for (const button of this.tools()) button.addEventListener("click", () => this.use(button.dataset.tool));
    $("invert").addEventListener("click", () => this.invert());
    $("fit").addEventListener("click", () => this.fit());
    $("reset").addEventListener("click", () => this.reset());
    $("map-toggle").addEventListener("click", () => this.toggleMap());
    $("opacity").addEventListener("input", () => this.redrawMaps());
    $("tools").addEventListener("keydown", (event) => this.rove(event));
    paintScale($("scale"));
  }

  tools() { return [...document.querySelectorAll("[data-tool]")]; }

  // Frames for that many films, empty at first: labels of what they wait for.
  open(labels, words) {
    this.resize(labels.length);
    this.panes.forEach((pane, n) => pane.wait(labels[n], words));
  }

  show(n, film) { this.panes[n]?.show(film); }

  // The server's films of a report: frontal left, lateral right, others after them.
  showReport(views, films) {
    const rank = ({ view }) => [...NAMES, null].indexOf(projectionOf(views[view]));
    this.resize(films.length);
    [...films].sort((a, b) => rank(a) - rank(b)).forEach((film, place) => this.panes[place].show(film));
  }

  resize(count) {
    if (count === this.panes.length) return;
    while (this.panes.length > count) this.panes.pop().element.remove();
    while (this.panes.length < count) {
      const pane = new Pane({
        tool: () => this.tool, chosen: (p) => this.choose(p), changed: (p) => this.follow(p),
        enlarge: (p) => this.only(this.alone === null ? this.panes.indexOf(p) : null),
      });
      this.panes.push(pane);
      $("panes").append(pane.element);
    }
    $("drop").hidden = count > 0;
    for (const bar of ["tools", "evidence"]) $(bar).hidden = count === 0;
    this.choose(this.panes[0] ?? null);
    const names = this.panes.map((_, n) => [`${n + 1}`, n, `Film ${n + 1} alone (${n + 1})`]);
    names.push(["All", null, "All films side by side (G)"]);
    $("layout").replaceChildren(...(count < 2 ? [] : names).map(([name, n, title]) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: name, title });
      button.setAttribute("aria-label", title.replace(/ \(.*/, ""));
      button.addEventListener("click", () => this.only(n));
      return button;
    }));
    this.only(null);
  }

  only(n) { // one film alone, or null for all
    if (n !== null && !this.panes[n]) return;
    this.alone = n;
    this.panes.forEach((pane, i) => { pane.element.hidden = n !== null && i !== n; });
    $("panes").dataset.count = n === null ? Math.min(this.panes.length, 4) : 1;
    const pressed = n ?? this.panes.length;
    [...$("layout").children].forEach((button, i) => button.setAttribute("aria-pressed", i === pressed));
    if (n !== null) this.choose(this.panes[n]);
  }

  choose(pane) {
    this.active = pane;
    for (const p of this.panes) p.element.classList.toggle("active", p === pane && this.panes.length > 1);
    if (pane) this.follow(pane);
  }

  follow(pane) {
    if (pane === this.active) $("invert").setAttribute("aria-pressed", pane.look.inverted);
  }

  use(tool) {
    this.tool = tool;
    $("panes").dataset.drag = tool;
    for (const button of this.tools()) {
      button.setAttribute("aria-checked", button.dataset.tool === tool);
      button.tabIndex = button.dataset.tool === tool ? 0 : -1;
    }
  }

  rove(event) { // arrow keys inside the radio group of tools
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    const all = this.tools();
    if (!step || !all.includes(event.target)) return;
    event.preventDefault();
    const next = all[(all.indexOf(event.target) + step + all.length) % all.length];
    this.use(next.dataset.tool);
    next.focus();
  }

  invert() { this.active?.adjust({ inverted: !this.active.look.inverted }); }
  fit() { this.active?.fit(); }
  reset() { for (const pane of this.panes) pane.reset(); }

  // Maps of the draft, or null and why there are none.
  take(maps, without = "Heat maps come with the whole draft.") {
    Object.assign(this, { maps, without });
    this.heat(this.shown, this.words);
  }

  // The maps of one sentence over the films, or none. words: what is said of it.
  heat(sentence, words = "") {
    Object.assign(this, { shown: sentence, words });
    $("evidence-text").textContent = this.maps === null ? this.without
      : sentence === null ? "Point at a sentence to see which parts of the films moved it most." : words;
    this.redrawMaps();
  }

  redrawMaps() {
    const on = $("map-toggle").getAttribute("aria-pressed") === "true" && this.shown !== null;
    for (const pane of this.panes) {
      pane.opacity = Number($("opacity").value) / 100;
      const map = on && this.maps?.[this.shown]?.[pane.film?.view];
      if (map) map.picture ??= heat(map);
      pane.heat(map?.picture ?? null);
    }
  }

  toggleMap() {
    const pressed = $("map-toggle").getAttribute("aria-pressed") === "true";
    $("map-toggle").setAttribute("aria-pressed", !pressed);
    this.redrawMaps();
  }

  fade(step) {
    $("opacity").value = Number($("opacity").value) + step;
    this.redrawMaps();
  }
}
