// The table of shortcuts: [key names, words, action]. keys.js obeys it and shows it as the help.

import { hush } from "./messages.js";
import { nextTheme } from "./theme.js";

const $ = (id) => document.getElementById(id);
const TOOLS = { w: "window", p: "pan", z: "zoom" };
const MOVES = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 };
const WINDOW_STEP = 0.05; // of the film's range of values
const MOVE_STEP = 0.05; // of the frame
const ZOOM_STEP = 1.2;

// stop() ends the draft that is being written, and is false where there is none. An action that is false did nothing.
export function shortcuts({ viewer, report, sentences, worklist, another, stop }) {
  const film = (act) => (event) => (viewer.active?.film ? act(viewer.active, event) : false);
  const windowed = (pane, by) => pane.adjust({ width: by * WINDOW_STEP });
  const levelled = (pane, by) => pane.adjust({ level: by * WINDOW_STEP });
  const sideways = (pane, by) => pane.move(by * MOVE_STEP, 0);
  const upright = (pane, by) => pane.move(0, by * MOVE_STEP);
  const onFilm = (act) => film((pane, event) => (event.target.closest(".pane") ? act(pane, MOVES[event.key]) : false));
  return [
    [["o"], "Open films", () => $("files").click()],
    [["n"], "Another study", another],
    [["j"], "Next sentence and its heat map", () => sentences.step(1)],
    [["k"], "Sentence before", () => sentences.step(-1)],
    [["m"], "Heat map on and off", () => viewer.toggleMap()],
    [["[", "]"], "Heat map fainter, stronger", ({ key }) => viewer.fade(key === "[" ? -10 : 10)],
    [["e"], "Edit the text, at the sentence chosen", () => report.edit(sentences.chosen())],
    [["Ctrl+Enter"], "Accept the text", () => { report.accept(); }],
    [["c"], "Copy the text with the notice", () => { report.copy(); }],
    [["d"], "To the downloads", () => $("downloads").querySelector("button")?.focus()],
    [["w", "p", "z"], "Dragging: window, pan, zoom", ({ key }) => viewer.use(TOOLS[key.toLowerCase()])],
    [["ArrowLeft", "ArrowRight"], "On a film: window narrower, wider", onFilm(windowed)],
    [["ArrowUp", "ArrowDown"], "On a film: level", onFilm(levelled)],
    [["Shift+ArrowLeft", "Shift+ArrowRight"], "On a film: move it sideways", onFilm(sideways)],
    [["Shift+ArrowUp", "Shift+ArrowDown"], "On a film: move it up, down", onFilm(upright)],
    [["+", "-"], "Zoom", film((pane, { key }) => pane.zoom(key === "-" ? 1 / ZOOM_STEP : ZOOM_STEP))],
    [["i"], "Invert", film(() => viewer.invert())],
    [["f"], "Fit into the frame", film(() => viewer.fit())],
    [["r"], "Reset every film", film(() => viewer.reset())],
    [["1", "2", "3", "4"], "One film alone", ({ key }) => viewer.only(Number(key) - 1)],
    [["g"], "All films side by side", () => viewer.only(null)],
    [["l"], "To the worklist", () => worklist.focus()],
    [["t"], "Theme: dark, light, as the system", nextTheme],
    [["?"], "This help", () => $("help-dialog").showModal()],
    [["Escape"], "Stop writing; close the message; leave the text; hide the heat map", () => {
      if (stop()) return;
      if (!$("message").hidden) hush();
      else if (document.activeElement === $("text")) $("draft").focus();
      else sentences.unpin();
    }],
  ];
}
