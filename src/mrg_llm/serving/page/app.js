// The page's story: films in, a draft sentence by sentence, its evidence over the films, a report out.

import * as api from "./api.js";
import { askKey, mayDiscard } from "./dialogs.js";
import { dropped, typed } from "./files.js";
import { Film, preview } from "./film.js";
import { obey } from "./keys.js";
import { announce, hush, tell, tellAndRetry } from "./messages.js";
import { Report } from "./report.js";
import { Sentences } from "./sentences.js";
import { shortcuts } from "./shortcuts.js";
import { nextTheme, startTheme } from "./theme.js";
import { projectionOf, Viewer } from "./viewer.js";
import { Worklist } from "./worklist.js";

const $ = (id) => document.getElementById(id);
const BUSY = ["busy", "draining"]; // codes of a server that may take the films later
const AGAIN = ["unreachable", "unauthorized", "deadline"]; // codes after which a person may want to try again
const PATIENCE = 5; // s to wait where a busy server does not say how long

const viewer = new Viewer();
const report = new Report({ say: (words, loud) => (loud ? tell(words, [], "note") : announce(words)), refused });
const worklist = new Worklist({ open: openItem, said: announce });
const sentences = new Sentences((n) => (
  viewer.heat(n, `Sentence ${n + 1}: the parts of the films that moved it most. It outlines no finding.`)
));
let writing = null; // the AbortController of the draft that is being written
let turn = 0; // counts studies: what arrives for an earlier one is not shown among the films of this one

async function start() {
  startTheme();
  api.whenKeyIsNeeded(askKey);
  try {
    const config = await api.config();
    $("model").textContent = config.model;
    report.configure(config);
    if (config.dicom) worklist.start();
  } catch (error) {
    refused(error, start);
  }
}

// Files of one study -> a draft. `anyway`: also of a film unlike those that the model was trained on.
async function write(files, anyway = false) {
  if (!files.length || !(await mayDiscard(report.unsaved()))) return;
  clear("Writing");
  writing = new AbortController();
  const { signal } = writing;
  $("cancel").hidden = false;
  try {
    const films = await Promise.all(files.map(typed));
    if (signal.aborted) return;
    showAtOnce(films);
    const told = { indication: $("indication").value.trim(), prior: $("prior").value.trim(), anyway };
    for await (const { event, data } of api.draft(films, told, signal)) {
      if (event === "sentence") {
        sentences.add(data.text);
        announce(data.text);
      } else if (event === "error") {
        throw new api.Refusal(api.sentence(data.message), { code: data.code });
      } else if (event === "report") {
        await show(data);
        return;
      }
    }
    throw new api.Refusal("The connection broke before the draft was whole.");
  } catch (error) {
    if (signal.aborted) return;
    stopped();
    state("No draft", "open");
    refused(error, () => write(files, anyway), () => write(files, true));
  } finally {
    if (writing?.signal === signal) stopped();
  }
}

// PNG and JPEG can be looked at while the draft is written; DICOM is read by the server.
function showAtOnce(films) {
  const mine = turn;
  const label = (n) => (films.length > 1 ? `Film ${n + 1}` : "Film");
  viewer.open(films.map((_, n) => label(n)), "Shown when the server has read it");
  films.forEach(async (film, n) => {
    if (!film.type.startsWith("image/")) return;
    const shown = await preview(film, label(n)).catch(() => null); // the server will say what is wrong with it
    if (shown && writing && mine === turn) viewer.show(n, shown);
  });
}

async function show(draft) {
  stopped();
  sentences.show(draft);
  report.open(draft);
  state("Preliminary", "done");
  $("draft-by").textContent = `by ${draft.model} in ${draft.seconds.toFixed(1)} s`;
  const uncertain = draft.sentences.filter(({ marked }) => marked).length;
  announce(`The draft is whole: ${draft.sentences.length} sentences, ${uncertain} uncertain.`);
  if (sentences.pinned !== null) sentences.pin(sentences.pinned);
  const mine = turn;
  await showFilms(draft);
  if (mine === turn) await showMaps(draft);
}

