// One film in its frame: window and level, zoom, pan, invert, and a heat map over it. Pointer, wheel and touch.

const AS_SENT = { width: 1, level: 0.5, inverted: false }; // fractions of the film's range
const WHOLE = { zoom: 1, x: 0, y: 0 }; // zoom 1 fits the frame; x and y are fractions of the frame
const ZOOMS = [0.5, 16];
const FULL_DRAG = 500; // px of dragging that cross the film's whole range of values
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export class Pane {
  // tool() names what dragging does now; chosen(pane) is called when the pane is pressed or focused, changed(pane)
  // after a change, enlarge(pane) on a double click.
  constructor({ tool, chosen, changed, enlarge }) {
    Object.assign(this, { tool, changed, film: null, map: null, opacity: 0.6 });
    Object.assign(this, { look: { ...AS_SENT }, place: { ...WHOLE } });
    this.element = document.createElement("figure");
    this.element.className = "pane";
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "group");
    [this.picture, this.overlay] = ["picture", "overlay"].map((name) => {
      const canvas = document.createElement("canvas");
      canvas.className = name;
      canvas.setAttribute("role", "img");
      this.element.append(canvas);
      return canvas;
    });
    this.overlay.setAttribute("aria-hidden", "true");
    [this.label, this.reading, this.waiting] = ["label", "reading", "waiting"].map((name) => {
      const corner = document.createElement(name === "label" ? "figcaption" : "span");
      corner.className = name;
      this.element.append(corner);
      return corner;
    });
    this.pointers = new Map();
    this.element.addEventListener("focus", () => chosen(this));
    this.element.addEventListener("pointerdown", (event) => { chosen(this); this.press(event); });
    this.element.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) {
      this.element.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    }
    this.element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.element.addEventListener("dblclick", () => enlarge(this));
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  // A film in the place of another of the same shape is seen as that one was.
  show(film) {
    const same = this.film && Math.abs(this.film.rows / this.film.columns - film.rows / film.columns) < 0.02;
    this.film = film;
    this.map = null;
    this.waiting.textContent = "";
    this.name(film.label);
    if (same) this.draw(true); else this.reset();
  }

  wait(label, words) {
    this.name(label);
    this.waiting.textContent = words;
  }

  name(label) {
    this.label.textContent = label;
    this.element.setAttribute("aria-label", label);
    this.picture.setAttribute("aria-label", `${label} film`);
  }

  heat(map) { // one of colours.js's pictures, or null
    this.map = map;
    this.draw();
  }

  adjust(change) { // of the window: {width, level} are added, inverted is set
    if (!this.film) return;
    this.look.width = clamp(this.look.width + (change.width ?? 0), 0.01, 2);
    this.look.level = clamp(this.look.level + (change.level ?? 0), 0, 1);
    this.look.inverted = change.inverted ?? this.look.inverted;
    this.draw(true);
  }

  move(dx, dy) { // in fractions of the frame
    this.place.x = clamp(this.place.x + dx, -this.place.zoom, this.place.zoom);
    this.place.y = clamp(this.place.y + dy, -this.place.zoom, this.place.zoom);
    this.draw();
  }

  zoom(factor, x = 0, y = 0) { // about a point, in fractions of the frame from its middle
    const zoom = clamp(this.place.zoom * factor, ...ZOOMS);
    const by = zoom / this.place.zoom;
    this.place = { zoom, x: x - (x - this.place.x) * by, y: y - (y - this.place.y) * by };
    this.draw();
  }

  fit() {
    this.place = { ...WHOLE };
    this.draw();
  }

  reset() {
    this.look = { ...AS_SENT };
    this.place = { ...WHOLE };
    this.draw(true);
  }

  press(event) {
    if (event.button > 1 || !this.film) return;
    this.element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (event.button === 1) event.preventDefault(); // no scrolling by the middle button
  }

  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const { width, height, left, top } = this.element.getBoundingClientRect();
    const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size === 2) {
      const other = [...this.pointers.values()].find((p) => p.pointerId !== event.pointerId);
      const apart = (p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY) || 1;
      const [x, y] = [(other.clientX - left) / width - 0.5, (other.clientY - top) / height - 0.5];
      this.zoom(apart(event) / apart(before), x, y);
      this.move(dx / width / 2, dy / height / 2);
    } else if (event.shiftKey || event.buttons === 4 || this.tool() === "pan") {
      this.move(dx / width, dy / height);
    } else if (this.tool() === "zoom") {
      this.zoom(1.005 ** -dy);
    } else {
      this.adjust({ width: dx / FULL_DRAG, level: dy / FULL_DRAG });
    }
  }

  wheel(event) {
    if (!this.film || event.ctrlKey) return; // Ctrl and wheel zoom the page
    event.preventDefault();
    const { width, height, left, top } = this.element.getBoundingClientRect();
    this.zoom(1.0015 ** -event.deltaY, (event.clientX - left) / width - 0.5, (event.clientY - top) / height - 0.5);
  }

  // At the next frame; `anew` where gray values change, not only their place.
  draw(anew = false) {
    this.anew ||= anew;
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.paint(); });
  }

  paint() {
    const { clientWidth, clientHeight } = this.element;
    if (!this.film || !clientWidth || !clientHeight) return;
    if (this.anew) this.seen = this.film.through(this.look);
    this.anew = false;
    const { rows, columns } = this.film;
    const scale = Math.min(clientWidth / columns, clientHeight / rows) * this.place.zoom;
    const box = [
      clientWidth * (0.5 + this.place.x) - (columns * scale) / 2,
      clientHeight * (0.5 + this.place.y) - (rows * scale) / 2,
      columns * scale, rows * scale,
    ].map((px) => px * devicePixelRatio);
    for (const [canvas, source, alpha] of [[this.picture, this.seen, 1], [this.overlay, this.map, this.opacity]]) {
      canvas.width = Math.round(clientWidth * devicePixelRatio); // also clears it
      canvas.height = Math.round(clientHeight * devicePixelRatio);
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.globalAlpha = alpha;
      if (source) context.drawImage(source, ...box);
    }
    const percent = (share) => `${Math.round(100 * share)} %`;
    this.reading.textContent = `W ${percent(this.look.width)}  L ${percent(this.look.level)}  ×${scale.toFixed(2)}`;
    this.changed(this);
  }
}