async function showFilms({ id, views }) {
  const mine = turn;
  try {
    const films = await Promise.all(views.map(async (_, n) => (
      new Film({ ...(await api.film(id, n)), view: n, label: named(views, n) })
    )));
    if (mine === turn) viewer.showReport(views, films);
  } catch (error) {
    if (mine === turn) refused(error, () => showFilms({ id, views }));
  }
}

async function showMaps({ id }) {
  const mine = turn;
  viewer.take(null, "Heat maps are on their way.");
  try {
    const maps = await api.maps(id);
    if (mine === turn) viewer.take(maps);
  } catch (error) {
    if (mine !== turn) return;
    viewer.take(null, "There are no heat maps of this draft.");
    if (error.code !== "not_available") refused(error, () => showMaps({ id }));
  }
}

function named(views, n) {
  const name = projectionOf(views[n]);
  const said = views[n].projection;
  if (!name) return said ? `Film ${n + 1} (${said})` : `Film ${n + 1}`;
  return name[0].toUpperCase() + name.slice(1) + (said.toLowerCase() === name ? "" : ` (${said})`);
}

async function openItem(id, name) {
  if (!(await mayDiscard(report.unsaved()))) return;
  clear("Opening");
  const mine = turn;
  worklist.mark(id);
  try {
    const draft = await api.worklistReport(id);
    if (mine !== turn) return;
    announce(`${name} opened.`);
    await show(draft);
  } catch (error) {
    if (mine !== turn) return;
    state("No draft", "open");
    refused(error, () => openItem(id, name));
  }
}

// What the server refused, in its own words, with what can be done about it.
function refused(error, again, anyway = null) {
  if (!(error instanceof api.Refusal)) throw error;
  if (!again) return tell(error.message);
  if (error.code === "unfamiliar_film" && anyway) tell(error.message, [["Write anyway", anyway]]);
  else if (error.status === 503 || BUSY.includes(error.code)) tellAndRetry(error.message, error.retryAfter ?? PATIENCE, again);
  else if (AGAIN.includes(error.code)) tell(error.message, [["Try again", again]]);
  else tell(error.message);
}

function clear(words = "") {
  turn += 1;
  writing?.abort();
  hush();
  sentences.clear();
  report.clear();
  viewer.heat(null);
  viewer.take(null);
  viewer.resize(0);
  worklist.mark(null);
  $("draft-by").textContent = "";
  state(words, "open");
}

function stopped() {
  writing = null;
  $("cancel").hidden = true;
}

function state(words, kind = "") {
  $("draft-state").textContent = words;
  $("draft-state").dataset.kind = kind;
  $("draft").setAttribute("aria-busy", words === "Writing");
  $("draft-empty").textContent = words === "No draft" ? "No draft was written."
    : "The draft appears here sentence by sentence, each with its confidence.";
}

function stop() { // false where nothing is being written
  if (!writing) return false;
  writing.abort();
  stopped();
  state("Stopped");
  announce("Stopped.");
  return true;
}

async function another() { // back to the place where films are dropped
  if (!(await mayDiscard(report.unsaved()))) return;
  clear();
  state("No study");
  $("choose").focus();
}

function listen() {
  $("choose").addEventListener("click", () => $("files").click());
  $("open").addEventListener("click", () => $("files").click());
  $("files").addEventListener("change", () => { write([...$("files").files]); $("files").value = ""; });
  $("cancel").addEventListener("click", stop);
  $("theme").addEventListener("click", nextTheme);
  addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dragging"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dragging"); });
  addEventListener("drop", async (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    write(await dropped(event.dataTransfer));
  });
  obey(shortcuts({ viewer, report, sentences, worklist, another, stop }));
}

listen();
start();
